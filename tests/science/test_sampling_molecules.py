"""Molecular crystals: molecules moved as wholes, X–H bonds kept, molecules and atoms cut out."""

from typing import ClassVar

import ase.io
import numpy as np
import pytest
import symfc  # noqa: F401 - it raises the recursion limit: not while hypothesis runs
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator, all_changes
from ase.spacegroup import crystal
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import InputError, PressureError, StructureError
from aiida_insbench.science.frames import check_frames, read_frames, write_frames
from aiida_insbench.science.molecules import find_molecules
from aiida_insbench.science.sampling.cells import build_supercell, sampling_cell
from aiida_insbench.science.sampling.gas_molecules import GasMolecules, gas_molecule_frames
from aiida_insbench.science.sampling.isolated_atoms import EDGES, isolated_atom_frames
from aiida_insbench.science.sampling.kept_bonds import bonded_displacements, find_kept_bonds
from aiida_insbench.science.sampling.molecular_rattle import (
    MolecularRattle,
    molecular_rattle_about_each,
    molecular_rattle_frames,
)
from aiida_insbench.science.sampling.molecule_kinds import graph_fingerprint, molecule_kinds
from aiida_insbench.science.sampling.rigid_molecules import move_molecules, strain_rigidly
from aiida_insbench.science.sampling.strain_rattle import (
    StrainRattle,
    strain_rattle_about_each,
    strain_rattle_frames,
)

UNIT = np.eye(3, dtype=int)
STILL = {'C': (0.0, 0.0), 'H': (0.0, 0.0)}


@pytest.fixture(scope='module')
def benzene():
    """Two molecules a cell, some atoms wrapped to the other side of it."""
    flat, upright = molecule('C6H6'), molecule('C6H6')
    upright.rotate(80, 'x')
    upright.rotate(35, 'z')
    atoms = flat + upright
    atoms.set_cell([7.6, 7.6, 8.2])
    atoms.pbc = True
    atoms.positions[12:] += [3.8, 3.8, 4.1]
    atoms.wrap()
    return atoms


@pytest.fixture(scope='module')
def brucite():
    """Mg(OH)2: layers, with O–H bonds."""
    return crystal(
        ['Mg', 'O', 'H'],
        [(0, 0, 0), (1 / 3, 2 / 3, 0.22), (1 / 3, 2 / 3, 0.42)],
        spacegroup=164,
        cellpar=[3.14, 3.14, 4.75, 90, 90, 120],
    )


def cells(count, matrix=UNIT):
    return [sampling_cell(supercell_matrix=matrix, count=count)]


def molecular(atoms, *, count=5, seed=1, matrix=UNIT, pressures=(0.0,), **changes):
    settings = {
        'volume_range': (1.0, 1.0),
        'strain': 0.0,
        'translation': 0.0,
        'rotation': 0.0,
        'rattle': STILL,
        'bond_spread': 0.0,
    }
    return molecular_rattle_frames(
        atoms=atoms,
        pressures=pressures,
        cells=cells(count, matrix),
        settings=MolecularRattle(**(settings | changes)),
        seed=seed,
        prefix='m1',
    )


def inner_distances(atoms):
    """All distances inside each molecule, molecules in the order of their first atom."""
    return [
        np.linalg.norm(found.positions[:, None] - found.positions[None], axis=2)
        for found in find_molecules(atoms)
    ]


# --- whole molecules ------------------------------------------------------------------------


@given(st.integers(0, 1000))
def test_a_strained_cell_carries_molecules_undeformed(benzene, seed):
    half = np.random.default_rng(seed).normal(scale=0.03, size=(3, 3))
    deformation = np.eye(3) + half + half.T
    molecules = find_molecules(benzene)
    strained = strain_rigidly(atoms=benzene, molecules=molecules, deformation=deformation)
    assert strained.cell.array == pytest.approx(benzene.cell.array @ deformation)
    for before, after in zip(inner_distances(benzene), inner_distances(strained), strict=True):
        assert after == pytest.approx(before, abs=1e-10)
    masses = benzene.get_masses()
    for before, after in zip(molecules, find_molecules(strained), strict=True):
        centres = [
            np.average(found.positions, axis=0, weights=masses[found.atoms])
            for found in (before, after)
        ]
        fractions = [
            np.linalg.solve(cell.T, centre)
            for cell, centre in zip((benzene.cell, strained.cell), centres, strict=True)
        ]
        # the same place in the cell, up to whole cells
        moved = fractions[1] - fractions[0]
        assert moved == pytest.approx(np.rint(moved), abs=1e-9)


def test_shifts_and_turns_are_as_large_as_asked(benzene):
    """600 molecules: the standard deviation of 1800 shifts is known to 2 %, of 600 turns to 3 %."""
    molecules = find_molecules(benzene)
    rng = np.random.default_rng(7)
    masses = benzene.get_masses()
    shifts, angles, axes = [], [], []
    for _ in range(300):
        moves, turns = move_molecules(
            atoms=benzene, molecules=molecules, translation=0.05, rotation=4.0, rng=rng
        )
        for found in molecules:
            shifts.append(np.average(moves[found.atoms], axis=0, weights=masses[found.atoms]))
            turn = turns[found.atoms[0]]
            angles.append(np.degrees(np.arccos(np.clip((np.trace(turn) - 1) / 2, -1, 1))))
            odd = turn - turn.T
            axes.append([odd[2, 1], odd[0, 2], odd[1, 0]])
    assert np.std(shifts) == pytest.approx(0.05, rel=0.08)
    assert np.abs(np.mean(shifts, axis=0)).max() < 0.01
    assert np.sqrt(np.mean(np.square(angles))) == pytest.approx(4.0, rel=0.1)
    directions = np.array(axes) / np.linalg.norm(axes, axis=1)[:, None]
    # uniform on the sphere: a third of the square along each axis
    assert (directions**2).mean(axis=0) == pytest.approx([1 / 3] * 3, abs=0.06)


def test_without_rattle_molecules_stay_rigid(benzene):
    frames, refused = molecular(
        benzene,
        volume_range=(0.92, 1.02),
        strain=0.01,
        translation=0.05,
        rotation=3.0,
        matrix=np.diag([2, 1, 1]),
    )
    start = build_supercell(atoms=benzene, supercell_matrix=np.diag([2, 1, 1]))
    assert refused == 0
    for frame in frames:
        assert not np.allclose(frame.positions, start.positions, atol=0.02)
        for before, after in zip(inner_distances(start), inner_distances(frame), strict=True):
            assert after == pytest.approx(before, abs=1e-9)
        assert 0.92 <= frame.get_volume() / start.get_volume() <= 1.02


def test_molecular_frames_are_tagged_and_repeatable(benzene):
    options = {
        'rattle': {'C': (0.005, 0.02), 'H': (0.03, 0.09)},
        'bond_spread': 0.02,
        'translation': 0.05,
        'rotation': 3.0,
        'strain': 0.005,
        'volume_range': (0.9, 1.05),
    }
    texts = [write_frames(molecular(benzene, seed=seed, **options)[0]) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]
    frames = read_frames(texts[0])
    check_frames(frames, labelled=False)
    assert {frame.info['method'] for frame in frames} == {'molecular-rattle'}
    alone, _ = molecular(benzene, count=2, **(options | {'volume_range': (1.0, 1.0)}))
    longer, _ = molecular(benzene, count=4, **(options | {'volume_range': (1.0, 1.0)}))
    assert write_frames(alone) == write_frames(longer[:2])


def test_frameworks_and_atoms_are_no_molecules(brucite):
    rattle = {'Mg': (0, 0), 'O': (0, 0), 'H': (0, 0)}
    with pytest.raises(StructureError, match=r'endless.*keep_bonds'):
        molecular(brucite, rattle=rattle)
    with pytest.raises(StructureError, match='no molecule'):
        molecular(bulk('Ar', 'fcc', a=5.3, cubic=True), rattle={'Ar': (0, 0)})


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'translation': -0.1}, 'translation'),
        ({'translation': np.nan}, 'translation'),
        ({'rotation': 90.0}, 'rotation'),
        ({'rotation': np.nan}, 'rotation'),
        ({'bond_spread': 0.5}, 'bond_spread'),
        ({'strain': np.nan}, 'strain'),
        ({'volume_range': (np.nan, 1.0)}, 'volume_range'),
        ({'rattle': {'C': (0, 0)}}, 'holds'),
        ({'rattle': {'C': (0, np.nan), 'H': (0, 0)}}, r'rattle\.C'),
    ],
)
def test_wrong_settings_are_refused(benzene, changes, words):
    with pytest.raises(InputError, match=words):
        molecular(benzene, **changes)


# --- X–H bonds ------------------------------------------------------------------------------


def test_bonds_to_keep(benzene, brucite):
    found = find_kept_bonds(benzene)
    assert len(found.hydrogens) == 12
    assert found.free == 0
    assert set(benzene.symbols[found.partners]) == {'C'}
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(np.full(12, 1.0866), abs=1e-3)
    ends = benzene.positions[found.partners] + found.vectors - benzene.positions[found.hydrogens]
    whole = np.linalg.solve(benzene.cell.array.T, ends.T).T
    assert whole == pytest.approx(np.rint(whole), abs=1e-9)
    assert len(find_kept_bonds(brucite).hydrogens) == 2
    hydride = bulk('LiH', 'rocksalt', a=4.08, cubic=True)
    assert (len(find_kept_bonds(hydride).hydrogens), find_kept_bonds(hydride).free) == (0, 4)
    assert find_kept_bonds(molecule('H2')).free == 2


def test_lengths_spread_as_asked_and_hydrogen_moves_sideways(benzene):
    """12 bonds in 300 draws: 3600 lengths, known to 1.2 %."""
    bonds = find_kept_bonds(benzene)
    lengths = np.linalg.norm(bonds.vectors, axis=1)
    along = bonds.vectors / lengths[:, None]
    rng = np.random.default_rng(3)
    stretch, sideways = [], []
    for _ in range(300):
        moves = bonded_displacements(
            symbols=benzene.get_chemical_symbols(),
            bonds=bonds,
            vectors=bonds.vectors,
            sigmas={'C': 0.03, 'H': 0.06},
            bond_spread=0.02,
            rng=rng,
        )
        relative = moves[bonds.hydrogens] - moves[bonds.partners]
        stretch.append(np.linalg.norm(bonds.vectors + relative, axis=1) / lengths - 1)
        across = relative - along * np.einsum('ia,ia->i', relative, along)[:, None]
        sideways.append((across**2).sum(axis=1))
    assert np.std(stretch) == pytest.approx(0.02, rel=0.06)
    assert np.mean(stretch) == pytest.approx(0.0, abs=0.002)
    # two directions of σ 0.06 Å
    assert np.sqrt(np.mean(sideways) / 2) == pytest.approx(0.06, rel=0.05)


def test_strained_brucite_keeps_its_bonds(brucite):
    settings = StrainRattle(
        volume_range=(0.85, 0.9),
        strain=0.01,
        rattle={'Mg': (0.01, 0.03), 'O': (0.01, 0.03), 'H': (0.05, 0.09)},
        keep_bonds=True,
        bond_spread=0.0,
    )
    frames, _ = strain_rattle_frames(
        atoms=brucite, pressures=[10], cells=cells(6), settings=settings, seed=1, prefix='r'
    )
    before = np.linalg.norm(find_kept_bonds(brucite).vectors, axis=1)
    for frame in frames:
        after = np.linalg.norm(find_kept_bonds(frame).vectors, axis=1)
        assert after == pytest.approx(before, abs=1e-9)


def test_keeping_bonds_needs_bonds():
    hydride = bulk('LiH', 'rocksalt', a=4.08, cubic=True)
    settings = StrainRattle(
        volume_range=(1, 1), strain=0, rattle={'Li': (0, 0), 'H': (0, 0)}, keep_bonds=True
    )
    with pytest.raises(StructureError, match='no X–H bond'):
        strain_rattle_frames(
            atoms=hydride, pressures=[0], cells=cells(1), settings=settings, seed=1, prefix='r'
        )


class BondsAndAngles(Calculator):
    """Harmonic bonds and angles of benzene with the constants of OPLS-AA.

    Jorgensen et al., J. Am. Chem. Soc. 118, 11225 (1996): E = Σ k (r − r₀)² + Σ k (θ − θ₀)².
    """

    implemented_properties = ('energy', 'forces')
    KCAL = 0.0433641
    BONDS: ClassVar = {'CC': (469.0, 1.400), 'CH': (367.0, 1.080)}
    ANGLES: ClassVar = {'CCC': 63.0, 'CCH': 35.0}

    def __init__(self, start):
        super().__init__()
        self.molecules = find_molecules(start)
        self.terms = [self._terms(start, found) for found in self.molecules]
        self.shifts = np.zeros((len(start), 3))
        for found in self.molecules:
            images = found.positions - start.positions[found.atoms]
            self.shifts[found.atoms] = np.rint(np.linalg.solve(start.cell.array.T, images.T).T)

    @staticmethod
    def _terms(start, found):
        apart = np.linalg.norm(found.positions[:, None] - found.positions[None], axis=2)
        near = [np.flatnonzero((row > 0) & (row < 1.6)) for row in apart]
        symbols = start.symbols[found.atoms]
        bonds = [
            (found.atoms[i], found.atoms[j], ''.join(sorted([symbols[i], symbols[j]])))
            for i in range(len(near)) for j in near[i] if i < j
        ]  # fmt: skip
        angles = [
            (found.atoms[i], found.atoms[k], found.atoms[j],
             'CCH' if 'H' in (symbols[i], symbols[j]) else 'CCC')
            for k in range(len(near)) for i in near[k] for j in near[k] if i < j
        ]  # fmt: skip
        return bonds, angles

    def calculate(self, atoms=None, properties=('energy',), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        places = atoms.positions + self.shifts @ atoms.cell.array
        forces, energy = np.zeros_like(places), 0.0
        for bonds, angles in self.terms:
            for i, j, kind in bonds:
                constant, rest = self.BONDS[kind]
                vector = places[j] - places[i]
                length = np.linalg.norm(vector)
                energy += self.KCAL * constant * (length - rest) ** 2
                push = 2 * self.KCAL * constant * (length - rest) * vector / length
                forces[i] += push
                forces[j] -= push
            for i, k, j, kind in angles:
                a, b = places[i] - places[k], places[j] - places[k]
                la, lb = np.linalg.norm(a), np.linalg.norm(b)
                cosine = a @ b / la / lb
                angle, sine = np.arccos(cosine), np.sqrt(1 - cosine**2)
                constant = self.KCAL * self.ANGLES[kind]
                energy += constant * (angle - 2 * np.pi / 3) ** 2
                slope = 2 * constant * (angle - 2 * np.pi / 3) / sine
                on_i = slope * (b / lb - cosine * a / la) / la
                on_j = slope * (a / la - cosine * b / lb) / lb
                forces[i] += on_i
                forces[j] += on_j
                forces[k] -= on_i + on_j
        self.results = {'energy': energy, 'forces': forces}


def rms_forces(frames, calculator):
    found = []
    for frame in frames:
        frame.calc = calculator
        found.append(frame.get_forces()[frame.numbers == 1])
        frame.calc = None
    return float(np.sqrt(np.mean(np.square(found)) * 3))


def by_both_ways(atoms, count):
    """Frames with hydrogen moved by σ 0.09 Å: as Gaussians, and with bonds kept."""
    common = {
        'volume_range': (1.0, 1.0),
        'strain': 0.0,
        'rattle': {'C': (0.01, 0.01), 'H': (0.09, 0.09)},
    }
    arguments = {
        'atoms': atoms,
        'pressures': [0],
        'cells': cells(count),
        'seed': 1,
        'prefix': 'r',
    }
    gaussian, _ = strain_rattle_frames(settings=StrainRattle(**common), **arguments)
    option, _ = strain_rattle_frames(settings=StrainRattle(**common, keep_bonds=True), **arguments)
    whole, _ = molecular_rattle_frames(
        settings=MolecularRattle(**common, translation=0.05, rotation=3.0), **arguments
    )
    return gaussian, option, whole


def test_the_test_potential_is_consistent(benzene):
    frame = benzene.copy()
    frame.positions += np.random.default_rng(1).normal(scale=0.05, size=frame.positions.shape)
    frame.calc = BondsAndAngles(benzene)
    forces = frame.get_forces()
    for atom, axis in ((0, 0), (7, 2), (20, 1)):
        energies = []
        for step in (1e-4, -1e-4):
            moved = frame.copy()
            moved.positions[atom, axis] += step
            moved.calc = BondsAndAngles(benzene)
            energies.append(moved.get_potential_energy())
        assert forces[atom, axis] == pytest.approx((energies[1] - energies[0]) / 2e-4, abs=1e-5)


def test_kept_bonds_make_forces_several_times_smaller(benzene):
    """The same amplitude of hydrogen; a force field that knows nothing of the sampler."""
    force_field = BondsAndAngles(benzene)
    gaussian, option, whole = (
        rms_forces(frames, force_field) for frames in by_both_ways(benzene, 10)
    )
    assert gaussian > 2.5
    assert gaussian / option > 2.5
    assert gaussian / whole > 2.5


@pytest.mark.full
def test_kept_bonds_make_forces_smaller_in_a_real_potential(shared_data):
    """CHGNet on benzene as relaxed by DFT."""
    pytest.importorskip('chgnet')
    from aiida_insbench.science.ase_calculators import potential_from_ase
    from aiida_insbench.science.potentials import calculator

    atoms = ase.io.read(shared_data / 'structures/X23_volumes/06_benzene_EOS.extxyz', index=3)
    model = calculator(potential_from_ase('chgnet'))
    bare = Atoms(atoms.symbols, cell=atoms.cell, positions=atoms.positions, pbc=True)
    gaussian, option, whole = (rms_forces(frames, model) for frames in by_both_ways(bare, 2))
    assert gaussian / option > 2
    assert gaussian / whole > 2


# --- about the crystal of each pressure -----------------------------------------------------


@pytest.fixture(scope='module')
def by_pressure(brucite):
    crystals = {}
    for label, scale in (('p_10000', 0.97), ('p_0000', 1.0), ('p_5000', 0.985)):
        atoms = brucite.copy()
        atoms.set_cell(brucite.cell.array * scale, scale_atoms=True)
        crystals[label] = atoms
    return crystals


ABOUT = StrainRattle(
    volume_range=(0.98, 1.02),
    strain=0.004,
    rattle={'Mg': (0.01, 0.02), 'O': (0.01, 0.02), 'H': (0.01, 0.03)},
)


def about_each(structures, *, seed=1, settings=ABOUT, counts=(7, 5), pressures=None):
    kinds = [
        sampling_cell(supercell_matrix=matrix, count=count)
        for matrix, count in zip((UNIT, np.diag([1, 1, 2])), counts, strict=True)
    ]
    return strain_rattle_about_each(
        structures=structures,
        cells=kinds,
        settings=settings,
        seed=seed,
        prefix='r1',
        pressures=pressures,
    )


def test_each_pressure_gets_its_share_of_each_cell(by_pressure):
    frames, refused = about_each(by_pressure)
    assert refused == 0
    for part, copies in ((frames[:7], 1), (frames[7:], 2)):
        tags = np.array([frame.info['target_pressure'] for frame in part])
        counts = [int((tags == pressure).sum()) for pressure in (0.0, 5.0, 10.0)]
        assert max(counts) - min(counts) <= 1
        assert sum(counts) == len(part)
        for label, pressure in (('p_0000', 0.0), ('p_5000', 5.0), ('p_10000', 10.0)):
            rest = by_pressure[label].get_volume() * copies
            ratios = [f.get_volume() / rest for f in part if f.info['target_pressure'] == pressure]
            share = (np.array(ratios) - 0.98) / 0.04
            # one in each equal part of the range
            assert sorted(np.floor(share * len(ratios))) == list(range(len(ratios)))


def test_about_each_is_repeatable_and_the_seed_matters(by_pressure):
    texts = [write_frames(about_each(by_pressure, seed=seed)[0]) for seed in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_pressures_choose_among_the_crystals(by_pressure):
    frames, _ = about_each(by_pressure, pressures=[10, 0])
    assert {frame.info['target_pressure'] for frame in frames} == {0.0, 10.0}
    with pytest.raises(PressureError, match=r'lacks p_7000; it holds p_0000, p_5000, p_10000'):
        about_each(by_pressure, pressures=[0, 7])
    with pytest.raises(PressureError, match='label'):
        about_each({'ambient': by_pressure['p_0000']})
    with pytest.raises(InputError, match='empty'):
        about_each({})


def test_molecules_about_each_crystal(benzene):
    smaller = strain_rigidly(
        atoms=benzene, molecules=find_molecules(benzene), deformation=0.97 * np.eye(3)
    )
    settings = MolecularRattle(
        volume_range=(1.0, 1.0), strain=0.0, translation=0.02, rotation=2.0, rattle=STILL
    )
    frames, _ = molecular_rattle_about_each(
        structures={'p_0000': benzene, 'p_2000': smaller},
        cells=cells(4),
        settings=settings,
        seed=1,
        prefix='m',
    )
    volumes = [frame.get_volume() for frame in frames]
    expected = [benzene.get_volume(), smaller.get_volume()] * 2
    assert volumes == pytest.approx(expected)


# --- molecules and atoms alone --------------------------------------------------------------


def mixture():
    """Methanol (twice, one turned) and water."""
    atoms = molecule('CH3OH')
    turned = molecule('CH3OH')
    turned.rotate(70, (1, 2, 3))
    turned.positions += [0, 0, 4.5]
    water = molecule('H2O')
    water.positions += [4.2, 0, 2]
    both = atoms + turned + water
    both.set_cell([8.0, 6.0, 9.0])
    both.pbc = True
    both.wrap()
    return both


def test_kinds_of_molecules():
    atoms = mixture()
    kinds = molecule_kinds(atoms, find_molecules(atoms))
    assert [(kind.formula, len(kind.members)) for kind in kinds] == [('CH4O', 2), ('H2O', 1)]


@given(st.permutations(range(9)))
def test_the_order_of_atoms_does_not_matter(order):
    ethanol, ether = molecule('CH3CH2OH'), molecule('CH3OCH3')

    def fingerprint(atoms, order):
        chosen = atoms[list(order)]
        bonded = chosen.get_all_distances()
        radii = np.array([{1: 0.31, 6: 0.76, 8: 0.66}[n] for n in chosen.numbers])
        near = bonded < 1.25 * (radii[:, None] + radii[None])
        np.fill_diagonal(near, False)
        return graph_fingerprint(chosen.numbers, near)

    assert fingerprint(ethanol, order) == fingerprint(ethanol, range(9))
    assert fingerprint(ethanol, order) != fingerprint(ether, range(9))


def test_graphs_with_the_same_neighbourhoods_are_told_apart():
    """Two five-rings joined by a bond against two six-rings sharing one: colours alone fail."""

    def graph(edges):
        bonded = np.zeros((10, 10), dtype=bool)
        for first, second in edges:
            bonded[first, second] = bonded[second, first] = True
        return graph_fingerprint(np.full(10, 6), bonded)

    decalin = [(i, (i + 1) % 10) for i in range(10)] + [(0, 5)]
    bicyclopentyl = [(i, (i + 1) % 5) for i in range(5)]
    bicyclopentyl += [(5 + i, 5 + (i + 1) % 5) for i in range(5)] + [(0, 5)]
    assert graph(decalin) != graph(bicyclopentyl)


def test_gas_molecules():
    atoms = mixture()
    settings = GasMolecules(
        count=3, vacuum=8.0, rattle={'C': (0.02, 0.02), 'O': (0.02, 0.02), 'H': (0.05, 0.05)}
    )
    sample = gas_molecule_frames(atoms=atoms, settings=settings, seed=1, prefix='g')
    again = read_frames(write_frames(sample.frames))
    check_frames(again, labelled=False)
    assert [len(frame) for frame in again] == [6, 6, 6, 3, 3, 3]
    molecules = find_molecules(atoms)
    for first, found in ((0, molecules[0]), (3, molecules[2])):
        frame = sample.frames[first]
        apart = np.linalg.norm(found.positions[:, None] - found.positions[None], axis=2)
        assert frame.get_all_distances() == pytest.approx(apart)
        assert frame.cell.array == pytest.approx(np.eye(3) * (8.0 + apart.max()))
        assert frame.get_center_of_mass() == pytest.approx(frame.cell.lengths() / 2)
        # images are `vacuum` apart
        images = build_supercell(atoms=frame, supercell_matrix=2 * UNIT).get_all_distances()
        between = images[: len(frame), len(frame) :]
        assert between.min() >= 8.0 - 1e-9
    for frame in again:
        assert frame.pbc.all()
        assert frame.info['gas_phase']
        assert frame.info['method'] == 'gas-molecule'
        assert frame.info['target_pressure'] == 0.0
        assert (frame.info['supercell_matrix'] == UNIT).all()
    distorted = [np.abs(frame.positions - again[0].positions).max() for frame in again[1:3]]
    assert 0.02 < min(distorted) < max(distorted) < 0.3
    other = gas_molecule_frames(atoms=atoms, settings=settings, seed=2, prefix='g')
    assert write_frames(other.frames[:1])[50:] != write_frames(sample.frames[1:2])[50:]
    assert other.frames[0].positions == pytest.approx(sample.frames[0].positions)
    assert other.frames[1].positions != pytest.approx(sample.frames[1].positions)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'count': 0}, 'count'),
        ({'vacuum': 1.0}, 'vacuum'),
        ({'vacuum': np.nan}, 'vacuum'),
        ({'count': 2}, '`rattle` is given for'),
    ],
)
def test_wrong_gas_settings_are_refused(changes, words):
    with pytest.raises(InputError, match=words):
        gas_molecule_frames(atoms=mixture(), settings=GasMolecules(**changes), seed=1, prefix='g')


def test_a_framework_has_no_gas(brucite):
    with pytest.raises(StructureError, match='endless'):
        gas_molecule_frames(atoms=brucite, settings=GasMolecules(), seed=1, prefix='g')


def test_isolated_atoms():
    frames = isolated_atom_frames(elements=['O', 'H', 'O', 'Mg'], box=10.0)
    again = read_frames(write_frames(frames))
    check_frames(again, labelled=False)
    assert [str(frame.symbols) for frame in again] == ['H', 'O', 'Mg']
    for frame in again:
        assert frame.cell.lengths() == pytest.approx(10.0 * np.array(EDGES))
        assert len(set(frame.cell.lengths())) == 3
        assert frame.positions[0] == pytest.approx(frame.cell.lengths() / 2)
        assert frame.info['method'] == 'isolated-atom'
        assert frame.info['gas_phase']
        assert frame.info['seed'] == -1
    for box in (1.0, np.nan):
        with pytest.raises(InputError, match='box'):
            isolated_atom_frames(elements=['H'], box=box)
    with pytest.raises(InputError, match='Unknown elements: Xx'):
        isolated_atom_frames(elements=['H', 'Xx'])
