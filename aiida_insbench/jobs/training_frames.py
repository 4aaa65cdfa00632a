"""Frames of a training: read, checked against each other, and written for MACE."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers

from aiida_insbench.jobs.evaluate import read_labelled
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY, write_frames

#: Share of the replayed frames that MACE watches instead of learning.
_REPLAY_WATCHED = 0.1
#: Weights of a frame's labels, as MACE reads them from the frame.
_WEIGHT_KEYS = ('config_energy_weight', 'config_forces_weight', 'config_stress_weight')


@dataclass(frozen=True)
class TrainingFrames:
    """Frames to learn from, to be judged by, and to replay; energies of isolated atoms in eV."""

    train: list[Atoms]
    validation: list[Atoms]
    replay: list[Atoms]
    isolated_atoms: dict[str, float]

    @property
    def elements(self) -> tuple[str, ...]:
        """Elements of all frames, by atomic number."""
        return elements_of((*self.train, *self.replay))


def read_training_frames(job: dict[str, Any], folder: Path) -> TrainingFrames:
    """Read ``dataset``, ``validation`` and, if there is one, ``replay``.

    Frames of a single atom give its energy and are not trained on.

    Raises
    ------
    DatasetError
        If frames lack labels, stand in both sets, are not periodic, or the validation frames hold
        an element no training frame has.
    """
    dataset, held_out = require(job, 'dataset', 'validation')
    everything, validation = read_labelled(folder / dataset), read_labelled(folder / held_out)
    train = [frame for frame in everything if len(frame) > 1]
    if not train:
        raise DatasetError(f'{dataset} holds isolated atoms only: there is nothing to train on.')
    replay = read_labelled(folder / job['replay']) if job.get('replay') else []
    _refuse_shared(train, validation)
    lacking = sorted(set(elements_of(validation)) - set(elements_of(train)))
    if lacking:
        raise DatasetError(f'The validation frames hold {", ".join(lacking)}; no training frame.')
    for frame in (*train, *validation, *replay):
        if not all(frame.pbc):
            raise DatasetError(f'{frame.info["frame_id"]} is not periodic: it has no stress.')
    if len(replay) == 1:
        raise DatasetError('One frame to replay is too few: one more is needed to watch.')
    return TrainingFrames(
        train=train,
        validation=validation,
        replay=replay,
        isolated_atoms={
            str(frame.symbols[0]): float(frame.info[ENERGY_KEY])
            for frame in everything
            if len(frame) == 1
        },
    )


def elements_of(frames: Iterable[Atoms]) -> tuple[str, ...]:
    """Elements of `frames`, by atomic number."""
    found = {symbol for frame in frames for symbol in frame.get_chemical_symbols()}
    return tuple(sorted(found, key=lambda symbol: atomic_numbers[symbol]))


def write_training_frames(
    frames: TrainingFrames, work: Path, *, seed: int, replay_weight: float = 1.0
) -> None:
    """Write what MACE reads: labels only, for it gives a meaning to other entries.

    Parameters
    ----------
    frames : TrainingFrames
        Checked.
    work : Path
        Folder of the training.
    seed : int
        Draws the replayed frames that MACE watches.
    replay_weight : float
        Weight of a replayed frame's labels beside those of a training frame.
    """
    _write(work / 'train.extxyz', frames.train)
    _write(work / 'validation.extxyz', frames.validation)
    if not frames.replay:
        return
    count = max(1, round(_REPLAY_WATCHED * len(frames.replay)))
    order = np.random.default_rng(seed).permutation(len(frames.replay))
    watched, learned = order[:count], order[count:]
    for name, indices in (('replay_validation', watched), ('replay', learned)):
        chosen = [frames.replay[index] for index in sorted(indices.tolist())]
        _write(work / f'{name}.extxyz', chosen, weight=replay_weight)


def _write(path: Path, frames: list[Atoms], *, weight: float = 1.0) -> None:
    path.write_text(write_frames([_bare(frame, weight) for frame in frames]), encoding='utf-8')


def _bare(frame: Atoms, weight: float) -> Atoms:
    atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
    atoms.info = {
        key: frame.info[key]
        for key in ('frame_id', 'target_pressure', ENERGY_KEY, STRESS_KEY)
        if key in frame.info
    }
    if weight != 1.0:
        atoms.info |= dict.fromkeys(_WEIGHT_KEYS, weight)
    atoms.arrays[FORCES_KEY] = frame.arrays[FORCES_KEY]
    return atoms


def _refuse_shared(train: list[Atoms], validation: list[Atoms]) -> None:
    both = {f.info['frame_id'] for f in train} & {f.info['frame_id'] for f in validation}
    if both:
        raise DatasetError(
            f'Frames stand in training and validation: {", ".join(sorted(both)[:5])}. '
            'Remove them from one: errors on frames seen in training prove nothing.'
        )
