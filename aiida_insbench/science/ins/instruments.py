"""Spectrometers: banks of detectors, kinematics and which resolution belongs to them.

The numbers live in ``instruments/*.yaml`` beside this module, each with its source; a user's own
instrument is a file of the same form. Energies of neutrons in meV, scattering angles in degrees.

In a file of geometry ``indirect`` each of ``banks`` has ``final_energy`` and ``angle``. In one of
geometry ``direct`` there are ``angle_range``, the number of ``angles`` that stand for it, and a
usual ``incident_energy``. ``resolution`` names ``instrument``, ``version``, ``model`` and
``settings`` of `resins`, perhaps the ``lowest_energy`` it takes; or it is a ``polynomial``, the
coefficients of σ(ω) in cm⁻¹, lowest power first; it is empty where no published model is known to
hold. ``version``, in a few words, says which state of the instrument this is.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import yaml

from aiida_insbench.science.errors import InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.kinematics import (
    direct_momentum_transfer,
    indirect_momentum_transfer,
)
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER
from aiida_insbench.science.safe_yaml import load_yaml

INDIRECT, DIRECT = GEOMETRIES = ('indirect', 'direct')
POLYNOMIAL = 'polynomial'

_RESINS = ('instrument', 'version', 'model')  # what a resolution of resins must name
_RESINS_EXTRAS = ('settings', 'lowest_energy')

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Bank:
    """A bank of detectors.

    Parameters
    ----------
    name : str
        Such as ``forward``.
    energy : float
        Of the analyser (indirect) or of the incident neutrons (direct), in meV.
    angle : float
        Scattering angle in degrees.
    geometry : {'indirect', 'direct'}
        Which end of the neutron's path has its energy fixed.
    """

    name: str
    energy: float
    angle: float
    geometry: str = INDIRECT

    @property
    def reach(self) -> tuple[float, float]:
        """Lowest and highest energy transfer in cm⁻¹."""
        fixed = self.energy * MEV_TO_WAVENUMBER
        return (-fixed, math.inf) if self.geometry == INDIRECT else (-math.inf, fixed)

    def momentum_transfer(self, energy_transfer: FloatArray) -> FloatArray:
        """Momentum transfer in Å⁻¹ at energy transfers in cm⁻¹."""
        if self.geometry == DIRECT:
            return direct_momentum_transfer(
                energy_transfer=energy_transfer, incident_energy=self.energy, angle=self.angle
            )
        return indirect_momentum_transfer(
            energy_transfer=energy_transfer, final_energy=self.energy, angle=self.angle
        )


@dataclass(frozen=True)
class Instrument:
    """A spectrometer.

    Parameters
    ----------
    name : str
        As users give it.
    banks : tuple of Bank
        Each counts alike in the sum of a spectrum.
    resolution : dict
        Instrument, version, model and settings of `resins`, or a polynomial; empty if no published
        model is known to hold.
    citation : str
        Source of the numbers.
    geometry : {'indirect', 'direct'}
        Which end of the neutron's path has its energy fixed.
    angle_range : (float, float), optional
        Smallest and largest scattering angle of a direct geometry, in degrees.
    version : str
        Which state of the instrument, or which source, the numbers are of.
    """

    name: str
    banks: tuple[Bank, ...]
    resolution: dict[str, Any]
    citation: str
    geometry: str = field(default=INDIRECT)
    angle_range: tuple[float, float] | None = None
    version: str = ''

    @property
    def reach(self) -> tuple[float, float]:
        """Lowest and highest energy transfer of all banks, in cm⁻¹."""
        return (
            max(bank.reach[0] for bank in self.banks),
            min(bank.reach[1] for bank in self.banks),
        )


def accessible(
    instrument: Instrument, *, energy_transfer: FloatArray, momentum_transfer: FloatArray
) -> BoolArray:
    r"""Which points of a map S(Q, ω) a spectrometer of direct geometry reaches.

    .. math:: Q(\theta_{\min}, \omega) \le Q \le Q(\theta_{\max}, \omega), \quad \hbar\omega < E_i

    Gaps between its detectors are left out of account.

    Parameters
    ----------
    instrument : Instrument
        Of direct geometry, at the incident energy of its banks.
    energy_transfer : ndarray, shape (n_energies,)
        In cm⁻¹.
    momentum_transfer : ndarray, shape (n_q,)
        In Å⁻¹.

    Returns
    -------
    ndarray of bool, shape (n_q, n_energies)

    Raises
    ------
    InstrumentError
        If the instrument is of indirect geometry, whose banks see one line each.
    """
    if instrument.geometry != DIRECT or instrument.angle_range is None:
        raise InstrumentError(
            format_error(
                f'{instrument.name} reaches no area of (Q, ω).',
                reason='2-D maps belong to direct geometry; with a fixed final energy each bank '
                'sees one line.',
                fix='Choose a spectrometer of direct geometry with an angle range.',
            )
        )
    incident = instrument.banks[0].energy
    energies = np.asarray(energy_transfer, dtype=np.float64)
    below = energies < incident * MEV_TO_WAVENUMBER
    lowest, highest = (
        direct_momentum_transfer(
            energy_transfer=np.where(below, energies, 0.0), incident_energy=incident, angle=angle
        )
        for angle in instrument.angle_range
    )
    transfers = np.asarray(momentum_transfer, dtype=np.float64)[:, None]
    return np.asarray((transfers >= lowest) & (transfers <= highest) & below)


def instrument_names() -> tuple[str, ...]:
    """Names of all known instruments."""
    files = [file for file in _folder().iterdir() if file.name.endswith('.yaml')]
    return tuple(sorted(yaml.safe_load(file.read_text('utf-8'))['name'] for file in files))


def get_instrument(name: str, *, incident_energy: float | None = None) -> Instrument:
    """Look up an instrument by its name, or read a user's own.

    Parameters
    ----------
    name : str
        One of `instrument_names`, or the path of a YAML file.
    incident_energy : float, optional
        Of a spectrometer of direct geometry, in meV; by default its usual one.

    Raises
    ------
    InstrumentError
        If there is none of this name (the message lists the known ones), a file is not of the
        form, or an incident energy is given to a spectrometer that has none.
    """
    if name.endswith(('.yaml', '.yml')):
        return _instrument(_load_file(Path(name)), incident_energy)
    entry = _load_known(name)
    if entry is None:
        raise InstrumentError(
            format_error(
                f'There is no instrument {name!r}.',
                fix=f'Choose from {", ".join(instrument_names())}, or give a YAML file of your '
                'own.',
            )
        )
    return _instrument(entry, incident_energy)


def find_instrument(
    given: str | Mapping[str, Any], *, incident_energy: float | None = None
) -> Instrument:
    """Look up an instrument by its name or path, or take a description of the form of the files.

    Raises
    ------
    InstrumentError
        As `get_instrument`.
    """
    if isinstance(given, str):
        return get_instrument(given, incident_energy=incident_energy)
    return _instrument({'name': 'instrument', **given}, incident_energy)


def _instrument(entry: Mapping[str, Any], incident_energy: float | None) -> Instrument:
    name = str(entry.get('name', 'instrument'))
    try:
        geometry = str(entry['geometry'])
        if geometry not in GEOMETRIES:
            raise InstrumentError(f'`geometry` is {geometry!r}; known: {", ".join(GEOMETRIES)}.')
        banks = (_direct if geometry == DIRECT else _indirect)(entry, incident_energy)
        angle_range = _angle_range(entry) if geometry == DIRECT else None
        resolution = _resolution(entry.get('resolution') or {})
        citation = ' '.join(str(entry['citation']).split())
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        if isinstance(exc, InstrumentError):
            raise
        raise InstrumentError(
            format_error(
                f'The description of {name} is not of the form: {exc!r}.',
                fix='Compare it with those in aiida_insbench/science/ins/instruments.',
            )
        ) from exc
    if geometry == DIRECT and 'settings' in resolution:
        resolution['settings']['e_init'] = banks[0].energy
    version = str(entry.get('version') or '')
    return Instrument(name, banks, resolution, citation, geometry, angle_range, version)


def _indirect(entry: Mapping[str, Any], incident_energy: float | None) -> tuple[Bank, ...]:
    if incident_energy is not None:
        raise InstrumentError(
            f'{entry["name"]} is of indirect geometry: it has no incident energy to choose.'
        )
    return tuple(
        Bank(str(bank), _positive(values['final_energy']), float(values['angle']))
        for bank, values in entry['banks'].items()
    )


def _direct(entry: Mapping[str, Any], incident_energy: float | None) -> tuple[Bank, ...]:
    energy = _positive(entry['incident_energy'] if incident_energy is None else incident_energy)
    low, high = _angle_range(entry)
    count = int(entry['angles'])
    # in the middle of equal parts of the range
    middles = low + (high - low) * (np.arange(count) + 0.5) / count
    return tuple(Bank(f'angle_{angle:.1f}', energy, float(angle), DIRECT) for angle in middles)


def _angle_range(entry: Mapping[str, Any]) -> tuple[float, float]:
    low, high = (float(angle) for angle in entry['angle_range'])
    if not 0 <= low < high <= 180:
        raise InstrumentError(f'`angle_range` must rise within 0° to 180°, not {low}, {high}.')
    return low, high


def _resolution(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Check which of the forms it has, without asking resins."""
    given = dict(entry)
    if not given:
        return {}
    if POLYNOMIAL in given:
        coefficients = given.pop(POLYNOMIAL)
        if given or not (isinstance(coefficients, list) and coefficients):
            raise InstrumentError('`polynomial` is a list of coefficients and stands alone.')
        return {POLYNOMIAL: [float(coefficient) for coefficient in coefficients]}
    missing = set(_RESINS) - set(given)
    unknown = set(given) - {*_RESINS, *_RESINS_EXTRAS}
    if missing or unknown:
        raise InstrumentError(
            format_error(
                f'`resolution` lacks {sorted(missing)} and has the unknown {sorted(unknown)}.',
                fix=f'Name {", ".join(_RESINS)} of resins (and perhaps '
                f'{", ".join(_RESINS_EXTRAS)}), or give a polynomial.',
            )
        )
    return {**given, 'settings': dict(given.get('settings') or {})}


def _positive(value: Any) -> float:
    number = float(value)
    if not (math.isfinite(number) and number > 0):
        raise InstrumentError(f'An energy of neutrons must be > 0 meV, not {value!r}.')
    return number


def _load_file(path: Path) -> dict[str, Any]:
    try:
        data = load_yaml(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise InstrumentError(f'The instrument {path} cannot be read: {exc}.') from exc
    if not isinstance(data, dict):
        raise InstrumentError(f'{path} describes no instrument.')
    return {'name': path.stem, **data}


def _load_known(name: str) -> dict[str, Any] | None:
    """The description of this name: a file is called as its instrument, in small letters."""
    file = _folder() / f'{name.lower().replace("-", "_")}.yaml'
    if not file.is_file():
        return None
    data: dict[str, Any] = yaml.safe_load(file.read_text(encoding='utf-8'))
    return data if data['name'] == name else None


def _folder() -> Any:
    return resources.files('aiida_insbench.science.ins') / 'instruments'
