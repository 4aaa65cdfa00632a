"""Functionals, as they are written by those who label frames, and whether two agree."""

import pytest

from aiida_insbench.science.dft_levels import compare_levels, functional_of

NAMES = ('the start potential', 'the dataset')


@pytest.mark.parametrize(
    ('level', 'name'),
    [
        ({}, None),
        ({'functional': ''}, None),
        ({'functional': 'PZ'}, 'LDA'),
        ({'functional': 'sla  pz nogx nogc'}, 'LDA'),
        ({'functional': 'PBE'}, 'PBE'),
        ({'functional': 'SLA PW PBX PBC'}, 'PBE'),
        ({'functional': ' SLA  PW   PBX  PBC    PBE'}, 'PBE'),
        ({'functional': 'SLA PW PBE PBE PBE'}, 'PBE'),
        ({'functional': ' SLA  PZ   NOGX NOGC   PZ'}, 'LDA'),
        ({'parameters': {'SYSTEM': {'input_dft': 'vdw-df2'}}}, 'VDW-DF2'),
        ({'functional': 'PBE', 'parameters': {'SYSTEM': {'vdw_corr': 'dft-d3'}}}, 'PBE-D3'),
        ({'functional': 'PBE-D3', 'parameters': {'SYSTEM': {'vdw_corr': 'dft-d3'}}}, 'PBE-D3'),
        ({'functional': 'r2SCAN'}, 'R2SCAN'),
    ],
)
def test_functional_of(level, name):
    assert functional_of(level) == name


@pytest.mark.parametrize(
    ('first', 'second'),
    [('PBE', 'SLA PW PBX PBC'), ('vdW-DF2', 'VDW DF2'), ('PZ', 'LDA')],
)
def test_the_same_functional_by_two_names(first, second):
    levels = {'functional': first}, {'functional': second}
    assert compare_levels(*levels, names=NAMES) is None


@pytest.mark.parametrize(
    ('first', 'second'), [('PBE', 'PBE+U'), ('PBE', 'PBE-D3'), ('PBE', 'r2SCAN'), ('PZ', 'PBE')]
)
def test_differing_functionals_are_named(first, second):
    warning = compare_levels({'functional': first}, {'functional': second}, names=NAMES)
    assert functional_of({'functional': first}) in warning
    assert functional_of({'functional': second}) in warning
    assert '`e0s`' in warning


def test_unknown_functional_is_said_not_guessed():
    warning = compare_levels({}, {'functional': 'PBE'}, names=NAMES)
    assert warning == 'The functional of the start potential is not on record; not compared.'
