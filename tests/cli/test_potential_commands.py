"""``aiida-insbench potential``: in, out, list and show, as a new user would."""

import json

import pytest
from aiida.orm import load_node
from click.testing import CliRunner
from small_mace import mace_model

from aiida_insbench.cli import cmd_root
from aiida_insbench.data import PotentialData
from aiida_insbench.jobs.model_files import export_potential
from aiida_insbench.queries import potentials
from aiida_insbench.science.potentials import potential_from_ase, potential_from_mace

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]


def run(*words):
    return CliRunner().invoke(cmd_root, ['potential', *(str(word) for word in words)])


@pytest.fixture(scope='module')
def small():
    return potential_from_mace(
        mace_model(), provenance={'dft_level': {'functional': 'LDA'}, 'licence': 'MIT'}
    )


@pytest.fixture(scope='module')
def model_file(small, tmp_path_factory):
    path = tmp_path_factory.mktemp('models') / 'small.model'
    export_potential(small, path)
    return path


@pytest.mark.real
def test_import_list_show_export(model_file, tmp_path):
    refused = run('import', model_file)
    assert refused.exit_code == 1
    assert 'opening it can run anything' in refused.output
    assert 'Traceback' not in refused.output
    words = ('--trust', '--functional', 'PBE-D3', '--licence', 'CC-BY-4.0', '-L', 'mine')
    done = run('import', model_file, *words)
    assert done.exit_code == 0, done.output
    assert 'mace, 2 elements, cutoff 3.5 Å, heads Default' in done.output
    row = potentials()[-1]
    assert (row.label, row.functional, row.licence) == ('mine', 'PBE-D3', 'CC-BY-4.0')
    assert row.origin == 'small.model'

    listed = run('list', '--elements', 'H,Mg').output
    assert f'{row.pk}  mine' in listed
    assert 'mace: ScaleShiftMACE H Mg' in ' '.join(listed.split())
    shown = json.loads(run('show', row.pk, '--format', 'json').output)
    assert shown['cutoff (Å)'] == 3.5
    assert shown['pw.x calculations behind it'] == 0
    assert shown['provenance']['source']['file'] == 'small.model'
    assert 'num_bessel' in run('show', row.pk).output

    target = tmp_path / 'again.model'
    assert run('export', row.pk, target).exit_code == 0
    assert target.stat().st_size > 10_000
    twice = run('export', row.pk, target)
    assert twice.exit_code == 1
    assert 'is there already' in twice.output


def test_pair_of_files_is_imported_once(small, tmp_path):
    export_potential(small, tmp_path / 'pair.json')
    first = run('import', tmp_path / 'pair.json')
    assert first.exit_code == 0, first.output
    node = load_node(potentials()[-1].pk)
    assert isinstance(node, PotentialData)
    assert node.get_potential() == small
    again = run('import', tmp_path / 'pair.json')
    assert f'holds it already: PotentialData<{node.pk}>' in again.output
    assert potentials()[-1].pk == node.pk


def test_calculator_of_another_package():
    done = run('calculator', 'lj', '--arguments', '{"sigma": 3.0}', '-L', 'argon')
    assert done.exit_code == 0, done.output
    row = potentials()[-1]
    assert (row.label, row.kind) == ('argon', 'ase: lj')
    assert row.origin.startswith('ase 3.')
    assert load_node(row.pk).get_potential() == potential_from_ase('lj', {'sigma': 3.0})
    refused = run('export', row.pk, 'argon.model')
    assert refused.exit_code == 1
    assert 'has no weights to write' in refused.output


@pytest.mark.parametrize(
    ('words', 'named'),
    [
        (('import', 'nowhere.model'), 'nowhere.model: no such file'),
        (('import', 'MACE-XL'), 'Known names: MACE-MP-0-small'),
        (('calculator', 'gaussian'), "'gaussian' is not on the list"),
        (('calculator', 'lj', '--arguments', '{'), '--arguments is no JSON'),
        (('calculator', 'lj', '--arguments', '{"sigma": 0}'), 'Argument sigma of lj is 0'),
        (('show', '999999'), '999999'),
    ],
)
def test_refusals(words, named):
    done = run(*words)
    assert done.exit_code != 0
    assert named in done.output
    assert 'Traceback' not in done.output


def test_names_are_listed():
    listed = run('names').output
    for name in ('MACE-MP-0b3-medium', 'MACE-MATPES-r2SCAN-0', 'MACE-OFF24-medium', 'chgnet'):
        assert name in listed
