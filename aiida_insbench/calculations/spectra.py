"""Calcfunctions on spectra: grouping, resolution, bins. None computes a kernel again."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.engine import ExitCode, calcfunction
from aiida.orm import Dict

from aiida_insbench.data.format_version import UNCOMPARED
from aiida_insbench.data.spectrum import BIN_EDGES, MAP_PREFIX, SpectrumData
from aiida_insbench.science.dynamics.classical_ins import remaining_sigma
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.bands import find_bands
from aiida_insbench.science.ins.contributions import Site
from aiida_insbench.science.ins.energies import EnergyGrid, energy_grid
from aiida_insbench.science.ins.instruments import Instrument, find_instrument
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.rebinning import rebin
from aiida_insbench.science.ins.simulation import resolution_sigma
from aiida_insbench.science.ins.spectrum import PowderSpectrum, selected, unreached_ends

ERROR_BAD_INPUT = 210
_REBIN = ('bin_width', 'unit')
_BROADEN = ('resolution', 'groups', 'least_width')
_SELECT = ('banks', 'sites', 'elements', 'orders')


@calcfunction  # type: ignore[untyped-decorator]
def broaden_spectrum(contributions: SpectrumData, settings: Dict) -> SpectrumData | ExitCode:
    """Apply a resolution to contributions, and group them.

    Parameters
    ----------
    contributions : SpectrumData
        Of `insbench.ins`, before the resolution.
    settings : Dict
        ``resolution``: as of `PowderOptions` (default: published). ``groups``: name → any of
        ``banks``, ``sites``, ``elements`` and ``orders``, each a list; what is not given is whole.
        ``least_width``: σ in cm⁻¹ below which no line is drawn (default: what the contributions
        of a run have already), to draw modes beside a run.

    Returns
    -------
    SpectrumData or ExitCode
        On the range asked for: total, orders, elements, banks, groups; 210 with the reason if the
        settings make no sense.
    """
    try:
        return _broadened(contributions, settings.get_dict())
    except (InputError, ValueError) as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The spectrum cannot be made: {exc}')


@calcfunction  # type: ignore[untyped-decorator]
def rebin_spectrum(spectrum: SpectrumData, settings: Dict) -> SpectrumData | ExitCode:
    """Put a spectrum on wider bins or into another unit of energy; areas are kept.

    A map, which has axes of its own, stays with the spectrum it came with.

    Parameters
    ----------
    spectrum : SpectrumData
        With resolution, or measured.
    settings : Dict
        ``bin_width``: in the unit asked for. ``unit``: ``1/cm`` (default) or ``meV``.

    Returns
    -------
    SpectrumData or ExitCode
        210 with the reason if the settings make no sense.
    """
    try:
        return _rebinned(spectrum, settings.get_dict())
    except (InputError, ValueError) as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The spectrum cannot be rebinned: {exc}')


def check_broadening(parameters: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Refuse a resolution that the instrument of an INS job cannot have, or groups of no form.

    Raises
    ------
    InputError
        Saying what is wrong.
    """
    _refuse_unknown(settings, _BROADEN)
    for name, chosen in (settings.get('groups') or {}).items():
        _selection(name, chosen)
    instrument = find_instrument(
        parameters['instrument'], incident_energy=parameters.get('incident_energy')
    )
    low, high = parameters['energy_range']
    grid = energy_grid((float(low), float(high)), float(parameters['bin_width']))
    _sigma(instrument, settings, grid)


def powder_spectrum_of(contributions: SpectrumData, settings: Mapping[str, Any]) -> PowderSpectrum:
    """Contributions of a node as the object that groups and broadens them.

    Raises
    ------
    InputError
        If the node holds no contributions, or the resolution makes no sense.
    """
    if not contributions.has_contributions:
        raise InputError(
            'this spectrum has its resolution already; give contributions of `insbench.ins`.'
        )
    details = contributions.details
    asked = details['settings']
    energies = contributions.energy_transfer
    width = float(asked['bin_width'])
    wide = EnergyGrid(width, round(energies[0] / width), round(energies[-1] / width))
    low, high = asked['energy_range']
    instrument = find_instrument(asked['instrument'], incident_energy=asked.get('incident_energy'))
    names = contributions.get_arraynames()
    return PowderSpectrum(
        grid=energy_grid((float(low), float(high)), width),
        wide=wide,
        path=contributions.get_array('momentum_transfer'),
        raw=contributions.get_array('contributions').astype(np.float64),
        coherent=contributions.get_array('coherent') if 'coherent' in names else None,
        sigma=_remaining(instrument, settings, wide, held=_held(contributions))[0],
        banks=tuple(details['banks']),
        sites=tuple(
            Site(site['name'], site['label'], tuple(site['atoms'])) for site in details['sites']
        ),
        temperature=contributions.temperature,
    )


def _broadened(contributions: SpectrumData, settings: Mapping[str, Any]) -> SpectrumData:
    _refuse_unknown(settings, _BROADEN)
    spectrum = powder_spectrum_of(contributions, settings)
    details = contributions.details
    total = spectrum.total
    parts = {f'order_{n}': line for n, line in enumerate(spectrum.by_order, start=1)}
    parts |= {f'element_{name}': line for name, line in spectrum.by_element.items()}
    parts |= {f'bank_{name}': line for name, line in spectrum.by_bank.items()}
    for name, chosen in (settings.get('groups') or {}).items():
        parts[f'group_{name}'] = selected(spectrum, **_selection(name, chosen))
    arrays, names = _array_names(parts)
    arrays['momentum_transfer'] = spectrum.momentum_transfer
    if spectrum.coherent_total is not None:
        arrays['coherent_part'] = spectrum.coherent_total
    arrays |= {
        name: contributions.get_array(name)
        for name in contributions.get_arraynames()
        if name.startswith(MAP_PREFIX)
    }
    bands = find_bands(spectrum.energy_transfer, total)
    attributes = contributions.base.attributes.all
    return SpectrumData(
        energy_transfer=spectrum.energy_transfer,
        total=total,
        components=arrays,
        quantity='S(Q(w),w) times cross-section, without kf/ki',
        **{
            name: attributes[name]
            for name in (
                'origin',
                'instrument',
                'instrument_version',
                'bank',
                'temperature',
                'pressure',
                'sample',
                'units',
            )
        },
        details={
            **details,
            'resolution': settings.get('resolution', 'published'),
            'groups': settings.get('groups') or {},
            'names': names,
            'bands': [{'position': band.position, 'height': band.height} for band in bands],
            'warnings': [
                *details['warnings'],
                *unreached_ends(spectrum),
                *_too_wide(contributions, spectrum, settings),
            ],
        },
    )


def _too_wide(
    contributions: SpectrumData, spectrum: PowderSpectrum, settings: Mapping[str, Any]
) -> tuple[str, ...]:
    asked = contributions.details['settings']
    instrument = find_instrument(asked['instrument'], incident_energy=asked.get('incident_energy'))
    return _remaining(instrument, settings, spectrum.grid, held=_held(contributions))[1]


def _array_names(parts: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """Arrays under names that a node can take, and what those stand for where they differ."""
    arrays: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, values in parts.items():
        plain = re.sub(r'\W+', '_', name, flags=re.ASCII).rstrip('_')
        while plain in arrays:
            plain += '_2'
        arrays[plain] = values
        if plain != name:
            names[plain] = name
    return arrays, names


def _selection(name: str, chosen: Any) -> dict[str, Any]:
    if not isinstance(chosen, Mapping) or set(chosen) - set(_SELECT):
        raise InputError(f'group {name} must give any of {", ".join(_SELECT)}, not {chosen!r}.')
    if wrong := [key for key, value in chosen.items() if not isinstance(value, list)]:
        raise InputError(f'{wrong[0]} of group {name} must be a list.')
    return dict(chosen)


def _sigma(instrument: Instrument, settings: Mapping[str, Any], grid: EnergyGrid) -> Any:
    options = PowderOptions(resolution=settings.get('resolution', 'published'))
    sigma = resolution_sigma(instrument, options, grid)
    least = settings.get('least_width', 0.0)
    if isinstance(least, bool) or not (isinstance(least, int | float) and 0 <= least < math.inf):
        raise InputError(f'`least_width` must be a width in cm⁻¹, not {least!r}.')
    if least == 0:
        return sigma
    return np.full(len(grid.energies), least) if sigma is None else np.maximum(sigma, least)


def _held(contributions: SpectrumData) -> float:
    """Width that single modes have already: of a run's window, 0 of modes."""
    return float(contributions.details.get('broadened', 0.0))


def _remaining(
    instrument: Instrument, settings: Mapping[str, Any], grid: EnergyGrid, *, held: float
) -> tuple[Any, tuple[str, ...]]:
    """What is left to broaden by, and where lines are wider than asked for."""
    sigma = _sigma(instrument, settings, grid)
    return (sigma, ()) if held == 0 else remaining_sigma(sigma, grid, held)


def _rebinned(spectrum: SpectrumData, settings: Mapping[str, Any]) -> SpectrumData:
    _refuse_unknown(settings, _REBIN)
    if spectrum.has_contributions:
        raise InputError('contributions have no resolution yet; apply one first.')
    if counted := sorted({'kept', 'error', BIN_EDGES} & set(spectrum.get_arraynames())):
        raise InputError(
            f'a measured spectrum with {", ".join(counted)} keeps its bins: simulated spectra are '
            'put on those.'
        )
    unit = settings.get('unit', '1/cm')
    arrays = {}
    axis = None
    for name in spectrum.get_arraynames():
        if name == 'energy_transfer' or name.startswith(MAP_PREFIX):
            continue
        axis, arrays[name] = rebin(
            spectrum.energy_transfer,
            spectrum.get_array(name),
            bin_width=settings.get('bin_width'),
            unit=unit,
            density=name != 'momentum_transfer',
        )
    attributes = {
        name: value
        for name, value in spectrum.base.attributes.all.items()
        if name in SpectrumData.AttributesModel.model_fields
        and not name.startswith('array')
        and name not in ('default_array_name', *UNCOMPARED)
    }
    units = {**attributes.pop('units'), 'energy_transfer': unit}
    if 'intensity' in units:
        units['intensity'] = units['intensity'].replace('cm^-1', unit.replace('1/cm', 'cm^-1'))
    details = {**attributes.pop('details'), 'rebinned': dict(settings)}
    return SpectrumData(
        energy_transfer=axis,
        total=arrays.pop('total'),
        components=arrays,
        units=units,
        details=details,
        **attributes,
    )


def _refuse_unknown(settings: Mapping[str, Any], known: tuple[str, ...]) -> None:
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(f'unknown settings {", ".join(unknown)}; known: {", ".join(known)}.')
