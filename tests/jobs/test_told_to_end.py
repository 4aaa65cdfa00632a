"""What tells a job to end is no error: a library that catches all errors does not catch it."""

import json
import os
import signal
from types import SimpleNamespace

import pytest

from aiida_insbench.jobs import program


@pytest.fixture
def stage(monkeypatch, tmp_path):
    """Let a function be the stage `fit`, and return how the program ended and its last words."""

    def run(function):
        job = tmp_path / 'job.json'
        job.write_text('{}')
        monkeypatch.setattr(program, 'read_job', lambda *_: {})
        fit = SimpleNamespace(run=function)
        monkeypatch.setattr(program.importlib, 'import_module', lambda _: fit)
        before = signal.getsignal(signal.SIGTERM)
        try:
            code = program.main(['fit', str(job)])
        finally:
            signal.signal(signal.SIGTERM, before)
        return code, json.loads((tmp_path / 'error.json').read_text())

    return run


def catches_all(*_):
    try:
        os.kill(os.getpid(), signal.SIGTERM)
    except Exception as exc:
        raise RuntimeError('Generic error of a library') from exc


def test_sigterm_inside_a_library_that_catches_all_errors(stage):
    code, told = stage(catches_all)
    assert code == program.EXIT_INTERRUPTED
    assert told['type'] == 'InterruptedJobError'


def full(*_):
    raise OSError(28, 'No space left on device')


def test_a_full_disk_is_named(stage, tmp_path):
    code, told = stage(full)
    assert code == program.EXIT_DISK_FULL
    assert told['message'].startswith(f'The disk of {tmp_path} is full (')
    assert not (tmp_path / 'reserve').exists()
