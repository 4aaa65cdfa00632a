"""Followed modes as vibrations of the crystal at each pressure, and the choice of one."""

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.followed_vibrations import _in_place, followed_vibrations
from aiida_insbench.science.lattice_waves import vibrations_at
from aiida_insbench.science.mode_choice import Candidate, choose_mode
from aiida_insbench.science.phonons import phonopy_from_force_constants
from aiida_insbench.science.shifts import mode_table
from aiida_insbench.science.supercells import to_ase

LABELS = ('p_0000', 'p_1000', 'p_2000')


def squeezed(step, *, order=(0, 1, 2, 3, 4, 5)):
    """MgH2 in a smaller cell with stiffer springs; atoms perhaps in another order."""
    cell = MAGNESIUM_HYDRIDE.copy()
    cell.cell = cell.cell * (1 - 0.01 * step)
    moved = type(cell)(
        symbols=[cell.symbols[index] for index in order],
        cell=cell.cell,
        scaled_positions=cell.scaled_positions[list(order)],
    )
    springs = {
        reach: (stretch * (1 + 0.1 * step), bend * (1 - 0.05 * step))
        for reach, (stretch, bend) in MAGNESIUM_HYDRIDE_SPRINGS.items()
    }
    made = spring_crystal(moved, springs, supercell=(2, 2, 2))
    return phonopy_from_force_constants(  # with its symmetry
        atoms=to_ase(made.unitcell),
        supercell_matrix=2 * np.eye(3, dtype=int),
        force_constants=made.force_constants,
    )


@pytest.fixture(scope='module')
def found():
    orders = ([0, 1, 2, 3, 4, 5], [3, 1, 0, 2, 5, 4], [1, 0, 4, 5, 2, 3])
    phonons = {
        label: squeezed(step, order=order)
        for step, (label, order) in enumerate(zip(LABELS, orders, strict=True))
    }
    (series,) = followed_vibrations(phonons)
    return phonons, series


def test_atoms_stand_in_one_order_on_nearest_images(found):
    _, series = found
    first = series.cells[LABELS[0]]
    for label in LABELS[1:]:
        cell = series.cells[label]
        assert list(cell.symbols) == list(first.symbols)
        away = cell.get_scaled_positions(wrap=False) - first.get_scaled_positions(wrap=False)
        assert np.abs(away).max() < 0.01
        assert cell.get_volume() < first.get_volume()


def test_an_atom_on_another_image_is_put_back():
    """An atom on a face stands at 0 at one pressure and, by noise, at 1 at the next."""
    first = to_ase(MAGNESIUM_HYDRIDE)
    second = first.copy()
    second.set_cell(first.cell * 0.99, scale_atoms=True)
    moved = second.copy()
    moved.positions[[0, 3]] += second.cell.array[0] - second.cell.array[2]
    assert _in_place(moved, first).positions == pytest.approx(second.positions)


def test_each_is_a_mode_of_the_crystal_at_its_pressure(found):
    """Against the modes at Γ of each pressure alone: frequency, and the projector of its set."""
    phonons, series = found
    rows = mode_table(series.series)
    for label, phonon in phonons.items():
        alone = vibrations_at(phonon, (0, 0, 0))
        theirs = np.array([one.frequency for one in alone])
        for row in rows:
            mode = series.vibration(row['index'], label)
            assert mode.number == row['index'] + 1
            assert mode.frequency == pytest.approx(row['frequencies'][label])
            assert np.abs(theirs - mode.frequency).min() < 0.01
            away = phonon.primitive.scaled_positions[:, None] - mode.cell.get_scaled_positions()
            order = np.linalg.norm(away - np.rint(away), axis=2).argmin(axis=1)
            vector = mode.eigenvector[order].ravel()
            near = [one for one in alone if abs(one.frequency - mode.frequency) < 0.05]
            weight = sum(abs(np.vdot(one.eigenvector.ravel(), vector)) ** 2 for one in near)
            assert weight == pytest.approx(1, abs=1e-6)


def test_signs_are_those_of_the_first_pressure(found):
    _, series = found
    for group, members in enumerate(series.series.optical.groups):
        first = series.vectors(group, LABELS[0]).reshape(len(members), -1)
        last = series.vectors(group, LABELS[-1]).reshape(len(members), -1)
        assert np.einsum('mi,mi->m', first, last).min() > 0.9


def test_members_of_a_degenerate_set(found):
    _, series = found
    sizes = [len(members) for members in series.series.optical.groups]
    pair = sizes.index(2)
    first, second = (series.vibration(pair, LABELS[1], member=n).eigenvector for n in (0, 1))
    assert np.vdot(first, second) == pytest.approx(0, abs=1e-9)
    with pytest.raises(InputError, match=rf'Mode {pair + 1} has 2 members; there is no member 3'):
        series.vibration(pair, LABELS[1], member=2)
    with pytest.raises(InputError, match='has one member; there is no member 2'):
        series.vibration(sizes.index(1), LABELS[1], member=1)


def test_another_crystal_begins_another_series():
    shifted = MAGNESIUM_HYDRIDE.copy()
    shifted.scaled_positions = shifted.scaled_positions + 0.02 * np.random.default_rng(0).normal(
        size=(6, 3)
    )
    other = spring_crystal(shifted, MAGNESIUM_HYDRIDE_SPRINGS, supercell=(2, 2, 2))
    series = followed_vibrations({'p_0000': squeezed(0), 'p_1000': squeezed(1), 'p_2000': other})
    assert [list(one.cells) for one in series] == [['p_0000', 'p_1000'], ['p_2000']]
    with pytest.raises(InputError, match='no force constants'):
        followed_vibrations({})


CANDIDATES = [
    Candidate(1, 'B1g', -70.3),
    Candidate(2, '', 178.0),
    Candidate(3, 'Eu', 306.4),
    Candidate(4, 'A1g', 309.9),
]


@pytest.mark.parametrize(
    ('words', 'number'),
    [({'number': 3}, 3), ({'near': 180}, 2), ({'near': 303}, 3), ({'near': -72}, 1)],
)
def test_choice(words, number):
    assert choose_mode(CANDIDATES, **words).number == number


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        ({'number': 5}, r'no mode 5; the modes are 1 to 4'),
        ({'near': 308}, r'2 modes lie within 5 cm⁻¹ of 308: 3 Eu \(306\.4 cm⁻¹\), 4 A1g \(309\.9'),
        ({'near': 70}, r'No mode .* nearest are 2 \(178\.0 cm⁻¹\), 1 B1g \(70\.3i cm⁻¹\)'),
        ({}, 'one of both'),
        ({'number': 1, 'near': 180}, 'one of both'),
    ],
)
def test_choice_that_is_none(words, message):
    with pytest.raises(InputError, match=message):
        choose_mode(CANDIDATES, **words)
