"""Stage ``train``: train or fine-tune a MACE potential on labelled frames.

Job: ``dataset`` and ``validation`` (extended XYZ), ``start`` (prefix of a potential, or null),
``settings`` (see `aiida_insbench.jobs.training_settings`), ``provenance`` (kept with the
potential). Writes ``trained.json``, ``trained.safetensors``, ``training_curve.json`` and
``mace.log``. MACE runs in a child process in a folder of its own, which is emptied before and
after: a killed training starts again from epoch 0 and gives the same weights.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from ase import Atoms
from ase.data import atomic_numbers

from aiida_insbench.jobs.evaluate import read_labelled
from aiida_insbench.jobs.program import write_json
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import require
from aiida_insbench.jobs.training_curve import TrainingCurve
from aiida_insbench.jobs.training_settings import (
    NAME,
    TrainingSettings,
    mace_arguments,
    read_training_settings,
)
from aiida_insbench.science.errors import DatasetError, JobFileError, PotentialError, TrainingError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames
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
        ``epochs``, ``best_epoch`` (counted from 1; MACE keeps the weights of the epoch with the
        lowest validation loss), ``final`` (``loss`` and errors on the validation frames),
        ``train`` (errors on the training frames), ``sha256`` of the weights, ``e0s`` (eV),
        ``n_train``, ``n_validation``, ``curve``.

    Raises
    ------
    DatasetError, JobFileError, PotentialError
        If frames, settings or start potential are wrong; nothing was started.
    TrainingError
        If MACE fails or diverges; the message ends with its last words.
    """
    train, validation = _read_frames(job, folder)
    start = _read_start(job, folder, train)
    settings = read_training_settings(
        job.get('settings', {}), elements=_elements(train), start=start.metadata if start else None
    )
    if settings.values['batch_size'] > len(train):
        raise JobFileError(f'`settings.batch_size` is larger than the {len(train)} frames.')
    provenance = job.get('provenance') or {}
    if not isinstance(provenance, dict):
        raise JobFileError('`provenance` must be a dictionary.')
    work = folder / _WORK
    for path in (*potential_paths(folder / NAME), folder / CURVE_FILE):
        path.unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
    try:
        _prepare(work, settings, train, validation, start, provenance)
        curve = _train(work, folder, settings, progress)
        return _collect(work, folder, curve) | {
            'n_train': len(train),
            'n_validation': len(validation),
        }
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _read_frames(job: dict[str, Any], folder: Path) -> tuple[list[Atoms], list[Atoms]]:
    dataset, held_out = require(job, 'dataset', 'validation')
    train, validation = read_labelled(folder / dataset), read_labelled(folder / held_out)
    both = {f.info['frame_id'] for f in train} & {f.info['frame_id'] for f in validation}
    if both:
        raise DatasetError(
            f'Frames stand in training and validation: {", ".join(sorted(both)[:5])}. '
            'Remove them from one: errors on frames seen in training prove nothing.'
        )
    lacking = sorted(set(_elements(validation)) - set(_elements(train)))
    if lacking:
        raise DatasetError(f'The validation frames hold {", ".join(lacking)}; no training frame.')
    for frame in (*train, *validation):
        if not all(frame.pbc):
            raise DatasetError(f'{frame.info["frame_id"]} is not periodic: it has no stress.')
    return train, validation


def _read_start(job: dict[str, Any], folder: Path, train: list[Atoms]) -> Potential | None:
    prefix = job.get('start')
    if prefix is None:
        return None
    start = read_potential(folder / str(prefix))
    start.metadata.check_elements(_elements(train), name='dataset')
    if len(start.metadata.heads) > 1:
        raise PotentialError(
            f'The start potential has the heads {", ".join(start.metadata.heads)}; keep one.'
        )
    return start


def _elements(frames: list[Atoms]) -> tuple[str, ...]:
    found = {symbol for frame in frames for symbol in frame.get_chemical_symbols()}
    return tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))


def _prepare(
    work: Path,
    settings: TrainingSettings,
    train: list[Atoms],
    validation: list[Atoms],
    start: Potential | None,
    provenance: dict[str, Any],
) -> None:
    """Write frames (labels only: MACE gives a meaning to other entries), start and plan."""
    work.mkdir()
    for name, frames in (('train', train), ('validation', validation)):
        text = write_frames([_bare(frame) for frame in frames])
        (work / f'{name}.extxyz').write_text(text, encoding='utf-8')
    if start:
        write_potential(start, work / 'start')
    plan = {
        'arguments': mace_arguments(
            settings, n_validation=len(validation), fine_tuning=start is not None
        ),
        'start': 'start' if start else None,
        'batch_size': settings.values['batch_size'],
        'provenance': provenance,
        'parent': os.getpid(),
        'quick': _QUICK,
    }
    write_json(work / 'plan.json', plan)


def _bare(frame: Atoms) -> Atoms:
    atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
    atoms.info = {
        key: frame.info[key]
        for key in ('frame_id', 'target_pressure', ENERGY_KEY, STRESS_KEY)
        if key in frame.info
    }
    atoms.arrays[FORCES_KEY] = frame.arrays[FORCES_KEY]
    return atoms


def _train(
    work: Path, folder: Path, settings: TrainingSettings, progress: Progress
) -> TrainingCurve:
    """Run the child to its end; on any exception, an interruption included, end it first."""
    results = work / 'results' / f'{NAME}_run-{settings.values["seed"]}_train.txt'
    curve = TrainingCurve(results, total=settings.values['max_epochs'])
    progress.report('starting MACE', total=settings.values['max_epochs'])
    log = folder / LOG_FILE
    with log.open('wb') as handle:
        process = _start_child(work, handle)
        try:
            while process.poll() is None:
                curve.follow(progress)
                time.sleep(_POLL)
            curve.follow(progress)
        except TrainingError as exc:
            raise TrainingError(f'{exc} {_last_words(log)}') from exc
        finally:
            _end(process)
            write_json(folder / CURVE_FILE, curve.as_lists())
    if process.returncode != 0:
        raise TrainingError(f'MACE ended with code {process.returncode}. {_last_words(log)}')
    return curve


def _start_child(work: Path, log: Any) -> subprocess.Popen[bytes]:
    package_root = str(Path(__file__).parents[2])
    path = os.pathsep.join(filter(None, (package_root, os.environ.get('PYTHONPATH'))))
    return subprocess.Popen(
        [sys.executable, '-P', '-m', 'aiida_insbench.jobs.mace_training', 'plan.json'],
        cwd=work,
        env={**_MEMORY, **os.environ, 'PYTHONPATH': path, 'PYTHONUNBUFFERED': '1'},
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


def _collect(work: Path, folder: Path, curve: TrainingCurve) -> dict[str, Any]:
    try:
        outcome = json.loads((work / 'outcome.json').read_text(encoding='utf-8'))
        trained = read_potential(work / NAME)
    except (OSError, json.JSONDecodeError, PotentialError) as exc:
        raise TrainingError(f'MACE left no usable model: {exc}') from exc
    write_potential(trained, folder / NAME)
    best = curve.best()
    return {
        'epochs': len(curve.epochs),
        'best_epoch': best.epoch + 1,
        'final': {'loss': best.loss, **outcome['validation']},
        'train': outcome['train'],
        'sha256': trained.metadata.weights_sha256,
        'e0s': trained.metadata.isolated_atom_energies[trained.metadata.heads[0]],
        'curve': CURVE_FILE,
    }
