"""``insbench-job --self-test``: whether this installation computes what it should.

Packages, threads, GPU and AiiDA are looked at, then small jobs are run as a computing node runs
them, and their numbers compared with what is known by another way. No network, no AiiDA. Each
check prints one line: ``ok``, or ``FAULT`` with its remedy.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.self_test_runs import ending, log_of, remedy_of, run_module
from aiida_insbench.science.errors import (
    ComputationError,
    InsbenchError,
    InterruptedJobError,
    format_error,
)

EXIT_SELF_TEST_FAILED = 1
_INSTALL = 'Run pip install -r requirements-job.txt in this environment.'
#: What Slurm sets, to the numbers of GPUs, where it granted one.
_GRANTED = ('SLURM_JOB_GPUS', 'SLURM_STEP_GPUS')


def main() -> int:
    """Run all checks, print a line for each; return 0, or 1 if one found a fault."""
    started = time.monotonic()
    checks = Checks()
    try:
        with tempfile.TemporaryDirectory(prefix='insbench-self-test-') as name:
            _all_checks(checks, Path(name))
    except OSError as exc:
        checks.say('temporary folder', f'{exc}. Set TMPDIR to a folder with room.', good=False)
    except (InterruptedJobError, KeyboardInterrupt):
        checks.say('self-test', 'ended from outside before it was done.', good=False)
    seconds = time.monotonic() - started
    verdict = f'{checks.faults} found' if checks.faults else 'none found'
    _print(f'faults: {verdict}, {seconds:.0f} s')
    return EXIT_SELF_TEST_FAILED if checks.faults else 0


class Checks:
    """What was found so far.

    Attributes
    ----------
    faults : int
        Checks that found one.
    passed : set of str
        Names of those that did not.
    """

    def __init__(self) -> None:
        self.faults = 0
        self.passed: set[str] = set()

    def say(self, name: str, text: str, *, good: bool) -> None:
        """Print the line of a check and count it."""
        if good:
            self.passed.add(name)
        else:
            self.faults += 1
        _print(f'{"ok   " if good else "FAULT"} {name}: {text}')

    def run(self, name: str, check: Callable[[], str], *, needs: str = '') -> None:
        """Run a check that returns what it found; unless that which it `needs` failed."""
        if needs and needs not in self.passed:
            _print(f'-     {name}: left out, as {needs} failed')
            return
        started = time.monotonic()
        try:
            text = check()
        except InsbenchError as exc:
            self.say(name, str(exc), good=False)
        except Exception as exc:  # noqa: BLE001 - of whatever library: no traceback for users
            words = f'{type(exc).__name__}: {exc}. {remedy_of(1)}'
            self.say(name, words, good=False)
        else:
            self.say(name, f'{text} ({time.monotonic() - started:.0f} s)', good=True)


def _all_checks(checks: Checks, folder: Path) -> None:
    facts: dict[str, Any] = {}
    checks.run('packages', lambda: _packages(_new(folder, 'packages'), facts))
    for name, look in (('threads', look_at_threads), ('GPU', look_at_gpu)):
        if name in facts:
            good, text = look(facts[name])
            checks.say(name, text, good=good)
    checks.say('AiiDA', _aiida(), good=True)
    checks.run('phonons', lambda: _phonons(folder), needs='packages')
    checks.run('ins', lambda: _ins(folder), needs='phonons')
    checks.run('train', lambda: _train(folder), needs='packages')
    checks.run('evaluate', lambda: _evaluate(folder, 'cpu'), needs='train')
    if facts.get('GPU', {}).get('names'):
        checks.run('evaluate on the GPU', lambda: _evaluate(folder, 'cuda'), needs='train')


def _packages(folder: Path, facts: dict[str, Any]) -> str:
    """Import the packages in a child, as a broken one can end its process; gather the facts."""
    path = folder / 'packages.jsonl'
    code = run_module(folder, 'aiida_insbench.jobs.self_test_packages', str(path))
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    if code != 0:
        begun = found[-1].get('importing') if found else 'aiida_insbench'
        words = f'import of {begun} ended with {ending(code)}. {log_of(folder)}'.rstrip()
        raise ComputationError(f'{words}\n{remedy_of(code)}')
    for line in found:
        facts |= {'threads': line['threads'], 'GPU': line['gpu']} if 'threads' in line else {}
    packages = [line for line in found if 'package' in line]
    wrong = [
        f'{one["package"]}: {one["error"]} (needed: {one["wanted"] or "any"})'
        for one in packages
        if 'error' in one
    ]
    if wrong:
        raise ComputationError(format_error('; '.join(wrong) + '.', fix=_INSTALL))
    versions = ', '.join(f'{one["package"]} {one["version"]}' for one in packages)
    return f'Python {platform.python_version()}, {versions}'


def look_at_threads(found: dict[str, Any]) -> tuple[bool, str]:
    """Threads of torch beside the cores that this process may use."""
    told = os.environ.get('OMP_NUM_THREADS')
    text = f'torch takes {found["torch"]} of {found["cores"]} cores, OMP_NUM_THREADS is ' + (
        told or 'not set'
    )
    if found['torch'] <= found['cores']:
        return True, text
    return False, f'{text}. Set OMP_NUM_THREADS to the cores of the job: more threads slow it down.'


def look_at_gpu(found: dict[str, Any]) -> tuple[bool, str]:
    """GPUs that torch can use; none is a fault only where the scheduler granted one."""
    if found['names']:
        return True, f'{", ".join(found["names"])} (`device: auto` takes it)'
    built = found['built_for']
    text = f'none seen; torch is built for {built}' if built else 'none seen; torch is a CPU build'
    if found['reason']:
        text = f'{text}: {found["reason"]}'
    granted = [f'{name}={os.environ[name]}' for name in _GRANTED if os.environ.get(name)]
    if not granted:
        return True, f'{text}; jobs run on the CPU'
    return False, (
        f'{text}. Slurm granted one ({granted[0]}): install a torch that is built for it and for '
        'the driver of this node.'
    )


def _aiida() -> str:
    try:
        return f'aiida-core {metadata.version("aiida-core")} is installed; jobs do not import it'
    except metadata.PackageNotFoundError:
        return 'not installed, as fits a compute node; jobs need none'


def _phonons(folder: Path) -> str:
    from aiida_insbench.jobs.self_test_phonons import phonons

    return phonons(_new(folder, 'phonons'))


def _ins(folder: Path) -> str:
    from aiida_insbench.jobs.self_test_phonons import ins

    return ins(_new(folder, 'ins'), folder / 'phonons')


def _train(folder: Path) -> str:
    from aiida_insbench.jobs.self_test_mace import train

    return train(_new(folder, 'train'))


def _evaluate(folder: Path, device: str) -> str:
    from aiida_insbench.jobs.self_test_mace import evaluate

    return evaluate(_new(folder, f'evaluate-{device}'), folder / 'train', device=device)


def _new(folder: Path, name: str) -> Path:
    (folder / name).mkdir()
    return folder / name


def _print(line: str) -> None:
    encoding = sys.stdout.encoding or 'utf-8'  # of a cluster, perhaps one that lacks ⁻¹ and Γ
    sys.stdout.write(line.encode(encoding, 'replace').decode(encoding) + '\n')
    sys.stdout.flush()
