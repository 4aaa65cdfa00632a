"""Stage ``evaluate``: errors of potentials on labelled frames.

Job: ``dataset`` (extended XYZ), ``potentials`` (name to prefix), ``settings`` (``device``).
Writes ``predictions.npz`` with ``<name>.energy`` (eV), ``<name>.forces`` (eV/Å, frame after frame)
and ``<name>.stress`` (eV/Å³) of every potential and of the labels under ``reference``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.errors import DatasetError, JobFileError
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.parity import Properties, errors, labels, predict

PREDICTIONS_FILE = 'predictions.npz'
_DEFAULTS = {'device': 'cpu'}


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Compute energies, forces and stresses and compare them with the labels.

    Returns
    -------
    dict
        ``potentials``: name to the errors of `aiida_insbench.science.parity.errors`.

    Raises
    ------
    DatasetError
        If the frames lack labels.
    PotentialError
        If a potential is unfit for the frames.
    """
    dataset, potentials = require(job, 'dataset', 'potentials')
    settings = read_settings(job.get('settings', {}), defaults=_DEFAULTS)
    frames = read_labelled(folder / dataset)
    if not isinstance(potentials, dict) or not potentials or 'reference' in potentials:
        raise JobFileError('`potentials` must name potentials, and none of them `reference`.')
    found = {'reference': labels(frames)}
    table = {}
    read = {name: _read(folder / prefix, frames) for name, prefix in potentials.items()}
    for step, (name, potential) in enumerate(read.items()):
        progress.report(f'evaluating {name}', step=step, total=len(potentials))
        found[name] = _predict(potential, frames, device=settings['device'])
        table[name] = errors(frames, predicted=found[name])
    arrays = {
        f'{name}.{key}': getattr(properties, key)
        for name, properties in found.items()
        for key in ('energy', 'forces', 'stress')
    }
    np.savez_compressed(folder / PREDICTIONS_FILE, **arrays)  # type: ignore[arg-type]
    progress.report('evaluated', step=len(potentials), total=len(potentials))
    return {'potentials': table}


def read_labelled(path: Path) -> list[Atoms]:
    """Read labelled frames; raises `DatasetError` naming the file."""
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f'{path.name} cannot be read: {exc}.') from exc
    frames = read_frames(text, name=path.name)
    check_frames(frames, labelled=True, name=path.name)
    return frames


def _read(prefix: Path, frames: list[Atoms]) -> Any:
    from aiida_insbench.science.potentials import read_potential

    potential = read_potential(prefix)
    symbols = {symbol for frame in frames for symbol in frame.get_chemical_symbols()}
    potential.metadata.check_elements(symbols, name='dataset')
    return potential


def _predict(potential: Any, frames: list[Atoms], *, device: str) -> Properties:
    from aiida_insbench.science.potentials import calculator

    return predict(frames, calculator=calculator(potential, device=device))
