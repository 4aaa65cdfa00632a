"""From nothing to jobs that Slurm has run: profile, computer, codes, pseudopotentials, daemon."""

import json
import shutil
from pathlib import Path

import pytest

from aiida_insbench.cli.site import PSEUDO_FOLDERS

JOBS = Path(__file__).with_name('slurm_jobs.py')
FILES = [Path(PSEUDO_FOLDERS[0]) / name for name in ('Mg.pz-n-vbc.UPF', 'H.pz-vbc.UPF')]

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(
        shutil.which('pw.x') is None or not all(path.is_file() for path in FILES),
        reason='pw.x or the pseudopotentials of Debian are not installed',
    ),
]


@pytest.fixture
def site(run, tmp_path):
    """Profile on PostgreSQL and RabbitMQ, computer with Slurm, codes, family, two workers."""
    folder = tmp_path / 'pseudos'
    folder.mkdir()
    for path in FILES:
        shutil.copy(path, folder)
    setup = ('aiida-insbench', 'setup')
    for words in (
        (*setup, 'profile', '--name', 'group', '--postgres'),
        (*setup, 'computer', 'here', '--slurm', '--work', tmp_path / 'work', '--partition', 'main',
         '--poll', 2),
        (*setup, 'codes', '--computer', 'here'),
        (*setup, 'pseudos', folder, '--label', 'mgh2'),
        ('verdi', 'daemon', 'start', 2),
    ):  # fmt: skip
        code, said = run(*words)
        assert code == 0, said


@pytest.mark.usefixtures('site')
def test_a_job_and_a_calculation_go_through_slurm(run):
    code, said = run('aiida-insbench', 'doctor')
    assert code == 0, said
    for words in ('broker: RabbitMQ v', 'core.slurm answers', 'code pw@here', '2 workers'):
        assert words in said

    code, said = run('verdi', 'run', JOBS, 'here', 'mgh2')
    assert code == 0, said
    found = json.loads(said.splitlines()[-1])
    for name in ('SampleCalculation', 'PwCalculation'):
        one = found[name]
        assert one['exit_status'] == 0, one
        assert int(one['job_id']) > 0
        assert one['submit_script'].startswith('#!/bin/bash\n#SBATCH --partition=main\n')
    assert "'mpirun' '-np' '2'" in found['PwCalculation']['submit_script']
    assert found['energy'] == pytest.approx(-121.629, abs=0.01)  # eV, pw.x 6.7

    code, said = run('aiida-insbench', 'setup', 'codes', '--computer', 'here', '--undo')
    assert code == 1
    assert 'pw@here ran 1 times: it stays' in said


@pytest.mark.usefixtures('site')
def test_doctor_names_a_slurm_that_is_not_found(run, tmp_path):
    (tmp_path / 'none.conf').touch()
    code, said = run('aiida-insbench', 'doctor', SLURM_CONF=str(tmp_path / 'none.conf'))
    assert code == 1
    assert 'computer here: The scheduler of here does not answer' in said
    code, said = run('aiida-insbench', 'doctor', AIIDA_BROKER_PORT='9')
    assert code == 0, said  # the profile knows its broker
