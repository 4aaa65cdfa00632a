"""Where a crystal becomes another one: space groups up to noise, atoms, sites."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import make_supercell
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.segments import (
    atom_order,
    end_of_following,
    find_segments,
    other_crystals,
)

LABELS = ('p_0000', 'p_1000', 'p_2000', 'p_3000')
RUTILE, DISTORTED = 'P4_2/mnm (136)', 'Pnnm (58)'


def rutile(scale: float = 1.0, *, turn: float = 0.0) -> Atoms:
    """MgH2; `turn` moves H atoms along (1, -1, 0) by as many Å, which leaves Pnnm."""
    u = 0.304
    shift = turn / np.sqrt(2) / 4.45
    sites = [
        (0, 0, 0),
        (0.5, 0.5, 0.5),
        (u + shift, u - shift, 0),
        (1 - u - shift, 1 - u + shift, 0),
        (0.5 + u + shift, 0.5 - u + shift, 0.5),
        (0.5 - u - shift, 0.5 + u - shift, 0.5),
    ]
    cell = np.diag([4.45, 4.45, 3.0]) * scale
    return Atoms('Mg2H4', cell=cell, scaled_positions=sites, pbc=True)


def noisy(atoms: Atoms, rng: np.random.Generator, size: float) -> Atoms:
    """Positions and axes off by so much, the atoms in any order and on any image."""
    moved = atoms[rng.permutation(len(atoms))]
    moved.positions += rng.normal(scale=size, size=(len(atoms), 3))
    moved.set_cell(moved.cell.array + rng.normal(scale=size, size=(3, 3)), scale_atoms=True)
    moved.positions += rng.integers(-2, 3, size=(len(atoms), 3)) @ moved.cell.array
    return moved


def segments(*crystals: Atoms, symprec: float = 1e-3):
    named = dict(zip(LABELS, crystals, strict=False))
    return find_segments(named, symprec=symprec, name='base')


@given(
    seed=st.integers(0, 1000),
    symprec=st.sampled_from([1e-6, 1e-5, 1e-4, 1e-3, 1e-2]),
    turn=st.sampled_from([0.0, 0.2]),
)
def test_noise_does_not_cut_however_tight_the_tolerance(seed, symprec, turn):
    """Positions off by 1e-4 Å: P1 to spglib at 1e-6, the right group at 5e-3."""
    rng = np.random.default_rng(seed)
    crystals = [
        rutile(turn=turn),
        *(noisy(rutile(scale, turn=turn), rng, 1e-4) for scale in (0.99, 0.98)),
    ]
    (one,) = segments(*crystals, symprec=symprec)
    assert one.labels == LABELS[:3]
    assert one.space_group == (DISTORTED if turn else RUTILE)
    for label, cell in zip(one.labels, crystals, strict=True):
        away = cell[one.orders[label]].get_scaled_positions() - crystals[0].get_scaled_positions()
        assert np.abs(away - np.rint(away)).max() < 1e-3


@given(seed=st.integers(0, 1000), symprec=st.sampled_from([1e-6, 1e-3, 5e-3]))
def test_another_group_cuts_in_spite_of_noise(seed, symprec):
    """Noise makes P1 of both at a tight tolerance, which does not make them one crystal."""
    rng = np.random.default_rng(seed)
    crystals = [rutile(), rutile(0.99), rutile(0.98, turn=0.1), rutile(0.97, turn=0.15)]
    first, second = segments(*(noisy(one, rng, 1e-4) for one in crystals), symprec=symprec)
    assert (first.labels, first.space_group) == (LABELS[:2], RUTILE)
    assert (second.labels, second.space_group) == (LABELS[2:], DISTORTED)
    assert second.change == f'the crystal is {DISTORTED} instead of {RUTILE}'
    assert end_of_following([first, second]) == (
        f'Modes are followed from 0 to 1 GPa only: at 2 GPa the crystal is {DISTORTED} instead of '
        f'{RUTILE}.'
    )


@pytest.mark.parametrize(('turn', 'count'), [(1e-3, 1), (0.02, 2)])
def test_a_distortion_counts_from_beyond_noise(turn, count):
    assert len(segments(rutile(), rutile(turn=turn))) == count


def test_a_crystal_that_goes_and_comes_back_has_three_segments():
    found = segments(rutile(), rutile(turn=0.1), rutile())
    assert [one.labels for one in found] == [('p_0000',), ('p_1000',), ('p_2000',)]
    assert 'at 0 GPa only' in end_of_following(found)


def test_slow_distortion_is_cut_against_the_first_not_the_one_before():
    """Each step is small enough for noise; the whole is not."""
    found = segments(rutile(), rutile(turn=1e-3), rutile(turn=0.02))
    assert [one.labels for one in found] == [('p_0000', 'p_1000'), ('p_2000',)]


def test_another_number_of_atoms_cuts():
    doubled = make_supercell(rutile(0.99), np.diag([1, 1, 2]))
    first, second = segments(rutile(), doubled)
    assert (first.n_atoms, second.n_atoms) == (6, 12)
    assert second.change == 'the crystal has 12 atoms in its cell instead of 6'


def test_other_sites_or_axes_cut_where_the_group_is_the_same():
    moved = rutile()
    moved.positions += [1.1, 0, 0]
    for other in (moved, rutile(0.6)):
        _, second = segments(rutile(), other)
        assert 'other sites' in second.change


def test_sites_may_drift_from_step_to_step():
    """0.5 Å a step, 1 Å in all: too far from the first crystal, near enough to the last."""
    crystals = [rutile() for _ in range(3)]
    for step, one in enumerate(crystals):
        one.positions += [0.5 * step, 0, 0]
    (only,) = segments(*crystals)
    assert only.orders['p_2000'].tolist() == list(range(6))


def test_another_substance_is_refused():
    other = rutile()
    other.symbols[:2] = 'Ca'
    with pytest.raises(StructureError, match='one substance'):
        segments(rutile(), other)


def test_crystals_that_differ_from_the_reference_are_named():
    mine, theirs = segments(rutile(), rutile(turn=0.1)), segments(rutile(), rutile())
    assert other_crystals(mine, theirs) == [
        f'At 1 GPa the crystal is {DISTORTED} with 6 atoms, in DFT {RUTILE} with 6 atoms.'
    ]
    assert other_crystals(mine, mine) == []
    assert other_crystals(mine, segments(rutile())) == []


def test_order_of_atoms_needs_one_setting():
    with pytest.raises(StructureError, match='here: the axes'):
        atom_order(rutile(0.6), rutile(), where='here')
    assert end_of_following(segments(rutile())) is None
