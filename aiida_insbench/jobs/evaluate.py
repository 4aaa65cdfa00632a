"""Stage ``evaluate``: what potentials predict for frames, how far they agree, how far they err.

Job: ``dataset`` (extended XYZ, labelled or not), ``potentials`` (name to prefix), ``settings``:
``device`` (``cpu``, ``cuda``, ``auto``), ``chunk`` (frames between two writes), ``committee``
(whether the potentials are one), ``descriptors``. Frames are evaluated in chunks, each written to
``chunks/`` when it is done: a killed job goes on behind them. Writes ``predictions.npz`` with
``<name>__energy`` (eV), ``<name>__forces`` (eV/Å, frame after frame), ``<name>__stress`` (eV/Å³)
and, if asked for, ``<name>__descriptors`` (mean over the atoms of each frame of the invariant
features) of every potential, of the labels under ``reference``, and of a committee under
``committee_mean`` and ``committee_spread``; and ``n_atoms`` of each frame.
"""

from __future__ import annotations

import functools
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.jobs.frame_chunks import ChunkStore, FrameFile
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.committee import committee_mean, committee_spread, spread_summary
from aiida_insbench.science.devices import check_device
from aiida_insbench.science.errors import ComputationError, DatasetError, JobFileError
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.parity import Properties, errors, labels, predict

PREDICTIONS_FILE = 'predictions.npz'
CHUNK_FOLDER = 'chunks'
_DEFAULTS = {'device': 'cpu', 'chunk': 50, 'committee': False, 'descriptors': False}
_RESERVED = ('reference', 'committee_mean', 'committee_spread')
_PROPERTIES = ('energy', 'forces', 'stress')


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Predict, chunk by chunk, and compare with the labels where there are any.

    Returns
    -------
    dict
        ``n_frames``; ``device``; ``potentials``: name to the errors of
        `aiida_insbench.science.parity.errors`, None without labels; ``committee``: None, or
        ``errors`` of its mean (None without labels) and ``spread``
        (`aiida_insbench.science.committee.spread_summary`, with the ``frame_id``); ``resumed``:
        how many frames an earlier run had done.

    Raises
    ------
    DatasetError
        If frames are unreadable, or some are labelled and others not.
    InputError
        If there is no such device.
    PotentialError
        If a potential is unfit for the frames.
    """
    dataset, potentials = require(job, 'dataset', 'potentials')
    settings = _read_settings(job.get('settings', {}), potentials)
    frames = FrameFile(folder / dataset)
    engines = {name: _read(folder / prefix, frames) for name, prefix in potentials.items()}
    device = check_device(settings['device'])
    store = ChunkStore(folder / CHUNK_FOLDER, frames, size=settings['chunk'])
    done = store.finished(keys=_keys(potentials, settings))
    _evaluate(store, engines, settings, device, progress)
    found = {name: store.properties(name) for name in potentials}
    result = _tables(frames, found, committee=settings['committee'])
    _write_predictions(folder, store, frames, found, settings)
    shutil.rmtree(folder / CHUNK_FOLDER)
    progress.report('evaluated', step=len(frames), total=len(frames))
    return {'n_frames': len(frames), 'device': device, 'resumed': done, **result}


def read_labelled(path: Path) -> list[Atoms]:
    """Read labelled frames; raises `DatasetError` naming the file."""
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f'{path.name} cannot be read: {exc}.') from exc
    frames = read_frames(text, name=path.name)
    check_frames(frames, labelled=True, name=path.name)
    return frames


def _read_settings(given: object, potentials: object) -> dict[str, Any]:
    settings = read_settings(given, defaults=_DEFAULTS)
    if not isinstance(potentials, dict) or not potentials or set(_RESERVED) & set(potentials):
        raise JobFileError(f'`potentials` must name potentials, none of them {_RESERVED}.')
    if settings['chunk'] < 1:
        raise JobFileError(f'`settings.chunk` is {settings["chunk"]}; give at least 1 frame.')
    if settings['committee'] and len(potentials) < 2:
        raise JobFileError('`settings.committee` is true, but there is one potential only.')
    return settings


def _read(prefix: Path, frames: FrameFile) -> Any:
    from aiida_insbench.science.potentials import read_potential

    potential = read_potential(prefix)
    potential.metadata.check_elements(frames.elements, name='dataset')
    return potential


def _keys(potentials: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    kinds = (*_PROPERTIES, 'descriptors') if settings['descriptors'] else _PROPERTIES
    return [f'{name}__{kind}' for name in potentials for kind in kinds]


def _evaluate(
    store: ChunkStore,
    potentials: dict[str, Any],
    settings: dict[str, Any],
    device: str,
    progress: Progress,
) -> None:
    """Evaluate the chunks that are missing; each potential is loaded once."""
    missing = store.missing()
    if not missing:
        return
    engines = {name: Engine(one, device=device) for name, one in potentials.items()}
    for number in missing:
        frames = store.frames(number)
        arrays: dict[str, Any] = {}
        for name, engine in engines.items():
            predicted, descriptors = engine.predict(frames, descriptors=settings['descriptors'])
            arrays |= {f'{name}__{kind}': getattr(predicted, kind) for kind in _PROPERTIES}
            if settings['descriptors']:
                arrays[f'{name}__descriptors'] = descriptors
        store.write(number, arrays)
        progress.report('evaluating', step=store.last_frame(number), total=store.n_frames)


class Engine:
    """A potential ready to predict: frame by frame on a CPU, in batches on a GPU.

    Parameters
    ----------
    potential : Potential
        As read by `read_potential`.
    device : str
        ``cpu`` or ``cuda``.
    """

    def __init__(self, potential: Any, *, device: str) -> None:
        from aiida_insbench.science.potentials import batched

        self._potential, self._device = potential, device
        self._batched = batched(potential, device=device) if device != 'cpu' else None

    @functools.cached_property
    def _calculator(self) -> Any:
        from aiida_insbench.science.potentials import calculator

        return calculator(self._potential, device=self._device)

    def predict(
        self, frames: list[Atoms], *, descriptors: bool = False
    ) -> tuple[Properties, np.ndarray[Any, Any] | None]:
        """Predict; with `descriptors` also the mean invariant features, (n_frames, n_features)."""
        if self._batched is None:
            found = predict(frames, calculator=self._calculator)
        else:
            found = self._batched.predict(frames)
        if not descriptors:
            return found, None
        describe = getattr(self._calculator, 'get_descriptors', None)
        if describe is None:
            raise ComputationError('A potential of this flavour has no descriptors.')
        means = [describe(frame.copy(), invariants_only=True).mean(axis=0) for frame in frames]
        return found, np.array(means, dtype=float)


def _tables(frames: FrameFile, found: dict[str, Properties], *, committee: bool) -> dict[str, Any]:
    everything = frames.all_frames() if frames.labelled else None
    table = {
        name: errors(everything, predicted=one) if everything else None
        for name, one in found.items()
    }
    if not committee:
        return {'potentials': table, 'committee': None}
    members = list(found.values())
    spread = spread_summary(committee_spread(members), counts=frames.counts)
    index = spread.pop('largest_force_frame')
    mean = errors(everything, predicted=committee_mean(members)) if everything else None
    return {
        'potentials': table,
        'committee': {
            'errors': mean,
            'spread': {**spread, 'largest_force_frame_id': frames.identities[index]},
        },
    }


def _write_predictions(
    folder: Path,
    store: ChunkStore,
    frames: FrameFile,
    found: dict[str, Properties],
    settings: dict[str, Any],
) -> None:
    shown = dict(found)
    if frames.labelled:
        shown['reference'] = labels(frames.all_frames())
    if settings['committee']:
        shown['committee_mean'] = committee_mean(list(found.values()))
        shown['committee_spread'] = committee_spread(list(found.values()))
    arrays: dict[str, Any] = {
        f'{name}__{kind}': getattr(one, kind) for name, one in shown.items() for kind in _PROPERTIES
    }
    if settings['descriptors']:
        arrays |= {f'{name}__descriptors': store.array(f'{name}__descriptors') for name in found}
    partial = folder / f'{PREDICTIONS_FILE}.part.npz'
    np.savez_compressed(partial, n_atoms=np.array(frames.counts), **arrays)
    partial.replace(folder / PREDICTIONS_FILE)
