"""Files of a run that is under way: chunks of frames and scalars, and a checkpoint behind them.

A chunk is written before the checkpoint that counts it in; a run that goes on from a checkpoint
writes the chunk after it again, with the same content.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aiida_insbench.jobs.program import write_arrays
from aiida_insbench.science.dynamics.run import SERIES, MDRun
from aiida_insbench.science.errors import JobFileError

FloatArray = npt.NDArray[np.float64]
#: Folder of runs under way, one folder a run.
UNFINISHED = 'md'
_FRAMES = ('times', 'positions', 'velocities', 'cells')
_CHECKPOINT = 'checkpoint.npz'


@dataclass(frozen=True)
class Checkpoint:
    """From where a run goes on.

    Attributes
    ----------
    step : int
        The last one done.
    arrays : dict
        State of the dynamics.
    record : dict
        JSON: random numbers, checks, violations found so far.
    """

    step: int
    arrays: dict[str, FloatArray]
    record: dict[str, Any]


class RunFiles:
    """Chunks and checkpoint of one run.

    Parameters
    ----------
    folder : Path
        Of the job.
    label : str
        Of the run.
    """

    def __init__(self, folder: Path, label: str) -> None:
        self._folder = folder / UNFINISHED / label
        self._folder.mkdir(parents=True, exist_ok=True)

    def read_checkpoint(self) -> Checkpoint | None:
        """The last checkpoint, None at the beginning; chunks behind it are removed.

        Raises
        ------
        JobFileError
            If it cannot be read.
        """
        path = self._folder / _CHECKPOINT
        found = _read_checkpoint(path) if path.exists() else None
        for chunk in self._chunks():
            if found is None or int(chunk.stem.split('_')[1]) > found.step:
                chunk.unlink()
        return found

    def write(
        self,
        checkpoint: Checkpoint,
        *,
        frames: Mapping[str, list[Any]],
        series: Mapping[str, list[float]],
    ) -> None:
        """Write a chunk that ends with a checkpoint."""
        arrays = {name: np.array(values) for name, values in frames.items()}
        arrays.update({f'series_{name}': np.array(values) for name, values in series.items()})
        # uncompressed: what moves is noise to a compressor, and chunks do not stay
        write_arrays(self._folder / f'chunk_{checkpoint.step:010d}.npz', arrays, compressed=False)
        text = json.dumps({'step': checkpoint.step, **checkpoint.record})
        record = np.frombuffer(text.encode(), dtype=np.uint8)
        state = {**checkpoint.arrays, 'record': record}
        write_arrays(self._folder / _CHECKPOINT, state, compressed=False)

    def run(self, *, symbols: tuple[str, ...], masses: FloatArray, stride: int = 1) -> MDRun:
        """All frames, or every so many, counted from the first, and all scalars.

        Only the frames asked for are in memory at once, beside one chunk.
        """
        parts: dict[str, list[FloatArray]] = {name: [] for name in _FRAMES}
        series: dict[str, list[FloatArray]] = {name: [] for name in SERIES}
        behind = 0
        for path in self._chunks():
            with np.load(path, allow_pickle=False) as arrays:
                count = len(arrays['times'])
                for name, found in parts.items():
                    found.append(arrays[name][-behind % stride :: stride])
                for name, found in series.items():
                    found.append(arrays[f'series_{name}'])
            behind += count
        return MDRun(
            symbols=symbols,
            masses=masses,
            series={name: np.concatenate(found) for name, found in series.items()},
            **{name: np.concatenate(found) for name, found in parts.items()},
        )

    def n_frames(self) -> int:
        """Frames written so far."""
        total = 0
        for path in self._chunks():
            with np.load(path, allow_pickle=False) as arrays:
                total += len(arrays['times'])
        return total

    def remove(self) -> None:
        """Remove what a finished run no longer needs."""
        shutil.rmtree(self._folder)

    def _chunks(self) -> list[Path]:
        return sorted(self._folder.glob('chunk_*.npz'))


def _read_checkpoint(path: Path) -> Checkpoint:
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        record = json.loads(arrays.pop('record').tobytes())
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as exc:
        raise JobFileError(f'{path.parent.name}/{path.name} cannot be read: {exc!r}.') from exc
    return Checkpoint(step=int(record.pop('step')), arrays=arrays, record=record)
