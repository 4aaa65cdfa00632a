"""Slopes and Grüneisen parameters of the table against lattice sums, without any force.

An ordered alloy KrAr with one Lennard-Jones potential between all atoms stands on the sites of fcc,
in layers (L1₀, two atoms in the cell). Energy, pressure and the three optical modes at Γ are sums
over neighbours of φ, φ′ and φ″ at one lattice parameter.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from ase import Atoms, units
from ase.calculators.lj import LennardJones

from aiida_insbench.jobs.analyse import run
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.phonons import calculate_force_constants, save_force_constants
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.relaxation import relax

SIGMA, EPSILON, CUTOFF = 3.4, 0.3, 7.5  # Å, eV: thirty times argon's depth
ONSET = 0.66 * CUTOFF
PRESSURES = (1.0, 2.0, 3.0, 4.0, 5.0)
PER_FORCE = 521.4708983725064  # cm⁻¹ of 1 eV/(Å² u)


def potential(r):
    """φ(r) of ASE's smooth Lennard-Jones potential: 4ε[(σ/r)¹² − (σ/r)⁶] s(r)."""
    bare = 4 * EPSILON * ((SIGMA / r) ** 12 - (SIGMA / r) ** 6)
    x, inner, outer = r**2, ONSET**2, CUTOFF**2
    switch = (outer - x) ** 2 * (outer + 2 * x - 3 * inner) / (outer - inner) ** 3
    return bare * np.where(r < ONSET, 1.0, np.where(r < CUTOFF, switch, 0.0))


def derivatives(r, step=1e-3):
    """φ′ and φ″ by central differences of fourth order."""
    values = [potential(r + k * step) for k in (-2, -1, 0, 1, 2)]
    first = (values[0] - 8 * values[1] + 8 * values[3] - values[4]) / (12 * step)
    second = (-values[0] + 16 * values[1] - 30 * values[2] + 16 * values[3] - values[4]) / (
        12 * step**2
    )
    return first, second


def neighbours(edge):
    """Vectors to all neighbours in fcc of a cubic edge, and whether they are of the other kind."""
    points = np.array([p for p in itertools.product(range(-8, 9), repeat=3) if sum(p) % 2 == 0])
    points = points[np.any(points != 0, axis=1)]
    vectors = 0.5 * edge * points
    near = np.linalg.norm(vectors, axis=1) < CUTOFF
    return vectors[near], points[near][:, 2] % 2 == 1


def pressure_of(edge):
    """P = −dE/dV = −Σ r φ′/(6 V) per atom, GPa."""
    lengths = np.linalg.norm(neighbours(edge)[0], axis=1)
    first, _ = derivatives(lengths)
    return -(lengths * first).sum() / 2 / (3 * edge**3 / 4) / units.GPa


def optical_modes(edge, masses):
    """ω(x, y, z) at Γ: K/μ with K = Σ over the other kind of φ″ r̂r̂ + φ′/r (1 − r̂r̂)."""
    vectors, unlike = neighbours(edge)
    lengths = np.linalg.norm(vectors, axis=1)
    first, second = derivatives(lengths)
    along = (vectors / lengths[:, None]) ** 2
    springs = along * second[:, None] + (1 - along) * (first / lengths)[:, None]
    reduced = masses.prod() / masses.sum()
    return PER_FORCE * np.sqrt(springs[unlike].sum(axis=0) / reduced)


def edge_at(pressure):
    low, high = 4.5, 5.6
    for _ in range(60):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if pressure_of(middle) > pressure else (low, middle)
    return 0.5 * (low + high)


@pytest.fixture(scope='module')
def analysed(tmp_path_factory):
    """Relaxed at five pressures, force constants from forces, the stage's own table."""
    folder = tmp_path_factory.mktemp('alloy')
    edge = 5.2
    atoms = Atoms(
        'KrAr',
        cell=np.diag([edge / np.sqrt(2), edge / np.sqrt(2), edge]),
        scaled_positions=[[0, 0, 0], [0.5, 0.5, 0.5]],
        pbc=True,
    )
    calculator = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF, smooth=True)
    files, cells = {}, {}
    for pressure in PRESSURES:
        relaxed = relax(
            atoms=atoms,
            calculator=calculator,
            pressure=pressure,
            fmax=1e-6,
            stress_tolerance=1e-5,
        )
        atoms, label = relaxed.atoms, pressure_label(pressure)
        cells[label] = atoms
        phonon = calculate_force_constants(
            atoms=atoms, calculator=calculator, supercell_matrix=np.diag([2, 2, 1])
        )
        files[label] = f'{label}.yaml'
        save_force_constants(phonon=phonon, path=folder / files[label])
    job = {'phonons': {'lj': files}, 'settings': {}}
    result = run(job, folder, Progress(folder, 'analyse'))
    return result['potentials']['lj'], cells


def test_lattice_sums_are_those_of_the_program():
    """E of the lattice sum against ASE's own energy."""
    vectors, _ = neighbours(5.1)
    energy = potential(np.linalg.norm(vectors, axis=1)).sum() / 2
    sites = [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]
    atoms = Atoms('Ar4', cell=5.1 * np.eye(3), scaled_positions=sites, pbc=True)
    atoms.calc = LennardJones(sigma=SIGMA, epsilon=EPSILON, rc=CUTOFF, ro=ONSET, smooth=True)
    assert energy == pytest.approx(atoms.get_potential_energy() / 4, rel=1e-9)


def test_cells_relax_to_the_pressure(analysed):
    for label, cell in analysed[1].items():
        expected = edge_at(int(label[2:]) / 1000)
        assert cell.cell.lengths() == pytest.approx(
            [expected / np.sqrt(2), expected / np.sqrt(2), expected], rel=1e-5
        )


def test_frequencies_are_those_of_the_second_derivatives(analysed):
    block, cells = analysed
    masses = next(iter(cells.values())).get_masses()
    flat, upright = sorted(block['modes'], key=lambda row: -row['degeneracy'])
    assert (flat['degeneracy'], upright['degeneracy']) == (2, 1)
    for label, cell in cells.items():
        x, y, z = optical_modes(cell.cell.lengths()[2], masses)
        assert x == pytest.approx(y)
        assert abs(x - z) > 5
        assert flat['frequencies'][label] == pytest.approx(x, rel=5e-4)
        assert upright['frequencies'][label] == pytest.approx(z, rel=5e-4)


def test_slopes_and_gruneisen_parameters_are_derivatives(analysed):
    """dω/dP = (dω/da)/(dP/da) and γ = −(a/3ω) dω/da at the middle pressure."""
    block, cells = analysed
    masses = next(iter(cells.values())).get_masses()
    edge, step = edge_at(3.0), 1e-3
    modes = {k: optical_modes(edge + k * step, masses)[[0, 2]] for k in (-1, 0, 1)}
    by_edge = (modes[1] - modes[-1]) / (2 * step)
    stiffness = (pressure_of(edge + step) - pressure_of(edge - step)) / (2 * step)
    slopes, gruneisen = by_edge / stiffness, -edge / 3 * by_edge / modes[0]
    rows = sorted(block['modes'], key=lambda row: -row['degeneracy'])
    for row, slope, parameter in zip(rows, slopes, gruneisen, strict=True):
        assert row['slope'] == pytest.approx(slope, rel=1e-2)
        assert row['gruneisen'] == pytest.approx(parameter, rel=2e-3)
        inner = row['frequencies']['p_4000'] - row['frequencies']['p_2000']
        assert inner / 2 == pytest.approx(slope, rel=3e-3)
        assert row['direction'] == 'blue'
