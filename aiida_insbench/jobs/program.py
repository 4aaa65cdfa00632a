"""``insbench-job STAGE job.json``: run one stage in the folder of its job file.

``insbench-job ins --help``: a spectrum from a file of force constants, without a job file.
``insbench-job --self-test``: whether this installation computes right numbers (0, else 1).

Exit codes: 0 done; 10 the input is wrong (`InputError`); 11 the computation failed
(`ComputationError`); 12 ended by SIGTERM, finished parts are on disk; 13 a fault of this program;
14 the disk is full.
A failure leaves ``error.json`` (``type``, ``message``, ``code``); success leaves ``result.json``
(``schema``, ``stage``, ``versions``, ``seconds``, ``result``).
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from aiida_insbench.jobs.disk import as_disk_full, keep_reserve, release_reserve
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.stage_shapes import check_shape
from aiida_insbench.science.errors import (
    ComputationError,
    InputError,
    InterruptedJobError,
    JobFileError,
)
from aiida_insbench.science.safe_json import load_json

SCHEMA_VERSION = 1
STAGES = (
    'sample',
    'select',
    'train',
    'evaluate',
    'phonons',
    'fit',
    'md',
    'validate',
    'ins',
    'analyse',
)
RESULT_FILE = 'result.json'
ERROR_FILE = 'error.json'
EXIT_BAD_INPUT, EXIT_FAILED, EXIT_INTERRUPTED, EXIT_FAULT, EXIT_DISK_FULL = 10, 11, 12, 13, 14
_RECORDED = (
    'aiida-insbench',
    'mace-torch',
    'chgnet',
    'sevenn',
    'dscribe',
    'torch',
    'phonopy',
    'euphonic',
    'ase',
    'numpy',
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one stage and return its exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words[:1] == ['ins'] and words[1:2] and words[1].startswith('-'):
        from aiida_insbench.jobs.ins_command import main as ins_command

        return ins_command(words[1:])
    if words == ['--self-test']:
        from aiida_insbench.jobs.self_test import main as self_test

        signal.signal(signal.SIGTERM, _raise_interrupted)
        return self_test()
    parser = argparse.ArgumentParser(prog='insbench-job', description=__doc__)
    # taken above; here for --help
    parser.add_argument('--self-test', action='store_true', help='check this installation; alone')
    parser.add_argument('stage', choices=STAGES)
    parser.add_argument('job', type=Path, help='job file (JSON); its folder is the working folder')
    options = parser.parse_args(words)
    if options.self_test:
        parser.error('--self-test takes neither stage nor job file')
    signal.signal(signal.SIGTERM, _raise_interrupted)
    return run_stage(options.stage, options.job.resolve())


def run_stage(stage: str, job_file: Path) -> int:
    """Run `stage` on `job_file`; write ``result.json`` or ``error.json`` beside it."""
    folder = job_file.parent
    (folder / ERROR_FILE).unlink(missing_ok=True)
    started = time.monotonic()
    try:
        keep_reserve(folder)
        job = read_job(job_file, stage)
        module = importlib.import_module(f'aiida_insbench.jobs.{stage}')
        result = module.run(job, folder, Progress(folder, stage))
        _write_result(folder, stage, result, seconds=time.monotonic() - started)
    except InterruptedJobError as exc:
        return _fail(folder, exc, EXIT_INTERRUPTED)
    except InputError as exc:
        return _fail(folder, exc, EXIT_BAD_INPUT)
    except ComputationError as exc:
        return _fail(folder, exc, EXIT_FAILED)
    except Exception as exc:  # noqa: BLE001 - the last line of defence: leave a readable record
        return _fail(folder, exc, EXIT_FAULT)
    release_reserve(folder)
    return 0


def _write_result(folder: Path, stage: str, result: dict[str, Any], *, seconds: float) -> None:
    write_json(
        folder / RESULT_FILE,
        {
            'schema': SCHEMA_VERSION,
            'stage': stage,
            'versions': versions(),
            'seconds': round(seconds, 3),
            'result': result,
        },
    )


def read_job(path: Path, stage: str) -> dict[str, Any]:
    """Read a job file and check that it is meant for `stage` and this schema.

    Raises
    ------
    JobFileError
        If the file is missing, no JSON, of another stage or schema version, or has an entry of the
        wrong kind.
    """
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise JobFileError(f'{path.name} cannot be read: {exc}') from exc
    job: Any = load_json(text, name=path.name, error=JobFileError, allow_nan=True)
    if not isinstance(job, dict):
        raise JobFileError(f'{path.name} holds no JSON object.')
    if job.get('schema') != SCHEMA_VERSION or job.get('stage') != stage:
        raise JobFileError(
            f'{path.name} is for stage {job.get("stage")!r}, schema {job.get("schema")!r}; '
            f'needed are {stage!r} and {SCHEMA_VERSION}.'
        )
    check_shape(job, stage)
    return job


def write_json(path: Path, data: object) -> None:
    """Write JSON so that a kill never leaves half a file under the final name."""
    write_text(path, json.dumps(data, indent=1, allow_nan=False))


def write_text(path: Path, text: str) -> None:
    """Write text so that a kill never leaves half a file under the final name."""
    with _whole_file(path) as partial:
        partial.write_text(text, encoding='utf-8')


def write_arrays(path: Path, arrays: Mapping[str, Any], *, compressed: bool = True) -> None:
    """Write arrays as NPZ so that a kill never leaves half a file under the final name."""
    import numpy as np

    with _whole_file(path) as partial, partial.open('wb') as handle:
        save = np.savez_compressed if compressed else np.savez
        save(handle, allow_pickle=False, **arrays)


@contextlib.contextmanager
def _whole_file(path: Path) -> Iterator[Path]:
    """Where to write what gets the name `path` once it is complete."""
    partial = path.with_name(path.name + '.part')
    try:
        yield partial
    except OSError:
        partial.unlink(missing_ok=True)  # of a full disk: the room is wanted to say so
        raise
    partial.replace(path)


def python_path() -> str:
    """PYTHONPATH for a child process that imports the same copy of this package."""
    root = str(Path(__file__).parents[2])
    return os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))


def versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers; absent ones are left out."""
    found = {}
    for name in _RECORDED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _fail(folder: Path, exc: BaseException, code: int) -> int:
    release_reserve(folder)
    if code != EXIT_INTERRUPTED and (full := as_disk_full(folder, exc)):
        exc, code = full, EXIT_DISK_FULL
    write_json(folder / ERROR_FILE, {'type': type(exc).__name__, 'message': str(exc), 'code': code})
    with contextlib.suppress(OSError):  # standard error may be a file on a full disk
        if code == EXIT_FAULT:
            traceback.print_exception(exc)
        sys.stderr.write(f'insbench-job: {type(exc).__name__}: {exc}\n')
        sys.stderr.flush()
    return code


def _raise_interrupted(signum: int, _frame: FrameType | None) -> NoReturn:
    raise InterruptedJobError(f'Ended by signal {signum}; finished parts are on disk.')
