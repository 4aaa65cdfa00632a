"""Computers, codes and pseudopotentials that `setup` makes, finds again and removes; no servers."""

import hashlib
import json
import os
import shutil
import stat
import tarfile
from pathlib import Path

import pytest
from aiida.orm import Computer, InstalledCode, QueryBuilder
from aiida_pseudo.data.pseudo import UpfData
from aiida_pseudo.groups.family import PseudoPotentialFamily
from click.testing import CliRunner
from debian_pseudos import DEBIAN, needs_files

from aiida_insbench.cli import cmd_root
from aiida_insbench.cli.computers import SlurmComputer, check_plan, load_computer
from aiida_insbench.cli.site import find_job_program
from aiida_insbench.cli.site_checks import check_site
from aiida_insbench.science.errors import InputError

FILES = ('Mg.pz-n-vbc.UPF', 'H.pz-vbc.UPF')

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile_clean'),
]
needs_debian = needs_files(*FILES)


def run(*words):
    done = CliRunner().invoke(cmd_root, ['setup', *(str(word) for word in words)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, ' '.join(done.output.split())


def count(kind):
    return QueryBuilder().append(kind).count()


@pytest.fixture
def programs(tmp_path, monkeypatch):
    """A PATH with a pw.x and a Slurm whose queue is empty."""
    folder = tmp_path / 'bin'
    folder.mkdir()
    for name in ('pw.x', 'squeue'):
        program = folder / name
        program.write_text('#!/bin/sh\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv('PATH', f'{folder}:{os.environ["PATH"]}')
    return folder


def test_this_machine_made_once_and_undone(programs, tmp_path):
    work = ('--work', tmp_path / 'work')
    code, said = run(*work, '--dry-run')
    assert code == 0
    assert 'Would make the computer insbench-local' in said
    assert count(Computer) == 0
    assert run(*work)[0] == 0
    assert run(*work)[0] == 0
    assert (count(Computer), count(InstalledCode)) == (1, 2)
    assert 'pw@insbench-local is there' in run(*work, '--dry-run')[1]
    assert (
        'Would remove the computer insbench-local and its codes pw' in run('--undo', '--dry-run')[1]
    )
    assert run('--undo')[0] == 0
    assert (count(Computer), count(InstalledCode)) == (0, 0)
    assert 'There is no computer' in run('--undo')[1]


def test_options_of_the_group_are_not_lost_on_its_commands(tmp_path):
    code, said = run('--dry-run', 'computer', 'x', '--work', tmp_path)
    assert code == 2
    assert 'Give --dry-run after computer' in said
    assert run()[0] == 2


def slurm(tmp_path, *words):
    return run('computer', 'cluster', '--slurm', '--work', tmp_path / 'work', *words)


def test_computer_with_slurm(programs, tmp_path):
    code, said = slurm(tmp_path, '--partition', 'short', '--account', 'ins', '--dry-run')
    assert code == 0
    assert said.endswith('#!/bin/bash #SBATCH --partition=short #SBATCH --account=ins')
    assert count(Computer) == 0
    code, said = slurm(tmp_path, '--partition', 'short', '--mpirun', 'srun -n {tot_num_mpiprocs}')
    assert code == 0, said
    computer = load_computer('cluster')
    assert computer.get_shebang() == '#!/bin/bash\n#SBATCH --partition=short'
    assert computer.get_mpirun_command() == ['srun', '-n', '{tot_num_mpiprocs}']
    assert (tmp_path / 'work').is_dir()
    same = ('--partition', 'short', '--mpirun', 'srun -n {tot_num_mpiprocs}')
    assert slurm(tmp_path, *same) == (0, 'Report: The computer cluster is there.')
    code, said = slurm(tmp_path, *same, '--qos', 'high')
    assert code == 1
    assert 'with first lines of jobs' in said
    assert 'Would remove' in run('computer', 'cluster', '--undo', '--dry-run')[1]
    assert run('computer', 'cluster', '--undo')[0] == 0
    assert count(Computer) == 0


def test_slurm_that_does_not_answer_leaves_no_computer(programs, tmp_path):
    (programs / 'squeue').write_text('#!/bin/sh\necho no controller >&2\nexit 1\n')
    code, said = slurm(tmp_path)
    assert code == 1
    assert 'The scheduler of cluster does not answer' in said
    assert 'no controller' in said
    assert count(Computer) == 0


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--partition', 'a b'], "`partition` is 'a b'; give one word"),
        (['--account', 'x\n#SBATCH --uid=0'], '`account` is'),
        (['--work', 'relative'], 'must be an absolute path'),
        (['--work', '/x/{who}'], 'unknown replacement field'),
        (['--mpirun', 'srun {ranks}'], 'unknown replacement field'),
    ],
)
def test_bad_settings_of_slurm(tmp_path, words, message):
    code, said = slurm(tmp_path, *words)
    assert code == 1
    assert message in said
    assert count(Computer) == 0


def test_host_that_does_not_exist(tmp_path):
    code, said = run(
        'computer', 'far', '--slurm', '--hostname', 'no-such-host.invalid', '--work', '/scratch'
    )
    assert code == 1
    assert 'The computer far cannot be reached' in said
    assert '`ssh no-such-host.invalid true` must work without a question' in said
    assert count(Computer) == 0


def test_computer_without_slurm(tmp_path):
    words = ('computer', 'box', '--work', tmp_path, '--slots', 3)
    assert 'Would make' in run(*words, '--dry-run')[1]
    code, said = run(*words)
    assert code == 0
    assert '3 jobs at once' in said
    assert 'is there' in run(*words)[1]
    assert run('computer', 'box', '--work', tmp_path / 'other')[0] == 1
    code, said = run('computer', 'box2', '--work', tmp_path, '--partition', 'x')
    assert (code, '--partition goes with --slurm alone' in said) == (1, True)


def test_computer_made_otherwise_is_left_alone(tmp_path):
    Computer('mine', 'localhost', '', 'core.local', 'core.direct', str(tmp_path)).store()
    code, said = run('computer', 'mine', '--undo')
    assert code == 1
    assert 'was not made by `setup`' in said
    assert count(Computer) == 1


@pytest.fixture
def cluster(programs, tmp_path):
    assert slurm(tmp_path)[0] == 0
    return load_computer('cluster')


CODES = ('codes', '--computer', 'cluster')


def test_codes_found_through_the_transport(cluster, programs):
    assert f'pw@cluster would be made: {programs / "pw.x"}' in run(*CODES, '--dry-run')[1]
    assert run(*CODES)[0] == 0
    assert 'pw@cluster is there' in run(*CODES)[1]
    found = {code.label: str(code.filepath_executable) for code in QueryBuilder().append(
        InstalledCode).all(flat=True)}  # fmt: skip
    assert found == {'pw': str(programs / 'pw.x'), 'insbench-job': find_job_program()}
    code, said = run('computer', 'cluster', '--undo')
    assert (code, '2 nodes belong to the computer cluster' in said) == (1, True)
    assert 'Removed pw@cluster' in run(*CODES, '--only', 'pw', '--undo')[1]
    assert count(InstalledCode) == 1
    assert run(*CODES, '--undo')[0] == 0
    assert 'There are none' in run(*CODES, '--undo')[1]


def test_a_module_makes_pw_known(cluster, programs, tmp_path):
    elsewhere = tmp_path / 'qe'
    elsewhere.mkdir()
    (programs / 'pw.x').rename(elsewhere / 'pw.x')
    module = f'export PATH={elsewhere}:$PATH'
    code, said = run(*CODES, '--only', 'pw', '--prepend-text', module)
    assert code == 0, said
    (code,) = QueryBuilder().append(InstalledCode).all(flat=True)
    assert str(code.filepath_executable) == str(elsewhere / 'pw.x')
    assert module in code.prepend_text


def test_programs_that_are_not_there(cluster, programs, monkeypatch):
    monkeypatch.setenv('PATH', f'{programs}:/usr/bin:/bin')
    (programs / 'pw.x').rename(programs / 'other')
    if shutil.which('pw.x') is None:
        code, said = run(*CODES)
        assert code == 1
        assert 'pw.x was not found on PATH of cluster' in said
    code, said = run(*CODES, '--pw', programs / 'none; touch evil')
    assert code == 1
    assert 'is no absolute path of a program on cluster' in said
    assert not Path('evil').exists()
    assert count(InstalledCode) == 0
    code, said = run('codes', '--computer', 'nowhere')
    assert (code, 'There is no computer nowhere' in said) == (1, True)


def test_another_program_under_the_same_code_is_refused(cluster, programs, tmp_path):
    assert run(*CODES)[0] == 0
    other = shutil.copy(programs / 'pw.x', tmp_path / 'pw.x')
    code, said = run(*CODES, '--pw', other)
    assert code == 1
    assert f'The code pw@cluster is {programs / "pw.x"}, not {other}' in said


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / 'mgh2'
    made.mkdir()
    for name in FILES:
        shutil.copy(DEBIAN / name, made)
    return made


@needs_debian
def test_pseudos_of_a_folder_made_once_and_undone(folder, tmp_path):
    words = ('pseudos', folder, '--label', 'mgh2')
    assert 'Would make mgh2: 2 pseudopotentials (H, Mg), LDA' in run(*words, '--dry-run')[1]
    assert count(PseudoPotentialFamily) == count(UpfData) == 0
    assert run(*words)[0] == 0
    assert run(*words) == (0, 'Report: mgh2 is there: 2 pseudopotentials.')
    (folder / FILES[1]).unlink()
    code, said = run(*words)
    assert (code, 'of other pseudopotentials than' in said) == (1, True)
    assert 'Would remove mgh2 and 2 of its 2' in run('pseudos', 'mgh2', '--undo', '--dry-run')[1]
    assert run('pseudos', 'mgh2', '--undo')[0] == 0
    assert count(PseudoPotentialFamily) == count(UpfData) == 0
    assert 'There is no family' in run('pseudos', 'mgh2', '--undo')[1]


@needs_debian
def test_pseudos_that_were_there_before_stay(folder):
    with (folder / FILES[0]).open('rb') as handle:
        before = UpfData(handle, filename=FILES[0]).store()
    run('pseudos', folder, '--label', 'mgh2')
    assert 'Removed mgh2 and 1 of its 2' in run('pseudos', 'mgh2', '--undo')[1]
    assert QueryBuilder().append(UpfData, project='id').all(flat=True) == [before.pk]


def test_label_that_cannot_be_fetched():
    code, said = run('pseudos', 'SSSP/9.9/PBE/efficiency')
    assert code == 1
    assert 'nor a family that can be fetched' in said
    assert (
        'PseudoDojo/0.4/PBE/SR/standard/upf'
        in run('pseudos', 'PseudoDojo/0.4/PBE/SR/standard/psp8')[1]
    )
    words = 'aiida-pseudo install sssp --version 1.3 --functional PBE --protocol efficiency'
    assert words in run('pseudos', 'SSSP/1.3/PBE/efficiency', '--dry-run')[1]


def test_without_internet_it_is_said(monkeypatch):
    """No proxy listens at port 9 of this machine."""
    for name in ('https_proxy', 'HTTPS_PROXY', 'all_proxy'):
        monkeypatch.setenv(name, 'http://127.0.0.1:9')
    code, said = run('pseudos', 'SSSP/1.3/PBE/efficiency')
    assert code == 1
    assert 'SSSP/1.3/PBE/efficiency could not be installed' in said
    assert '--download-only` elsewhere and give the file it writes' in said
    assert count(PseudoPotentialFamily) == 0


@needs_debian
def test_file_that_was_downloaded_elsewhere(tmp_path, folder):
    """As aiida-pseudo writes it: archive, metadata and configuration in one tar."""
    archive, metadata = tmp_path / 'archive.tar.gz', tmp_path / 'metadata.json'
    with tarfile.open(archive, 'w:gz') as tar:
        tar.add(folder / FILES[0], 'Mg.upf')
    md5 = hashlib.md5((folder / FILES[0]).read_bytes(), usedforsecurity=False).hexdigest()
    metadata.write_text(json.dumps({'Mg': {'md5': md5, 'cutoff_wfc': 30.0, 'cutoff_rho': 240.0}}))
    settings = tmp_path / 'configuration.json'
    settings.write_text(
        json.dumps({'version': '1.3', 'functional': 'PBE', 'protocol': 'efficiency'})
    )
    made = tmp_path / 'SSSP.aiida_pseudo'
    with tarfile.open(made, 'w') as tar:
        for path in (archive, metadata, settings):
            tar.add(path, path.name)
    assert 'Would install SSSP/1.3/PBE/efficiency' in run('pseudos', made, '--dry-run')[1]
    for _ in range(2):
        code, said = run('pseudos', made)
        assert code == 0, said
        assert 'SSSP/1.3/PBE/efficiency: 1 pseudopotentials' in said
    assert run('pseudos', 'SSSP/1.3/PBE/efficiency', '--undo')[0] == 0
    assert count(PseudoPotentialFamily) == count(UpfData) == 0
    made.write_bytes(b'nothing')
    code, said = run('pseudos', made)
    assert (code, 'is not what `aiida-pseudo install --download-only` writes' in said) == (1, True)


def test_doctor_finds_what_is_there_and_what_is_gone(cluster, programs):
    run(*CODES)
    found = {one.name: one for one in check_site()}
    # the profile of these tests has no broker, and so no daemon
    assert [name for name, one in found.items() if one.good is False] == ['broker']
    assert found['pseudopotentials'].good is None
    assert 'core.slurm answers, 0 jobs in its queue' in found['computer cluster'].text
    assert found['code pw@cluster'].text == str(programs / 'pw.x')
    (programs / 'pw.x').unlink()
    assert faults() == ['broker', 'code pw@cluster']
    (programs / 'squeue').write_text('#!/bin/sh\nexit 1\n')
    assert faults() == ['broker', 'computer cluster']
    bad = list(check_site())[-2]
    assert 'SLURM_CONF must be set where the daemon starts' in bad.text


def faults():
    return [one.name for one in check_site() if one.good is False]


def test_plan_is_refused_before_a_computer_is_made():
    with pytest.raises(InputError, match='give one word'):
        check_plan(SlurmComputer('a b', 'localhost', 'local', '/work'))
