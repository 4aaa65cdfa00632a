"""Settings of each method of the sample stage: what is needed, what has a default.

The defaults are the sciences' own; a test compares them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida_insbench.jobs.settings import read_settings
from aiida_insbench.science.errors import InputError, JobFileError
from aiida_insbench.science.sampling.cells import check_energy_shares

_CONTACT = {'minimum_contact': 0.7}
_BONDS = {'bond_spread': 0.02, **_CONTACT}
_MODES = {
    'displacement': 0.01,
    'fmax': 1e-4,
    'max_steps': 500,
    'symprec': 1e-4,
    'device': 'cpu',
    **_CONTACT,
}
_STRAIN = {'volume_range': [0.945, 1.015], 'strain': 0.005, 'rattle': {}}


@dataclass(frozen=True)
class MethodInputs:
    """What a method reads.

    Attributes
    ----------
    required : tuple of str
        Inputs that must be there, `settings` and `prefix` apart.
    optional : tuple of str
        Inputs that may be there.
    either : tuple of str
        Inputs of which exactly one must be there.
    defaults, needed : dict
        Settings with their default, and settings without one with an example
        (`aiida_insbench.jobs.settings.read_settings`).
    """

    required: tuple[str, ...]
    defaults: dict[str, Any]
    needed: dict[str, Any]
    optional: tuple[str, ...] = ()
    either: tuple[str, ...] = ()


_ONE_OR_EACH = ('structure', 'structures')

METHODS: dict[str, MethodInputs] = {
    'strain-rattle': MethodInputs(
        required=('seed', 'cells'),
        either=_ONE_OR_EACH,
        optional=('pressures',),
        defaults={'keep_bonds': False, **_BONDS},
        needed=_STRAIN,
    ),
    'equal-energy': MethodInputs(
        required=('seed', 'cells', 'potential'),
        either=_ONE_OR_EACH,
        optional=('pressures',),
        defaults=_MODES,
        needed={'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004},
    ),
    'frozen-phonon': MethodInputs(
        required=('structures',),
        defaults={'displacement': 0.01, 'symprec': 1e-3},
        needed={},
    ),
    'molecular-rattle': MethodInputs(
        required=('seed', 'cells'),
        either=_ONE_OR_EACH,
        optional=('pressures',),
        defaults=_BONDS,
        needed={**_STRAIN, 'translation': 0.05, 'rotation': 3.0},
    ),
    'thermal': MethodInputs(
        required=('seed', 'cells', 'potential'),
        either=_ONE_OR_EACH,
        optional=('pressures',),
        defaults={'frequency_cutoff': 1.0, **_MODES},
        needed={'temperature': 300.0, 'strain': 0.004},
    ),
    'disputed-modes': MethodInputs(
        required=('seed', 'cells', 'potentials'),
        either=_ONE_OR_EACH,
        optional=('pressures',),
        defaults={'least_share': 0.25, 'largest_share': 4.0, **_MODES},
        needed={'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004},
    ),
    'trajectory': MethodInputs(
        required=('seed', 'cells', 'trajectory'),
        optional=('pressures',),
        defaults={'discard': 0, 'stride': 0, **_CONTACT},
        needed={},
    ),
    'gas-molecules': MethodInputs(
        required=('structure', 'seed'),
        defaults={'count': 1, 'vacuum': 10.0, 'rattle': {}, **_BONDS},
        needed={},
    ),
    'isolated-atoms': MethodInputs(
        required=('structure',),
        defaults={'box': 12.0},
        needed={},
    ),
}


def find_method(name: object) -> MethodInputs:
    """Inputs of a method.

    Raises
    ------
    JobFileError
        If there is no such method.
    """
    if not isinstance(name, str) or name not in METHODS:
        raise JobFileError(f'`method` is {name!r}; known are {", ".join(METHODS)}.')
    return METHODS[name]


def missing_inputs(name: str, given: Mapping[str, Any]) -> str | None:
    """Say which inputs a method lacks; None if all are there.

    Parameters
    ----------
    name : str
        Of the method.
    given : mapping
        Inputs by name; None and empty ones count as absent.
    """
    method = find_method(name)
    there = {key for key, value in given.items() if value is not None and value != {}}
    lacking = [key for key in method.required if key not in there]
    one = [key for key in method.either if key in there]
    if method.either and not one:
        lacking.insert(0, ' or '.join(method.either))
    if method.either and 'structures' not in there and 'pressures' not in there:
        lacking.append('pressures')
    if lacking:
        return f'`{name}` needs the inputs {", ".join(lacking)}.'
    if len(one) > 1:
        return (
            f'`{name}` got both {" and ".join(f"`{key}`" for key in one)}. Give `structures` for '
            'one crystal at each pressure, `structure` for one crystal.'
        )
    if 'potentials' in method.required and len(given['potentials']) < 2:
        return f'`{name}` needs two `potentials` or more: one disputes nothing.'
    return None


def read_sample_settings(name: str, given: object) -> dict[str, Any]:
    """Settings of a method, checked and completed.

    Raises
    ------
    JobFileError
        If a setting is unknown, missing or of another type, or `rattle` names no element.
    InputError
        If the shares of the energy are out of their range.
    """
    method = find_method(name)
    settings = read_settings(given, defaults=method.defaults, required=method.needed)
    if 'rattle' in settings:
        settings['rattle'] = _read_rattle(settings['rattle'])
    if 'volume_range' in settings:
        settings['volume_range'] = tuple(settings['volume_range'])
    if 'least_share' in settings:
        check_energy_shares(settings['least_share'], settings['largest_share'])
    return settings


def _read_rattle(given: dict[str, Any]) -> dict[str, tuple[float, float]]:
    from ase.data import atomic_numbers

    rattle = {}
    for element, bounds in given.items():
        if element not in atomic_numbers or element == 'X':
            raise JobFileError(
                f'`settings.rattle` is given for {element!r}, which is no chemical element.'
            )
        try:
            checked = read_settings(
                {element: bounds}, defaults={}, required={element: [0.01, 0.02]}
            )
        except InputError as exc:
            raise JobFileError(f'`settings.rattle`: {exc}') from exc
        rattle[element] = (checked[element][0], checked[element][1])
    return rattle
