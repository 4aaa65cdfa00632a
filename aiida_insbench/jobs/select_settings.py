"""Job file of stage ``select``, checked before anything is computed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiida_insbench.jobs.settings import read_settings, require
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.selection.descriptors import Soap

METHODS = ('farthest-point', 'committee')
DESCRIPTORS = ('mace', 'soap')
WEIGHTS = ('none', 'neutron')
STRATIFY = ('auto', 'target_pressure', 'none')
_DEFAULTS: dict[str, Any] = {
    'device': 'cpu',
    'stratify': 'auto',
    'minimum_contact': 0.7,
    'duplicate_distance': 0.05,
    'duplicate_length': 0.005,
    'upper_share': 0.25,
    'diverse': True,
    'weights': 'none',
    'soap': {},
}
_RANGES = {
    'minimum_contact': (0.0, 1.5),
    'duplicate_distance': (0.0, 100.0),
    'duplicate_length': (0.0, 1.0),
    'upper_share': (0.0, 1.0),
}
_SOAP_RANGES = {'r_cut': (1.0, 20.0), 'n_max': (1, 20), 'l_max': (0, 20), 'sigma': (0.01, 5.0)}


@dataclass(frozen=True)
class SelectSettings:
    """What to choose and how; attributes as in the job file and its ``settings``."""

    method: str
    descriptors: str
    count: int
    seed: int
    potentials: dict[str, str]
    device: str
    stratify: str
    minimum_contact: float
    duplicate_distance: float
    duplicate_length: float
    upper_share: float
    diverse: bool
    weights: str
    soap: dict[str, Any]


def read_select_settings(job: Mapping[str, Any]) -> SelectSettings:
    """Check the job file, save for its frames.

    Raises
    ------
    JobFileError
        Naming the entry that is missing, unknown, of the wrong type or out of range.
    """
    method, descriptors, count, seed = require(job, 'method', 'descriptors', 'count', 'seed')
    _one_of('method', method, METHODS)
    _one_of('descriptors', descriptors, DESCRIPTORS)
    _whole('count', count, 1)
    _whole('seed', seed, 0)
    potentials = job.get('potentials') or {}
    _check_potentials(potentials, method, descriptors)
    settings = read_settings(job.get('settings') or {}, defaults=_DEFAULTS)
    _one_of('settings.stratify', settings['stratify'], STRATIFY)
    _one_of('settings.weights', settings['weights'], WEIGHTS)
    if settings['weights'] != 'none' and method != 'committee':
        raise JobFileError('`settings.weights` are those of a committee: use `method: committee`.')
    _in_range(settings, _RANGES, 'settings')
    settings['soap'] = read_settings(settings['soap'], defaults=asdict(Soap()))
    _in_range(settings['soap'], _SOAP_RANGES, 'settings.soap')
    return SelectSettings(
        method=method,
        descriptors=descriptors,
        count=count,
        seed=seed,
        potentials=dict(sorted(potentials.items())),
        **settings,
    )


def _check_potentials(potentials: object, method: str, descriptors: str) -> None:
    if not isinstance(potentials, Mapping):
        raise JobFileError(f'`potentials` is {potentials!r}; give a dictionary of name to prefix.')
    number = len(potentials)
    if method == 'committee':
        if number < 2:
            raise JobFileError(
                format_error(
                    f'A committee of {number} cannot disagree.',
                    fix='Give two potentials or more as `potentials`, or use `farthest-point`.',
                )
            )
    elif descriptors == 'mace' and number != 1:
        raise JobFileError(
            f'`descriptors: mace` needs one potential, {number} are given. Give one as '
            '`potentials`' + (', or use `descriptors: soap`.' if not number else '.')
        )
    elif descriptors == 'soap' and number:
        raise JobFileError(
            'Farthest points by SOAP use no potential: leave `potentials` out, or use '
            '`descriptors: mace`.'
        )


def _one_of(name: str, value: object, known: tuple[str, ...]) -> None:
    if value not in known:
        raise JobFileError(f'`{name}` is {value!r}; known are {", ".join(known)}.')


def _whole(name: str, value: object, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise JobFileError(f'`{name}` is {value!r}; give a whole number ≥ {least}.')


def _in_range(
    values: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]], prefix: str
) -> None:
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise JobFileError(
                f'`{prefix}.{name}` is {values[name]!r}; it must lie from {low} to {high}.'
            )
