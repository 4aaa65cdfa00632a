"""Figures of potentials: what AiiDA costs a training, what fine-tuning gains, what a job costs."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.mace_arguments import mace_arguments
from aiida_insbench.jobs.training_frames import read_training_frames, write_training_frames
from aiida_insbench.jobs.training_settings import read_training_settings
from aiida_insbench.science.frames import write_frames

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mace_calls import mace_call_figure
from pair_frames import labelled

MINUTES_OF_TRAINING = 5
EVALUATED_FRAMES, ROUNDS = 1000, 4
_PROGRAM = [sys.executable, '-m', 'aiida_insbench.jobs']
_ONE_THREAD = {**os.environ, 'OMP_NUM_THREADS': '1'}


def same_seed_figure(work: Path) -> dict[str, Any]:
    """Train twice with one seed; largest difference of a weight."""
    from safetensors.numpy import load_file

    found = []
    for name in ('first', 'second'):
        folder = work / name
        _write_training(folder, epochs=10)
        _run_job('train', folder)
        found.append(load_file(folder / 'trained.safetensors'))
    difference = max(
        float(np.abs(one.astype(float) - found[1][key].astype(float)).max(initial=0))
        for key, one in found[0].items()
    )
    return {
        'name': 'potentials.same_seed_max_weight_difference',
        'value': difference,
        'unit': '1',
        'goal': 0,
        'better': 'lower',
        'how': 'two trainings from scratch, 10 epochs, float64, CPU, one thread; largest '
        'difference of any weight',
    }


def train_overhead_figure(work: Path) -> dict[str, Any]:
    """Train through AiiDA and by hand, side by side, one core each; wall times compared."""
    epochs = _epochs_for_minutes(work / 'trial')
    by_hand = work / 'by_hand'
    _write_training(by_hand, epochs=epochs)
    words = _arguments_by_hand(by_hand)
    times: dict[str, float] = {}

    def hand() -> None:
        started = time.monotonic()
        program = str(Path(sys.executable).with_name('mace_run_train'))
        with (by_hand / 'log').open('w') as log:
            subprocess.run(
                [program, *words], cwd=by_hand, env=_ONE_THREAD, check=True, stdout=log, stderr=log
            )
        times['by hand'] = time.monotonic() - started

    beside = threading.Thread(target=hand)
    beside.start()
    started = time.monotonic()
    _train_in_aiida(by_hand, work / 'aiida')
    times['aiida'] = time.monotonic() - started
    beside.join()
    return {
        'name': 'potentials.train_overhead_percent',
        'value': round(100 * (times['aiida'] / times['by hand'] - 1), 2),
        'unit': '%',
        'goal': 5,
        'better': 'lower',
        'how': f'{epochs} epochs of one training through AiiDA ({times["aiida"]:.0f} s) and by '
        f'mace_run_train alone ({times["by hand"]:.0f} s) at the same time, one core each',
    }


def evaluate_figure(work: Path) -> dict[str, Any]:
    """Evaluate frames of 48 atoms by the job and by a bare loop; times and memory."""
    from aiida_insbench.jobs.evaluate import run
    from aiida_insbench.jobs.progress import Progress
    from aiida_insbench.science.potentials import calculator, read_potential

    folder = work / 'evaluate'
    _write_training(work / 'small', epochs=2)
    _run_job('train', work / 'small')
    frames = _large_frames(EVALUATED_FRAMES)
    prefix = str((work / 'small' / 'trained').resolve())
    engine = calculator(read_potential(Path(prefix)))
    job_s, loop_s = [], []
    memory = []
    for number in range(ROUNDS):
        part = frames[number::ROUNDS]
        place = folder / str(number)
        place.mkdir(parents=True)
        (place / 'dataset.extxyz').write_text(write_frames(part), encoding='utf-8')
        started = time.monotonic()
        run({'dataset': 'dataset.extxyz', 'potentials': {'one': prefix}}, place,
            Progress(place, 'evaluate'))  # fmt: skip
        job_s.append(time.monotonic() - started)
        started = time.monotonic()
        for frame in part:
            atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
            atoms.calc = engine
            atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()
        loop_s.append(time.monotonic() - started)
        memory.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
    return {
        'name': 'potentials.evaluate_overhead_ratio',
        'value': round(sum(job_s) / sum(loop_s), 3),
        'unit': '1',
        'goal': 1.1,
        'better': 'lower',
        'how': f'{EVALUATED_FRAMES} frames of 48 atoms in {ROUNDS} alternating rounds: the job, '
        f'loading and tables included ({sum(job_s):.0f} s), over a bare loop of the calculator '
        f'({sum(loop_s):.0f} s); peak memory {memory[0]:.2f} GiB after the first round, '
        f'{memory[-1]:.2f} GiB after the last',
    }


def finetune_figure(work: Path, data: Path) -> dict[str, Any]:
    """Learning curve; the gain of fine-tuning at 20 frames."""
    from learning_curve import learning_curve

    curve = learning_curve(data, work / 'curve')
    (work / 'learning_curve.json').write_text(json.dumps(curve, indent=1), encoding='utf-8')
    forces = {
        strategy: {size: round(one['rmse_forces_mev_a'], 1) for size, one in by_size.items()}
        for strategy, by_size in curve.items()
    }
    return {
        'name': 'potentials.finetune_gain_20_frames',
        'value': round(forces['scratch'][20] / forces['finetuned'][20], 3),
        'unit': '1',
        'goal': 1.2,
        'better': 'higher',
        'how': 'benzene, vdW-DF2: force rmse on 30 held-out frames, from scratch over fine-tuned '
        'from ammonia and urea, 1000 steps each; meV/Å by training frames: '
        + '; '.join(f'{strategy} {by_size}' for strategy, by_size in forces.items()),
    }


def _write_training(folder: Path, *, epochs: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frames in (
        ('dataset', labelled(20, seed=1, prefix='t')),
        ('validation', labelled(4, seed=2, prefix='v')),
    ):
        (folder / f'{name}.extxyz').write_text(write_frames(frames), encoding='utf-8')
    job = {
        'schema': 1,
        'stage': 'train',
        'dataset': 'dataset.extxyz',
        'validation': 'validation.extxyz',
        'settings': {'seed': 1, 'max_epochs': epochs},
    }
    (folder / 'job.json').write_text(json.dumps(job), encoding='utf-8')


def _run_job(stage: str, folder: Path) -> None:
    subprocess.run([*_PROGRAM, stage, 'job.json'], cwd=folder, check=True, env=_ONE_THREAD)


def _epochs_for_minutes(folder: Path) -> int:
    """How many epochs take `MINUTES_OF_TRAINING` through the job on this machine."""
    _write_training(folder, epochs=20)
    _run_job('train', folder)
    lines = (folder / 'progress.jsonl').read_text(encoding='utf-8').splitlines()
    times = [
        np.datetime64(json.loads(line)['time'].removesuffix('+00:00'))
        for line in lines
        if '"loss"' in line
    ]
    seconds = float((times[-1] - times[0]) / np.timedelta64(1, 's')) / (len(times) - 1)
    return int(np.ceil(60 * MINUTES_OF_TRAINING / seconds))


def _arguments_by_hand(folder: Path) -> list[str]:
    """The command line the job would give to MACE, and the files it reads."""
    job = json.loads((folder / 'job.json').read_text(encoding='utf-8'))
    frames = read_training_frames(job, folder)
    write_training_frames(frames, folder, seed=1)
    settings = read_training_settings(job['settings'], elements=frames.elements, start=None)
    return mace_arguments(settings, n_validation=len(frames.validation))


def _train_in_aiida(files: Path, work: Path) -> None:
    """One `insbench.train.base` in a profile of its own, in another process."""
    environment = {**_ONE_THREAD, 'AIIDA_PATH': str(work), 'PYTHONWARNINGS': 'ignore'}
    work.mkdir()
    program = Path(__file__).with_name('train_in_aiida.py')
    subprocess.run([sys.executable, str(program), str(files), str(work)], check=True,
                   env=environment)  # fmt: skip


def _large_frames(count: int) -> list[Atoms]:
    """Cells of 48 atoms with labels."""
    found = []
    for frame in labelled(count, seed=3, prefix='e'):
        large = frame.repeat((2, 2, 2))
        large.info = {**frame.info, 'REF_energy': 8 * frame.info['REF_energy']}
        found.append(large)
    return found


def potentials_figures(
    work: Path, data: Path | None, *, only: str | None = None
) -> Iterator[dict[str, Any]]:
    """Figures one by one; the learning curve only where the shared data are."""
    for measure in (same_seed_figure, mace_call_figure, evaluate_figure, train_overhead_figure):
        if only in (None, measure.__name__):
            yield measure(work)
    if only not in (None, finetune_figure.__name__):
        return
    if data is not None and data.is_dir():
        yield finetune_figure(work, data)
    else:
        sys.stdout.write(f'no learning curve: there is no folder {data}\n')
