"""Sampled frames: repeatable, as strained, rattled and displaced as asked, and never too close."""

import numpy as np
import pytest
import symfc  # noqa: F401 - it raises the recursion limit: not while hypothesis runs
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.spacegroup import crystal
from hypothesis import given, settings
from hypothesis import strategies as st

from aiida_insbench.science.errors import (
    ConvergenceError,
    InputError,
    PressureError,
    StructureError,
)
from aiida_insbench.science.frames import check_frames, read_frames, write_frames
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.cells import (
    build_supercell,
    by_even_division,
    frame_generator,
    random_strain,
    sampling_cell,
)
from aiida_insbench.science.sampling.equal_energy import EqualEnergy, equal_energy_frames
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.science.sampling.optical_modes import (
    equal_energy_amplitudes,
    modes_of_hessian,
    optical_modes,
)
from aiida_insbench.science.sampling.refusal import MAX_DRAWS, draw_until_apart, too_close
from aiida_insbench.science.sampling.strain_rattle import StrainRattle, strain_rattle_frames
from aiida_insbench.science.supercells import full_force_constants, supercell_of

SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]
UNIT = np.eye(3, dtype=int)
WAVENUMBER = 521.4708


@pytest.fixture(scope='module')
def hydride():
    """MgH2 where pw.x starts from."""
    return crystal(
        ['Mg', 'H'],
        [(0, 0, 0), (0.304, 0.304, 0)],
        spacegroup=136,
        cellpar=[4.501, 4.501, 3.010, 90, 90, 90],
    )


@pytest.fixture(scope='module')
def alloy():
    """Cu3Au, stable in EMT."""
    atoms = bulk('Cu', cubic=True, a=3.75)
    atoms.symbols[0] = 'Au'
    return relax(atoms=atoms, calculator=EMT(), pressure=0.0).atoms


GENTLE = StrainRattle(
    volume_range=(0.945, 1.015), strain=0.005, rattle={'Mg': (0.01, 0.02), 'H': (0.02, 0.06)}
)


def strained(atoms, *, settings=GENTLE, seed=1, cells=((UNIT, 9), (SQRT2, 5)), **changes):
    return strain_rattle_frames(
        atoms=atoms,
        pressures=changes.get('pressures', [0, 1, 2]),
        cells=[sampling_cell(supercell_matrix=matrix, count=count) for matrix, count in cells],
        settings=settings,
        seed=seed,
        prefix=changes.get('prefix', 'r1'),
    )


# --- strain and rattle ----------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes(hydride):
    first, second, other = (write_frames(strained(hydride, seed=seed)[0]) for seed in (1, 1, 2))
    assert first == second
    assert first != other


def test_frames_do_not_depend_on_those_before(hydride):
    """Frame 7 is the same whether later cells get 5 frames or none."""
    long, _ = strained(hydride)
    short, _ = strained(hydride, cells=((UNIT, 9),))
    assert write_frames(long[:9]) == write_frames(short)


def test_frames_carry_their_identity(hydride):
    frames, refused = strained(hydride)
    again = read_frames(write_frames(frames))
    check_frames(again, labelled=False)
    assert refused == 0
    assert [frame.info['frame_id'] for frame in again] == [f'r1_{i:03d}' for i in range(14)]
    assert {frame.info['method'] for frame in again} == {'strain-rattle'}
    assert {int(frame.info['seed']) for frame in again} == {1}
    assert (again[-1].info['supercell_matrix'] == SQRT2).all()
    assert again[-1].positions.dtype == np.float64


def test_volumes_fill_the_range_evenly(hydride):
    frames, _ = strained(hydride)
    for part, copies in ((frames[:9], 1), (frames[9:], 2)):
        ratios = np.array([frame.get_volume() for frame in part]) / hydride.get_volume() / copies
        share = (ratios - 0.945) / (1.015 - 0.945)
        assert sorted(np.floor(share * len(part))) == list(range(len(part)))


def test_pressures_divide_the_range_from_the_top(hydride):
    frames, _ = strained(hydride, cells=((UNIT, 9),), pressures=[2, 0, 1])
    for frame in frames:
        ratio = frame.get_volume() / hydride.get_volume()
        expected = min(int(3 * (1.015 - ratio) / 0.07), 2)
        assert frame.info['target_pressure'] == expected


@given(st.floats(0, 1), st.lists(st.floats(-5, 100), min_size=1, max_size=6))
def test_even_division(fraction, values):
    picked = values.index(by_even_division(fraction=fraction, values=values))
    assert by_even_division(fraction=0.0, values=values) == values[0]
    assert by_even_division(fraction=1.0, values=values) == values[-1]
    assert 0 <= picked < len(values)


def test_rattle_is_drawn_between_its_bounds(hydride):
    still = StrainRattle(
        volume_range=(1.0, 1.0), strain=0.0, rattle={'Mg': (0.0, 0.0), 'H': (0.02, 0.06)}
    )
    frames, _ = strained(hydride, settings=still, cells=((np.diag([2, 2, 2]), 20),))
    start = build_supercell(atoms=hydride, supercell_matrix=np.diag([2, 2, 2]))
    hydrogen = np.array(start.get_chemical_symbols()) == 'H'
    spread = []
    for frame in frames:
        moved = frame.positions - start.positions
        assert frame.cell.array == pytest.approx(start.cell.array)
        assert np.abs(moved[~hydrogen]).max() == 0
        spread.append(moved[hydrogen].std())
    # 96 numbers a frame: the standard deviation is known to 7 %
    assert 0.016 < min(spread) < 0.035 < 0.045 < max(spread) < 0.07


def test_strain_keeps_the_volume_and_matters(hydride):
    settings_ = StrainRattle(
        volume_range=(1.0, 1.0), strain=0.01, rattle={'Mg': (0, 0), 'H': (0, 0)}
    )
    frames, _ = strained(hydride, settings=settings_, cells=((UNIT, 30),))
    strains = []
    for frame in frames:
        assert frame.get_volume() == pytest.approx(hydride.get_volume(), rel=1e-10)
        assert frame.get_scaled_positions() == pytest.approx(
            hydride.get_scaled_positions(), abs=1e-9
        )
        deformation = np.linalg.solve(hydride.cell.array, frame.cell.array)
        assert deformation == pytest.approx(deformation.T)
        strains.append(deformation[0, 1])
    assert np.std(strains) == pytest.approx(0.01, rel=0.4)


@given(st.integers(0, 2**32), st.floats(0, 0.05))
def test_random_strain_is_symmetric(seed, sigma):
    strain = random_strain(rng=np.random.default_rng(seed), sigma=sigma)
    assert (strain == strain.T).all()
    assert np.abs(strain).max() <= 7 * sigma


def test_rows_of_the_matrix_are_axes(hydride):
    """√2 × √2: the first axis is a + b, not a − b."""
    oblong = hydride.copy()
    oblong.set_cell(hydride.cell.array * [1.0, 1.2, 1.0], scale_atoms=True)
    supercell = build_supercell(atoms=oblong, supercell_matrix=SQRT2)
    a, b, c = oblong.cell.array
    assert supercell.cell.array == pytest.approx(np.array([a + b, b - a, c]))
    assert len(supercell) == 2 * len(oblong)
    # no atom is off the unit cell's lattice of atoms
    offset = oblong.cell.scaled_positions(supercell.positions) - np.tile(
        oblong.get_scaled_positions(wrap=False), (2, 1)
    )
    assert offset == pytest.approx(np.rint(offset), abs=1e-9)


def test_a_crystal_below_the_limit_is_refused_at_once(hydride):
    squeezed = hydride.copy()
    squeezed.set_cell(hydride.cell.array * 0.6, scale_atoms=True)
    with pytest.raises(StructureError, match='minimum_contact'):
        strained(squeezed)


def test_refused_draws_are_counted_and_drawn_again(hydride):
    wild = StrainRattle(
        volume_range=(0.9, 1.0), strain=0.0, rattle={'Mg': (0.0, 0.0), 'H': (0.35, 0.45)}
    )
    frames, refused = strained(hydride, settings=wild)
    assert refused > 0
    assert len(frames) == 14
    assert not any(too_close(atoms=frame) for frame in frames)
    hopeless = StrainRattle(
        volume_range=(0.9, 1.0),
        strain=0.0,
        rattle={'Mg': (0.0, 0.0), 'H': (0.35, 0.45)},
        minimum_contact=1.0,
    )
    with pytest.raises(ConvergenceError, match=f'All of {MAX_DRAWS} draws'):
        strained(hydride, settings=hopeless)


def test_closeness_is_a_share_of_covalent_radii(hydride):
    """Mg–H at 1.94 Å over 1.41 + 0.31 Å is 1.13."""
    assert too_close(atoms=hydride, minimum_share=1.2)
    assert not too_close(atoms=hydride, minimum_share=1.0)


def test_drawing_again_goes_on_in_the_same_stream(hydride):
    draws = []

    def draw(rng):
        draws.append(rng.uniform())
        frame = hydride.copy()
        frame.set_cell(frame.cell.array * (0.5 if len(draws) < 3 else 1.0), scale_atoms=True)
        return frame

    _, refused = draw_until_apart(draw=draw, rng=frame_generator(seed=1, index=0))
    assert refused == 2
    assert len(set(draws)) == 3


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'volume_range': (1.1, 0.9)}, 'volume_range'),
        ({'volume_range': (0.1, 0.9)}, 'volume_range'),
        ({'strain': -0.1}, 'strain'),
        ({'strain': 0.3}, 'strain'),
        ({'rattle': {'Mg': (0.02, 0.01), 'H': (0, 0)}}, r'rattle\.Mg'),
        ({'rattle': {'Mg': (0.0, 0.01)}}, 'Mg'),
        ({'rattle': {'Mg': (0, 0), 'H': (0, 0), 'O': (0, 0)}}, 'O'),
    ],
)
def test_wrong_settings_are_refused(hydride, change, words):
    values = {'volume_range': (0.9, 1.0), 'strain': 0.01, 'rattle': {'Mg': (0, 0), 'H': (0, 0)}}
    with pytest.raises(InputError, match=words):
        strained(hydride, settings=StrainRattle(**(values | change)))


def test_wrong_seeds_counts_and_pressures_are_refused(hydride):
    with pytest.raises(InputError, match='seed'):
        strained(hydride, seed=-1)
    with pytest.raises(PressureError):
        strained(hydride, pressures=[])
    for count in (-1, 1.5, True):
        with pytest.raises(InputError, match='count'):
            sampling_cell(supercell_matrix=UNIT, count=count)


# --- equal energy ---------------------------------------------------------------------------

WARM = EqualEnergy(temperature=60, frequency_floor=20, strain=0.0)


def equal(atoms, *, settings=WARM, seed=2, cells=((UNIT, 4),), pressures=(0.0,), **options):
    return equal_energy_frames(
        atoms=atoms,
        calculator=options.pop('calculator', None) or EMT(),
        pressures=pressures,
        cells=[sampling_cell(supercell_matrix=matrix, count=count) for matrix, count in cells],
        settings=settings,
        seed=seed,
        prefix='r2',
        **options,
    )


def displacements(frames, start):
    """Nearest images of the displacements: phonopy wraps atoms into the cell."""
    moved = [frame.positions - start.positions for frame in frames]
    return [one - np.rint(one @ np.linalg.inv(start.cell)) @ start.cell.array for one in moved]


def mode_energies(frames, atoms, matrix):
    """½ ω² q² of each mode in each frame, eV, from scratch."""
    phonon = calculate_force_constants(atoms=atoms, calculator=EMT(), supercell_matrix=matrix)
    supercell = phonon.supercell
    size = 3 * len(supercell)
    roots = np.repeat(np.sqrt(supercell.masses), 3)
    hessian = full_force_constants(phonon).transpose(0, 2, 1, 3).reshape(size, size)
    values, vectors = np.linalg.eigh(hessian / np.outer(roots, roots))
    energies = [
        0.5 * values * (vectors.T @ (roots * moved.ravel())) ** 2
        for moved in displacements(frames, supercell_of(phonon))
    ]
    return np.sqrt(np.abs(values)) * WAVENUMBER, np.array(energies)


def test_each_mode_holds_kt(alloy):
    """kT cos²φ of potential energy: never above kT, kT/2 on average: kT with the kinetic."""
    sample = equal(alloy, cells=((SQRT2, 60),))
    frequencies, energies = mode_energies(sample.frames, alloy, SQRT2)
    assert np.abs(energies[:, frequencies <= 1]).max() < 1e-9
    thermal = units.kB * 60
    optical = energies[:, frequencies > 1]
    assert optical.shape == (60, 21)
    # degenerate modes share: no set of d modes holds more than d kT
    sets = np.split(optical, np.flatnonzero(np.diff(frequencies[frequencies > 1]) > 0.01) + 1, 1)
    assert all(part.sum(axis=1).max() <= part.shape[1] * thermal * 1.001 for part in sets)
    # cos² has the standard error 0.35/√n
    assert 2 * optical.mean() == pytest.approx(thermal, rel=0.06)
    assert 2 * optical.mean(axis=0) == pytest.approx(np.full(21, thermal), rel=0.45)


def test_the_potential_agrees_with_the_harmonic_energy(alloy):
    """At 1 K the crystal is harmonic: E − E₀ is the sum over modes."""
    cold = EqualEnergy(temperature=1, frequency_floor=20, strain=0.0)
    sample = equal(alloy, settings=cold, cells=((SQRT2, 5),))
    _, energies = mode_energies(sample.frames, alloy, SQRT2)
    rest = alloy.copy()
    rest.calc = EMT()
    for frame, expected in zip(sample.frames, energies.sum(axis=1), strict=True):
        frame.calc = EMT()
        found = frame.get_potential_energy() - 2 * rest.get_potential_energy()
        assert found == pytest.approx(expected, rel=0.05)


def test_frames_of_argon():
    """Another potential: Lennard-Jones argon, conventional fcc cell."""
    calculator = LennardJones(sigma=3.4, epsilon=0.0104, rc=8.5, smooth=True)
    sample = equal(bulk('Ar', 'fcc', a=5.3, cubic=True), calculator=calculator)
    assert len(sample.frames) == 4
    assert sample.lowest['p_0000'] > 20


@given(
    st.lists(st.floats(-500, 3000), min_size=1, max_size=9), st.floats(1, 500), st.floats(10, 300)
)
def test_amplitudes(frequencies, temperature, floor):
    found = equal_energy_amplitudes(
        frequencies=np.array(frequencies), temperature=temperature, frequency_floor=floor
    )
    omega = np.maximum(frequencies, floor) / WAVENUMBER
    assert 0.5 * (omega * found) ** 2 == pytest.approx(
        np.full(len(found), units.kB * temperature), rel=1e-5
    )


@given(st.integers(2, 5), st.integers(0, 1000))
@settings(deadline=None)
def test_modes_hold_no_translation(n_atoms, seed):
    rng = np.random.default_rng(seed)
    masses = rng.uniform(1, 100, size=n_atoms)
    half = rng.normal(size=(3 * n_atoms, 3 * n_atoms))
    modes = modes_of_hessian(hessian=half + half.T, masses=masses)
    assert len(modes.frequencies) == 3 * n_atoms - 3
    assert (np.diff(modes.frequencies) >= -1e-9).all()
    centre = np.einsum('i,mia->ma', masses, modes.displacements)
    assert np.abs(centre).max() < 1e-9
    weighted = (modes.displacements * np.sqrt(masses)[:, None]).reshape(-1, 3 * n_atoms)
    assert weighted @ weighted.T == pytest.approx(np.eye(len(weighted)), abs=1e-9)


def test_equal_energy_is_repeatable_and_dealt_to_the_pressures(alloy):
    cells = ((UNIT, 5), (SQRT2, 4))
    strained_ = EqualEnergy(temperature=60, frequency_floor=20, strain=0.004)
    reports = []
    samples = [
        equal(alloy, settings=strained_, cells=cells, pressures=[0, 5, 10], seed=seed, report=tell)
        for seed, tell in ((2, None), (2, lambda *line: reports.append(line)), (3, None))
    ]
    texts = [write_frames(sample.frames) for sample in samples]
    assert texts[0] == texts[1] != texts[2]
    frames = read_frames(texts[0])
    check_frames(frames, labelled=False)
    assert [float(frame.info['target_pressure']) for frame in frames] == [0, 5, 10] * 3
    assert {frame.info['method'] for frame in frames} == {'equal-energy'}
    assert not frames[0].has('masses')
    assert set(samples[0].relaxations) == set(samples[0].lowest) == {'p_0000', 'p_5000', 'p_10000'}
    volumes = [found.atoms.get_volume() for found in samples[0].relaxations.values()]
    assert volumes == sorted(volumes, reverse=True)
    assert frames[2].get_volume() / volumes[2] == pytest.approx(1, abs=0.05)
    assert reports[0] == ('relaxed at 0.0 GPa', 1, 3)
    assert reports[-1] == ('frame at 10.0 GPa', 9, 9)


def test_the_floor_and_the_temperature_matter(alloy):
    def spread(**changes):
        values = {'temperature': 60.0, 'frequency_floor': 20.0, 'strain': 0.0} | changes
        sample = equal(alloy, settings=EqualEnergy(**values))
        return np.std(displacements(sample.frames, alloy)), sample.floored

    base, none = spread()
    assert none == 0
    assert spread(temperature=240.0)[0] == pytest.approx(2 * base, rel=1e-3)
    held, floored = spread(frequency_floor=500.0)
    assert held < base
    assert floored == 4 * 9


def test_imaginary_modes_take_the_floor():
    """CuAl2 in the rutile structure is unstable in EMT."""
    atoms = crystal(
        ['Cu', 'Al'],
        [(0, 0, 0), (0.3, 0.3, 0)],
        spacegroup=136,
        cellpar=[5.75, 5.75, 3.7, 90, 90, 90],
    )
    sample = equal(atoms, settings=EqualEnergy(temperature=10, frequency_floor=80, strain=0.0))
    relaxed = sample.relaxations['p_0000'].atoms
    _, modes = optical_modes(atoms=relaxed, calculator=EMT(), supercell_matrix=UNIT)
    assert modes.frequencies[0] < -20
    assert sample.lowest['p_0000'] == pytest.approx(modes.frequencies[0])
    assert sample.floored == 4 * (modes.frequencies < 80).sum()


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        ({'temperature': -1.0}, 'temperature'),
        ({'frequency_floor': 0.0}, 'frequency_floor'),
        ({'displacement': 0.0}, 'displacement'),
        ({'strain': 0.5}, 'strain'),
    ],
)
def test_wrong_equal_energy_settings_are_refused(alloy, change, words):
    values = {'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.0} | change
    with pytest.raises(InputError, match=words):
        equal(alloy, settings=EqualEnergy(**values))


# --- frozen phonons -------------------------------------------------------------------------


def test_frozen_phonon_frames(hydride):
    squeezed = hydride.copy()
    squeezed.set_cell(hydride.cell.array * 0.99, scale_atoms=True)
    frames = frozen_phonon_frames(
        structures={'p_10000': squeezed, 'p_2000': hydride}, displacement=0.02
    )
    again = read_frames(write_frames(frames))
    check_frames(again, labelled=False)
    names = [frame.info['frame_id'] for frame in again]
    assert names == [f'fp_p_2000_{i:03d}' for i in range(4)] + [
        f'fp_p_10000_{i:03d}' for i in range(4)
    ]
    for frame, start in zip(again, [hydride] * 4 + [squeezed] * 4, strict=True):
        moved = frame.positions - start.positions
        atom = int(frame.info['displaced_atom'])
        assert moved[atom] == pytest.approx(frame.info['displacement_vector'], abs=2e-8)
        assert np.linalg.norm(frame.info['displacement_vector']) == pytest.approx(0.02)
        assert np.abs(np.delete(moved, atom, axis=0)).max() < 1e-7
        assert int(frame.info['seed']) == -1
        assert frame.info['method'] == 'frozen-phonon'
        assert (frame.info['supercell_matrix'] == np.eye(3)).all()
    assert float(again[-1].info['target_pressure']) == 10.0


def test_symprec_decides_how_many_are_needed(hydride):
    noisy = hydride.copy()
    noisy.positions += np.random.default_rng(3).normal(scale=2e-4, size=(6, 3))
    before = noisy.positions.copy()
    few = frozen_phonon_frames(structures={'p_0000': noisy}, symprec=5e-3)
    many = frozen_phonon_frames(structures={'p_0000': noisy}, symprec=1e-6)
    assert (len(few), len(many)) == (4, 36)
    assert (noisy.positions == before).all()


def test_wrong_labels_are_refused(hydride):
    with pytest.raises(PressureError, match='label'):
        frozen_phonon_frames(structures={'ambient': hydride})
