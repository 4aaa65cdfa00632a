"""Gathering modes block by block, on bins of any width."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, save_crystal, spring_crystal

from aiida_insbench.science.ins import interpolation
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.ins.vibrations import gather_vibrations

CONDITIONS = {'temperature': 50.0, 'bin_width': 2.0}


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    crystal = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    path = save_crystal(crystal, tmp_path_factory.mktemp('crystal') / 'c.yaml')
    return open_modes(path, mesh=(3, 3, 4))


@pytest.fixture(scope='module')
def expected(source):
    return gather_vibrations(source.collect(), **CONDITIONS)


def same(one, other, *, tolerance=1e-12):
    assert one.groups == other.groups
    assert one.tensors == pytest.approx(other.tensors, rel=tolerance)
    for atom, density in one.densities.items():
        there = other.densities[atom]
        for side in ('loss', 'gain'):
            here, away = getattr(density, side), getattr(there, side)
            size = min(here.shape[1], away.shape[1])
            assert here[:, :size] == pytest.approx(away[:, :size], abs=tolerance * away.max())
            assert not here[:, size:].any()
            assert not away[:, size:].any()


@pytest.mark.parametrize('block', [1, 5 * 18**2, 10**9])
def test_blocks_of_any_size_give_the_same(source, expected, monkeypatch, block):
    monkeypatch.setattr(interpolation, '_BLOCK', block)
    reports = []
    found = gather_vibrations(source, report=lambda *what: reports.append(what), **CONDITIONS)
    same(found, expected)
    assert found.census.n_modes == expected.census.n_modes == 18 * source.n_qpoints
    assert found.census.completeness == pytest.approx(expected.census.completeness)
    assert found.census.lowest_frequency == pytest.approx(expected.census.lowest_frequency)
    assert [dataclasses.astuple(mode) for mode in found.dominant] == [
        pytest.approx(dataclasses.astuple(mode)) for mode in expected.dominant
    ]
    assert reports[-1] == ('q-points', source.n_qpoints, source.n_qpoints)
    assert len(reports) == {1: source.n_qpoints, 10**9: 1}.get(block, len(reports))


@settings(max_examples=10, deadline=None)
@given(width=st.floats(0.3, 10.0))
def test_coarser_bins_are_what_gathering_on_them_gives(source, width):
    fine = gather_vibrations(source, temperature=50.0, bin_width=width)
    coarse = gather_vibrations(source, temperature=50.0, bin_width=2 * width)
    same(fine.coarser(), coarse, tolerance=1e-9)


def test_symmetry_the_modes_do_not_bear_out_costs_a_second_pass(source):
    modes = source.collect()
    masses = modes.masses.copy()
    masses[3] = 2.014
    changed = dataclasses.replace(modes, masses=masses)
    found = gather_vibrations(changed, **CONDITIONS)
    assert found.groups == {0: (0, 1), 2: (2, 4, 5), 3: (3,)}
    assert np.trace(found.densities[3].tensor()) == pytest.approx(np.trace(found.tensors[3]))


def test_memory_holds_a_block_only(source, monkeypatch):
    monkeypatch.setattr(interpolation, '_BLOCK', 3 * 18**2)
    sizes = [block.n_qpoints for _, block in source.blocks()]
    assert max(sizes) == 3
    assert sum(sizes) == source.n_qpoints
    assert sum(share for share, _ in source.blocks()) == pytest.approx(1)
