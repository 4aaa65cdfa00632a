"""`insbench-job ins --force-constants …`: a spectrum by one command, without AiiDA or job file."""

import csv
import subprocess
import sys

import numpy as np
import pytest
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    save_crystal,
    spring_crystal,
)
from test_ins import write_lithium_hydride

from aiida_insbench.jobs.program import main
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.powder import PowderOptions, powder_spectrum

QUICK = ('--range', '0', '1200', '--bin-width', '4', '--mesh', '2', '2', '2')


@pytest.fixture(scope='module')
def crystal(tmp_path_factory):
    path = tmp_path_factory.mktemp('crystal') / 'MgH2.yaml'
    return save_crystal(spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS), path)


def run(*words):
    return main(['ins', *(str(word) for word in words)])


def read(path):
    lines = path.read_text().splitlines()
    settings = dict(line[2:].split(': ', 1) for line in lines if line.startswith('#'))
    rows = list(csv.DictReader(line for line in lines if not line.startswith('#')))
    return settings, {key: np.array([float(row[key]) for row in rows]) for key in rows[0]}


def test_spectrum_is_that_of_the_library(crystal, tmp_path):
    out, picture = tmp_path / 's.csv', tmp_path / 's.png'
    words = ('--force-constants', crystal, *QUICK, '--max-order', 4, '-o', out, '--plot', picture)
    assert run(*words, '--elements', '--banks') == 0
    settings, columns = read(out)
    expected = powder_spectrum(
        read_modes(crystal, mesh=(2, 2, 2)),
        instrument=get_instrument('TOSCA'),
        temperature=10.0,
        energy_range=(0.0, 1200.0),
        bin_width=4.0,
        options=PowderOptions(max_order=4),
    ).spectrum
    assert columns['total'] == pytest.approx(expected.total, rel=1e-6)
    assert columns['energy_transfer'] == pytest.approx(expected.energy_transfer)
    parts = sum(columns[f'order_{n}'] for n in range(1, expected.n_orders + 1))
    assert columns['total'] == pytest.approx(parts, rel=1e-5)
    assert columns['element_H'] == pytest.approx(expected.by_element['H'], rel=1e-6)
    assert columns['bank_forward'] == pytest.approx(expected.by_bank['forward'], rel=1e-6)
    assert settings['instrument'] == 'TOSCA'
    assert settings['kernel'] == 'exact'
    assert settings['orders'] == str(expected.n_orders)
    assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    'change',
    [
        ('--kernel', 'almost-isotropic'),
        ('--kernel', 'almost-isotropic', '--quirks', 'half-overtones'),
        ('--temperature', '200'),
        ('--instrument', 'TOSCA-Abins'),
        ('--instrument', 'Lagrange'),
        ('--instrument', 'MAPS', '--incident-energy', '250'),
        ('--cross-section', 'incoherent'),
        ('--resolution', 'none'),
        ('--resolution', '6.0', '0.01'),
        ('--mesh', '3', '3', '3'),
        ('--minimum-frequency', '300', '--maximum-imaginary-weight', '1'),
    ],
)
def test_every_option_changes_the_spectrum(crystal, tmp_path, change):
    run('--force-constants', crystal, *QUICK, '-o', tmp_path / 'plain.csv')
    assert run('--force-constants', crystal, *QUICK, *change, '-o', tmp_path / 'other.csv') == 0
    _, plain = read(tmp_path / 'plain.csv')
    _, other = read(tmp_path / 'other.csv')
    assert np.abs(plain['total'] - other['total']).max() > 1e-4 * plain['total'].max()


def test_without_a_file_it_goes_to_standard_output(crystal, capsys):
    assert run('--force-constants', crystal, *QUICK, '--max-order', 1) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith('# program: aiida-insbench')
    assert '6 atoms, 4 q-points, 1 orders' in shown.err


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (('--force-constants', 'nowhere.yaml'), 'nowhere.yaml: no such file'),
        (('--instrument', 'IN5'), 'Choose from'),
        (('--temperature', '0'), '--temperature is 0.0 K'),
        (('--temperature', '-5'), '--temperature is -5.0 K'),
        (('--max-order', '0'), '--max-order is 0'),
        (('--max-order', '500'), '--max-order is 500'),
        (('--range', '1200', '0'), 'two rising numbers'),
        (('--range', '-500', '100'), 'reaches down to'),
        (('--instrument', 'PANTHER', '--range', '0', '1300'), 'reaches up to 1209.8 cm⁻¹'),
        (('--incident-energy', '100'), 'TOSCA is of indirect geometry'),
        (('--instrument', 'MARI', '--incident-energy', '20', '--range', '0', '100'), 'resins'),
        (('--bin-width', '0'), '`bin_width` must be > 0'),
        (('--mesh', '0', '1', '1'), 'three positive whole numbers'),
        (('--resolution', 'book'), "--resolution is 'book'"),
        (('--instrument', 'TFXA'), 'No verified resolution'),
        (('--kernel', 'almost-isotropic', '--quirks', 'coth'), 'Unknown quirks: coth'),
        (('--quirks', 'half-overtones'), 'the exact one has none'),
        (('-o', 'nowhere/s.csv'), 'There is no folder nowhere'),
        (('--plot', 'picture.doc'), 'picture.doc cannot be drawn'),
    ],
)
def test_refusals(crystal, capsys, tmp_path, monkeypatch, words, named):
    monkeypatch.chdir(tmp_path)
    given = words if '--force-constants' in words else ('--force-constants', crystal, *words)
    quick = [] if {'--range', '--bin-width', '--mesh'} & set(words) else QUICK
    assert run(*given, *quick) == 10
    shown = capsys.readouterr()
    assert named in shown.err
    assert 'Traceback' not in shown.err


def test_unstable_crystal_is_a_failure(tmp_path, capsys):
    write_lithium_hydride(tmp_path / 'soft.yaml', bend=-0.6)
    assert run('--force-constants', tmp_path / 'soft.yaml', *QUICK) == 11
    assert 'imaginary' in capsys.readouterr().err


def test_help_is_of_use():
    done = subprocess.run(
        [sys.executable, '-m', 'aiida_insbench.jobs', 'ins', '--help'],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert 'phonopy YAML' in done.stdout
    assert '--kernel' in done.stdout
