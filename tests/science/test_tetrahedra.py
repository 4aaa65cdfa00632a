"""States below an energy: closed forms, invariants, phonopy's own tetrahedra."""

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from phonopy.phonon.spectrum import TetrahedronDOSAccumulator

from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.tetrahedra import mesh_tetrahedra, states_below

ONE = {'tetrahedra': np.array([[0, 1, 2, 3]]), 'weights': np.ones(1)}


@pytest.mark.parametrize(
    ('corners', 'closed_form'),
    [
        ([0, 1, 1, 1], lambda e: e**3),
        ([0, 0, 0, 1], lambda e: 1 - (1 - e) ** 3),
        ([0, 0, 1, 1], lambda e: 3 * e**2 - 2 * e**3),
        ([0.52, 0.52, 0.52, 0.52], lambda e: 1.0 * (e > 0.52)),
    ],
)
def test_one_tetrahedron(corners, closed_form):
    """Volumes cut off by planes through a tetrahedron, by hand."""
    energies = np.linspace(-0.5, 1.5, 41)
    found = states_below(energies=energies, frequencies=np.array([corners], float).T, **ONE)
    assert found == pytest.approx(closed_form(np.clip(energies, 0, 1)), abs=1e-14)


def test_points_thrown_at_random():
    """Share of random points of a tetrahedron at which the linear band lies below E."""
    corners = np.array([0.1, 0.35, 0.4, 0.9])
    inside = np.random.default_rng(1).dirichlet(np.ones(4), size=400_000) @ corners
    energies = np.linspace(0.1, 0.9, 17)
    found = states_below(energies=energies, frequencies=corners[:, None], **ONE)
    counted = (inside[:, None] < energies).mean(axis=0)
    assert found == pytest.approx(counted, abs=3e-3)


@given(
    frequencies=arrays(float, (4, 3), elements=st.floats(-100, 4000)),
    order=st.permutations(range(4)),
)
def test_states_rise_to_all_whatever_the_order(frequencies, order):
    frequencies = np.sort(frequencies, axis=1)
    energies = np.linspace(frequencies.min() - 1, frequencies.max() + 1, 50)
    found = states_below(energies=energies, frequencies=frequencies, **ONE)
    assert found[0] == 0
    assert found[-1] == pytest.approx(3, abs=1e-9)
    assert (np.diff(found) > -1e-9).all()
    again = states_below(energies=energies, frequencies=frequencies[list(order)], **ONE)
    assert again == pytest.approx(found, abs=1e-9)


@pytest.fixture(scope='module')
def alloy():
    """Cu₃Au, cubic, four atoms."""
    atoms = bulk('Cu', a=3.74, cubic=True)
    atoms.symbols[0] = 'Au'
    return calculate_force_constants(atoms=atoms, calculator=EMT(), supercell_matrix=2 * np.eye(3))


def test_phonopy_counts_the_same_states(alloy):
    """phonopy with every q point of the mesh; it reduces tetrahedra by symmetry in another way."""
    mesh = alloy.run_mesh([5, 5, 5], is_gamma_center=True, is_mesh_symmetry=False)
    energies = np.linspace(mesh.frequencies.min() - 0.1, mesh.frequencies.max() + 0.1, 301)
    theirs = TetrahedronDOSAccumulator(
        mesh.frequencies,
        mesh.bz_grid,
        ir_grid_points=mesh.ir_grid_points,
        ir_grid_weights=mesh.weights,
        ir_grid_map=mesh.grid_mapping_table,
        sampling_points=energies,
    ).result.cumulative[0, :, 0]
    tetrahedra, weights = mesh_tetrahedra(mesh)
    ours = states_below(
        energies=energies, frequencies=mesh.frequencies, tetrahedra=tetrahedra, weights=weights
    )
    assert weights.sum() == pytest.approx(1)
    assert ours == pytest.approx(theirs, abs=1e-8)


def test_symmetry_changes_only_the_work(alloy):
    energies = np.linspace(0, 9, 101)
    found = []
    for symmetric in (True, False):
        mesh = alloy.run_mesh([6, 6, 6], is_gamma_center=True, is_mesh_symmetry=symmetric)
        tetrahedra, weights = mesh_tetrahedra(mesh)
        found.append((len(tetrahedra), states_below(
            energies=energies, frequencies=mesh.frequencies, tetrahedra=tetrahedra, weights=weights
        )))  # fmt: skip
    assert found[0][0] < found[1][0] / 4
    assert found[0][1] == pytest.approx(found[1][1], abs=1e-6)


@pytest.mark.parametrize('pitch', [2.0, 50.0, 1000.0])
def test_density_of_states_sums_to_all_modes(alloy, pitch):
    """Also where bands are much narrower than the pitch."""
    modes = mesh_modes(phonon=alloy, mesh=[4, 4, 4], pitch=pitch)
    assert modes.dos.sum() * pitch == pytest.approx(12, abs=1e-9)
    assert np.diff(modes.dos_frequency) == pytest.approx(pitch)
