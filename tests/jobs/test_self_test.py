"""``insbench-job --self-test``: without AiiDA it passes; faults are found, named and explained."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from aiida_insbench.jobs import self_test, self_test_mace, self_test_phonons, self_test_runs
from aiida_insbench.jobs.program import EXIT_DISK_FULL, main
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.structures import atoms_from_dict

#: Every process of a job imports this first. MACE itself draws by matplotlib; this package must not
#: need it there.
HOOK = """
import os, sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        top = name.partition('.')[0]
        if top in ('aiida', 'click', 'jinja2', 'pgsu') or top == 'matplotlib' and ours():
            raise ModuleNotFoundError(f'{name} is refused here', name=name)
def ours():
    frame = sys._getframe(2)
    while frame and 'importlib' in frame.f_code.co_filename:
        frame = frame.f_back
    return frame is not None and frame.f_globals.get('__name__', '').startswith('aiida_insbench')
sys.meta_path.insert(0, Refuse())
with open(os.environ['HOOKED'], 'a') as handle:
    handle.write(' '.join(sys.orig_argv) + '\\n')
"""


def run(folder, *words, hook='', **variables):
    """Run Python in `folder`; `hook` is imported by it and by every Python that it starts."""
    (folder / 'sitecustomize.py').write_text(hook)
    root = str(Path(self_test.__file__).parents[2])
    path = os.pathsep.join(filter(None, (str(folder), root, os.environ.get('PYTHONPATH'))))
    return subprocess.run(
        [sys.executable, *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=600,
        env={**os.environ, 'PYTHONPATH': path, 'HOOKED': str(folder / 'hooked'), **variables},
    )


def lines_of(done):
    """The line of each check, by name."""
    lines = [line for line in done.stdout.splitlines() if line[:5] in ('ok   ', 'FAULT', '-    ')]
    return {line[6:].partition(':')[0]: line for line in lines}


@pytest.mark.real
def test_it_passes_where_aiida_cannot_be_imported(tmp_path):
    refused = run(tmp_path, '-c', 'import aiida', hook=HOOK)
    assert 'aiida is refused here' in refused.stderr
    done = run(tmp_path, '-m', 'aiida_insbench.jobs', '--self-test', hook=HOOK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ''
    lines = lines_of(done)
    assert list(lines)[:8] == [
        'packages', 'threads', 'GPU', 'AiiDA', 'phonons', 'ins', 'train', 'evaluate'
    ]  # fmt: skip
    assert all(line.startswith('ok ') for line in lines.values())
    # a job each, and MACE's own program within the training
    hooked = (tmp_path / 'hooked').read_text()
    for stage in ('phonons', 'ins', 'train', 'evaluate'):
        assert f'-m aiida_insbench.jobs {stage} job.json' in hooked
    assert '-m aiida_insbench.jobs.mace_training plan.json' in hooked


def assert_nothing_is_run(done):
    assert done.returncode == 1
    assert 'Traceback' not in done.stdout + done.stderr
    for stage in ('phonons', 'train'):
        assert lines_of(done)[stage] == f'-     {stage}: left out, as packages failed'
    assert 'faults: 1 found' in done.stdout


def test_broken_packages_and_wrong_versions_are_named(tmp_path):
    """Another phonopy could have other defaults: that it can be imported is not enough."""
    hook = (
        'from importlib import metadata\n'
        'real = metadata.version\n'
        "metadata.version = lambda name: '3.5.1' if name == 'phonopy' else real(name)\n"
    )
    (tmp_path / 'resins').mkdir()
    (tmp_path / 'resins' / '__init__.py').write_text(
        "raise ImportError('libopenblas.so: cannot open shared object file')"
    )
    done = run(tmp_path, '-m', 'aiida_insbench.jobs', '--self-test', hook=hook)
    assert_nothing_is_run(done)
    assert lines_of(done)['packages'] == (
        'FAULT packages: phonopy: version 3.5.1 (needed: ~=4.10); resins: ImportError: '
        'libopenblas.so: cannot open shared object file (needed: ~=0.1). '
        'Run pip install -r requirements-job.txt in this environment.'
    )


def test_package_that_ends_the_process_is_named(tmp_path):
    """As one built for another processor does."""
    (tmp_path / 'scipy').mkdir()
    (tmp_path / 'scipy' / '__init__.py').write_text(
        'import os, signal; os.kill(os.getpid(), signal.SIGILL)'
    )
    done = run(tmp_path, '-m', 'aiida_insbench.jobs', '--self-test')
    assert_nothing_is_run(done)
    said = 'FAULT packages: import of scipy ended with signal 4 (SIGILL).\n'
    assert said + self_test_runs.remedy_of(-signal.SIGILL) in done.stdout


@pytest.fixture(scope='module')
def computed(tmp_path_factory):
    """Folders of the stages after their jobs; EMT stands for what MACE would train."""
    from aiida_insbench.science.potentials import potential_from_ase, write_potential

    folder = tmp_path_factory.mktemp('self-test')
    for name in ('phonons', 'ins', 'train', 'evaluate'):
        (folder / name).mkdir()
    write_potential(potential_from_ase('emt'), folder / 'train' / 'trained')
    self_test_phonons.phonons(folder / 'phonons')
    self_test_phonons.ins(folder / 'ins', folder / 'phonons')
    self_test_mace.evaluate(folder / 'evaluate', folder / 'train')
    return folder


def check_again(stage, computed, folder, monkeypatch, tamper):
    """Check a stage whose job leaves what it left before, but for what `tamper` changes."""

    def run_job(folder, _job):
        shutil.copytree(computed / stage, folder, dirs_exist_ok=True)
        result = json.loads((folder / 'result.json').read_text())['result']
        tamper(folder, result)
        return result

    module = self_test_mace if stage == 'evaluate' else self_test_phonons
    monkeypatch.setattr(module, 'run_job', run_job)
    before = {'ins': ['phonons'], 'evaluate': ['train']}.get(stage, [])
    return getattr(module, stage)(folder, *(computed / name for name in before))


def change_record(folder, change):
    path = folder / 'p_5000.json'
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def change_array(path, key, change):
    with np.load(path, allow_pickle=False) as arrays:
        changed = dict(arrays)
    changed[key] = change(changed[key])
    np.savez(path, **changed)


def raise_highest_mode(folder, _result):
    change_record(folder, lambda record: record['gamma']['frequencies'].append(
        record['gamma']['frequencies'].pop() * 1.002
    ))  # fmt: skip


def move_acoustic_mode(folder, _result):
    change_record(folder, lambda record: record['gamma']['frequencies'].__setitem__(0, -1.0))


def swell_and_keep_modes(folder, _result):
    """A crystal at another pressure, whose modes are its own."""

    def change(record):
        for key in ('cell', 'positions'):
            record['structure'][key] = (np.array(record['structure'][key]) * 1.001).tolist()
        atoms = atoms_from_dict(record['structure'])
        record['gamma']['frequencies'] = self_test_phonons.gamma_frequencies(atoms).tolist()

    change_record(folder, change)


def shift_lines(folder, _result):
    change_array(folder / 'p_5000.npz', 'contributions', lambda one: np.roll(one, 1, axis=-1))


def turn_over(folder, _result):
    change_array(folder / 'p_0000.npz', 'contributions', np.negative)


def more_motion(_folder, result):
    result['spectra']['p_0000']['msd']['Cu'] *= 1.01


def change_predictions(key):
    return lambda folder, _result: change_array(
        folder / 'predictions.npz', f'mace__{key}', lambda one: one * 1.01
    )


@pytest.mark.real
@pytest.mark.parametrize(
    ('stage', 'tamper', 'words'),
    [
        ('phonons', raise_highest_mode, 'modes at Γ against EMT'),
        ('phonons', move_acoustic_mode, 'acoustic modes at Γ'),
        ('phonons', swell_and_keep_modes, 'pressure of the relaxed crystal'),
        ('ins', shift_lines, 'line of the spectrum'),
        ('ins', turn_over, 'not positive'),
        ('ins', more_motion, 'displacement of Cu'),
        ('evaluate', change_predictions('forces'), 'forces less slopes'),
        ('evaluate', change_predictions('stress'), 'trace of the stress'),
    ],
)
def test_wrong_numbers_are_noticed(computed, tmp_path, monkeypatch, stage, tamper, words):
    with pytest.raises(ComputationError, match=words):
        check_again(stage, computed, tmp_path, monkeypatch, tamper)


@pytest.mark.real
@pytest.mark.parametrize('stage', ['phonons', 'ins', 'evaluate'])
def test_numbers_nobody_changed_pass(computed, tmp_path, monkeypatch, stage):
    assert check_again(stage, computed, tmp_path, monkeypatch, lambda *_: None)


def test_failed_job_says_its_last_lines_without_a_traceback(tmp_path):
    with pytest.raises(ComputationError) as caught:
        self_test_runs.run_job(tmp_path, {'stage': 'evaluate', 'dataset': 'none', 'potentials': {}})
    assert 'ended with exit code 10. JobFileError: `potentials` must name' in str(caught.value)
    assert str(caught.value).splitlines()[-1] == self_test_runs.remedy_of(10)


def test_tracebacks_are_shortened_to_what_was_raised():
    text = (
        'loading\nTraceback (most recent call last):\n  File "a.py", line 1, in <module>\n'
        '    import torch\nOSError: libcudart.so.12: cannot open shared object file\n'
    )
    assert self_test_runs.without_traceback(text) == (
        'loading\nOSError: libcudart.so.12: cannot open shared object file'
    )


@pytest.mark.parametrize(
    ('code', 'word'),
    [(-signal.SIGILL, 'processor'), (-signal.SIGKILL, 'memory'), (EXIT_DISK_FULL, 'TMPDIR')],
)
def test_remedy_fits_the_end(code, word):
    assert word in self_test_runs.remedy_of(code)
    assert word not in self_test_runs.remedy_of(1)


def test_no_gpu_is_a_fault_only_where_one_was_granted(monkeypatch):
    nothing = {'names': [], 'built_for': None, 'reason': ''}
    monkeypatch.delenv('SLURM_JOB_GPUS', raising=False)
    monkeypatch.delenv('SLURM_STEP_GPUS', raising=False)
    assert self_test.look_at_gpu(nothing) == (
        True, 'none seen; torch is a CPU build; jobs run on the CPU'
    )  # fmt: skip
    monkeypatch.setenv('SLURM_JOB_GPUS', '0')  # the first one, not none
    good, text = self_test.look_at_gpu({**nothing, 'built_for': '12.6', 'reason': 'driver too old'})
    assert not good
    assert 'built for 12.6: driver too old' in text
    assert 'SLURM_JOB_GPUS=0' in text
    assert self_test.look_at_gpu({**nothing, 'names': ['A100']})[0]


def test_more_threads_than_cores_are_a_fault(monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '64')
    good, text = self_test.look_at_threads({'torch': 64, 'cores': 4})
    assert not good
    assert '64 of 4 cores' in text
    assert self_test.look_at_threads({'torch': 4, 'cores': 4})[0]


def test_full_or_missing_temporary_folder_is_a_fault(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr('tempfile.tempdir', str(tmp_path / 'none'))
    assert main(['--self-test']) == 1
    said = capsys.readouterr().out
    assert said.startswith('FAULT temporary folder: ')
    assert 'TMPDIR' in said


def test_it_takes_nothing_else(capsys):
    with pytest.raises(SystemExit) as caught:
        main(['ins', 'job.json', '--self-test'])
    assert caught.value.code == 2
    assert 'neither stage nor job file' in capsys.readouterr().err
