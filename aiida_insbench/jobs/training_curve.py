"""Errors of a training, epoch by epoch, read from the file MACE writes while it runs.

MACE writes one JSON object a line: ``mode`` ``opt`` (a step: ``loss``, ``epoch``) or ``eval`` (the
validation frames: ``loss``, ``rmse_e_per_atom`` in eV, ``rmse_f`` in eV/Å, ``rmse_stress`` in eV/Å³
over the nine components, ``epoch``; null before the first epoch; ``head``). With replay there is
one ``eval`` line for each head and epoch; that of the trained head judges.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase.units import GPa

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import (
    DivergedError,
    TrainingError,
    ZeroLossError,
    format_error,
)

#: A validation loss this many times that of the untrained model means that training diverged.
DIVERGED = 1e4


@dataclass(frozen=True)
class Epoch:
    """One epoch: losses and errors on the validation frames (meV/atom, meV/Å, GPa).

    `replay_rmse_forces_mev_a` is that of the watched replay frames, None without replay.
    """

    epoch: int
    loss: float
    train_loss: float
    rmse_energy_mev_atom: float
    rmse_forces_mev_a: float
    rmse_stress_gpa: float
    replay_rmse_forces_mev_a: float | None = None


class TrainingCurve:
    """Follows MACE's file of results while it grows.

    Parameters
    ----------
    path : Path
        The file; it need not exist yet.
    total : int
        Epochs planned.
    head : str
        Head that is trained.
    """

    def __init__(self, path: Path, *, total: int, head: str) -> None:
        self.epochs: list[Epoch] = []
        self._head = head
        self._replay_forces: float | None = None
        self._path = path
        self._total = total
        self._read = 0
        self._steps: list[float] = []
        self._first_loss = math.inf

    def follow(self, progress: Progress) -> None:
        """Read what is new and report finished epochs.

        Raises
        ------
        DivergedError
            If a loss is not finite, or `DIVERGED` times the loss before the first epoch.
        ZeroLossError
            If a head has no loss before the first epoch.
        """
        for line in self._new_lines():
            if line['mode'] == 'opt':
                self._add_step(line)
                continue
            _refuse_zero(line)
            if line.get('head', self._head) != self._head:
                self._replay_forces = 1000 * float(line['rmse_f'])
            elif line['epoch'] is None:
                self._first_loss = float(line['loss'])
            else:
                self._add_epoch(line)
                last = self.epochs[-1]
                progress.report(
                    'training',
                    step=last.epoch + 1,
                    total=self._total,
                    loss=last.loss,
                    rmse_energy_mev_atom=last.rmse_energy_mev_atom,
                    rmse_forces_mev_a=last.rmse_forces_mev_a,
                    rmse_stress_gpa=last.rmse_stress_gpa,
                )

    @property
    def resumed_from(self) -> int | None:
        """Epoch of the checkpoint this curve goes on from; None if it begins at the beginning."""
        first = self.epochs[0].epoch if self.epochs else 0
        return first or None

    def best(self, *, since: int = 0) -> Epoch:
        """Epoch with the lowest validation loss, the first of equals: the one MACE keeps.

        Parameters
        ----------
        since : int
            First epoch (from 0) that counts.
        """
        counted = [one for one in self.epochs if one.epoch >= since]
        if not counted:
            raise TrainingError('MACE finished no epoch.')
        return min(counted, key=lambda one: one.loss)

    def as_lists(self) -> dict[str, list[float | None]]:
        """Columns for ``training_curve.json``; that of the replay only where there is one."""
        columns = {
            name: [getattr(one, name) for one in self.epochs] for name in Epoch.__dataclass_fields__
        }
        if not any(value is not None for value in columns['replay_rmse_forces_mev_a']):
            del columns['replay_rmse_forces_mev_a']
        return columns

    def _new_lines(self) -> list[dict[str, Any]]:
        if not self._path.exists():
            return []
        with self._path.open('rb') as handle:
            handle.seek(self._read)
            # the last line may be half written
            whole = handle.read().rpartition(b'\n')[0]
        if not whole:
            return []
        self._read += len(whole) + 1
        return [json.loads(line) for line in whole.splitlines()]

    def _add_step(self, line: dict[str, Any]) -> None:
        loss = float(line['loss'])
        if not math.isfinite(loss):
            raise DivergedError(_diverged(int(line['epoch']), loss))
        self._steps.append(loss)

    def _add_epoch(self, line: dict[str, Any]) -> None:
        loss, number = float(line['loss']), int(line['epoch'])
        if not math.isfinite(loss) or loss > DIVERGED * max(self._first_loss, 1e-3):
            raise DivergedError(_diverged(number, loss))
        self.epochs.append(
            Epoch(
                epoch=number,
                loss=loss,
                train_loss=sum(self._steps) / max(len(self._steps), 1),
                rmse_energy_mev_atom=1000 * float(line['rmse_e_per_atom']),
                rmse_forces_mev_a=1000 * float(line['rmse_f']),
                rmse_stress_gpa=float(line['rmse_stress']) / GPa,
                replay_rmse_forces_mev_a=self._replay_forces,
            )
        )
        self._steps = []


def _refuse_zero(line: dict[str, Any]) -> None:
    """An untrained head without any loss has no labels: MACE gives those it misses the weight 0."""
    if line['epoch'] is None and float(line['loss']) == 0.0:
        raise ZeroLossError(
            format_error(
                f'The loss of the head {line.get("head", "")!r} is exactly 0 before training.',
                reason='MACE has read none of its labels, or all of them weigh nothing.',
                fix='Check the keys of energies, forces and stresses and the weights of the loss.',
            )
        )


def _diverged(epoch: int, loss: float) -> str:
    return format_error(
        f'Training diverged in epoch {epoch + 1}: the loss is {loss}.',
        fix='Use a smaller `learning_rate`, or look for frames with huge forces.',
    )
