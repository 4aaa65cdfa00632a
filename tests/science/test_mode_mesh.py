"""Modes followed over a mesh: against phonopy's Grüneisen parameters and against supercells."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import make_supercell
from ase.calculators.lj import LennardJones
from hypothesis import given, settings
from hypothesis import strategies as st
from lj_rutile import forces_of, rutile
from phonopy.api_gruneisen import PhonopyGruneisen

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.mesh_table import mesh_table
from aiida_insbench.science.mode_mesh import (
    follow_mesh,
    heat_capacities,
    mean_gruneisen,
)
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.shifts import Tolerances

PRESSURES = {'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 2.0}
MESH = (3, 3, 3)


def phonons_of(atoms, matrix=(2, 2, 2)):
    return calculate_force_constants(
        atoms=atoms, calculator=forces_of(), supercell_matrix=np.diag(matrix)
    )


def alloy(scale=1.0):
    """Ordered alloy Ar3Kr on the lattice of fcc argon: stable, with optical modes at Γ."""
    sites = [(0, 0, 0), (0, 0.5, 0.5), (0.5, 0, 0.5), (0.5, 0.5, 0)]
    return Atoms('KrAr3', cell=np.eye(3) * 5.25 * scale, scaled_positions=sites, pbc=True)


def alloy_phonons(atoms):
    forces = LennardJones(sigma=3.4, epsilon=0.3, rc=7.0, smooth=True)
    return calculate_force_constants(
        atoms=atoms, calculator=forces, supercell_matrix=np.diag([2, 2, 2])
    )


def sizes(phonons):
    return [phonon.primitive.volume for phonon in phonons.values()]


def same_order(phonons):
    return {label: np.arange(len(one.primitive)) for label, one in phonons.items()}


@pytest.fixture(scope='module')
def scaled():
    """One crystal at three volumes, V(1 ± 0.3 %)."""
    states = [alloy_phonons(alloy(scale)) for scale in (1.001, 1.0, 0.999)]
    return dict(zip(PRESSURES, states, strict=True))


@pytest.fixture(scope='module')
def points(scaled):
    return follow_mesh(scaled, same_order(scaled), mesh=MESH)


def phonopys(scaled):
    """Phonopy's own: frequencies (cm⁻¹) and γ by q-point."""
    high, middle, low = scaled.values()
    own = PhonopyGruneisen(middle, high, low)
    own.set_mesh(MESH, is_gamma_center=True)
    qpoints, weights, frequencies, _, gruneisen = own.get_mesh()
    to_wavenumbers = 1e12 * units._hplanck / units._e / units.invcm
    return qpoints, weights, frequencies * to_wavenumbers, gruneisen


def test_gruneisen_parameters_are_those_of_phonopy(scaled, points):
    qpoints, weights, frequencies, gruneisen = phonopys(scaled)
    assert np.array([one.qpoint for one in points]) == pytest.approx(qpoints)
    assert [one.weight for one in points] == weights.tolist()
    for place, one in enumerate(points):
        optical = slice(None) if one.qpoint.any() else slice(3, None)
        mine = np.argsort(one.frequencies[1])
        assert one.frequencies[1][mine] == pytest.approx(frequencies[place][optical], abs=0.01)
        values = one.gruneisen(sizes(scaled))[mine]
        assert values == pytest.approx(gruneisen[place][optical], rel=1e-3)
        assert one.overlap.min() > 0.99


@pytest.mark.parametrize('temperature', [20.0, 300.0])
def test_mean_gruneisen_parameter_is_phonopys_weighted_by_heat_capacity(
    scaled, points, temperature
):
    qpoints, weights, frequencies, gruneisen = phonopys(scaled)
    acoustic = ~qpoints.any(axis=1)[:, None] & (np.arange(12) < 3)
    heat = weights[:, None] * heat_capacities(np.where(acoustic, 1.0, frequencies), temperature)
    expected = np.average(gruneisen[~acoustic], weights=heat[~acoustic])
    found = mean_gruneisen(points, volumes=sizes(scaled), temperature=temperature, at=1)
    assert found == pytest.approx(expected, rel=2e-3)
    assert mean_gruneisen(points, volumes=sizes(scaled), temperature=0.0, at=1) is None


@given(frequency=st.floats(1, 4000), temperature=st.floats(1, 2000))
def test_heat_capacity_is_the_derivative_of_the_energy(frequency, temperature):
    """C = dE/dT with E = ħω/(e^x − 1), by a difference; between 0 and k_B."""

    def energy(kelvin):
        return frequency * units.invcm / np.expm1(frequency * units.invcm / (units.kB * kelvin))

    found = float(heat_capacities(np.array([frequency]), temperature)[0])
    step = 1e-4 * temperature
    if frequency * units.invcm / (units.kB * temperature) < 500:
        slope = (energy(temperature + step) - energy(temperature - step)) / (2 * step) / units.kB
        assert found == pytest.approx(slope, rel=1e-4, abs=1e-9)
    assert 0 <= found <= 1


def test_overlaps_are_those_of_displacements_in_a_supercell():
    """Modes at q = (½, 0, 0) are modes at Γ of a doubled cell, where atoms are known by name.

    The inner coordinate changes by 0.04, and atoms are written on other images.
    """
    first, last = rutile(), rutile(0.98, 0.344)
    moved = last.copy()
    images = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [-1, 0, 1], [2, 0, 0], [0, 0, 0]])
    moved.positions += images @ moved.cell.array
    phonons = {'p_0000': phonons_of(first), 'p_1000': phonons_of(moved)}
    found = follow_mesh(phonons, same_order(phonons), mesh=(2, 1, 1))
    (edge,) = (one for one in found if one.qpoint.any())
    assert np.abs(edge.qpoint) == pytest.approx([0.5, 0, 0])
    double = np.diag([2, 1, 1])
    vectors = []
    for atoms in (first, last):
        phonon = phonons_of(make_supercell(atoms, double), (1, 2, 2))
        matrix = phonon.run_qpoints([[0, 0, 0]], with_dynamical_matrices=True).dynamical_matrices[0]
        _, columns = np.linalg.eigh(np.asarray(matrix).real)
        halves = columns.T.reshape(36, 2, 18)  # make_supercell repeats the whole cell
        odd = np.abs(halves[:, 0] + halves[:, 1]).max(axis=1) < 1e-4
        assert odd.sum() == 18
        vectors.append(columns.T[odd])
    weights = np.abs(vectors[0] @ vectors[1].T) ** 2
    # Modes are sums over degenerate sets in both, so compare what does not know the basis.
    expected = sorted(_set_weights(weights, edge))
    assert sorted(edge.overlaps[0]) == pytest.approx(expected, abs=2e-3)
    assert 0.3 < min(expected) < 0.98


def _set_weights(weights, edge):
    """Overlap of each followed mode with the set it comes from, in the supercell's vectors."""
    found = []
    for first, last in edge.frequencies.T:
        before, after = (
            np.flatnonzero(np.abs(np.sort(row) - value) < 1.0)
            for row, value in zip(edge.frequencies, (first, last), strict=True)
        )
        found.append(weights[np.ix_(before, after)].sum() / len(after))
    return found


@settings(max_examples=8)
@given(seed=st.integers(0, 100))
def test_images_origin_and_order_of_atoms_do_not_matter(scaled, points, seed):
    rng = np.random.default_rng(seed)
    order = rng.permutation(4)
    atoms = alloy(0.999)[order]
    atoms.positions += rng.integers(-2, 3, size=(4, 3)) @ atoms.cell.array
    atoms.positions += rng.uniform(-0.3, 0.3, size=3)
    phonons = {**scaled, 'p_2000': alloy_phonons(atoms)}
    orders = same_order(phonons) | {'p_2000': np.argsort(order)}
    again = follow_mesh(phonons, orders, mesh=MESH)
    for one, other in zip(again, points, strict=True):
        assert one.frequencies == pytest.approx(other.frequencies, abs=0.05)
        assert one.overlaps == pytest.approx(other.overlaps, abs=1e-3)


def test_table_and_summary(scaled, points):
    pressures, volumes = PRESSURES, dict(zip(PRESSURES, sizes(scaled), strict=True))
    tolerances = Tolerances(flat=0.01)
    table = mesh_table(
        points,
        mesh=MESH,
        pressures=pressures,
        volumes=volumes,
        temperature=300.0,
        tolerances=tolerances,
    )
    json.dumps(table, allow_nan=False)
    summary = table['summary']
    assert summary['n_modes'] == 12 * np.prod(MESH) - 3
    falling = sum(
        one.weight * int((one.frequencies[-1] < one.frequencies[0] - 0.01).sum()) for one in points
    )
    assert summary['n_red'] == falling
    assert summary['red_share'] == pytest.approx(falling / summary['n_modes'])
    slopes = [row['slope'] for row in summary['steepest']]
    assert slopes == sorted(slopes)
    assert all(slope < 0 for slope in slopes)
    for row in table['points']:
        assert len(row['slopes']) == len(row['overlaps']) == len(row['frequencies']['p_0000'])
        for mode, slope in enumerate(row['slopes']):
            first, last = (row['frequencies'][label][mode] for label in ('p_0000', 'p_2000'))
            assert slope == pytest.approx((last - first) / 2, abs=0.05)
    assert set(summary['mean_gruneisen']) == set(PRESSURES)


def test_one_pressure_has_no_slopes(scaled):
    one = {'p_0000': scaled['p_0000']}
    points = follow_mesh(one, same_order(one), mesh=(1, 1, 2))
    table = mesh_table(
        points,
        mesh=(1, 1, 2),
        pressures={'p_0000': 0.0},
        volumes={'p_0000': 1.0},
        temperature=300.0,
        tolerances=Tolerances(),
    )
    json.dumps(table, allow_nan=False)
    assert table['summary']['n_red'] is None
    assert set(itertools.chain(*(row['slopes'] for row in table['points']))) == {None}


@pytest.mark.parametrize('mesh', [(0, 1, 1), (2, 2), (1.5, 1, 1)])
def test_meshes_without_sense_are_refused(scaled, mesh):
    with pytest.raises(InputError, match='mesh'):
        follow_mesh(scaled, same_order(scaled), mesh=mesh)
