"""``aiida-insbench spectrum``: measured spectra from files to nodes and back."""

import json

import numpy as np
import pytest
from aiida.orm import Dict, SinglefileData, load_node
from click.testing import CliRunner

from aiida_insbench.calculations.measured import (
    conditions_of,
    import_band_shifts,
    import_spectrum,
    measured_of,
)
from aiida_insbench.calculations.spectra import rebin_spectrum
from aiida_insbench.cli import cmd_root
from aiida_insbench.data import SpectrumData

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile_clean'),
]

CONDITIONS = (
    '--instrument', 'TOSCA', '--temperature', 10, '--pressure', 1.5, '--pressure-error', 0.1,
    '--sample', 'thiophene',
)  # fmt: skip


def run(*words):
    done = CliRunner().invoke(cmd_root, ['spectrum', *map(str, words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def counted(tmp_path):
    """A title, a header, and lines between 20 and 400 cm⁻¹."""
    energies = np.linspace(20.0, 400.0, 39)
    counts = 5 + 3 * np.exp(-(((energies - 200) / 20) ** 2))
    rows = [f'{e:.3f} {c:.5f} 0.10' for e, c in zip(energies, counts, strict=True)]
    path = tmp_path / 'run.dat'
    path.write_text('# X (cm-1) , Y , E\n' + '\n'.join(rows) + '\n')
    return path


def newest():
    rows = json.loads(run('list', '--format', 'json').output)
    return load_node(max(row['pk'] for row in rows))


def test_file_becomes_a_node_with_its_conditions(counted):
    done = run(
        'import', counted, *CONDITIONS, '--mask', 150, 160, 'phonons of the cell',
        '--pressure-read-at', 300, '--gauge', 'ruby', '--doi', '10.5286/ISIS.E.1',
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert 'a clamped cell loses pressure on cooling' in done.output
    assert 'masked 150 to 160 cm⁻¹ (phonons of the cell)' in done.output
    node = newest()
    assert (node.origin, node.instrument, node.temperature, node.pressure) == (
        'measured', 'TOSCA', 10.0, 1.5,
    )  # fmt: skip
    assert node.base.attributes.get('doi') == '10.5286/ISIS.E.1'
    assert len(node.base.attributes.get('file_hash')) == 64
    assert conditions_of(node).pressure_error == 0.1
    spectrum = measured_of(node)
    assert np.count_nonzero(~spectrum.kept) == 2
    np.testing.assert_allclose(spectrum.error, 0.1)
    assert node.creator.inputs.file.filename == 'run.dat'
    assert '1.5 ± 0.1 GPa' in done.output


def test_zero_pressure_is_said(counted):
    done = run(
        'import', counted, '--instrument', 'TOSCA', '--temperature', 10, '--pressure', 0,
        '--sample', 'thiophene',
    )  # fmt: skip
    assert done.exit_code == 0, done.output


def test_all_that_is_missing_is_named(counted):
    done = run('import', counted, '--instrument', 'TOSCA')
    assert done.exit_code == 1
    assert 'missing: temperature, pressure, sample' in done.output
    done = run('import', counted, *CONDITIONS[:6], '--sample', 'x')
    assert 'missing: pressure_error' in done.output


def test_dry_run_stores_nothing(counted):
    done = run('import', counted, *CONDITIONS, '--dry-run')
    assert 'Can be imported' in done.output
    assert json.loads(run('list', '--format', 'json').output) == []


def test_exported_file_is_imported_the_same(counted, tmp_path):
    run('import', counted, *CONDITIONS, '--mask', 150, 160, 'cell', '--isotope', 'H=2H')
    first = newest()
    out = tmp_path / 'kept.csv'
    assert run('export', first.pk, out).exit_code == 0
    assert 'is there already' in run('export', first.pk, out).output
    done = run('import', out)
    assert done.exit_code == 0, done.output
    second = newest()
    assert second.pk != first.pk
    assert conditions_of(second) == conditions_of(first)
    assert conditions_of(second).isotopes == {'H': '2H'}
    for name in first.get_arraynames():
        np.testing.assert_array_equal(first.get_array(name), second.get_array(name))
    refused = run('import', out, '--sample', 'benzene')
    assert refused.exit_code == 1
    assert "says sample 'thiophene', not 'benzene'" in refused.output


def test_series_is_of_one_sample(counted):
    run('import', counted, *CONDITIONS, '--series', 'mine')
    again = [1.0 if word == 1.5 else word for word in CONDITIONS]
    done = run('import', counted, *again, '--series', 'mine')
    assert 'Series mine: 2 spectra' in done.output
    shown = run('series', 'mine').output.splitlines()
    assert [line.split(', ')[4] for line in shown] == ['1 ± 0.1 GPa', '1.5 ± 0.1 GPa']
    other = ['benzene' if word == 'thiophene' else word for word in CONDITIONS]
    done = run('import', counted, *other, '--series', 'mine')
    assert done.exit_code == 1
    assert 'A series is of one sample' in done.output
    deuterated = run('import', counted, *CONDITIONS, '--isotope', 'H=2H', '--series', 'mine')
    assert deuterated.exit_code == 1
    assert 'There is no series' in run('series', 'other').output


def test_empty_cell_is_subtracted(counted, tmp_path):
    empty = tmp_path / 'empty.dat'
    energies = np.linspace(10.0, 420.0, 83)
    empty.write_text('# X (cm-1) , Y , E\n' + '\n'.join(f'{e} 4.0 0.05' for e in energies))
    run('import', counted, *CONDITIONS)
    sample = newest()
    done = run('import', empty, *CONDITIONS[:-1], 'empty cell')
    assert done.exit_code == 0, done.output
    cell = newest()
    done = run('subtract', sample.pk, cell.pk, '--transmission', 0.9)
    assert done.exit_code == 0, done.output
    made = newest()
    np.testing.assert_allclose(made.total, sample.total - 0.9 * 4.0, rtol=1e-6)
    assert made.get_array('error').min() > 0.1
    assert made.creator.inputs.empty.pk == cell.pk
    assert 'must be in (0, 1]' in run('subtract', sample.pk, cell.pk, '--transmission', 2).output


def test_measured_spectra_are_drawn(counted, tmp_path):
    run('import', counted, *CONDITIONS)
    picture = tmp_path / 'a.png'
    assert run('plot', newest().pk, '--output', picture).exit_code == 0
    assert picture.read_bytes().startswith(b'\x89PNG')
    assert 'ends in .png' in run('plot', newest().pk, '--output', tmp_path / 'a.txt').output


def test_measured_bins_are_kept(counted):
    node = import_spectrum(SinglefileData(counted), Dict(settings_of()))
    _, process = rebin_spectrum.run_get_node(node, Dict({'bin_width': 20.0}))
    assert process.exit_status == 210
    assert 'keeps its bins' in process.exit_message


def test_edges_must_enclose_the_energies():
    with pytest.raises(ValueError, match='enclose each'):
        SpectrumData(
            energy_transfer=[1.0, 2.0], total=[1.0, 1.0], instrument='TOSCA', origin='measured',
            components={'bin_edges': [0.5, 2.5, 3.0]},
        )  # fmt: skip


def test_table_of_band_shifts(tmp_path):
    path = tmp_path / 'shifts.csv'
    path.write_text(
        '# technique: INS\n# temperature: 10 K\n'
        'omega0_cm1,domega_dp_cm1_per_gpa,sigma,label\n453,-4.2,0.8,ring\n612,6.0,0.9,CS\n'
    )
    rows = import_band_shifts(SinglefileData(path)).get_dict()['rows']
    assert [row['slope'] for row in rows] == [-4.2, 6.0]
    assert rows[0]['label'] == 'ring'


def settings_of():
    return {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': 1.5, 'pressure_error': 0.1,
        'sample': 'thiophene',
    }  # fmt: skip
