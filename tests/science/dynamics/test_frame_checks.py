"""Checks of single frames: bond graphs, sites, neighbour lists that hold, state that goes on."""

import json
import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.neighborlist import neighbor_list
from lj_rutile import rutile
from md_trajectories import (
    Trajectory,
    bond_breaks,
    brucite,
    brucite_cell,
    chains,
    molecular_cell,
    proton_jumps,
    rutile_hydride,
    silicon,
)

from aiida_insbench.science.dynamics.bond_graph import bond_graph
from aiida_insbench.science.dynamics.close_pairs import ClosePairs
from aiida_insbench.science.dynamics.frame_checks import FrameChecks
from aiida_insbench.science.dynamics.thresholds import Thresholds, read_thresholds
from aiida_insbench.science.dynamics.unit_sites import UnitSites
from aiida_insbench.science.errors import InputError, StructureError


def graph_of(atoms):
    return bond_graph(atoms, bond_fraction=1.25)


def follow(trajectory: Trajectory, checks: FrameChecks, frames) -> list:
    run = trajectory.run
    return [
        checks.check(run.times[k], k, run.positions[k], run.velocities[k], run.cells[k])
        for k in frames
    ]


def test_bonds_of_metals_count_in_molecules_only() -> None:
    assert len(graph_of(bulk('Cu', cubic=True)).first) == 0
    assert len(graph_of(rutile()).first) == 0
    complex_ = Atoms('ZnCl2', positions=[(0, 0, 0), (2.1, 0, 0), (-2.1, 0, 0)], cell=[9] * 3, pbc=1)
    assert len(graph_of(complex_).first) == 2


def test_brucite_is_metal_and_hydroxide() -> None:
    """Only O–H is a bond; its oxygen and hydrogen are one unit."""
    atoms = brucite_cell()
    graph = graph_of(atoms)
    assert graph.lengths == pytest.approx([0.2 * 4.75] * 36)
    assert sorted(set(graph.names)) == ['HO', 'Mg']
    assert len(graph.names) == 54


def test_silicon_is_one_framework() -> None:
    """Four bonds an atom, each once; nothing to leave."""
    graph = graph_of(bulk('Si', cubic=True, a=5.43))
    assert len(graph.first) == 16
    assert graph.names == ('Si8',)
    assert np.isinf(graph.spacing).all()
    # in the primitive cell two atoms share four bonds to different images
    assert len(graph_of(bulk('Si', a=5.43)).first) == 4


def test_spacing_is_that_of_centres() -> None:
    graph = graph_of(molecular_cell('C6H6', 6.4))
    assert graph.spacing == pytest.approx(np.full(8, 6.4), abs=1e-6)
    assert graph_of(bulk('Cu', a=3.6)).spacing == pytest.approx([3.6 / np.sqrt(2)])


def test_sites_ignore_strain_rotation_and_drift() -> None:
    atoms = molecular_cell('C6H6', 6.4)
    sites = UnitSites(atoms, graph_of(atoms))
    strain = np.eye(3) + 0.05 * np.random.default_rng(0).standard_normal((3, 3))
    positions, cell = atoms.positions @ strain + [3.0, -50.0, 2.0], atoms.cell.array @ strain
    assert np.abs(sites.displacements(positions, cell)).max() < 1e-10
    positions = atoms.positions.copy()
    positions[12:24] += [0.8, 0, 0]
    moved = sites.displacements(positions, atoms.cell.array)
    assert moved[1] == pytest.approx([0.7, 0, 0])
    assert moved[2] == pytest.approx([-0.1, 0, 0])


@pytest.mark.parametrize('matrix', [(1, 1, 1), (2, 2, 3)])
def test_listed_pairs_are_all_pairs(matrix) -> None:
    """Atoms that walk and a cell that deforms, against a list made anew; small cells too."""
    atoms = rutile() * matrix
    rng = np.random.default_rng(3)
    pairs = ClosePairs(atoms, graph_of(atoms), bond_fraction=1.25, contact_fraction=0.9)
    moving = atoms.copy()
    seen = 0
    for _ in range(60):
        moving.set_cell(moving.cell.array @ (np.eye(3) + 0.01 * rng.standard_normal((3, 3))), True)
        moving.positions += 0.08 * rng.standard_normal(moving.positions.shape) + [0.3, 0, 0]
        found = [*pairs.contacts(pairs.distances(moving.positions, moving.cell.array))]
        radii = {'Mg': 1.41, 'H': 0.31}
        bonds = {(a, b): 0.9 * (radii[a] + radii[b]) for a in radii for b in radii}
        wanted = neighbor_list('d', moving, bonds)
        assert sorted(d for _, d, _ in found) == pytest.approx(sorted(wanted)[::2])
        seen += len(found)
    assert seen > 20


@pytest.mark.parametrize('make', [bond_breaks, proton_jumps])
def test_goes_on_from_a_state(make) -> None:
    """Stopped and resumed through JSON at any frame, the same is found at the same time."""
    trajectory = make()

    def fresh():
        return FrameChecks(trajectory.reference, Thresholds(), temperature=300.0)

    whole = follow(trajectory, fresh(), range(170))
    assert any(whole)
    first = next(k for k, one in enumerate(whole) if one)
    for cut in (first - 3, first, first + 1):
        before = fresh()
        found = follow(trajectory, before, range(cut))
        after = fresh()
        after.restore(json.loads(json.dumps(before.state())))
        assert found + follow(trajectory, after, range(cut, 170)) == whole


def test_a_stretched_bond_needs_time() -> None:
    """1.4 times its length: sound for 0.05 ps, broken after 0.1 ps since it began; 1.7 at once."""
    atoms = molecular_cell('H2O', 4.0)

    def check(factor, times, **given):
        checks = FrameChecks(atoms, read_thresholds(given), temperature=300.0)
        positions = atoms.positions.copy()
        arm = atoms.get_distance(0, 1, mic=True, vector=True)
        positions[1] += (factor - 1) * arm
        still = np.zeros_like(positions)
        return [checks.check(t, k, positions, still, atoms.cell.array) for k, t in enumerate(times)]

    assert check(1.4, [0.0, 0.05]) == [None, None]
    found = check(1.4, [3.0, 3.05, 3.1])[-1]
    assert (found.check, found.time, found.frame, found.atoms) == ('bond_broken', 3.0, 0, (0, 1))
    assert found.limit == pytest.approx(1.3 * 0.969, abs=2e-3)
    assert check(1.7, [0.0])[0].check == 'bond_broken'
    assert check(1.2, [0.0, 1.0]) == [None, None]
    assert check(1.4, [0.0], bond_lifetime=0.0)[0].check == 'bond_broken'
    assert check(1.4, [0.0, 1.0], bond_stretch=1.5) == [None, None]


@pytest.mark.parametrize(
    ('name', 'value'),
    [
        ('temperature_explosion', 1.01),
        ('min_distance_fraction', 0.87),
        ('volume_ratio', [0.99999, 1.00001]),
        ('max_strain', 0.001),
        ('site_fraction', 0.01),
    ],
)
def test_every_threshold_is_read(name, value) -> None:
    """A sound run is none by a limit that is too tight."""
    trajectory = brucite()
    run = trajectory.run
    checks = FrameChecks(trajectory.reference, read_thresholds({name: value}), temperature=50.0)
    found = set()
    for k in range(100):
        cell = run.cells[k] * (1 + 0.01 * np.sin(k))
        positions = run.positions[k] @ np.linalg.inv(run.cells[k]) @ cell
        velocities = run.velocities[k] * np.sqrt(50 / 300) * 1.2
        found |= {
            one.check for one in checks.check_all(run.times[k], k, positions, velocities, cell)
        }
    wanted = {
        'temperature_explosion': 'temperature_explosion',
        'min_distance_fraction': 'contact',
        'volume_ratio': 'volume',
        'max_strain': 'cell_shape',
        'site_fraction': 'site',
    }[name]
    assert found == ({wanted} if name != 'temperature_explosion' else set())
    if name == 'temperature_explosion':  # 90 atoms seldom have 1.9 times the temperature
        hot = checks.check_all(9.0, 9, run.positions[0], 2 * run.velocities[0], run.cells[0])
        assert [one.check for one in hot] == [wanted]


def test_few_atoms_may_be_hot() -> None:
    """Two atoms have three degrees of freedom: five times the target is no explosion."""
    atoms = bulk('Si', a=5.43)
    checks = FrameChecks(atoms, Thresholds(), temperature=300.0)
    speed = np.sqrt(5 * 3 * 8.617e-5 * 300 / 28.085 / 2 * 9648.53)  # Å/ps, either way
    velocities = np.array([[speed, 0, 0], [-speed, 0, 0]])
    assert checks.check(0.0, 0, atoms.positions, velocities, atoms.cell.array) is None
    found = checks.check(0.0, 0, atoms.positions, 4 * velocities, atoms.cell.array)
    assert found.check == 'temperature_explosion'
    assert found.value == pytest.approx(16 * 5 * 300, rel=1e-2)


def test_bad_input() -> None:
    atoms = chains()
    with pytest.raises(InputError, match='temperature is 0'):
        FrameChecks(atoms, Thresholds(), temperature=0.0)
    with pytest.raises(StructureError, match='not periodic'):
        FrameChecks(Atoms('H'), Thresholds(), temperature=1.0)
    atoms.positions[1] = atoms.positions[0] + [0.4, 0, 0]
    with pytest.raises(StructureError, match=r'O0 and H1 of the reference are 0\.40 Å apart'):
        FrameChecks(atoms, Thresholds(), temperature=300.0)
    checks = FrameChecks(chains(), Thresholds(), temperature=300.0)
    with pytest.raises(InputError, match='state is not that of checks'):
        checks.restore({'site': []})


def test_fast_enough_for_every_frame() -> None:
    """72 atoms: the median well below 1 ms on a machine that does nothing else."""
    trajectory = rutile_hydride()
    run = trajectory.run
    checks = FrameChecks(trajectory.reference, Thresholds(), temperature=300.0)
    taken = []
    for k in range(100):
        begin = time.perf_counter()
        checks.check(run.times[k], k, run.positions[k], run.velocities[k], run.cells[k])
        taken.append(time.perf_counter() - begin)
    assert len(trajectory.reference) == 72
    assert np.median(taken) < 3e-3


def test_sound_frames_of_silicon_pass() -> None:
    trajectory = silicon()
    checks = FrameChecks(trajectory.reference, Thresholds(), temperature=300.0)
    assert follow(trajectory, checks, range(100)) == [None] * 100
    assert checks.state() == {'bond_broken': [], 'bond_formed': [], 'site': []}
