"""Runs side by side: the same numbers, and no run lost with its process."""

import json
import os
import shutil
import signal
import sys
import threading
import time

import pytest
from ase.build import bulk
from lj_rutile import rutile
from md_jobs import go, progress_lines, record, same_numbers, write_job

from aiida_insbench.jobs import md_child, md_processes
from aiida_insbench.jobs.md import few_cores, run
from aiida_insbench.jobs.md_child import Child
from aiida_insbench.jobs.md_processes import RESTARTS, ChildFaultError, threads_of_job, to_exception
from aiida_insbench.jobs.md_task import read_task
from aiida_insbench.jobs.program import run_stage
from aiida_insbench.jobs.progress import Progress, read_progress
from aiida_insbench.science.errors import (
    ComputationError,
    ConvergenceError,
    InputError,
    PotentialError,
)
from aiida_insbench.science.structures import atoms_to_dict

#: Four atoms, cold enough to stay a crystal: three runs in a few seconds.
SMALL = {'cells': 1, 'temperature': 100.0, 'length': 0.4, 'chunk': 0.2}
LABELS = ['p_0000_nvt', 'p_0000_npt', 'p_0000_nve']
linux = pytest.mark.skipif(sys.platform != 'linux', reason='looks into /proc')


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """The small job, one run after the other."""
    folder = tmp_path_factory.mktemp('whole')
    return folder, go(folder, **SMALL)


@pytest.fixture
def children(monkeypatch):
    """Children in the order in which they were started."""
    found: list[Child] = []

    class Seen(Child):
        def __init__(self, *given) -> None:
            super().__init__(*given)
            found.append(self)

    monkeypatch.setattr(md_processes, 'Child', Seen)
    return found


def test_runs_side_by_side_give_the_same_numbers(tmp_path, whole, monkeypatch, children) -> None:
    folder, expected = whole
    monkeypatch.setenv('OMP_NUM_THREADS', '2')
    found = go(tmp_path, **SMALL, processes=0)
    assert (found.pop('processes'), len(children)) == (2, 2)
    assert found == {name: value for name, value in expected.items() if name != 'processes'}
    same_numbers(tmp_path, folder, LABELS)
    assert list((tmp_path / 'md').iterdir()) == []
    check_progress(tmp_path)


def check_progress(folder) -> None:
    """Each line whole, the steps of each run rising to its total, each line naming its run."""
    told = progress_lines(folder)
    assert told == read_progress((folder / 'progress.jsonl').read_text())
    for label in LABELS:
        mine = [line for line in told if line['message'].startswith(label)]
        assert [line['step'] for line in mine] == [50, 100, 150, 150]
        assert {(line['stage'], line['total']) for line in mine} == {('md', 150)}
        assert [line['message'] for line in mine] == [*[label] * 3, f'{label} finished']
        assert mine[-2]['values']['time_ps'] == pytest.approx(0.6)


def test_explosions_are_the_same_verdicts(tmp_path) -> None:
    given = {
        'potential': ('lj', {'sigma': 3.4, 'epsilon': 1.0, 'rc': 8.0}),
        'ensembles': ['nve', 'npt'],
    }
    results = [go(tmp_path / str(n), **given, processes=n) for n in (1, 2)]
    assert [one['sound'] for one in results] == [False, False]
    same_numbers(tmp_path / '2', tmp_path / '1', ['p_0000_nve', 'p_0000_npt'])
    assert record(tmp_path / '2', 'p_0000_nve')['violations']


@pytest.mark.parametrize(
    ('crystal', 'settings'), [(bulk('Si'), {}), (bulk('Cu'), {'temperature': -1.0})]
)
def test_bad_input_is_refused_before_a_child_starts(tmp_path, children, crystal, settings) -> None:
    given = {'structures': {'p_0000': atoms_to_dict(crystal)}, **settings}
    with pytest.raises(InputError):
        go(tmp_path, **given, processes=2)
    assert not children


def kill_each(children, label, *, checkpoint=None, most=1) -> list[int]:
    """Start to kill, `most` times, the child that does a run (behind a checkpoint, if given)."""
    killed: list[int] = []

    def watch() -> None:
        end = time.monotonic() + 60
        while time.monotonic() < end and len(killed) < most:
            for child in list(children):
                ready = checkpoint is None or checkpoint.exists()
                if child.label == label and ready and child.pid not in killed:
                    os.kill(child.pid, signal.SIGKILL)
                    killed.append(child.pid)
            time.sleep(0.002)

    threading.Thread(target=watch, daemon=True).start()
    return killed


@linux
def test_run_goes_on_after_its_process_was_killed(tmp_path, whole, children) -> None:
    folder, label = tmp_path, 'p_0000_npt'
    killed = kill_each(children, label, checkpoint=folder / 'md' / label / 'checkpoint.npz')
    go(folder, **SMALL, processes=2)
    assert (len(killed), len(children)) == (1, 3)
    assert record(folder, label)['resumed_at'] > 0
    assert record(folder, 'p_0000_nvt')['resumed_at'] is None
    same_numbers(folder, whole[0], LABELS)
    (told,) = [line['message'] for line in progress_lines(folder) if 'SIGKILL' in line['message']]
    assert told.startswith(f'{label}: its process was ended by signal 9')


@pytest.mark.parametrize(
    ('memory', 'kind', 'words'),
    [(False, 'ComputationError', 'SIGKILL'), (True, 'OutOfMemoryError', 'fewer `processes`')],
)
def test_run_whose_processes_are_always_killed_fails_alone(
    tmp_path, whole, children, monkeypatch, memory, kind, words
) -> None:
    killed = kill_each(children, 'p_0000_nvt', most=99)
    monkeypatch.setattr(md_processes, 'out_of_memory_kills', lambda: memory and len(killed))
    write_job(tmp_path, **SMALL, processes=2)
    assert run_stage('md', tmp_path / 'job.json') == 11
    told = json.loads((tmp_path / 'error.json').read_text())
    assert told['type'] == kind
    assert told['message'].startswith('p_0000_nvt: ')
    assert words in told['message']
    assert len(killed) == RESTARTS + 1
    same_numbers(tmp_path, whole[0], LABELS[1:])
    assert not (tmp_path / 'run_p_0000_nvt.json').exists()


def test_lack_of_memory_leaves_fewer_processes(tmp_path, whole, children, monkeypatch) -> None:
    """The first child cannot allocate; the other one does all runs, as well as before."""
    script = tmp_path / 'worker.py'
    script.write_text(
        'import os, sys\n'
        'from aiida_insbench.jobs import md_worker\n'
        'class Short(md_worker.Worker):\n'
        '    def do(self, label):\n'
        f'        if label == "p_0000_nvt" and not os.path.exists({str(tmp_path / "once")!r}):\n'
        f'            open({str(tmp_path / "once")!r}, "w").close()\n'
        '            raise MemoryError("cannot allocate 99 GiB")\n'
        '        super().do(label)\n'
        'md_worker.Worker = Short\n'
        'md_worker.main(int(sys.argv[1]))\n'
        'os._exit(1)\n'
    )
    monkeypatch.setattr(md_child, 'PROGRAM', (str(script),))
    go(tmp_path / 'job', **SMALL, processes=2)
    assert len(children) == 2
    same_numbers(tmp_path / 'job', whole[0], LABELS)
    (told,) = [
        line['message'] for line in progress_lines(tmp_path / 'job') if 'memory' in line['message']
    ]
    assert 'MemoryError: cannot allocate 99 GiB' in told


def test_exceptions_of_children_end_the_job_with_their_words(tmp_path, whole, capfd) -> None:
    write_job(tmp_path, **SMALL, processes=2)
    (tmp_path / 'md').mkdir()
    (tmp_path / 'md' / 'p_0000_nvt').write_text('no folder')
    (tmp_path / 'md' / 'p_0000_npt').mkdir()
    (tmp_path / 'md' / 'p_0000_npt' / 'checkpoint.npz').write_bytes(b'half')
    assert run_stage('md', tmp_path / 'job.json') == 13
    told = json.loads((tmp_path / 'error.json').read_text())
    assert told['type'] == 'ChildFaultError'
    assert told['message'].startswith('p_0000_nvt: FileExistsError: [Errno 17]')
    assert 'JobFileError: p_0000_npt: p_0000_npt/checkpoint.npz cannot be read' in told['message']
    assert 'Traceback' in capfd.readouterr().err
    same_numbers(tmp_path, whole[0], ['p_0000_nve'])


@pytest.mark.parametrize(
    ('kind', 'name', 'expected', 'message'),
    [
        ('input', 'PotentialError', PotentialError, 'p_0: it has no weights'),
        ('computation', 'ConvergenceError', ConvergenceError, 'p_0: it has no weights'),
        ('input', 'LaterError', InputError, 'p_0: LaterError: it has no weights'),
        ('computation', 'LaterError', ComputationError, 'p_0: LaterError: it has no weights'),
        ('fault', 'KeyError', ChildFaultError, 'p_0: KeyError: it has no weights'),
    ],
)
def test_exceptions_keep_their_kind(kind, name, expected, message) -> None:
    """It decides on the exit code."""
    found = to_exception('p_0', {'kind': kind, 'type': name, 'message': 'it has no weights'})
    assert (type(found), str(found)) == (expected, message)


@pytest.mark.parametrize(
    ('given', 'expected'), [('3', 3), ('4,2', 4), ('', None), ('many', None), ('0', None)]
)
def test_threads_of_the_job(monkeypatch, given, expected) -> None:
    monkeypatch.setenv('OMP_NUM_THREADS', given)
    monkeypatch.setattr(md_processes, 'usable_cores', lambda: 7)
    assert threads_of_job() == (expected or 7)


def test_more_processes_than_cores_are_warned_of(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr('aiida_insbench.jobs.md.usable_cores', lambda: 2)
    task = read_task(write_job(tmp_path))
    assert few_cores(task, 2) == []
    (text,) = few_cores(task, 8)
    assert text.startswith('3 processes share 2 cores')


@pytest.mark.real
@pytest.mark.filterwarnings('ignore')
def test_neural_network_side_by_side(tmp_path, repository) -> None:
    """As one after the other, to the last bit, each on one thread."""
    torch = pytest.importorskip('torch')
    crystals = {'p_0000': atoms_to_dict(rutile()), 'p_2000': atoms_to_dict(rutile(0.99))}
    settings = {'ensembles': ['npt'], 'timestep': 0.5, 'length': 0.012, 'equilibration': 0.0}
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        for n in (1, 2):
            folder = tmp_path / str(n)
            given = {**settings, 'frame_interval': 1.0, 'chunk': 0.004, 'processes': n}
            job = write_job(folder, structures=crystals, cells=1, **given)
            for suffix in ('.json', '.safetensors'):
                source = repository / f'tests/benchmarks/data/mgh2_potential{suffix}'
                shutil.copy(source, folder / f'potential{suffix}')
            run(job, folder, Progress(folder, 'md'))
    finally:
        torch.set_num_threads(threads)
    same_numbers(tmp_path / '2', tmp_path / '1', ['p_0000_npt', 'p_2000_npt'])


def test_finished_runs_need_no_child(tmp_path, children, whole) -> None:
    """Nor those whose process was killed between its result and its last word."""
    folder = tmp_path / 'again'
    shutil.copytree(whole[0], folder)
    job = {**json.loads((folder / 'job.json').read_text()), 'finished': LABELS}
    job['settings']['processes'] = 2
    assert run(job, folder, Progress(folder, 'md'))['finished'] == []
    assert not children
    left = folder / 'md' / 'p_0000_nvt'
    left.mkdir(parents=True)
    result = run({**job, 'finished': LABELS[1:]}, folder, Progress(folder, 'md'))
    assert result['finished'] == ['p_0000_nvt']
    assert not left.exists()
