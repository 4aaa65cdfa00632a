"""Several sets of frames as one: names stay unique, levels of theory are not mixed unasked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms

from aiida_insbench.science.dft_levels import functional_of
from aiida_insbench.science.dft_settings import level_differences
from aiida_insbench.science.errors import DatasetError, format_error


def merge_frames(
    sets: Mapping[str, Sequence[Atoms]], *, rename_repeated: bool = False
) -> list[Atoms]:
    """Join sets of frames in the order given.

    Parameters
    ----------
    sets : mapping
        Name to frames.
    rename_repeated : bool
        Whether frames whose ``frame_id`` an earlier set has get the name of their set in front.

    Raises
    ------
    DatasetError
        If a ``frame_id`` occurs twice; names frames and sets.
    """
    owner: dict[str, str] = {}
    merged: list[Atoms] = []
    repeated: list[str] = []
    for name, frames in sets.items():
        for frame in frames:
            identity = str(frame.info['frame_id'])
            chosen = frame
            if identity in owner:
                repeated.append(f'{identity} occurs twice, in {owner[identity]} and {name}')
                chosen = frame.copy()
                identity = renamed(name, identity)
                chosen.info['frame_id'] = identity
            owner[identity] = name
            merged.append(chosen)
    if repeated and not rename_repeated:
        more = f' ({len(repeated)} in all)' if len(repeated) > 3 else ''
        raise DatasetError(
            format_error(
                f'{"; ".join(repeated[:3])}{more}.',
                reason='One frame may not be learnt twice, or learnt and judged by.',
                fix='Leave a set out, or say `rename_repeated` if they are different frames.',
            )
        )
    return merged


def renamed(name: str, identity: str) -> str:
    """Name of a frame of a set whose own name another set has."""
    return f'{name}_{identity}'


def merge_levels(
    levels: Mapping[str, Mapping[str, Any]], *, allow_different: bool = False
) -> dict[str, Any]:
    """Level of theory of joined sets.

    Parameters
    ----------
    levels : mapping
        Name of the set to its level.
    allow_different : bool
        Whether levels may differ. If they do, the level on record says so: ``functional`` names
        all, ``differences`` lists where, ``levels`` holds each.

    Raises
    ------
    DatasetError
        If levels differ; lists every difference.
    """
    names = list(levels)
    first = names[0]
    found = {
        f'`{first}` and `{name}`': lines
        for name in names[1:]
        if (lines := level_differences(levels[first], levels[name]))
    }
    if not found:
        return _joined([levels[name] for name in names])
    if not allow_different:
        pair, lines = next(iter(found.items()))
        raise DatasetError(
            format_error(
                f'{pair} were labelled at different levels of theory: {"; ".join(lines)}.',
                reason='A potential cannot learn both.',
                fix='Label them alike (insbench.label), or say `allow_different_levels` if you '
                'know that the difference does not matter.',
            )
        )
    kept = {name: dict(level) for name, level in levels.items()}
    return {
        'functional': functional_of({'levels': kept}) or '',
        'differences': [f'{pair}: {line}' for pair, lines in found.items() for line in lines],
        'levels': kept,
    }


def _joined(levels: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Levels that agree: pseudopotentials of all elements; the coarsest k spacing."""
    joined = dict(levels[0])
    pseudos = {
        key: value for one in levels for key, value in (one.get('pseudopotentials') or {}).items()
    }
    if pseudos:
        joined['pseudopotentials'] = pseudos
    spacings = [one['kpoints_distance'] for one in levels if one.get('kpoints_distance')]
    if spacings:
        joined['kpoints_distance'] = max(spacings)
    for key in ('kpoints_mesh', 'pulay_stress_gpa', 'source'):
        if any(one.get(key) != joined.get(key) for one in levels):
            joined.pop(key, None)
    return joined
