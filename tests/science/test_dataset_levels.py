"""What differs between two levels of theory, in words, and what merged sets have on record."""

import pytest

from aiida_insbench.science.dataset_merge import merge_levels
from aiida_insbench.science.dft_levels import dispersion_of, exchange_correlation_of, functional_of
from aiida_insbench.science.dft_settings import level_differences, level_in_words, settings_of
from aiida_insbench.science.errors import DatasetError

LEVEL = {
    'code': 'Quantum ESPRESSO pw.x',
    'version': '7.2',
    'functional': 'PBE',
    'parameters': {
        'CONTROL': {'tstress': True},
        'SYSTEM': {
            'ecutwfc': 60.0, 'ecutrho': 480.0, 'occupations': 'smearing', 'smearing': 'cold',
            'degauss': 0.01, 'vdw_corr': 'grimme-d3', 'dftd3_version': 4,
        },
    },
    'pseudopotentials': {'H': {'filename': 'H.upf', 'md5': 'aaaa'},
                         'Mg': {'filename': 'Mg.upf', 'md5': 'bbbb'}},
    'kpoints_mesh': [4, 4, 6],
    'kpoints_distance': 0.35,
}  # fmt: skip


def changed(system=None, **entries):
    level = {**LEVEL, **entries}
    if system is not None:
        merged = {**LEVEL['parameters']['SYSTEM'], **system}
        merged = {key: value for key, value in merged.items() if value is not None}
        level['parameters'] = {**LEVEL['parameters'], 'SYSTEM': merged}
    return level


@pytest.mark.parametrize(
    ('system', 'vdw'),
    [
        ({}, ''),
        ({'vdw_corr': 'none'}, ''),
        ({'vdw_corr': 'DFT-D'}, 'D2'),
        ({'vdw_corr': 'grimme-d3'}, 'D3'),
        ({'vdw_corr': 'Grimme-D3', 'dftd3_version': 2}, 'D2'),
        ({'vdw_corr': 'dft-d3', 'dftd3_version': 3}, 'D3'),
        ({'vdw_corr': 'dft-d3', 'dftd3_version': 4}, 'D3(BJ)'),
        ({'vdw_corr': 'dft-d3', 'dftd3_version': 5}, 'D3M'),
        ({'vdw_corr': 'dft-d3', 'dftd3_version': 6}, 'D3M(BJ)'),
        ({'vdw_corr': 'TS'}, 'TS'),
        ({'vdw_corr': 'mbd_vdw'}, 'MBD'),
        ({'vdw_corr': 'XDM'}, 'XDM'),
        ({'input_dft': 'vdw-df2'}, 'non-local'),
        ({'input_dft': 'rVV10'}, 'non-local'),
    ],
)
def test_dispersion_of_pw(system, vdw):
    """INPUT_PW: 4 is Becke-Johnson damping; without `dftd3_version` it is 3, zero damping."""
    assert dispersion_of({'functional': '', 'parameters': {'SYSTEM': system}}) == vdw


@pytest.mark.parametrize(
    ('written', 'exchange', 'vdw', 'name'),
    [
        ('PBE-D3(BJ)', 'PBE', 'D3(BJ)', 'PBE-D3(BJ)'),
        ('pbe-d3bj', 'PBE', 'D3(BJ)', 'PBE-D3(BJ)'),
        ('PBE+D3', 'PBE', 'D3', 'PBE-D3'),
        ('PBE-D3(zero)', 'PBE', 'D3', 'PBE-D3'),
        ('PBE0-MBD', 'PBE0', 'MBD', 'PBE0-MBD'),
        ('r2SCAN', 'R2SCAN', '', 'R2SCAN'),
        ('XC-000I-000I-000I-000I-497L-498L', 'R2SCAN', '', 'R2SCAN'),
        ('XC-000I-000I-000I-000I-263L-267L', 'SCAN', '', 'SCAN'),
        ('SLA+PW+RW86+VDW2', 'VDW-DF2', 'non-local', 'VDW-DF2'),
        ('vdW-DF-cx', 'VDW-DF-CX', 'non-local', 'VDW-DF-CX'),
        ('vdW-DF3-opt1', 'VDW-DF3-OPT1', 'non-local', 'VDW-DF3-OPT1'),
        ('rVV10', 'RVV10', 'non-local', 'RVV10'),
        ('PBEsol', 'PBESOL', '', 'PBESOL'),
        ('B3LYP', 'B3LYP', '', 'B3LYP'),
    ],
)
def test_written_functionals(written, exchange, vdw, name):
    level = {'functional': written}
    assert (exchange_correlation_of(level), dispersion_of(level)) == (exchange, vdw)
    assert functional_of(level) == name


def test_settings():
    found = settings_of(LEVEL)
    assert (found.functional, found.vdw, found.ecutwfc, found.ecutrho) == ('PBE', 'D3(BJ)', 60, 480)
    assert found.pseudo_hashes == {'H': 'aaaa', 'Mg': 'bbbb'}
    assert settings_of(changed({'ecutrho': None})).ecutrho == 240
    assert settings_of({}).ecutwfc is None


def test_in_words():
    words = level_in_words(LEVEL)
    assert words == (
        'PBE-D3(BJ), 60/480 Ry, k 4×4×6, k spacing 0.35 Å⁻¹, Quantum ESPRESSO pw.x 7.2'
    )
    assert level_in_words({}) == 'no labels'


@pytest.mark.parametrize(
    ('other', 'lines'),
    [
        (changed(), []),
        (changed({'smearing': 'mv'}), []),
        (changed({'nosym': True, 'nbnd': 20}), []),
        (changed(pulay_stress_gpa=0.1, source='x'), []),
        (changed(functional='R2SCAN'), ['functional: PBE / R2SCAN']),
        (changed(functional=''), ['functional: PBE / not on record']),
        (changed({'dftd3_version': 3}), ['dispersion correction: D3(BJ) / D3']),
        (changed({'dftd3_threebody': False}), ['SYSTEM.dftd3_threebody: default / False']),
        (changed({'vdw_corr': None}), ['dispersion correction: D3(BJ) / none']),
        (changed({'ecutwfc': 80.0}), ['cutoff of wave functions: 60 Ry / 80 Ry']),
        (changed({'ecutrho': 240.0}), ['cutoff of the density: 480 Ry / 240 Ry']),
        (
            changed({'occupations': 'fixed', 'smearing': None, 'degauss': None}),
            ['occupations: marzari-vanderbilt smearing of 0.01 Ry / fixed'],
        ),
        (
            changed({'degauss': 0.02}),
            ['occupations: marzari-vanderbilt smearing of 0.01 Ry / '
             'marzari-vanderbilt smearing of 0.02 Ry'],
        ),
        (changed({'nspin': 2}), ['SYSTEM.nspin: default / 2']),
        (
            changed(pseudopotentials={'H': {'filename': 'h.upf', 'md5': 'cccc'}}),
            ['pseudopotential of H: H.upf (aaaa) / h.upf (cccc)'],
        ),
        (changed(pseudopotentials={'O': {'filename': 'O.upf', 'md5': 'dddd'}}), []),
        (changed(kpoints_mesh=[5, 5, 6], kpoints_distance=0.3), []),
        (
            changed(kpoints_mesh=[2, 2, 4], kpoints_distance=0.7),
            ['k spacing: 0.35 Å⁻¹ / 0.7 Å⁻¹'],
        ),
        (
            changed(kpoints_mesh=[2, 2, 4], kpoints_distance=None),
            ['k points: mesh 4×4×6 / mesh 2×2×4'],
        ),
        (changed(version='6.7'), ['version: 7.2 / 6.7']),
        (changed(code='VASP'), ['code: Quantum ESPRESSO pw.x / VASP']),
    ],
)  # fmt: skip
def test_differences(other, lines):
    assert level_differences(LEVEL, other) == lines
    assert len(level_differences(other, LEVEL)) == len(lines)


def test_merged_level_has_all_pseudopotentials_and_the_coarsest_spacing():
    oxygen = {'O': {'filename': 'O.upf', 'md5': 'dddd'}}
    other = changed(
        pseudopotentials=oxygen, kpoints_mesh=[3, 3, 3], kpoints_distance=0.38, pulay_stress_gpa=0.2
    )
    merged = merge_levels({'a': LEVEL, 'b': other})
    assert set(merged['pseudopotentials']) == {'H', 'Mg', 'O'}
    assert merged['kpoints_distance'] == 0.38
    assert 'kpoints_mesh' not in merged
    assert 'pulay_stress_gpa' not in merged
    assert merge_levels({'a': LEVEL, 'b': LEVEL}) == LEVEL


def test_every_difference_is_said_at_once():
    other = changed({'ecutwfc': 80.0, 'vdw_corr': None}, version='6.7')
    with pytest.raises(DatasetError, match='different levels') as caught:
        merge_levels({'a': LEVEL, 'b': LEVEL, 'c': other})
    assert '`a` and `c`' in str(caught.value)
    for line in level_differences(LEVEL, other):
        assert line in str(caught.value)


def test_levels_merged_on_request():
    merged = merge_levels({'a': LEVEL, 'b': changed(functional='R2SCAN')}, allow_different=True)
    assert functional_of(merged) == 'PBE-D3(BJ) / R2SCAN-D3(BJ)'
    assert merged['functional'] == functional_of(merged)
    assert level_differences(LEVEL, merged)
