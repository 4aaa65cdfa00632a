"""A worker killed after an upload forgets the job's remote folder; what the job computes is kept.

AiiDA 2.9 registers `remote_folder` in memory at the upload and stores it with the next change of
state. The upload here returns as it does, and nothing is registered.
"""

import shutil

import pytest
from aiida.engine import run_get_node
from aiida.engine.daemon import execmanager
from aiida.orm import CalcJobNode, Dict, Int, List, Str, StructureData
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from fake_nodes import crystal
from test_label_real import label, runs, silicon

from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sub_process import MISSING_OUTPUT, ended_well

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

SETTINGS = {
    'volume_range': [0.98, 1.02],
    'strain': 0.0,
    'rattle': {'Mg': [0, 0.01], 'H': [0, 0.01]},
}


@pytest.fixture
def forgetful(monkeypatch):
    """Uploads whose remote folder is not registered."""
    upload = execmanager.upload_calculation
    uploads = []

    async def forgets(node, *args, **kwargs):
        uploads.append((node.pk, await upload(node, *args, **kwargs)))

    monkeypatch.setattr(execmanager, 'upload_calculation', forgets)
    return uploads


def test_jobs_of_this_package_name_it_again(job_code, forgetful):
    results, node = run_get_node(
        SampleBaseWorkChain,
        sample={
            'code': job_code,
            'structure': StructureData(ase=crystal()),
            'method': Str('strain-rattle'),
            'prefix': Str('t'),
            'pressures': List([0.0]),
            'cells': List([{'supercell_matrix': [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 'count': 2}]),
            'seed': Int(1),
            'settings': Dict(SETTINGS),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    ((pk, folder),) = forgetful
    (job,) = [one for one in node.called if isinstance(one, CalcJobNode)]
    assert job.pk == pk
    assert results['remote_folder'].get_remote_path() == folder.get_remote_path()
    assert job.outputs.remote_folder.uuid == results['remote_folder'].uuid


@pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed')
def test_labels_of_pw_count_all_the_same(pw, forgetful):
    outputs, node = label(pw, [silicon('r1_000')])
    assert node.is_finished_ok, node.exit_message
    assert len(forgetful) == 1
    assert outputs['dataset'].n_frames == 1
    run = runs(node)['r1_000']
    assert run.process_label == PwBaseWorkChain.__name__
    # the fault is still there, and its work chain says so
    assert run.exit_status == MISSING_OUTPUT
    assert ended_well(run)
