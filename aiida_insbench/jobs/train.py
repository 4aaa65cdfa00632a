"""Stage ``train``: train or fine-tune a MACE potential on labelled frames.

Job: ``dataset`` and ``validation`` (extended XYZ), ``replay`` (frames of what the start potential
was trained on, or null), ``start`` (prefix of a potential, or null), ``settings`` (see
`aiida_insbench.jobs.training_settings`), ``provenance`` (kept with the potential), ``resumed``
(whether ``checkpoints`` holds those of an earlier run). Writes ``trained.json``,
``trained.safetensors``, ``training_curve.json`` and ``mace.log``. MACE runs in a child process in
a folder of its own, which is emptied before and after: a killed training starts again from epoch 0
and gives the same weights, unless ``settings.resume`` is ``checkpoint``.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.mace_arguments import CHECKPOINTS, HEAD, NAME, mace_arguments
from aiida_insbench.jobs.memory import out_of_memory_kills, speaks_of_memory
from aiida_insbench.jobs.program import python_path, write_json
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.training_curve import TrainingCurve
from aiida_insbench.jobs.training_frames import (
    TrainingFrames,
    elements_of,
    read_training_frames,
    write_training_frames,
)
from aiida_insbench.jobs.training_provenance import training_provenance
from aiida_insbench.jobs.training_settings import TrainingSettings, read_training_settings
from aiida_insbench.science.devices import check_device
from aiida_insbench.science.errors import (
    InterruptedJobError,
    JobFileError,
    OutOfMemoryError,
    PotentialError,
    TrainingError,
)
from aiida_insbench.science.potential_files import (
    Potential,
    potential_paths,
    read_potential,
    write_potential,
)

CURVE_FILE = 'training_curve.json'
LOG_FILE = 'mace.log'
_WORK = 'training'
_POLL = 0.2  # s
_PATIENCE = 5.0  # s between asking the child to end and ending it
_LOG_LINES = 12
#: Savings that change no number; see `aiida_insbench.jobs.mace_training`.
_QUICK = True
#: glibc hands large blocks back to the system and fetches them again at every step: some 800 page
#: faults a step; keeping them was measured to save 10 % of it.
_MEMORY = {
    'MALLOC_MMAP_THRESHOLD_': '1073741824',
    'MALLOC_TRIM_THRESHOLD_': '1073741824',
    'MALLOC_TOP_PAD_': '67108864',
}


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Train, and report every epoch.

    Returns
    -------
    dict
        ``strategy``; ``epochs``; ``best_epoch`` (counted from 1; MACE keeps the weights of the
        epoch with the lowest validation loss); ``stopped_early``; ``resumed_from_epoch`` (null,
        or the epoch of the checkpoint); ``stage_two`` (whether the weights are those of the second
        stage); ``final`` (``loss`` and errors on the validation frames); ``train`` (errors on the
        training frames); ``replay`` (errors on the watched replay frames, or null); ``sha256`` of
        the weights; ``e0s`` (eV); ``heads``; ``n_train``; ``n_validation``; ``n_replay``;
        ``curve``; ``warnings`` (levels of theory that differ).

    Raises
    ------
    DatasetError, JobFileError, PotentialError, InputError
        If frames, settings, start potential or device are wrong; nothing was started.
    DivergedError, ZeroLossError, OutOfMemoryError, TrainingError
        If MACE fails; the message ends with its last words.
    InterruptedJobError
        If MACE was killed from outside.
    """
    frames = read_training_frames(job, folder)
    start = _read_start(job, folder, frames)
    settings = _read_settings(job, frames, start)
    given = job.get('provenance') or {}
    if not isinstance(given, dict):
        raise JobFileError('`provenance` must be a dictionary.')
    provenance, warnings = training_provenance(given, settings.strategy, start)
    for warning in warnings:
        progress.report(warning)
    work = folder / _WORK
    for path in (*potential_paths(folder / NAME), folder / CURVE_FILE):
        path.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    resumed = bool(job.get('resumed')) and settings.values['resume'] == 'checkpoint'
    if not resumed:
        shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    finished = False
    try:
        _prepare(work, settings, frames, start, provenance, resumed=resumed)
        curve = _train(work, folder, settings, progress)
        result = _collect(work, folder, curve, settings)
        finished = True
    finally:
        shutil.rmtree(work, ignore_errors=True)
        if finished or settings.values['resume'] == 'never':
            shutil.rmtree(folder / CHECKPOINTS, ignore_errors=True)
    return result | {
        'warnings': warnings,
        'strategy': settings.strategy,
        'n_train': len(frames.train),
        'n_validation': len(frames.validation),
        'n_replay': len(frames.replay),
    }


def _read_start(job: dict[str, Any], folder: Path, frames: TrainingFrames) -> Potential | None:
    prefix = job.get('start')
    if prefix is None:
        return None
    start = read_potential(folder / str(prefix))
    start.metadata.check_elements(elements_of(frames.train), name='dataset')
    start.metadata.check_elements(elements_of(frames.replay), name='replay')
    if len(start.metadata.heads) > 1:
        raise PotentialError(
            f'The start potential has the heads {", ".join(start.metadata.heads)}; keep one.'
        )
    return start


def _read_settings(
    job: dict[str, Any], frames: TrainingFrames, start: Potential | None
) -> TrainingSettings:
    settings = read_training_settings(
        job.get('settings', {}),
        elements=frames.elements,
        start=start.metadata if start else None,
        replay=bool(frames.replay),
    )
    if settings.values['batch_size'] > len(frames.train):
        raise JobFileError(f'`settings.batch_size` is larger than the {len(frames.train)} frames.')
    device = check_device(settings.values['device'])
    settings = dataclasses.replace(settings, values={**settings.values, 'device': device})
    if settings.e0s != 'isolated_atoms':
        return settings
    lacking = sorted(set(frames.elements) - set(frames.isolated_atoms))
    if lacking:
        raise JobFileError(
            "`settings.e0s` is 'isolated_atoms', but the dataset has no frame of a single "
            f'{", ".join(lacking)} atom. Add it, or choose other energies.'
        )
    e0s = {element: frames.isolated_atoms[element] for element in frames.elements}
    return dataclasses.replace(settings, e0s=e0s)


def _prepare(
    work: Path,
    settings: TrainingSettings,
    frames: TrainingFrames,
    start: Potential | None,
    provenance: dict[str, Any],
    *,
    resumed: bool,
) -> None:
    """Write frames, start potential and plan."""
    work.mkdir()
    write_training_frames(
        frames,
        work,
        seed=settings.values['seed'],
        replay_weight=settings.replay['weight'] if settings.replay else 1.0,
    )
    if start:
        write_potential(start, work / 'start')
    plan = {
        'arguments': mace_arguments(settings, n_validation=len(frames.validation), resumed=resumed),
        'start': 'start' if start else None,
        'e0s': settings.e0s,
        'replay': settings.replay,
        'stage_two': settings.stage_two,
        'patience': settings.values['patience'],
        'resumed': resumed,
        'resume_rate_factor': settings.values['resume_rate_factor'],
        'batch_size': settings.values['batch_size'],
        'provenance': provenance,
        'parent': os.getpid(),
        'quick': _QUICK,
    }
    write_json(work / 'plan.json', plan)


def _train(
    work: Path, folder: Path, settings: TrainingSettings, progress: Progress
) -> TrainingCurve:
    """Run the child to its end; on any exception, an interruption included, end it first."""
    results = work / 'results' / f'{NAME}_run-{settings.values["seed"]}_train.txt'
    curve = TrainingCurve(results, total=settings.values['max_epochs'], head=HEAD)
    progress.report('starting MACE', total=settings.values['max_epochs'])
    log = folder / LOG_FILE
    kills = out_of_memory_kills()
    with log.open('wb') as handle:
        process = _start_child(work, handle)
        try:
            while process.poll() is None:
                curve.follow(progress)
                time.sleep(_POLL)
            curve.follow(progress)
        except TrainingError as exc:
            raise type(exc)(f'{exc} {_last_words(log)}') from exc
        finally:
            _end(process)
            write_json(folder / CURVE_FILE, curve.as_lists())
    if process.returncode != 0:
        raise _failure(process.returncode, log, killed=out_of_memory_kills() > kills)
    return curve


def _failure(code: int, log: Path, *, killed: bool) -> BaseException:
    """Name what ended the child: memory, somebody else, or MACE itself."""
    words = _last_words(log)
    if killed or speaks_of_memory(words):
        return OutOfMemoryError(
            f'MACE ran out of memory (code {code}). Use a smaller `batch_size`, `dtype` float32 or '
            f'more memory. {words}'
        )
    if code in (-signal.SIGKILL, -signal.SIGTERM):
        return InterruptedJobError(f'MACE was ended by signal {-code} from outside.')
    return TrainingError(f'MACE ended with code {code}. {words}')


def _start_child(work: Path, log: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, '-P', '-m', 'aiida_insbench.jobs.mace_training', 'plan.json'],
        cwd=work,
        env={**_MEMORY, **os.environ, 'PYTHONPATH': python_path(), 'PYTHONUNBUFFERED': '1'},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(_PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _last_words(log: Path) -> str:
    lines = log.read_text(encoding='utf-8', errors='replace').splitlines()
    return f'Last lines of {log.name}:\n' + '\n'.join(lines[-_LOG_LINES:])


def _collect(
    work: Path, folder: Path, curve: TrainingCurve, settings: TrainingSettings
) -> dict[str, Any]:
    try:
        outcome = json.loads((work / 'outcome.json').read_text(encoding='utf-8'))
        trained = read_potential(work / NAME)
    except (OSError, json.JSONDecodeError, PotentialError) as exc:
        raise TrainingError(f'MACE left no usable model: {exc}') from exc
    write_potential(trained, folder / NAME)
    # the second stage has a loss of its own, and MACE keeps its best weights apart
    since = settings.stage_two['start'] if outcome['stage_two'] and settings.stage_two else 0
    best = curve.best(since=since)
    return {
        'epochs': len(curve.epochs),
        'best_epoch': best.epoch + 1,
        'stopped_early': outcome['stopped_early'],
        'resumed_from_epoch': curve.resumed_from,
        'stage_two': outcome['stage_two'],
        'final': {'loss': best.loss, **outcome['validation']},
        'train': outcome['train'],
        'replay': outcome.get('replay_validation'),
        'sha256': trained.metadata.weights_sha256,
        'heads': list(trained.metadata.heads),
        'e0s': trained.metadata.isolated_atom_energies[_judged_head(trained)],
        'curve': CURVE_FILE,
    }


def _judged_head(trained: Potential) -> str:
    heads = trained.metadata.heads
    return HEAD if HEAD in heads else heads[-1]
