"""Following and matching of Γ modes: invariants, crossings, an analytic crystal."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ortho_group

from aiida_insbench.science.errors import ComputationError, InputError, StructureError
from aiida_insbench.science.modes import (
    ModeSet,
    follow,
    match,
    near_degenerate,
    rigid_translations,
    split_acoustic,
    subspace_overlap,
)
from aiida_insbench.science.shifts import (
    ModeSeries,
    Tolerances,
    mode_series,
    mode_table,
    shift_and_direction,
)
from aiida_insbench.science.sites import site_order
from aiida_insbench.science.verdict import judge
from aiida_insbench.science.verdict_words import wavenumber

#: Frequencies (cm⁻¹) and degeneracies of made-up optical modes: 2 atoms too few, so 5 atoms.
LEVELS = [(-120.0, 1), (180.0, 1), (306.0, 2), (477.0, 2), (731.0, 1), (1034.0, 3), (1521.0, 2)]
MASSES = np.array([24.305, 24.305, 1.008, 1.008, 1.008])


def orthonormal_basis(seed: int, n_atoms: int = 5) -> np.ndarray:
    """Rows: three rigid translations, then a random orthonormal completion."""
    translations = rigid_translations(MASSES[:n_atoms])
    random = np.random.default_rng(seed).normal(size=(3 * n_atoms - 3, 3 * n_atoms))
    full, _ = np.linalg.qr(np.vstack([translations, random]).T)
    basis = full.T
    basis[:3] = translations
    return basis


def spread_levels(levels: list[tuple[float, int]]) -> np.ndarray:
    return np.concatenate([[value] * size for value, size in levels])


def scrambled(frequencies: np.ndarray, vectors: np.ndarray, seed: int) -> ModeSet:
    """The same modes with another order, signs and basis inside each degenerate set."""
    rng = np.random.default_rng(seed)
    vectors = vectors * rng.choice([-1.0, 1.0], size=len(vectors))[:, None]
    for value in np.unique(frequencies):
        members = np.flatnonzero(frequencies == value)
        if len(members) > 1:
            vectors[members] = ortho_group.rvs(len(members), random_state=rng) @ vectors[members]
    order = rng.permutation(len(frequencies))
    return ModeSet(frequencies[order], vectors[order], ('',) * len(order))


def optical_at(frequencies: np.ndarray, seed: int, scramble: int) -> ModeSet:
    return scrambled(frequencies, orthonormal_basis(seed)[3:], scramble)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10_000), scramble=st.integers(0, 10_000))
def test_order_signs_and_degenerate_bases_do_not_matter(seed, scramble):
    """A random permutation, random signs and rotations: the modes are found again exactly."""
    start = spread_levels(LEVELS)
    end = spread_levels([(value * 1.1 - 20, size) for value, size in LEVELS])
    first = ModeSet(start, orthonormal_basis(seed)[3:], ('',) * len(start))
    followed = follow([first, optical_at(end, seed, scramble)])
    assert [len(group) for group in followed.groups] == [size for _, size in LEVELS]
    for index, (value, _) in enumerate(LEVELS):
        assert followed.frequencies(index) == pytest.approx([value, value * 1.1 - 20], abs=1e-6)
        assert followed.overlap(index) == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scramble=st.integers(0, 10_000),
    gap=st.floats(-1.4, 1.4),
)
def test_crossing_is_followed_through_even_when_modes_meet(seed, scramble, gap):
    """Two modes meet within the tolerance at the middle pressure and are mixed there."""
    rng = np.random.default_rng(scramble)
    basis = orthonormal_basis(seed)[3:]
    levels = np.array([500.0, 520.0, *np.linspace(800, 2000, 10)])
    middle, last = levels.copy(), levels.copy()
    middle[:2] = [510.0, 510.0 + gap]
    last[:2] = [520.0, 500.0]
    mixed = basis.copy()
    if abs(gap) < 1e-9:  # exactly degenerate: the program may return any mixture
        mixed[:2] = ortho_group.rvs(2, random_state=rng) @ basis[:2]
    names = ('Ag', 'Bu', *[''] * 10)
    followed = follow(
        [
            ModeSet(levels, basis, names),
            ModeSet(middle, mixed, ('',) * 12),
            ModeSet(last[::-1], basis[::-1], ('',) * 12),
        ]
    )
    assert followed.frequencies(0) == pytest.approx([500, 510, 520], abs=1e-6)
    assert followed.frequencies(1) == pytest.approx([520, 510 + gap, 500], abs=1e-6)
    assert followed.irrep(0) == 'Ag'


def test_fully_mixed_meeting_point_is_rotated_back():
    """At an exact crossing the program returns a 45° mixture; the chain still goes straight."""
    basis = orthonormal_basis(1)[3:]
    levels = np.array([500.0, 520.0, *np.linspace(800, 2000, 10)])
    middle, last = levels.copy(), levels.copy()
    middle[:2], last[:2] = 510.0, [520.0, 500.0]
    mixed = basis.copy()
    mixed[:2] = np.array([[1, 1], [1, -1]]) / np.sqrt(2) @ basis[:2]
    none = ('',) * 12
    followed = follow(
        [ModeSet(levels, basis, none), ModeSet(middle, mixed, none), ModeSet(last, basis, none)]
    )
    assert followed.frequencies(0) == pytest.approx([500, 510, 520])
    assert followed.overlap(0) == pytest.approx(1.0)


def test_numerically_split_pair_stays_a_pair():
    levels = spread_levels(LEVELS)
    noisy = levels + np.linspace(-0.3, 0.3, len(levels))
    basis = orthonormal_basis(3)[3:]
    followed = follow([ModeSet(noisy, basis, ('',) * 12), optical_at(levels, 3, 8)])
    assert [len(group) for group in followed.groups] == [size for _, size in LEVELS]


def test_one_dimensional_irreps_are_never_merged():
    basis = orthonormal_basis(2)[3:]
    levels = np.array([500.0, 500.5, *np.linspace(800, 2000, 10)])
    names = ('A1g', 'B1g', *['Eu'] * 10)
    assert len(follow([ModeSet(levels, basis, names)]).groups) == 12


def test_near_degenerate_sets_take_the_closest_first():
    """100 | 101.49, 101.51: the pair 0.02 apart belongs together, not the first two."""
    sets = near_degenerate(np.array([101.49, 100.0, 101.51, 300.0]), tolerance=1.5)
    assert [members.tolist() for members in sets] == [[1], [0, 2], [3]]


@given(seed=st.integers(0, 1000))
@settings(max_examples=20, deadline=None)
def test_subspace_overlap_knows_no_basis(seed):
    rng = np.random.default_rng(seed)
    basis = orthonormal_basis(seed)
    rotated = ortho_group.rvs(3, random_state=rng) @ basis[:3]
    assert subspace_overlap(basis[:3], rotated) == pytest.approx(1.0)
    assert subspace_overlap(basis[:3], basis[3:6]) == pytest.approx(0.0, abs=1e-12)
    assert subspace_overlap(basis[:2], basis[:3]) == pytest.approx(2 / 3)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), soft=st.floats(-40, 40), noise=st.floats(-30, 30))
def test_acoustic_modes_are_told_by_translation_not_by_frequency(seed, soft, noise):
    """A soft optical mode among noisy acoustic ones, anywhere: the right three are left out."""
    basis = orthonormal_basis(seed)
    frequencies = np.concatenate([[noise, noise + 5.0, noise - 5.0], spread_levels(LEVELS)])
    frequencies[3] = soft
    order = np.random.default_rng(seed).permutation(len(frequencies))
    modes = ModeSet(frequencies[order], basis[order], ('',) * len(order))
    optical, acoustic = split_acoustic(modes, MASSES)
    assert sorted(acoustic.frequencies) == pytest.approx([noise - 5, noise, noise + 5], abs=1e-6)
    assert sorted(optical.frequencies) == pytest.approx(sorted(frequencies[3:]), abs=1e-6)


def test_acoustic_mode_mixed_with_a_degenerate_optical_one_is_unmixed():
    basis = orthonormal_basis(4)
    frequencies = np.concatenate([[0.0, 0.0, 0.0], spread_levels(LEVELS)])
    frequencies[3] = 0.0
    basis[:4] = ortho_group.rvs(4, random_state=5) @ basis[:4]
    modes = ModeSet(frequencies, basis, ('',) * 15)
    _, acoustic = split_acoustic(modes, MASSES)
    overlap = subspace_overlap(acoustic.eigenvectors, rigid_translations(MASSES))
    assert overlap == pytest.approx(1.0)


def test_no_translations_is_refused():
    rng = np.random.default_rng(0)
    modes = ModeSet(np.linspace(100, 2000, 15), ortho_group.rvs(15, random_state=rng), ('',) * 15)
    with pytest.raises(ComputationError, match='acoustic sum rule'):
        split_acoustic(modes, MASSES)


def test_eigenvectors_must_be_orthonormal():
    with pytest.raises(ComputationError, match='not orthonormal'):
        ModeSet(np.ones(2), np.ones((2, 6)), ('', ''))


def test_modes_of_different_crystals_are_refused():
    small = ModeSet(np.ones(1), np.eye(1, 6), ('',))
    with pytest.raises(ComputationError, match='different crystals'):
        follow([small, ModeSet(np.ones(1), np.eye(1, 9), ('',))])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10_000), scramble=st.integers(0, 10_000))
def test_match_finds_the_reference_by_eigenvector_not_by_frequency(seed, scramble):
    """The reference has the frequencies in another order; eigenvectors decide."""
    rng = np.random.default_rng(scramble)
    levels = np.linspace(200, 2000, 12)
    other = rng.permutation(levels)
    basis = orthonormal_basis(seed)[3:]
    mine = follow([ModeSet(levels, basis, ('',) * 12)])
    theirs = follow([scrambled(other, basis, scramble)])
    indices, overlaps = match(mine, theirs, [(0, 0)])
    assert theirs.sets[0].frequencies[indices] == pytest.approx(other)
    assert overlaps == pytest.approx(np.ones(12))


def test_participation_and_directions_in_the_table():
    series = ladder_series({'p_0000': 0.0, 'p_1000': -15.0, 'p_2000': -40.0}, moving=1)
    rows = mode_table(series)
    assert [row['degeneracy'] for row in rows] == [size for _, size in LEVELS]
    assert rows[0]['direction'] == 'unstable'
    assert rows[1]['direction'] == 'red'
    assert rows[1]['shift'] == pytest.approx(-40.0)
    assert rows[1]['slope'] == pytest.approx(-20.0)
    assert rows[2]['direction'] == 'flat'
    for row in rows:
        assert sum(row['participation'].values()) == pytest.approx(1.0)


def test_one_pressure_has_no_shift():
    row = mode_table(ladder_series({'p_0000': 0.0}, moving=1))[1]
    assert (row['shift'], row['slope'], row['direction']) == (None, None, None)


@given(start=st.floats(10, 2000), slope=st.floats(-50, 50), step=st.floats(0.1, 5))
def test_slope_of_a_straight_line_is_exact(start, slope, step):
    pressures = {f'p_{index}': index * step for index in range(4)}
    frequencies = {key: start + slope * value for key, value in pressures.items()}
    found = shift_and_direction(frequencies, pressures, Tolerances())
    assert found['slope'] == pytest.approx(slope, abs=1e-6 * start)
    assert found['shift'] == pytest.approx(3 * step * slope, abs=1e-6)


@pytest.mark.parametrize('bad', [{'flat': -1}, {'overlap': 'x'}, {'unknown': 1}, {'flat': True}])
def test_bad_settings_are_refused(bad):
    with pytest.raises(InputError):
        Tolerances.from_settings(bad)


def test_every_setting_is_read():
    values = {'flat': 2, 'imaginary': 3, 'degeneracy': 4, 'overlap': 0.5}
    assert Tolerances.from_settings(values) == Tolerances(2.0, 3.0, 4.0, 0.5)


def ladder_series(
    moves: dict[str, float],
    *,
    moving: int,
    levels: list[tuple[float, int]] | None = None,
    all_shift: float = 0.0,
    seed: int = 7,
) -> ModeSeries:
    """Followed modes of LEVELS; level `moving` shifts by `moves`, all others by `all_shift`/GPa."""
    sets, pressures = {}, {}
    for count, (label, move) in enumerate(moves.items()):
        pressures[label] = float(count)
        shifted = [
            (value + (move if index == moving else all_shift * count), size)
            for index, (value, size) in enumerate(levels or LEVELS)
        ]
        frequencies = np.concatenate([[0.0, 0.01, -0.01], spread_levels(shifted)])
        sets[label] = scrambled(frequencies, orthonormal_basis(seed), count + 11)
    return mode_series(
        sets, pressures=pressures, symbols=['Mg', 'Mg', 'H', 'H', 'H'], masses=MASSES
    )


@settings(max_examples=20)
@given(turn=st.floats(0.6, 0.75), seed=st.integers(0, 1000))
def test_avoided_crossings_are_named_with_the_partner(turn, seed):
    """Two modes turned into each other by an angle keep cos² of it and find sin² in the other."""
    basis = orthonormal_basis(seed)
    levels = np.concatenate([[0.0, 0.01, -0.01], np.linspace(200, 2000, 12)])
    after = basis.copy()
    rotation = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    after[[4, 5]] = rotation @ basis[[4, 5]]
    sets = {
        label: ModeSet(levels, vectors, ('',) * 15)
        for label, vectors in (('p_0000', basis), ('p_1000', basis), ('p_2000', after))
    }
    series = mode_series(
        sets,
        pressures={'p_0000': 0.0, 'p_1000': 1.0, 'p_2000': 2.0},
        symbols=['Mg', 'Mg', 'H', 'H', 'H'],
        masses=MASSES,
    )
    found = judge(series, None)
    assert [(row['index'], row['partner']) for row in found['avoided_crossings']] in (
        [(1, 2), (2, 1)],
        [(2, 1), (1, 2)],
    )
    for row in found['avoided_crossings']:
        assert (row['from'], row['to']) == ('p_1000', 'p_2000')
        assert row['overlap'] == pytest.approx(np.cos(turn) ** 2)
        assert row['partner_overlap'] == pytest.approx(np.sin(turn) ** 2)
    judged = judge(series, series)['verdict']['sentences'][-1]
    assert 'mode 2 at 364 cm⁻¹ (overlap' in judged
    assert 'mixes with mode 3 at 527 cm⁻¹' in judged


def test_modes_that_do_not_mix_are_not_named():
    assert judge(ladder_series(DFT_MOVES, moving=1), None)['avoided_crossings'] == []


STABLE = [(150.0, 1), *LEVELS[1:]]
DFT_MOVES = {'p_0000': 0.0, 'p_1000': -15.0, 'p_2000': -60.0}


def test_verdict_right_physics():
    dft = ladder_series(DFT_MOVES, moving=1, levels=STABLE, all_shift=5.0)
    moves = {'p_0000': 2.0, 'p_1000': -39.0, 'p_2000': -101.0}
    found = judge(ladder_series(moves, moving=1, levels=STABLE, all_shift=5.0), dft)
    assert found['verdict']['passed'] is True
    assert found['red_modes'] == [1]
    text = '\n'.join(found['verdict']['sentences'])
    assert 'is reproduced: 182 → 79 cm⁻¹, 1.7 times the DFT shift.' in text
    assert 'All 6 DFT blue shifts are reproduced.' in text
    assert found['rms_error_cm1']['p_1000'] == pytest.approx(24 / np.sqrt(12))
    squares = 2.0**2 + 24.0**2 + 41.0**2
    assert found['rms_error_all_cm1'] == pytest.approx(np.sqrt(squares / 36))
    assert found['worst_error_cm1'] == pytest.approx(-41.0)
    assert found['worst_error'] == {'index': 1, 'irrep': '', 'label': 'p_2000'}
    row = found['modes'][1]
    assert row['reference']['p_2000'] == pytest.approx(120.0)
    assert (row['reference_shift'], row['reference_direction']) == (pytest.approx(-60.0), 'red')
    assert row['reference_overlap'] == pytest.approx(1.0)


def test_verdict_unstable_where_dft_is_stable():
    dft = ladder_series(DFT_MOVES, moving=1, levels=STABLE, all_shift=5.0)
    moves = {'p_0000': -323.0, 'p_1000': -312.0, 'p_2000': -294.0}
    found = judge(ladder_series(moves, moving=1, levels=STABLE, all_shift=5.0), dft)
    assert found['verdict']['passed'] is False
    first = found['verdict']['sentences'][0]
    assert first.startswith('Unstable where DFT is stable: ')
    assert 'at 0 / 1 / 2 GPa, 143i / 132i / 114i cm⁻¹ (DFT 180 / 165 / 120 cm⁻¹).' in first
    assert any(
        'not reproduced' in line and 'goes blue' in line for line in found['verdict']['sentences']
    )


@pytest.mark.parametrize(('move', 'word'), [(30.0, 'goes blue'), (0.2, 'stays flat')])
def test_verdict_wrong_sign_of_a_shift(move, word):
    dft = ladder_series(DFT_MOVES, moving=1, levels=STABLE)
    moves = {'p_0000': 0.0, 'p_1000': move / 2, 'p_2000': move}
    found = judge(ladder_series(moves, moving=1, levels=STABLE), dft)
    assert found['verdict']['passed'] is False
    assert any(word in line for line in found['verdict']['sentences'])


def test_verdict_counts_wrong_blue_shifts():
    dft = ladder_series(DFT_MOVES, moving=1, levels=STABLE, all_shift=5.0)
    found = judge(ladder_series(DFT_MOVES, moving=1, levels=STABLE, all_shift=-5.0), dft)
    assert found['verdict']['passed'] is False
    wrong = [line for line in found['verdict']['sentences'] if 'goes red' in line]
    assert len(wrong) == 6


def test_verdict_says_what_dft_instability_is_missed():
    dft = ladder_series({'p_0000': 0.0, 'p_1000': -300.0}, moving=1, levels=STABLE)
    found = judge(ladder_series({'p_0000': 0.0, 'p_1000': -100.0}, moving=1, levels=STABLE), dft)
    assert any(
        line.startswith('Stable where DFT is unstable') for line in found['verdict']['sentences']
    )
    assert found['modes'][1]['reference_direction'] == 'unstable'


@pytest.mark.parametrize('other', [None, {'p_9000': 0.0}])
def test_verdict_without_reference(other):
    reference = other and ladder_series(other, moving=1)
    found = judge(ladder_series(DFT_MOVES, moving=1), reference)
    assert found['verdict']['passed'] is None
    assert found['rms_error_all_cm1'] is None
    assert found['modes'][0]['reference'] == {}
    text = '\n'.join(found['verdict']['sentences'])
    assert 'cannot be judged' in text
    assert 'Imaginary: mode 1 at 0 / 1 / 2 GPa (120i / 120i / 120i cm⁻¹).' in text
    assert 'Red shifts: mode 2 180 → 120 cm⁻¹.' in text


def test_modes_of_another_crystal_share_little_and_are_named():
    mine = ladder_series({'p_0000': 0.0, 'p_1000': 5.0}, moving=1, levels=STABLE, seed=1)
    dft = ladder_series({'p_0000': 0.0, 'p_1000': 5.0}, moving=1, levels=STABLE, seed=2)
    assert 'less certainty' in judge(mine, dft)['verdict']['sentences'][-1]


def test_wavenumbers_as_spectroscopists_write_them():
    assert [wavenumber(value) for value in (181.4, -142.6, -0.3, 0.0)] == ['181', '143i', '0', '0']


def rocksalt(force_constant: float) -> ModeSet:
    """Γ modes of a diatomic cell, one spring matrix K·1 between the two atoms, by hand."""
    masses = np.array([22.98977, 35.453])
    dynamical = np.kron(
        force_constant * np.array([[1, -1], [-1, 1]]) / np.sqrt(np.outer(masses, masses)),
        np.eye(3),
    )
    squares, vectors = np.linalg.eigh(dynamical)
    frequencies = np.sign(squares) * np.sqrt(np.abs(squares)) * 521.471  # √(eV/Å²/u) in cm⁻¹
    return ModeSet(frequencies, vectors.T, ('',) * 6)


def test_analytic_diatomic_crystal():
    """ω² = K/μ, threefold: the participation of an atom is the other's share of the mass."""
    masses = np.array([22.98977, 35.453])
    springs = {'p_0000': 2.0, 'p_1000': 3.0}
    series = mode_series(
        {label: rocksalt(value) for label, value in springs.items()},
        pressures={'p_0000': 0.0, 'p_1000': 1.0},
        symbols=['Na', 'Cl'],
        masses=masses,
    )
    (row,) = mode_table(series)
    reduced = masses.prod() / masses.sum()
    assert row['degeneracy'] == 3
    assert row['frequencies']['p_0000'] == pytest.approx(521.471 * np.sqrt(2 / reduced))
    assert row['frequencies']['p_1000'] == pytest.approx(521.471 * np.sqrt(3 / reduced))
    assert row['participation']['Na'] == pytest.approx(masses[1] / masses.sum())
    assert series.acoustic['p_0000'] == pytest.approx(0.0, abs=1e-4)
    assert row['direction'] == 'blue'


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_sites_are_found_again_after_strain_and_shuffle(seed):
    rng = np.random.default_rng(seed)
    symbols = ['Mg', 'Mg', 'H', 'H', 'H', 'H']
    u = 0.304
    fractional = np.array(
        [
            [0, 0, 0],
            [0.5, 0.5, 0.5],
            [u, u, 0],
            [1 - u, 1 - u, 0],
            [0.5 + u, 0.5 - u, 0.5],
            [0.5 - u, 0.5 + u, 0.5],
        ]
    )
    order = rng.permutation(6)
    moved = (fractional + rng.normal(scale=0.01, size=(6, 3)) + rng.integers(-2, 3, (6, 3)))[order]
    found = site_order(
        symbols=symbols,
        fractional=fractional,
        other_symbols=[symbols[index] for index in order],
        other_fractional=moved,
        cell=np.diag([4.4, 4.4, 3.0]),
    )
    assert order[found].tolist() == list(range(6))


def test_another_crystal_has_no_sites_in_common():
    cell, fractional = np.eye(3) * 4, np.array([[0.0, 0, 0], [0.5, 0.5, 0.5]])
    with pytest.raises(StructureError, match='same origin'):
        site_order(
            symbols=['Na', 'Cl'],
            fractional=fractional,
            other_symbols=['Na', 'Cl'],
            other_fractional=fractional[::-1],
            cell=cell,
        )
    with pytest.raises(StructureError, match='different atoms'):
        site_order(
            symbols=['Na', 'Cl'],
            fractional=fractional,
            other_symbols=['K', 'Cl'],
            other_fractional=fractional,
            cell=cell,
        )
