"""Conditions of a measurement, checked: where, how cold, at which pressure, of which sample."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.instruments import DIRECT, get_instrument
from aiida_insbench.science.ins.isotopes import labels_of_sites
from aiida_insbench.science.measured.spectrum import Mask

RELATIVE, ABSOLUTE = INTENSITIES = ('relative', 'absolute')

_DOI = re.compile(r'10\.\d{4,9}/\S+')
_DOI_PREFIX = re.compile(r'^(?:https?://(?:dx\.)?doi\.org/|doi:\s*)', re.I)
_REQUIRED = ('instrument', 'temperature', 'pressure', 'sample')
_TEXTS = ('sample', 'gauge', 'medium', 'cell', 'background')
_HIGHEST = 100.0  # GPa; no neutron spectrum was measured above
_READ_ELSEWHERE = 1.0  # K


@dataclass(frozen=True)
class Conditions:
    """Conditions of a measurement; `check_conditions` makes them.

    Parameters
    ----------
    instrument : str
        Name or file of a known instrument.
    temperature : float
        In K.
    pressure, pressure_error : float
        In GPa; the error is a standard deviation.
    sample : str
        In words.
    isotopes : mapping
        Chemical symbols to isotopes or shares of isotopes; natural if empty.
    deuterium_fraction : (float, float), optional
        Bounds of the fraction of hydrogen that is deuterium, where a score shall fit it.
    resolution : tuple of float
        Standard deviation as a polynomial of the energy transfer, cm⁻¹, lowest power first; empty
        for the instrument's published one.
    incident_energy : float, optional
        Of a spectrometer of direct geometry, in meV.
    doi : str
        Of the data or of their publication, perhaps empty.
    pressure_read_at : float, optional
        Temperature in K at which the pressure was read.
    gauge, medium, cell, background : str
        What the pressure was read with; what transmits it; the cell; how its background was
        treated. In words, perhaps empty.
    intensity : {'relative', 'absolute'}
        Scale of the intensities.
    masks : tuple of Mask
        Ranges that do not count.
    """

    instrument: str
    temperature: float
    pressure: float
    sample: str
    pressure_error: float = 0.0
    isotopes: Mapping[str, str | Mapping[str, float]] = field(default_factory=dict)
    deuterium_fraction: tuple[float, float] | None = None
    resolution: tuple[float, ...] = ()
    incident_energy: float | None = None
    doi: str = ''
    pressure_read_at: float | None = None
    gauge: str = ''
    medium: str = ''
    cell: str = ''
    background: str = ''
    intensity: str = RELATIVE
    masks: tuple[Mask, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain values, from which `check_conditions` makes the same again."""
        plain = asdict(self)
        plain['isotopes'] = {key: _plain(value) for key, value in self.isotopes.items()}
        if self.deuterium_fraction is not None:
            plain['deuterium_fraction'] = list(self.deuterium_fraction)
        plain['resolution'] = list(self.resolution)
        plain['masks'] = [[mask.low, mask.high, mask.reason] for mask in self.masks]
        return plain

    def remarks(self) -> tuple[str, ...]:
        """What makes the pressure less certain than its error says."""
        if self.pressure == 0:
            return ()
        found = []
        read_at = self.pressure_read_at
        if read_at is None:
            found.append('it is not said at which temperature the pressure was read')
        elif abs(read_at - self.temperature) > _READ_ELSEWHERE:
            found.append(
                f'the pressure was read at {read_at:g} K, the spectrum measured at '
                f'{self.temperature:g} K: a clamped cell loses pressure on cooling'
            )
        if self.pressure_error == 0:
            found.append('the pressure is said to be exact')
        silent = [name for name in ('gauge', 'medium', 'cell') if not getattr(self, name)]
        if silent:
            found.append(f'not said: {", ".join(silent)}')
        return tuple(found)


def check_conditions(given: Mapping[str, Any]) -> Conditions:
    """Check what a user says about a measurement.

    Parameters
    ----------
    given : mapping
        Names of `Conditions` to values; masks as (low, high, reason) in cm⁻¹.

    Raises
    ------
    InputError
        If something required is missing (all of it is named in one message; above 0 GPa
        `pressure_error` is required, too, and in direct geometry `incident_energy`), a name is
        unknown, or a value is impossible.
    """
    known = {one.name for one in fields(Conditions)}
    unknown = [key for key in given if key not in known]
    if unknown:
        raise InputError(
            format_error(
                f'{", ".join(map(repr, unknown))} is no condition of a measurement.',
                fix=f'Known are {", ".join(sorted(known))}.',
            )
        )
    values = {key: value for key, value in given.items() if value is not None and value != ''}
    _refuse_missing(values)
    numbers: dict[str, Any] = {
        'temperature': _number(values, 'temperature', 'K', above=0.0),
        'pressure': _number(values, 'pressure', 'GPa', least=0.0),
        'pressure_error': _number(values, 'pressure_error', 'GPa', least=0.0) or 0.0,
        'pressure_read_at': _number(values, 'pressure_read_at', 'K', above=0.0),
        'incident_energy': _number(values, 'incident_energy', 'meV', above=0.0),
    }
    if (numbers['pressure'] or 0.0) > _HIGHEST:
        raise InputError(
            format_error(
                f'`pressure` is {numbers["pressure"]:g} GPa.',
                reason=f'No neutron spectrum was measured above {_HIGHEST:g} GPa.',
                fix='Is it in MPa or kbar? 1 GPa is 1000 MPa or 10 kbar.',
            )
        )
    get_instrument(str(values['instrument']), incident_energy=numbers['incident_energy'])
    intensity = str(values.get('intensity', RELATIVE))
    if intensity not in INTENSITIES:
        raise InputError(f'`intensity` must be one of {", ".join(INTENSITIES)}, not {intensity!r}.')
    texts: dict[str, Any] = {name: str(values.get(name, '')).strip() for name in _TEXTS}
    isotopes = _isotopes(values.get('isotopes', {}))
    return Conditions(
        instrument=str(values['instrument']),
        isotopes=isotopes,
        deuterium_fraction=_fraction(values.get('deuterium_fraction'), isotopes),
        resolution=_resolution(values.get('resolution', ())),
        doi=check_doi(values.get('doi', '')),
        intensity=intensity,
        masks=as_masks(values.get('masks', ())),
        **texts,
        **numbers,
    )


def as_masks(given: Sequence[Any]) -> tuple[Mask, ...]:
    """Masks from (low, high, reason) in cm⁻¹, or from masks.

    Raises
    ------
    InputError
        If one is not of the form.
    """
    masks = []
    if not isinstance(given, list | tuple):
        raise InputError(f'`masks` are lists of (low, high, reason) in cm⁻¹, not {given!r}.')
    for one in given:
        if isinstance(one, Mask):
            masks.append(one)
            continue
        try:
            low, high, reason = one
            masks.append(Mask(float(low), float(high), str(reason)))
        except (TypeError, ValueError) as exc:
            if isinstance(exc, InputError):
                raise
            raise InputError(
                f'A mask is (low, high, reason) with energies in cm⁻¹, not {one!r}.'
            ) from exc
    return tuple(masks)


def check_doi(given: Any) -> str:
    """A DOI without its prefix; empty if none is given.

    Raises
    ------
    InputError
        If it is not of the form.
    """
    text = _DOI_PREFIX.sub('', str(given).strip())
    if text and not _DOI.fullmatch(text):
        raise InputError(f'{given!r} is no DOI; one looks like 10.5286/ISIS.E.12345678.')
    return text


def _refuse_missing(values: Mapping[str, Any]) -> None:
    required = list(_REQUIRED)
    if values.get('pressure') not in (None, 0, 0.0, '0'):
        required.append('pressure_error')
    named = values.get('instrument')
    if named is not None and get_instrument(str(named)).geometry == DIRECT:
        required.append('incident_energy')
    missing = [name for name in required if name not in values]
    if missing:
        raise InputError(
            format_error(
                f'Conditions of the measurement are missing: {", ".join(missing)}.',
                fix='Temperatures in K, pressures in GPa (0: ambient), incident energies in meV.',
            )
        )


def _number(
    values: Mapping[str, Any],
    name: str,
    unit: str,
    *,
    least: float = -math.inf,
    above: float = -math.inf,
) -> float | None:
    if name not in values:
        return None
    given = values[name]
    try:
        value = math.nan if isinstance(given, bool) else float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not (math.isfinite(value) and value >= least and value > above):
        bound = f'> {above:g}' if math.isfinite(above) else f'≥ {least:g}'
        raise InputError(f'`{name}` must be a number {bound} in {unit}, not {given!r}.')
    return value


def _isotopes(given: Any) -> dict[str, str | Mapping[str, float]]:
    if not isinstance(given, Mapping):
        raise InputError(f'`isotopes` maps symbols to isotopes, such as H to 2H, not {given!r}.')
    try:
        isotopes: dict[str, str | Mapping[str, float]] = {
            str(key): _plain(value) for key, value in given.items()
        }
    except (AttributeError, TypeError, ValueError) as exc:
        raise InputError(
            '`isotopes` are names, such as 2H, or shares by name, such as {"2H": 0.98, "1H": '
            f'0.02}}, not {dict(given)!r}.'
        ) from exc
    labels_of_sites(tuple(isotopes), isotopes)
    return isotopes


def _resolution(given: Any) -> tuple[float, ...]:
    try:
        coefficients = tuple(float(one) for one in given)
        sound = not coefficients or coefficients[0] > 0
    except (TypeError, ValueError):
        coefficients, sound = (), False
    if not (sound and all(map(math.isfinite, coefficients))):
        raise InputError(
            format_error(
                f'`resolution` is {given!r}.',
                fix='Give coefficients of the standard deviation in cm⁻¹, the constant first and '
                'above zero, such as 2.5,0.005.',
            )
        )
    return coefficients


def _fraction(given: Any, isotopes: Mapping[str, Any]) -> tuple[float, float] | None:
    if given is None:
        return None
    try:
        low, high = (float(one) for one in given)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not 0 <= low < high <= 1:
        raise InputError(
            '`deuterium_fraction` must be its lowest and highest value, within 0 to 1, not '
            f'{given!r}.'
        )
    if 'H' in isotopes:
        raise InputError(
            format_error(
                f'`isotopes` says what hydrogen is ({isotopes["H"]}), and `deuterium_fraction` '
                'that it is to be fitted.',
                fix='Give one of them.',
            )
        )
    return low, high


def _plain(value: str | Mapping[str, float]) -> str | dict[str, float]:
    return value if isinstance(value, str) else {str(k): float(v) for k, v in value.items()}
