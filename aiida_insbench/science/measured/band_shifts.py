"""Measured shifts of bands with pressure, from tables: ω₀, dω/dp and its error.

One line a band; the columns are found by their headers, comments ``# name: value`` hold for all
lines that do not say otherwise.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.column_headers import key_and_value
from aiida_insbench.science.measured.conditions import check_doi
from aiida_insbench.science.measured.energy_units import TO_WAVENUMBER, units_named
from aiida_insbench.science.measured.number_fields import Layout, find_layout, number
from aiida_insbench.science.measured.text_files import read_text

INS, RAMAN, IR = TECHNIQUES = ('INS', 'Raman', 'IR')

_FREQUENCY, _SLOPE, _SIGMA = REQUIRED = ('omega0', 'domega_dp', 'sigma')
_ALIASES = {
    'omega0': r'(?:omega|ω|ν|nu|freq\w*|wave ?numbers?|w|position|band)_?(?:0|₀)?',
    'domega_dp': r'd(?:omega|ω|ν|nu|w|freq\w*)(?:_?0)?[ _/]*dp|slope|pressure[ _]coefficient|shift',
    'sigma': r'sigma|σ|err(?:or)?|uncertainty|esd|(?:sigma|err(?:or)?)_(?:of_)?(?:domega_dp|slope)',
    'temperature': r't(?:emp(?:erature)?)?',
    'technique': r'technique|method',
    'label': r'label|mode|assignment|name',
    'doi': r'doi|reference|source',
}
_PER_KBAR = re.compile(r'k_?bar', re.I)
_UNIT_WORDS = re.compile(
    r'[(\[].*|[ _/]*(?:cm_?-?1|cm\^?-?1|cm⁻¹|1/cm|mev|thz)?[ _]*(?:per|/)?[ _]*(?:gpa|kbar)?'
    r'[ _]*(?:_k)?$',
    re.I,
)
_KBAR_PER_GPA = 10.0
_TECHNIQUE_NAMES = {
    'ins': INS,
    'neutron': INS,
    'raman': RAMAN,
    'ir': IR,
    'infrared': IR,
    'ftir': IR,
}


@dataclass(frozen=True)
class BandShift:
    """Shift of one band with pressure.

    Parameters
    ----------
    frequency : float
        ω₀ in cm⁻¹, at the pressure from which the slope is counted.
    slope : float
        dω/dp in cm⁻¹/GPa; negative is an anomalous red shift under pressure.
    slope_error : float or None
        Standard deviation of the slope in cm⁻¹/GPa; nothing if the source states none.
    temperature : float
        In K.
    technique : {'INS', 'Raman', 'IR'}
        With which it was measured.
    label : str
        Of the mode, perhaps empty.
    doi : str
        Of the source, perhaps empty.
    line : int
        Of the table.
    """

    frequency: float
    slope: float
    slope_error: float | None
    temperature: float
    technique: str
    label: str = ''
    doi: str = ''
    line: int = 0


def read_band_shifts(data: bytes, *, name: str) -> tuple[BandShift, ...]:
    """Read a table of band shifts.

    Parameters
    ----------
    data : bytes
        Of a csv file with a header: ω₀, dω/dp and sigma (which a line may leave empty), then
        temperature, technique and perhaps label and DOI, as columns or as comments. Units in the
        headers may be cm⁻¹, meV or THz, and kbar for GPa.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If columns are missing (all are named), a value is not sound, or a band occurs twice.
    """
    file = read_text(data, name=name)
    layout = find_layout(file.lines)
    if not layout.separator:
        layout = Layout(',', layout.decimal_comma)
    defaults: dict[str, str] = {}
    columns: dict[str, int] = {}
    factors: dict[str, float] = {}
    shifts: list[BandShift] = []
    for place, line in enumerate(file.lines, start=1):
        text = line.strip()
        if text.startswith('#'):
            _remember(text.lstrip('# '), defaults)
        elif text and not columns:
            columns, factors = _header(layout, text, defaults, f'{name}, line {place}')
        elif text:
            fields = [field.strip().strip('"') for field in text.split(layout.separator)]
            values = {key: fields[at] for key, at in columns.items() if at < len(fields)}
            given = {**defaults, **{key: value for key, value in values.items() if value}}
            shifts.append(_shift(given, values, factors, layout, place, f'{name}, line {place}'))
    if not shifts:
        raise InputError(f'{name} holds no band.')
    _refuse_repeated(shifts, name)
    return tuple(shifts)


def _remember(remark: str, defaults: dict[str, str]) -> None:
    pair = key_and_value(remark)
    key = _meaning(pair[0]) if pair else None
    if pair and key in ('temperature', 'technique', 'doi', 'label'):
        value = re.sub(r'\s*K$', '', pair[1]) if key == 'temperature' else pair[1]
        defaults[str(key)] = value


def _header(
    layout: Layout, text: str, defaults: Mapping[str, str], where: str
) -> tuple[dict[str, int], dict[str, float]]:
    names = [field.strip().strip('"') for field in text.split(layout.separator)]
    columns: dict[str, int] = {}
    for at, header in enumerate(names):
        key = _meaning(header)
        if key is None:
            continue
        if key in columns:
            raise InputError(
                f'{where}: two columns are {key}: {names[columns[key]]!r}, {header!r}.'
            )
        columns[key] = at
    needed = (*REQUIRED, *(one for one in ('temperature', 'technique') if one not in defaults))
    missing = [key for key in needed if key not in columns]
    if missing:
        raise InputError(
            format_error(
                f'{where}: the header lacks {", ".join(missing)}.',
                fix='Write "omega0_cm1,domega_dp_cm1_per_gpa,sigma,temperature,technique", and '
                'perhaps "label" and "doi".',
            )
        )
    return columns, _factors(names, columns, where)


def _factors(names: list[str], columns: Mapping[str, int], where: str) -> dict[str, float]:
    """What turns the headers' units into cm⁻¹ and cm⁻¹/GPa; sigma's default is the slope's."""
    factors: dict[str, float] = {}
    for key in REQUIRED:
        header = names[columns[key]]
        units = units_named(header.replace('_', ' ')) or units_named(header)
        if len(units) > 1:
            raise InputError(f'{where}: {header!r} names several units.')
        if key == _SIGMA and not units and not re.search('gpa|bar', header, re.I):
            factors[key] = factors[_SLOPE]
            continue
        factor = TO_WAVENUMBER[units[0]] if units else 1.0
        if key != _FREQUENCY and _PER_KBAR.search(header):
            factor *= _KBAR_PER_GPA
        factors[key] = factor
    return factors


def _meaning(header: str) -> str | None:
    bare = _UNIT_WORDS.sub('', header.strip().lower()).strip(' _')
    for key, pattern in _ALIASES.items():
        if re.fullmatch(pattern, bare):
            return key
    return None


def _shift(
    given: Mapping[str, str],
    values: Mapping[str, str],
    factors: Mapping[str, float],
    layout: Layout,
    place: int,
    where: str,
) -> BandShift:
    missing = [
        key for key in (_FREQUENCY, _SLOPE, 'temperature', 'technique') if not given.get(key)
    ]
    if missing:
        raise InputError(f'{where}: {", ".join(missing)} is empty. Fill it in or remove the line.')

    def value(key: str) -> float:
        found = number(given[key], decimal_comma=layout.decimal_comma)
        if found is None or not math.isfinite(found):
            raise InputError(f'{where}: {key} is {given[key]!r}, not a number.')
        return found * factors.get(key, 1.0)

    error = value(_SIGMA) if values.get(_SIGMA) else None
    frequency, temperature = value(_FREQUENCY), value('temperature')
    for key, one, sound in (
        (_FREQUENCY, frequency, frequency > 0),
        ('temperature', temperature, temperature > 0),
        (_SIGMA, error, error is None or error > 0),
    ):
        if not sound:
            raise InputError(f'{where}: {key} must be > 0, not {one:g}.')
    technique = _TECHNIQUE_NAMES.get(given['technique'].strip().lower())
    if technique is None:
        raise InputError(
            f'{where}: technique must be one of {", ".join(TECHNIQUES)}, not '
            f'{given["technique"]!r}.'
        )
    try:
        doi = check_doi(given.get('doi', ''))
    except InputError as exc:
        raise InputError(f'{where}: {exc}') from exc
    return BandShift(
        frequency=frequency,
        slope=value(_SLOPE),
        slope_error=error,
        temperature=temperature,
        technique=technique,
        label=given.get('label', ''),
        doi=doi,
        line=place,
    )


def _refuse_repeated(shifts: list[BandShift], name: str) -> None:
    seen: dict[tuple[object, ...], BandShift] = {}
    for shift in shifts:
        key = (shift.frequency, shift.label, shift.technique, shift.temperature, shift.doi)
        if key in seen:
            raise InputError(
                format_error(
                    f'{name}, line {shift.line}: the band at {shift.frequency:g} cm⁻¹ stands '
                    f'in line {seen[key].line}, too.',
                    fix='Keep one of them, or give them different labels.',
                )
            )
        seen[key] = shift
