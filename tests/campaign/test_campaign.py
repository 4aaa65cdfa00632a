"""The whole chain, small: real pw.x, real MACE, real daemon, on a profile of its own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from demo_program import SMALL, command, run, script

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
]

WALK = """
import json
from aiida import load_profile
load_profile('insbench-demo')
from aiida.orm import QueryBuilder, WorkChainNode
from aiida_insbench.queries import lineage, pw_calculations_behind
query = QueryBuilder()
query.append(WorkChainNode, filters={'attributes.process_label': 'CampaignWorkChain'})
query.order_by({WorkChainNode: {'ctime': 'desc'}})
campaign = query.first(flat=True)
frames = campaign.outputs.dataset.get_frames()
found = {}
for label, spectrum in campaign.outputs.spectrum.items():
    runs = pw_calculations_behind(spectrum)
    labelled = []
    for run in runs:
        links = run.caller.base.links.get_incoming().all()
        labelled += [link.link_label for link in links if 'call' in link.link_type.value]
    found[label] = {'frames': labelled, 'purposes': [row.purpose for row in lineage(spectrum)]}
jobs = [n for n in campaign.called_descendants if n.process_label == 'PwCalculation']
print(json.dumps({
    'pk': campaign.pk,
    'ids': [frame.info['frame_id'] for frame in frames],
    'held_out': [f.info['frame_id'] for f in campaign.outputs.validation.get_frames()],
    'spectra': found,
    'spectrum_pk': next(iter(campaign.outputs.spectrum.values())).pk,
    'potential_files': sorted(
        campaign.outputs.potentials.round_2.base.repository.list_object_names()),
    'pw': len(jobs),
    'cached': sum(1 for n in jobs if n.base.caching.is_created_from_cache),
    'campaigns': query.count(),
}))
"""

BENCHMARK = """
from aiida import load_profile
load_profile('insbench-demo')
from aiida.orm import QueryBuilder, WorkChainNode
query = QueryBuilder().append(
    WorkChainNode,
    filters={'attributes.process_label': 'BenchmarkWorkChain', 'attributes.exit_status': 0},
)
print(query.first(flat=True).uuid)
"""

DRAW = """
from aiida import load_profile
load_profile('insbench-demo')
from aiida.tools.visualization import Graph
graph = Graph()
graph.recurse_ancestors({pk}, annotate_links='both', include_process_outputs=True)
print(graph.graphviz.source)
"""


@pytest.fixture(scope='module')
def demo(tmp_path_factory):
    """A small campaign, run once to its end."""
    folder = tmp_path_factory.mktemp('demo') / 'small'
    done = run(folder, *SMALL)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder, done.stdout
    command(folder, 'demo', 'clean', '--folder', str(folder))
    assert not folder.exists()


@pytest.fixture(scope='module')
def graph(demo):
    """What stands behind the spectra, read once."""
    return walk(demo[0])


def test_report_is_written(demo):
    folder, printed = demo
    report = json.loads((folder / 'report.json').read_text())
    assert [potential['name'] for potential in report['potentials']] == ['round 1', 'round 2']
    assert [spectrum['pressure'] for spectrum in report['spectra']] == [0.0, 1.0]
    assert [one['number'] for one in report['rounds']] == [1, 2]
    assert report['rounds'][-1]['decision']['stop']
    ranked = report['benchmark']['ranking']['ranked']
    assert {one['name'] for one in ranked} == {'round_1', 'round_2'}
    assert 'report.html' in printed
    assert (folder / 'report.html').stat().st_size > 10_000
    rows = [r for r in (folder / 'spectra.csv').read_text().splitlines() if not r.startswith('#')]
    assert len(rows) > 1000
    assert report['provenance']['n_pw_failed'] == 0


def test_every_spectrum_leads_back_to_every_labelled_frame(graph):
    assert len(graph['ids']) + len(graph['held_out']) == 16
    for spectrum in graph['spectra'].values():
        assert set(graph['ids']) | set(graph['held_out']) <= set(spectrum['frames'])
        assert any(purpose.startswith('vc-relax') for purpose in spectrum['purposes'])


def test_potential_holds_no_pickle(graph):
    assert graph['potential_files'] == ['potential.json', 'potential.safetensors']


def test_spectrum_bands_lie_at_phonon_frequencies(demo):
    """Order 1 of the spectrum is nothing but the modes, so its bands are theirs."""
    folder, _ = demo
    report = json.loads((folder / 'report.json').read_text())
    modes = report['potentials'][-1]['comparison']['modes']
    for spectrum in report['spectra']:
        frequencies = [mode['frequencies'][spectrum['label']] for mode in modes]
        energy, order = spectrum['energy_transfer'], spectrum['orders']['1']
        inside = sum(
            value
            for place, value in zip(energy, order, strict=True)
            if min(frequencies) - 250 <= place <= max(frequencies) + 150
        )
        assert inside > 0.97 * sum(order)


def test_run_again_shows_the_result_and_starts_nothing(demo):
    folder, printed = demo
    done = run(folder, *SMALL)
    assert done.returncode == 0
    assert 'Submitted' not in done.stdout
    assert 'Starting the daemon' not in done.stdout
    assert walk(folder)['campaigns'] == 1
    assert [line for line in printed.splitlines() if 'red' in line] == [
        line for line in done.stdout.splitlines() if 'red' in line
    ]


@pytest.mark.full
def test_second_campaign_runs_no_pw(demo):
    folder, _ = demo
    before = json.loads((folder / 'report.json').read_text())
    done = run(folder, *SMALL, '--again')
    assert done.returncode == 0, done.stdout + done.stderr
    graph = walk(folder)
    assert graph['campaigns'] == 2
    assert graph['pw'] == graph['cached'] > 16
    after = json.loads((folder / 'report.json').read_text())
    assert after['spectra'][0]['total'] == before['spectra'][0]['total']


@pytest.mark.full
def test_benchmark_travels_to_another_profile(demo, tmp_path):
    """Its archive is read elsewhere, and the report there says the same."""
    folder, _ = demo
    found = script(folder, '-c', BENCHMARK).stdout.strip().splitlines()[-1]
    here = ('benchmark', 'report', found, '--folder', str(tmp_path / 'here'))
    made = command(folder, '-p', 'insbench-demo', 'data', 'insbench', *here, name='verdi')
    assert made.returncode == 0, made.stderr
    archive = str(tmp_path / 'benchmark.aiida')
    command(folder, '-p', 'insbench-demo', 'archive', 'create', '-N', found, '--', archive,
            name='verdi')  # fmt: skip
    other = tmp_path / 'other'
    (other / 'aiida' / '.aiida').mkdir(parents=True)
    command(other, 'presto', '-n', '--use-zeromq', '-p', 'other', name='verdi')
    read = command(other, '-p', 'other', 'archive', 'import', archive, name='verdi')
    assert read.returncode == 0, read.stderr
    there = ('benchmark', 'report', found, '--folder', str(tmp_path / 'there'))
    drawn = command(other, '-p', 'other', 'data', 'insbench', *there, name='verdi')
    assert drawn.returncode == 0, drawn.stderr
    first, second = (
        without_identities(json.loads((tmp_path / name / 'benchmark.json').read_text()))
        for name in ('here', 'there')
    )
    assert first == second


def without_identities(value):
    """All but numbers of nodes, which differ from profile to profile, and the time."""
    if isinstance(value, dict):
        left_out = ('pk', 'nodes', 'started_from', 'generated')
        return {k: without_identities(v) for k, v in value.items() if k not in left_out}
    return [without_identities(one) for one in value] if isinstance(value, list) else value


def test_lineage_command_prints_every_pw_calculation(demo, graph):
    folder, _ = demo
    done = command(
        folder, '-p', 'insbench-demo', 'data', 'insbench', 'query', 'lineage',
        str(graph['spectrum_pk']), '--format', 'json', name='verdi',
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(json.loads(done.stdout)) >= 17


def test_examples_read_and_prepare_campaigns(demo, repository):
    folder, _ = demo
    examples = repository / 'examples'
    plot = folder / 'spectra.png'
    done = script(folder, str(examples / 'read_campaign.py'), '--plot', str(plot))
    assert 'pw.x runs stand behind the spectrum at 0 GPa' in done.stdout
    assert plot.stat().st_size > 10_000
    done = script(folder, str(examples / 'submit_campaign.py'), '--dry-run')
    assert 'complete and valid' in done.stdout


def test_graph_of_a_spectrum_is_unbroken(demo, graph):
    """What `verdi node graph generate` draws (with Graphviz) reaches from pw.x to the spectrum."""
    folder, _ = demo
    drawn = script(folder, '-c', DRAW.format(pk=graph['spectrum_pk'])).stdout
    for what in ('PwCalculation', 'TrainCalculation', 'PhononsCalculation', 'InsCalculation'):
        assert what in drawn


def test_verdi_knows_the_workchains(demo):
    folder, _ = demo
    done = command(folder, 'plugin', 'list', 'aiida.workflows', 'insbench.campaign', name='verdi')
    assert done.returncode == 0
    assert 'pressures' in done.stdout
    assert 'positive is compression' in ' '.join(done.stdout.split())


def walk(folder: Path) -> dict:
    return json.loads(script(folder, '-c', WALK).stdout.strip().splitlines()[-1])
