"""A committee's spreads as stage ``evaluate`` wrote them, by run of molecular dynamics."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.frame_chunks import FrameFile
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.errors import DatasetError, JobFileError
from aiida_insbench.science.validation.extrapolation import AtomSpreads

_SPREAD = 'committee_spread__forces'


def read_spreads(
    spreads: Mapping[str, Any], folder: Path
) -> tuple[dict[str, tuple[AtomSpreads, list[float]]], AtomSpreads]:
    """Read spreads along runs and on training frames.

    Parameters
    ----------
    spreads : mapping
        ``runs`` and ``training``, each with ``frames`` and ``predictions`` (file names).
    folder : Path
        Where the files are.

    Returns
    -------
    tuple of (dict, AtomSpreads)
        Spreads and times (ps) by run; spreads on training frames.

    Raises
    ------
    InputError
        If files cannot be read or do not fit.
    """
    runs, training = require(spreads, 'runs', 'training')
    frames, each = _read(runs, folder)
    by_run: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        if 'run' not in frame.info or 'time' not in frame.info:
            raise DatasetError(f'Frame {index} of {runs["frames"]} names no `run` and `time`.')
        by_run.setdefault(str(frame.info['run']), []).append(index)
    found = {
        label: (
            _joined([frames[one] for one in chosen], [each[one] for one in chosen]),
            [float(frames[one].info['time']) for one in chosen],
        )
        for label, chosen in by_run.items()
    }
    return found, _joined(*_read(training, folder))


def _read(files: Mapping[str, str], folder: Path) -> tuple[list[Atoms], list[Any]]:
    """Frames, and the spread of each one's atoms."""
    frames = FrameFile(folder / files['frames']).all_frames()
    try:
        with np.load(folder / files['predictions'], allow_pickle=False) as arrays:
            spread = np.linalg.norm(arrays[_SPREAD], axis=1)
    except (OSError, KeyError, ValueError) as exc:
        raise JobFileError(f'{files["predictions"]} holds no spread of a committee: {exc}') from exc
    counts = [len(one) for one in frames]
    if len(spread) != sum(counts):
        raise DatasetError(
            f'{files["predictions"]} is of {len(spread)} atoms, {files["frames"]} of {sum(counts)}.'
        )
    return frames, np.split(spread, np.cumsum(counts)[:-1])


def _joined(frames: list[Atoms], spreads: list[Any]) -> AtomSpreads:
    return AtomSpreads(
        symbols=tuple(one for frame in frames for one in frame.get_chemical_symbols()),
        counts=tuple(len(frame) for frame in frames),
        spreads=np.concatenate(spreads),
    )
