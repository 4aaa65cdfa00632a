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
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum

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
    assert run(*words, '--elements', '--banks', '--sites') == 0
    settings, columns = read(out)
    expected = powder_spectrum(
        read_modes(crystal, mesh=(2, 2, 2)),
        instrument=get_instrument('TOSCA'),
        temperature=10.0,
        energy_range=(0.0, 1200.0),
        bin_width=4.0,
        options=PowderOptions(max_order=4, direction_tolerance=1e-4),
    ).spectrum
    assert columns['total'] == pytest.approx(expected.total, rel=1e-6)
    assert columns['energy_transfer'] == pytest.approx(expected.energy_transfer)
    parts = sum(columns[f'order_{n}'] for n in range(1, expected.n_orders + 1))
    assert columns['total'] == pytest.approx(parts, rel=1e-5)
    assert columns['element_H'] == pytest.approx(expected.by_element['H'], rel=1e-6)
    assert columns['site_H1'] == pytest.approx(expected.by_site['H1'], rel=1e-6)
    assert columns['bank_forward'] == pytest.approx(expected.by_bank['forward'], rel=1e-6)
    assert settings['instrument'] == 'TOSCA'
    assert settings['kernel'] == 'exact'
    assert settings['quantity'].startswith('S(Q(omega), omega)')
    assert settings['instrument_version'] == get_instrument('TOSCA').version != ''
    assert settings['q_mesh'] == '2x2x2'
    assert 'q_mesh' in settings['errors_percent_of_area']
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
        ('--isotopes', 'H=2H'),
        ('--isotopes', '2=1H:0.5,2H:0.5'),
        ('--coherent',),
        ('--displacements', 'H=0.08'),
        ('--instrument', 'VISION'),
    ],
)
def test_every_option_changes_the_spectrum(crystal, tmp_path, change):
    run('--force-constants', crystal, *QUICK, '-o', tmp_path / 'plain.csv')
    assert run('--force-constants', crystal, *QUICK, *change, '-o', tmp_path / 'other.csv') == 0
    _, plain = read(tmp_path / 'plain.csv')
    _, other = read(tmp_path / 'other.csv')
    assert np.abs(plain['total'] - other['total']).max() > 1e-4 * plain['total'].max()


def test_settings_of_the_published_resolution_can_be_changed(crystal, tmp_path):
    spectra = []
    for index, package in enumerate(('A', 'S')):
        out = tmp_path / f'{index}.csv'
        words = ('--instrument', 'MAPS', '--resolution', f'chopper_package={package}')
        assert run('--force-constants', crystal, *QUICK, *words, '-o', out) == 0
        settings, columns = read(out)
        assert settings['resolution'] == f'chopper_package={package}'
        spectra.append(columns['total'])
    assert np.abs(spectra[0] - spectra[1]).max() > 1e-3 * spectra[0].max()


@pytest.mark.parametrize('name', ['map.npz', 'map.png'])
def test_map_of_a_direct_instrument(crystal, tmp_path, name):
    words = ('--instrument', 'MERLIN', '--map', tmp_path / name, '--map-range', 1, 10, 1)
    out = tmp_path / 's.csv'
    assert run('--force-constants', crystal, *QUICK, *words, '--max-order', 2, '-o', out) == 0
    if name.endswith('png'):
        assert (tmp_path / name).stat().st_size > 10_000
        return
    with np.load(tmp_path / name) as found:
        assert found['total'].shape == found['accessible'].shape == (10, 301)
        assert found['momentum_transfer'] == pytest.approx(np.arange(1, 11))
        # from a bank's path through the map
        _, columns = read(out)
        assert found['energy_transfer'] == pytest.approx(columns['energy_transfer'])
        assert (found['total'] >= found['order_1'] - 1e-12).all()


def test_the_mesh_follows_the_tolerance(crystal, tmp_path):
    meshes = []
    for tolerance in ('20', '4'):
        out = tmp_path / f'{tolerance}.csv'
        words = ('--tolerance', tolerance, '--range', 0, 1200, '--bin-width', 4)
        assert run('--force-constants', crystal, *words, '-o', out) == 0
        settings, _ = read(out)
        errors = settings['errors_percent_of_area'].split()
        assert float(errors[errors.index('q_mesh') + 1]) <= float(tolerance)
        meshes.append(int(settings['q_mesh'].split('x')[0]))
    assert meshes[1] > meshes[0]


def test_what_is_not_converged_is_said(crystal, capsys):
    assert run('--force-constants', crystal, *QUICK, '--max-order', 1) == 0
    said = capsys.readouterr().err
    assert 'The spectrum is not converged: q_mesh' in said
    assert 'Raise `max_order`' in said


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
        (('--resolution', 'monochromator=Cu'), "has no setting 'monochromator'"),
        (('--tolerance', '0'), 'must be > 0 %'),
        (('--q-spacing', '-1'), 'must be > 0 Å⁻¹'),
        (('--q-spacing', '0.1', '--mesh', '2', '2', '2'), '--mesh or --q-spacing'),
        (('--isotopes', 'H'), "NAME=VALUE, not 'H'"),
        (('--isotopes', 'H=2H:x'), "'x' is no number"),
        (('--isotopes', 'H=9H'), 'no isotope 9H'),
        (('--isotopes', 'N=15N'), "names 'N'"),
        (('--displacements', 'H=-1'), 'not negative'),
        (('--displacements', 'O=0.1'), "names 'O'"),
        (('--coherent', '--cross-section', 'incoherent'), 'goes with `cross_section` total'),
        (('--map', 'map.png'), '--map needs an instrument of direct geometry'),
        (('--instrument', 'MERLIN', '--map', 'm.png', '--map-range', '3', '1', '1'), 'must rise'),
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
    quick = [] if {'--range', '--bin-width', '--mesh', '--q-spacing'} & set(words) else QUICK
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
