"""Splits of frames into those to learn from, to watch and to be judged by; pressures in GPa."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.frames import is_isolated_atom, target_pressure_of
from aiida_insbench.science.pressure import pressure_label, pressure_labels

SPLITS = ('training', 'validation', 'test')
STRATA = ('pressure', 'method')


def split_frames(
    frames: Sequence[Atoms],
    *,
    seed: int,
    validation: float,
    test: float = 0,
    held_out_pressures: Sequence[float] = (),
    stratify: Sequence[str] = (),
) -> dict[str, list[Atoms]]:
    """Split frames into disjoint parts that keep the order of the frames.

    Isolated atoms stay in training. All frames placed for a held-out pressure go to the test
    part; what is left is drawn without replacement from `seed`.

    Parameters
    ----------
    frames : sequence of Atoms
        With the ``info`` of `aiida_insbench.science.frames`.
    seed : int
        Of the draw.
    validation, test : int or float
        Frames to draw: a whole number ≥ 1 is a count, a number between 0 and 1 a share of the
        frames left by the held-out pressures; 0 draws none.
    held_out_pressures : sequence of float
        GPa.
    stratify : sequence of str
        Any of ``pressure`` and ``method``: each part has the same mix of them, to within one frame
        of each kind.

    Returns
    -------
    dict
        ``training`` and those of ``validation`` and ``test`` that have frames.

    Raises
    ------
    DatasetError
        If a part would be empty, a pressure or stratum is unknown.
    """
    tags = _check_strata(stratify)
    held = _held_out(frames, held_out_pressures)
    alone = {index for index, frame in enumerate(frames) if is_isolated_atom(frame)}
    free = [index for index in range(len(frames)) if index not in held | alone]
    counts = _counts(len(free), validation=validation, test=test, held=len(held))
    order = [free[place] for place in np.random.default_rng(seed).permutation(len(free))]
    groups: dict[tuple[str, ...], list[int]] = {}
    for index in order:
        groups.setdefault(tuple(_tag(frames[index], tag) for tag in tags), []).append(index)
    parts = _draw([groups[key] for key in sorted(groups)], counts)
    parts['test'] |= held
    drawn = parts['validation'] | parts['test']
    parts['training'] = {index for index in range(len(frames)) if index not in drawn}
    _refuse_no_training(parts['training'], alone)
    return {
        name: [frames[index] for index in sorted(parts[name])] for name in SPLITS if parts[name]
    }


def apportion(total: int, sizes: Sequence[int]) -> list[int]:
    """Share `total` among groups in proportion to their sizes, by largest remainders.

    Parameters
    ----------
    total : int
        At most the sum of `sizes`.
    sizes : sequence of int
        Of the groups; none is given more than it has.

    Returns
    -------
    list of int
        Each within one of its exact share; of equal remainders the first group's counts more.
    """
    whole = sum(sizes)
    if not whole:
        return [0 for _ in sizes]
    shares = [total * size // whole for size in sizes]
    rest = [total * size % whole for size in sizes]
    ranked = sorted(range(len(sizes)), key=lambda group: (-rest[group], group))
    for group in ranked[: total - sum(shares)]:
        shares[group] += 1
    return shares


def _draw(groups: list[list[int]], counts: dict[str, int]) -> dict[str, set[int]]:
    parts: dict[str, set[int]] = {'validation': set(), 'test': set()}
    for name, count in counts.items():
        for group, share in zip(groups, apportion(count, [len(g) for g in groups]), strict=True):
            parts[name] |= {*group[:share]}
            del group[:share]
    return parts


def _counts(free: int, *, validation: float, test: float, held: int) -> dict[str, int]:
    counts = {'validation': 0, 'test': 0}
    for name, asked in (('validation', validation), ('test', test)):
        may_be_none = name == 'test' or held > 0 or test > 0
        if asked == 0 and may_be_none:
            continue
        counts[name] = round(asked * free) if 0 < asked < 1 else int(asked)
        if (asked >= 1 and asked != counts[name]) or not 0 < counts[name] < free:
            raise DatasetError(_impossible(name, asked, free))
    if sum(counts.values()) >= free and free:
        raise DatasetError(
            f'{counts["validation"]} validation and {counts["test"]} test frames leave none of '
            f'{free} to train on.'
        )
    return counts


def _impossible(name: str, asked: float, free: int) -> str:
    return format_error(
        f'{asked:g} {name} frames cannot be taken from {free}.',
        fix='Give a whole number of frames, or a share between 0 and 1, that leaves some on both '
        'sides.',
    )


def _held_out(frames: Sequence[Atoms], pressures: Sequence[float]) -> set[int]:
    if not pressures:
        return set()
    wanted = pressure_labels(pressures)
    found: dict[str, set[int]] = {}
    for index, frame in enumerate(frames):
        pressure = target_pressure_of(frame)
        if pressure is not None:
            found.setdefault(pressure_label(pressure), set()).add(index)
    lacking = [f'{wanted[label]:g}' for label in wanted if label not in found]
    if lacking:
        there = sorted({float(target_pressure_of(f) or 0) for f in frames if _has_pressure(f)})
        raise DatasetError(
            format_error(
                f'No frame was placed for {", ".join(lacking)} GPa, which should be held out.',
                fix=f'There are {", ".join(f"{p:g}" for p in there) or "no pressures"}.',
            )
        )
    return set().union(*(found[label] for label in wanted))


def _has_pressure(frame: Atoms) -> bool:
    return target_pressure_of(frame) is not None


def _check_strata(stratify: Sequence[str]) -> tuple[str, ...]:
    unknown = sorted({*stratify} - {*STRATA})
    if unknown:
        raise DatasetError(f'`stratify` holds {", ".join(unknown)}; known are {", ".join(STRATA)}.')
    return tuple(stratify)


def _tag(frame: Atoms, tag: str) -> str:
    if tag == 'method':
        return str(frame.info.get('method', ''))
    pressure = target_pressure_of(frame)
    return '' if pressure is None else pressure_label(pressure)


def _refuse_no_training(training: set[int], alone: set[int]) -> None:
    if not training - alone:
        raise DatasetError(
            format_error(
                'No frame of more than one atom is left to train on.',
                fix='Hold out fewer pressures or frames.',
            )
        )
