"""What `insbench.sample` is given by each of the methods of a round of data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import calcfunction
from aiida.orm import Dict, Int, List, Str

from aiida_insbench.jobs.sample_settings import METHODS, read_sample_settings
from aiida_insbench.science.errors import InputError, format_error

#: Methods whose frames are molecules or atoms in a box.
GAS_METHODS = ('gas-molecules', 'isolated-atoms')
#: Ports of `insbench.sample` that a method's entry, or the round of data, fills in.
OF_METHODS = tuple(
    f'sample.{name}'
    for name in (
        'structure', 'structures', 'pressures', 'method', 'prefix', 'settings', 'cells', 'seed',
        'potential', 'potentials', 'trajectory',
    )
)  # fmt: skip
_KEYS = ('method', 'settings', 'cells', 'relaxed', 'seed_offset')


def takes(method: str, name: str) -> bool:
    """Whether a method reads an input."""
    known = METHODS[method]
    return name in (*known.required, *known.optional, *known.either)


def about_relaxed(given: Mapping[str, Any]) -> bool:
    """Whether a method's frames are drawn about the crystals that DFT relaxed, if there are any."""
    name = given['method']
    reads = takes(name, 'structures') or name == 'gas-molecules'
    return reads and bool(given.get('relaxed', True))


def check_method(prefix: str, given: Mapping[str, Any]) -> None:
    """Check what a method is given, before anything runs.

    Raises
    ------
    InputError
        If the method is unknown, an entry too many or too few, or a setting wrong.
    """
    where = f'`methods.{prefix}`'
    unknown = sorted(set(given) - set(_KEYS))
    if unknown:
        raise InputError(
            format_error(f'{where} has {", ".join(unknown)}.', fix=f'Known are {", ".join(_KEYS)}.')
        )
    name = given.get('method')
    if name not in METHODS or name in ('frozen-phonon', 'trajectory'):
        raise InputError(f'{where}: {name!r} is no method of a round of data.')
    offset = given.get('seed_offset', 0)
    if isinstance(offset, bool) or not isinstance(offset, int) or offset < 0:
        raise InputError(f'{where}: `seed_offset` is {offset!r}; give a whole number ≥ 0.')
    if 'cells' in METHODS[name].required and not given.get('cells'):
        raise InputError(f'{where}: {name} needs `cells`.')
    try:
        read_sample_settings(name, given.get('settings', {}))
    except InputError as exc:
        raise InputError(f'{where}: {exc}') from exc


@calcfunction
def sampling_inputs(method: Dict, prefix: Str, seed: Int, number: Int) -> dict[str, Any]:
    """Inputs of `insbench.sample` from a method's entry; its seed is ``seed + 10 number``.

    `number` is the method's place by name unless it has a ``seed_offset`` of its own: then its
    frames stay when other methods come or go.
    """
    given = method.get_dict()
    offset = given.get('seed_offset', number.value)
    made: dict[str, Any] = {
        'method': Str(given['method']),
        'prefix': Str(prefix.value),
        'settings': Dict(given.get('settings', {})),
        'seed': Int(seed.value + 10 * offset),
    }
    if 'cells' in given:
        made['cells'] = List(given['cells'])
    return made
