"""``insbench-job select``: from pools of frames to the few worth a label, in ``frames.extxyz``.

Job: ``method`` (``farthest-point``, ``committee``), ``pools`` (name to extended XYZ), ``known``
(extended XYZ or null), ``count``, ``descriptors`` (``mace``, ``soap``), ``potentials`` (name to
prefix: one for farthest points on MACE descriptors, two and more for a committee), ``seed``,
``settings``. See `aiida_insbench.science.selection`.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.jobs.program import write_text
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.select_pools import (
    Pools,
    check_known_identities,
    contacts_refused,
    pressures_of,
    read_pools,
)
from aiida_insbench.jobs.select_settings import SelectSettings, read_select_settings
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.plain_numbers import finite_or_none
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.selection.descriptors import Soap, mace_features, soap_features
from aiida_insbench.science.selection.disagreement import (
    force_disagreement,
    most_disputed,
    neutron_atom_weights,
)
from aiida_insbench.science.selection.duplicates import Tolerance, find_duplicates
from aiida_insbench.science.selection.environments import Environments, scaled_features
from aiida_insbench.science.selection.farthest_points import Choice, farthest_points, take_turns

FRAMES_FILE = 'frames.extxyz'


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Choose frames and write them in the order of choice, tags and labels kept.

    Returns
    -------
    dict
        ``n_frames``, ``n_pool``, ``n_known``; ``method``, ``descriptors``, ``n_features``,
        ``seed``; ``chosen``: ``frame_id``, ``pool``, ``distance`` (at choice; null if nothing
        comparable was there) and, of a committee, ``disagreement_mev_a`` of each; ``refused`` and
        ``duplicates``: how many and which; ``coverage`` of the frames left; ``strata``: frames by
        pressure or null.

    Raises
    ------
    InputError
        If the job file, a frame or a potential is unfit, or fewer frames are left than asked for.
    ComputationError
        If a descriptor or a prediction is not finite.
    """
    settings = read_select_settings(job)
    given = read_pools(job.get('pools'), job.get('known'), folder)
    potentials = _read_potentials(settings, given, folder)
    close = contacts_refused(given, minimum_contact=settings.minimum_contact)
    pools = given.without(close)
    if settings.count > len(pools.candidates):
        raise InputError(_too_many(settings, len(given.candidates), len(close), 0))
    environments = _describe(pools, settings, potentials, progress)
    copies = find_duplicates(
        frames=pools.frames,
        environments=environments,
        tolerance=Tolerance(settings.duplicate_distance, settings.duplicate_length),
    )
    check_known_identities(pools, copies)
    left = [index for index in pools.candidates if index not in copies]
    if settings.count > len(left):
        dropped = len(pools.candidates) - len(left)
        raise InputError(_too_many(settings, len(given.candidates), len(close), dropped))
    strata = _strata(pools, left, settings)
    disputed = _disagreement(pools, left, settings, potentials, progress)
    choice = _choose(environments, pools, left, strata, disputed, settings, progress)
    frames = [pools.frames[index] for index in choice.order]
    write_text(folder / FRAMES_FILE, write_frames(frames))
    return {
        'n_frames': len(frames),
        'n_pool': len(given.candidates),
        'n_known': pools.n_known,
        'method': settings.method,
        'descriptors': settings.descriptors,
        'n_features': environments.features.shape[1],
        'seed': settings.seed,
        'chosen': _chosen(pools, choice, disputed),
        'refused': {
            'atoms_too_close': len(close),
            'frame_ids': [given.identity(index) for index in close],
        },
        'duplicates': _duplicates(pools, copies),
        'coverage': _coverage(pools, choice, left),
        'strata': _strata_counts(strata, choice),
    }


def _read_potentials(settings: SelectSettings, pools: Pools, folder: Path) -> dict[str, Any]:
    from aiida_insbench.science.potentials import read_potential

    found = {name: read_potential(folder / prefix) for name, prefix in settings.potentials.items()}
    elements = {symbol for frame in pools.frames for symbol in frame.get_chemical_symbols()}
    for name, potential in found.items():
        potential.metadata.check_elements(elements, name=f'pools (potential {name})')
    return found


def _describe(
    pools: Pools, settings: SelectSettings, potentials: dict[str, Any], progress: Progress
) -> Environments:
    def tell(done: int, total: int) -> None:
        progress.report('describing', step=done, total=total)

    if settings.descriptors == 'soap':
        features = soap_features(pools.frames, settings=Soap(**settings.soap), report=tell)
    else:
        from aiida_insbench.science.potentials import calculator

        first = potentials[min(potentials)]
        features = mace_features(
            pools.frames, calculator=calculator(first, device=settings.device), report=tell
        )
    numbers = np.concatenate([frame.numbers for frame in pools.frames])
    counts = np.array([len(frame) for frame in pools.frames])
    return Environments(scaled_features(features, numbers), numbers, counts)


def _disagreement(
    pools: Pools,
    left: list[int],
    settings: SelectSettings,
    potentials: dict[str, Any],
    progress: Progress,
) -> dict[int, float]:
    """Largest spread of a force (eV/Å, weighted) in each frame left; empty without a committee."""
    if settings.method != 'committee':
        return {}
    from aiida_insbench.jobs.evaluate import Engine
    from aiida_insbench.science.devices import check_device

    device = check_device(settings.device)
    frames = [pools.frames[index] for index in left]
    weights = None
    if settings.weights == 'neutron':
        weights = np.concatenate([neutron_atom_weights(frame) for frame in frames])
    members = []
    for name, potential in potentials.items():
        predicted, _ = Engine(potential, device=device).predict(frames)
        members.append(predicted)
        progress.report(f'committee: {name}', step=len(members), total=len(potentials))
    counts = [len(frame) for frame in frames]
    found = force_disagreement(members, counts=counts, weights=weights)
    return dict(zip(left, found.tolist(), strict=True))


def _strata(
    pools: Pools, left: list[int], settings: SelectSettings
) -> dict[float, list[int]] | None:
    """Frames left by target pressure, or None if they are chosen from as one."""
    if settings.stratify == 'none':
        return None
    asked = settings.stratify == 'target_pressure'
    levels = pressures_of(pools, left)
    if levels is None:
        if asked:
            raise InputError('`settings.stratify`: a frame of the pools has no target_pressure.')
        return None
    strata: dict[float, list[int]] = {}
    for index, level in levels.items():
        strata.setdefault(level, []).append(index)
    if asked and len(strata) > settings.count:
        raise InputError(
            f'`settings.stratify`: {len(strata)} target pressures do not share {settings.count} '
            'frames. Choose more frames, or use `stratify: none`.'
        )
    return strata if 1 < len(strata) <= settings.count or asked else None


def _choose(
    environments: Environments,
    pools: Pools,
    left: list[int],
    strata: dict[float, list[int]] | None,
    disputed: dict[int, float],
    settings: SelectSettings,
    progress: Progress,
) -> Choice:
    groups = strata or {0.0: left}
    turns = take_turns({level: len(some) for level, some in groups.items()}, settings.count)
    if disputed:
        shares = Counter(turns)
        groups = {
            level: most_disputed(
                some,
                disputed,
                share=settings.upper_share if settings.diverse else 0.0,
                at_least=shares[level],
            )
            for level, some in groups.items()
        }
    return farthest_points(
        distances_to=environments.distances_to,
        candidates=sorted(index for some in groups.values() for index in some),
        count=settings.count,
        known=range(pools.n_known),
        turns=[groups[level] for level in turns],
        seed=settings.seed,
        report=lambda done, total: progress.report('choosing', step=done, total=total),
    )


def _too_many(settings: SelectSettings, total: int, close: int, copies: int) -> str:
    return format_error(
        f'`count` is {settings.count}, but {total - close - copies} of {total} frames are left: '
        f'{close} have atoms too close, {copies} are copies of others or of known ones.',
        fix='Ask for fewer, give a larger pool, or lower `duplicate_length`.',
    )


def _chosen(pools: Pools, choice: Choice, disputed: dict[int, float]) -> list[dict[str, Any]]:
    rows = []
    for index, distance in zip(choice.order, choice.distances, strict=True):
        row = {
            'frame_id': pools.identity(index),
            'pool': pools.pool(index),
            'distance': finite_or_none(distance),
        }
        if disputed:
            row['disagreement_mev_a'] = 1000 * disputed[index]
        rows.append(row)
    return rows


def _duplicates(pools: Pools, copies: dict[int, int]) -> dict[str, Any]:
    dropped = {index: kept for index, kept in copies.items() if index >= pools.n_known}
    return {
        'dropped': len(dropped),
        'of_known': sum(kept < pools.n_known for kept in dropped.values()),
        'frame_ids': {pools.identity(i): pools.identity(kept) for i, kept in dropped.items()},
    }


def _coverage(pools: Pools, choice: Choice, left: list[int]) -> dict[str, Any]:
    """How far the frames left over are from what was chosen or known."""
    others = sorted(set(left) - set(choice.order))
    if not others:
        return {'n_unselected': 0, 'largest': None, 'mean': None, 'farthest_frame_id': None}
    distances = choice.nearest[others]
    return {
        'n_unselected': len(others),
        'largest': finite_or_none(float(distances.max())),
        'mean': finite_or_none(float(distances.mean())),
        'farthest_frame_id': pools.identity(others[int(distances.argmax())]),
    }


def _strata_counts(
    strata: dict[float, list[int]] | None, choice: Choice
) -> dict[str, dict[str, int]] | None:
    if strata is None:
        return None
    chosen = set(choice.order)
    return {
        pressure_label(level): {'pool': len(some), 'chosen': len(chosen & set(some))}
        for level, some in sorted(strata.items())
    }
