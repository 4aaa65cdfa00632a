"""Moving atoms of one mode: chains in closed form, invariants, phonopy's own modulations."""

import io

import ase.io
import numpy as np
import pytest
from ase import Atoms, units
from hypothesis import given
from hypothesis import strategies as st
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    spring_crystal,
)
from test_attribution import DIMER_SPRINGS, DIMERS

from aiida_insbench.science.errors import ImaginaryModeError, InputError
from aiida_insbench.science.lattice_waves import (
    Vibration,
    clear_partners,
    vibrations_at,
    whole_waves,
)
from aiida_insbench.science.mode_animation import animate
from aiida_insbench.science.supercells import build_phonopy, full_force_constants, to_ase

#: √(1 eV/(Å² u)) in cm⁻¹
WAVENUMBER = 521.4708
LIGHT, HEAVY, STIFFNESS = 6.0, 54.0, 3.0
LINE = np.diag([4.0, 30.0, 30.0])


@pytest.fixture(scope='module')
def chain():
    """Springs along x between neighbours; atoms at 0 and at 0.4 of the cell, so phases matter."""
    atoms = Atoms('LiXe', positions=[[0, 0, 0], [1.6, 0, 0]], cell=LINE, pbc=True)
    atoms.set_masses([LIGHT, HEAVY])
    return chain_of(atoms, cells=4, stiffness=STIFFNESS)


def chain_of(atoms, *, cells, stiffness):
    phonon = build_phonopy(atoms=atoms, supercell_matrix=np.diag([cells, 1, 1]))
    order = np.argsort(phonon.supercell.positions[:, 0])
    constants = np.zeros((len(order), len(order), 3, 3))
    for here, there in zip(order, np.roll(order, -1), strict=True):
        for i, j in ((here, there), (there, here)):
            constants[i, j, 0, 0] -= stiffness
            constants[i, i, 0, 0] += stiffness
    phonon.force_constants = constants
    return phonon


@pytest.fixture(scope='module')
def hydride():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 2))


@pytest.fixture(scope='module')
def lopsided():
    """Without symmetry, so that no modes are degenerate where rutile's always are."""
    cell = MAGNESIUM_HYDRIDE.copy()
    cell.scaled_positions = cell.scaled_positions + 0.012 * np.random.default_rng(3).normal(
        size=(6, 3)
    )
    return spring_crystal(cell, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 2))


def displacements(frames):
    """Of each frame from the mean of the period, shape (n_frames, n_atoms, 3)."""
    positions = np.array([frame.positions for frame in frames])
    return positions - positions.mean(axis=0)


def test_in_the_optical_mode_of_a_chain_the_heavy_atom_moves_by_the_ratio_of_masses(chain):
    mode = vibrations_at(chain, (0, 0, 0))[-1]
    assert mode.frequency == pytest.approx(
        WAVENUMBER * np.sqrt(2 * STIFFNESS * (1 / LIGHT + 1 / HEAVY)), rel=1e-6
    )
    frames = animate(mode, amplitude=0.2, frames=16)
    moves = displacements(frames)
    assert [len(frame) for frame in frames] == [2] * 16
    angles = 2 * np.pi * np.arange(16) / 16
    assert np.abs(moves[:, 0, 0]) == pytest.approx(np.abs(0.2 * np.cos(angles)))
    assert moves[:, 1] == pytest.approx(-LIGHT / HEAVY * moves[:, 0])
    assert moves[0, 0, 0] == pytest.approx(0.2)


def test_at_the_zone_boundary_neighbouring_cells_move_against_each_other(chain):
    modes = vibrations_at(chain, (0.5, 0, 0))[-2:]
    expected = WAVENUMBER * np.sqrt(2 * STIFFNESS / np.array([HEAVY, LIGHT]))
    assert [mode.frequency for mode in modes] == pytest.approx(expected)
    for mode, mover in zip(modes, (1, 0), strict=True):
        assert np.isrealobj(mode.eigenvector)
        frames = animate(mode, amplitude=0.1)
        assert frames[0].cell.lengths()[0] == pytest.approx(8.0)
        moves = displacements(frames)[0][:, 0]
        assert moves[mover] == pytest.approx(0.1)
        assert moves[mover + 2] == pytest.approx(-0.1)
        assert moves[[1 - mover, 3 - mover]] == pytest.approx(0, abs=1e-9)


def test_at_a_quarter_the_wave_travels_as_the_equation_of_motion_says(chain):
    """(2k − mω²) u = k (1 + exp(−iqa)) U, with phases of the cells."""
    for mode in vibrations_at(chain, (0.25, 0, 0))[-2:]:
        light, heavy = mode.displacements[:, 0]
        square = (mode.frequency / WAVENUMBER) ** 2
        assert (2 * STIFFNESS - LIGHT * square) * light == pytest.approx(
            STIFFNESS * (1 + np.exp(-0.5j * np.pi)) * heavy, rel=1e-4
        )
        moves = displacements(animate(mode, amplitude=0.3, frames=8))
        # a quarter of the period later each cell does what the one before it did
        assert moves[2, 2:4] == pytest.approx(moves[0, 0:2])
        assert np.abs(moves).max() == pytest.approx(0.3)


@pytest.mark.parametrize('qpoint', [(0, 0, 0), (0.5, 0, 0), (0.5, 0.5, 0.5), (0.5, 0.25, 0)])
def test_displacements_are_those_of_phonopy(lopsided, qpoint):
    """phonopy's eigenvectors have the phases of positions; its supercells another atom order."""
    modes = vibrations_at(lopsided, qpoint)
    levels = np.array([mode.frequency for mode in modes])
    compared = 0
    for index, mode in enumerate(modes):
        if np.abs(np.delete(levels, index) - mode.frequency).min() < 1.0 or mode.period is None:
            continue
        start = animate(mode, frames=4)
        origin = 0.5 * (start[0].positions + start[2].positions)
        mine = (start[0].positions - origin) + 1j * (start[1].positions - origin)
        shape = np.diag(whole_waves(qpoint)[1])
        other = lopsided.run_modulations(shape, [[qpoint, index, 1.0, 0.0]])
        cell = to_ase(other.supercell)
        theirs = other.modulations[0]
        order = [nearest(cell, place) for place in origin]
        product = np.vdot(theirs[order], mine)
        assert abs(product) == pytest.approx(
            np.linalg.norm(theirs) * np.linalg.norm(mine), rel=1e-6
        )
        assert other.frequencies[0] * 33.35641 == pytest.approx(mode.frequency, rel=1e-5)
        compared += 1
    assert compared >= 9


def nearest(cell, place):
    """Atom of a cell at a place, in this or another image."""
    away = cell.copy()
    away.append('X')
    away.positions[-1] = place
    distances = away.get_distances(-1, range(len(cell)), mic=True)
    assert distances.min() < 1e-6
    return int(distances.argmin())


@pytest.mark.parametrize('qpoint', [(0, 0, 0), (0.5, 0.5, 0), (0, 0, 0.5)])
@pytest.mark.parametrize('temperature', [0.0, 300.0])
def test_energy_is_that_of_the_oscillators_and_stays(hydride, qpoint, temperature):
    """½Σmv² + ½uΦu is N·½ħω·coth(ħω/2kT) in every frame, half of it kinetic on average."""
    constants = full_force_constants(hydride)
    size = 3 * len(hydride.supercell)
    hessian = constants.transpose(0, 2, 1, 3).reshape(size, size)
    for mode in vibrations_at(hydride, qpoint)[4::5]:
        frames = animate(
            mode, supercell_matrix=np.diag([2, 2, 2]), temperature=temperature, frames=12
        )
        moves = displacements(frames)
        origin = frames[0].positions - moves[0]
        order = [nearest(to_ase(hydride.supercell), place) for place in origin]
        field = np.zeros_like(moves)
        field[:, order] = moves
        flat = field.reshape(12, -1)
        potential = 0.5 * np.einsum('fi,ij,fj->f', flat, hessian, flat)
        kinetic = np.array([frame.get_kinetic_energy() for frame in frames])
        quantum = mode.frequency * units.invcm
        heat = quantum / (2 * units.kB * temperature) if temperature else np.inf
        expected = 8 * 0.5 * quantum / np.tanh(heat)
        assert kinetic + potential == pytest.approx(expected, rel=1e-5)
        assert kinetic.mean() == pytest.approx(expected / 2, rel=1e-5)


def test_velocities_are_the_slope_of_positions(hydride):
    for mode in (vibrations_at(hydride, (0.5, 0.25, 0))[9], vibrations_at(hydride, (0, 0, 0))[9]):
        frames = animate(mode, frames=400)
        step = (frames[1].info['time_fs'] - frames[0].info['time_fs']) * units.fs
        slope = (frames[8].positions - frames[6].positions) / (2 * step)
        assert frames[7].get_velocities() == pytest.approx(slope, abs=1e-3 * np.abs(slope).max())


def test_zero_point_motion_of_a_light_atom():
    """ħ/2mω by hand: 1 u at 1000 cm⁻¹ gives 0.016858 Å²."""
    cell = Atoms('H', cell=np.eye(3) * 3, masses=[1.0], pbc=True)
    mode = Vibration(1000.0, np.array([[1.0, 0, 0]]), (0, 0, 0), cell)
    moves = displacements(animate(mode, temperature=0.0))
    assert (moves**2).sum(axis=2).mean() == pytest.approx(0.016858, rel=1e-4)
    assert mode.period == pytest.approx(33.35641)


class TestStill:
    """What does not vibrate."""

    @pytest.fixture
    def imaginary(self):
        cell = Atoms('HF', positions=[[0, 0, 0], [0.9, 0, 0]], cell=np.eye(3) * 4, pbc=True)
        vector = np.array([[0.6j, 0, 0], [0, 0, 0.8]])
        return Vibration(-142.6, vector, (0.25, 0, 0), cell, irrep='X', number=3)

    def test_has_a_label_and_neither_time_nor_velocities(self, imaginary):
        frames = animate(imaginary, amplitude=0.25, frames=8, pressure=1.5)
        info = frames[3].info
        assert info['label'].startswith('imaginary mode, 142.6i cm-1: a path')
        assert info['frequency_cm1'] == -142.6
        assert (info['mode'], info['irrep'], info['pressure_gpa']) == (3, 'X', 1.5)
        assert 'time_fs' not in info
        assert not frames[3].has('momenta')

    def test_goes_along_the_mode_and_back_as_one(self, imaginary):
        moves = displacements(animate(imaginary, amplitude=0.25, frames=8))
        assert np.linalg.norm(moves, axis=2).max() == pytest.approx(0.25)
        assert moves == pytest.approx(
            np.cos(2 * np.pi * np.arange(8) / 8)[:, None, None] * moves[0]
        )

    def test_has_no_thermal_amplitude(self, imaginary):
        with pytest.raises(ImaginaryModeError, match=r'-142\.6 cm⁻¹ has no amplitude'):
            animate(imaginary, temperature=300.0)

    def test_acoustic_mode_is_a_translation(self, hydride):
        mode = vibrations_at(hydride, (0, 0, 0))[1]
        assert abs(mode.frequency) < 1
        with pytest.raises(ImaginaryModeError):
            animate(mode, temperature=10.0)
        frames = animate(mode)
        assert 'without a restoring force' in frames[0].info['label']
        assert np.ptp(displacements(frames)[0], axis=0) == pytest.approx(0, abs=1e-6)


class TestWholeWaves:
    @pytest.mark.parametrize(
        ('qpoint', 'shape'),
        [
            ((0, 0, 0), (1, 1, 1)),
            ((0.5, 0, 0), (2, 1, 1)),
            ((1 / 3, -1 / 3, 0.25), (3, 3, 4)),
            ((0.333, 0.6667, 0.5), (3, 3, 2)),
        ],
    )
    def test_smallest(self, qpoint, shape):
        exact, matrix = whole_waves(qpoint)
        assert (matrix == np.diag(shape)).all()
        assert matrix @ exact == pytest.approx(np.rint(matrix @ exact), abs=1e-12)
        assert exact == pytest.approx(qpoint, abs=1e-3)

    def test_of_a_supercell_with_oblique_axes(self):
        exact, _ = whole_waves((0.5, 0.5, 0), [[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
        assert exact == pytest.approx([0.5, 0.5, 0])

    def test_cut_off_waves_are_refused(self):
        with pytest.raises(InputError, match=r'holds 1, 0, 0 waves|holds 0\.5, 0, 0 waves'):
            whole_waves((0.5, 0, 0), np.eye(3, dtype=int))
        with pytest.raises(InputError, match=r'fractions up to 1/24'):
            whole_waves((0.0125, 0, 0))
        with pytest.raises(InputError, match='not three numbers'):
            whole_waves((0.5, np.nan, 0))


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ({'amplitude': 0.0}, 'above 0'),
        ({'amplitude': np.inf}, 'above 0'),
        ({'frames': 1}, 'at least 2'),
        ({'amplitude': 0.1, 'temperature': 10.0}, 'not both'),
        ({'supercell_matrix': np.diag([3, 1, 1])}, 'whole waves'),
    ],
)
def test_nonsense_is_refused(chain, words, message):
    mode = vibrations_at(chain, (0.5, 0, 0))[-1]
    with pytest.raises(InputError, match=message):
        animate(mode, **words)


@given(st.integers(0, 1000))
def test_partners_are_the_same_whatever_basis_the_program_returns(seed):
    rng = np.random.default_rng(seed)
    set_of_two, _ = np.linalg.qr(rng.normal(size=(9, 2)))
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    first, second = clear_partners(set_of_two.T), clear_partners(turn @ set_of_two.T)
    assert np.abs(first @ second.T) == pytest.approx(np.eye(2), abs=1e-6)
    assert first.T @ first == pytest.approx(set_of_two @ set_of_two.T)
    x, y = ((first.reshape(2, 3, 3) ** 2).sum(axis=1) @ [1.0, 0.5, 0.25]).tolist()
    assert x >= y


def test_frames_survive_extended_xyz(hydride):
    frames = animate(vibrations_at(hydride, (0.5, 0, 0))[12], frames=6, pressure=1.5)
    text = io.StringIO()
    ase.io.write(text, frames, format='extxyz')
    text.seek(0)
    read = ase.io.read(text, index=':', format='extxyz')
    assert len(read) == 6
    assert read[2].positions == pytest.approx(frames[2].positions, abs=1e-7)
    assert read[2].get_velocities() == pytest.approx(frames[2].get_velocities(), abs=1e-7)
    assert read[2].info['frequency_cm1'] == pytest.approx(frames[2].info['frequency_cm1'])
    assert read[2].info['qpoint'] == pytest.approx([0.5, 0, 0])
    assert read[2].info['pressure_gpa'] == 1.5


def test_molecules_are_whole():
    phonon = spring_crystal(DIMERS, DIMER_SPRINGS, supercell=(2, 2, 2))
    shifted = phonon.primitive.scaled_positions
    mode = vibrations_at(phonon, (0.5, 0, 0))[-1]
    cell = mode.cell.copy()
    cell.set_scaled_positions((shifted - shifted[0] + 0.02) % 1)  # cuts a molecule at a face
    frames = animate(Vibration(mode.frequency, mode.eigenvector, mode.qpoint, cell))
    origin = frames[0].positions - displacements(frames)[0]
    lengths = []
    for atom in range(len(origin)):
        away = np.linalg.norm(origin - origin[atom], axis=1)
        lengths.append(np.sort(away)[1])
    assert lengths == pytest.approx([1.1] * len(lengths), abs=1e-3)


@pytest.mark.parametrize('angle', [0.0, 0.3, 1.1, 2.5])
def test_partners_along_one_axis_are_told_apart_by_their_atoms(angle):
    """Two members along z, one on the first pair of atoms, one on the second: any basis."""
    members = np.zeros((2, 4, 3))
    members[0, :2, 2] = 2**-0.5, -(2**-0.5)
    members[1, 2:, 2] = 2**-0.5, -(2**-0.5)
    rows = members.reshape(2, -1)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    found = clear_partners(turn @ rows)
    assert np.abs(np.einsum('mi,mi->m', found, rows)) == pytest.approx([1.0, 1.0])
