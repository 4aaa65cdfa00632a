"""What a job asks its scheduler for: from an estimate, and from what a user says.

Walltime in seconds, memory in kB (1024 bytes, as AiiDA counts). Estimates are doubled in time and
taken half as much again in memory, which is what their measurements scatter; see
`aiida_insbench.science.job_estimates`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.job_estimates import JobEstimate

#: Safety, step to which a request is rounded up, and the least asked for.
WALLTIME_FACTOR, WALLTIME_STEP, WALLTIME_FLOOR = 2.0, 900, 1800
MEMORY_FACTOR, MEMORY_STEP_KB, MEMORY_FLOOR_KB = 1.5, 512 * 1024, 2 * 1024**2
_SECONDS = {'s': 1.0, 'min': 60.0, 'h': 3600.0, 'd': 86400.0}
_BYTES = {'MB': 1e6, 'GB': 1e9, 'TB': 1e12, 'MiB': 2.0**20, 'GiB': 2.0**30, 'TiB': 2.0**40}
_QUANTITY = re.compile(r'\s*([0-9.]+(?:[eE][+-]?[0-9]+)?)\s*([A-Za-z]+)\s*')


@dataclass(frozen=True)
class WantedOptions:
    """What a user says of the jobs of a stage; None where nothing is said.

    Attributes
    ----------
    walltime, longest : int or None
        Seconds: to ask for, and what no estimate may go beyond.
    memory : int or None
        kB.
    gpus : int
        0 or 1.
    others : dict
        Options of AiiDA by name, taken as they are.
    """

    walltime: int | None = None
    longest: int | None = None
    memory: int | None = None
    gpus: int = 0
    others: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class JobRequest:
    """What a job asks for; None where nothing is asked. ``warnings`` are for the user."""

    walltime: int | None
    memory: int | None
    warnings: tuple[str, ...] = ()


def read_options(given: Mapping[str, Any], *, where: str) -> WantedOptions:
    """Read ``walltime``, ``longest``, ``memory``, ``gpus`` and options of AiiDA.

    Parameters
    ----------
    given : mapping
        For example ``{'walltime': '12 h', 'memory': '16 GB', 'gpus': 1, 'queue_name': 'gpu'}``.
    where : str
        Their place in the inputs, for messages.

    Raises
    ------
    InputError
        If a value is no positive quantity, a unit is unknown, or one thing is said twice.
    """
    others = dict(given)
    wanted: dict[str, int | None] = {}
    for name, units, option in (
        ('walltime', _SECONDS, 'max_wallclock_seconds'),
        ('longest', _SECONDS, ''),
        ('memory', _BYTES, 'max_memory_kb'),
    ):
        text, number = others.pop(name, None), others.pop(option, None)
        if text is not None and number is not None:
            raise InputError(f'`{where}` has both `{name}` and `{option}`; give one.')
        if number is not None:
            wanted[name] = _whole(number, f'{where}.{option}')
        elif text is not None:
            value = _quantity(text, units, f'{where}.{name}')
            wanted[name] = math.ceil(value / 1024 if units is _BYTES else value)
    return WantedOptions(gpus=_gpus(others.pop('gpus', 0), where), others=others, **wanted)  # type: ignore[arg-type]


def request_for(
    estimate: JobEstimate | None,
    wanted: WantedOptions,
    *,
    stage: str,
    most_memory: int | None = None,
    walltime_step: int = WALLTIME_STEP,
) -> JobRequest:
    """Turn an estimate into what is asked for; what a user says wins.

    Parameters
    ----------
    estimate : JobEstimate or None
        None where nothing is known: only what the user says is asked for.
    wanted : WantedOptions
        See `read_options`.
    stage : str
        For messages.
    most_memory : int, optional
        Memory of the computer's nodes, kB.
    walltime_step : int
        Seconds to which an estimated walltime is rounded up; also the least.

    Raises
    ------
    InputError
        If the stage would refuse to begin with the memory that it gets.
    """
    if estimate is None:
        return JobRequest(wanted.walltime, wanted.memory)
    warnings: list[str] = []
    seconds = _rounded(estimate.seconds * WALLTIME_FACTOR, walltime_step, WALLTIME_FLOOR)
    walltime = wanted.walltime or min(seconds, wanted.longest or seconds)
    if walltime < estimate.seconds and not estimate.guessed:
        warnings.append(
            f'{stage}: {_hours(walltime)} of walltime; up to {_hours(estimate.seconds)} are '
            'expected on one core.'
        )
    kb = _rounded(estimate.memory_bytes / 1024 * MEMORY_FACTOR, MEMORY_STEP_KB, MEMORY_FLOOR_KB)
    memory = wanted.memory or min(kb, most_memory or kb)
    if memory * 1024 < estimate.least_bytes:
        raise InputError(
            format_error(
                f'{stage}: {_gigabytes(memory * 1024)} of memory; the job would refuse to begin '
                f'with less than {_gigabytes(estimate.least_bytes)}.',
                fix='Give it more by `options`, or choose a smaller supercell or model.',
            )
        )
    if memory * 1024 < estimate.memory_bytes and not estimate.guessed:
        warnings.append(
            f'{stage}: {_gigabytes(memory * 1024)} of memory; about '
            f'{_gigabytes(estimate.memory_bytes)} are expected.'
        )
    return JobRequest(walltime, memory, tuple(warnings))


def _rounded(value: float, step: int, floor: int) -> int:
    return max(floor, step * math.ceil(value / step))


def _quantity(given: Any, units: Mapping[str, float], where: str) -> float:
    found = _QUANTITY.fullmatch(given) if isinstance(given, str) else None
    try:
        value = float(found[1]) * units[found[2]] if found else math.nan
    except (ValueError, KeyError):
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        known = ', '.join(units)
        raise InputError(
            f'`{where}` is {given!r}; give a number above 0 and its unit, one of {known}.'
        )
    return value


def _whole(given: Any, where: str) -> int:
    if isinstance(given, bool) or not isinstance(given, int) or given < 1:
        raise InputError(f'`{where}` is {given!r}; give a whole number above 0.')
    return given


def _gpus(given: Any, where: str) -> int:
    if isinstance(given, bool) or given not in (0, 1):
        raise InputError(f'`{where}.gpus` is {given!r}; a job uses one GPU or none: give 1 or 0.')
    return int(given)


def _hours(seconds: float) -> str:
    return f'{seconds / 3600:.3g} h'


def _gigabytes(number: float) -> str:
    return f'{number / 1e9:.3g} GB'
