"""Spectrometers: banks of detectors, kinematics and which resolution belongs to them.

The numbers live in ``instruments/*.yaml`` beside this module, each with its source. Final energies
in meV, scattering angles in degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from typing import Any

import yaml

from aiida_insbench.science.errors import InstrumentError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.kinematics import indirect_momentum_transfer


@dataclass(frozen=True)
class Bank:
    """A bank of detectors.

    Parameters
    ----------
    name : str
        Such as ``forward``.
    final_energy : float
        Of the analyser, in meV.
    angle : float
        Scattering angle in degrees.
    """

    name: str
    final_energy: float
    angle: float

    def momentum_transfer(self, energy_transfer: FloatArray) -> FloatArray:
        """Momentum transfer in Å⁻¹ at energy transfers in cm⁻¹."""
        return indirect_momentum_transfer(
            energy_transfer=energy_transfer, final_energy=self.final_energy, angle=self.angle
        )


@dataclass(frozen=True)
class Instrument:
    """A spectrometer of indirect geometry.

    Parameters
    ----------
    name : str
        As users give it.
    banks : tuple of Bank
        Each counts alike in the sum of a spectrum.
    resolution : dict
        Instrument, version and model of `resins`; empty if no published model is known to hold.
    citation : str
        Source of the numbers.
    """

    name: str
    banks: tuple[Bank, ...]
    resolution: dict[str, str]
    citation: str


def instrument_names() -> tuple[str, ...]:
    """Names of all known instruments."""
    return tuple(sorted(_load_all()))


def get_instrument(name: str) -> Instrument:
    """Look up an instrument by its name.

    Raises
    ------
    InstrumentError
        If there is none of this name; the message lists the known ones.
    """
    known = _load_all()
    if name not in known:
        raise InstrumentError(
            format_error(
                f'There is no instrument {name!r}.', fix=f'Choose from {", ".join(sorted(known))}.'
            )
        )
    entry = known[name]
    banks = tuple(
        Bank(name=bank, final_energy=float(values['final_energy']), angle=float(values['angle']))
        for bank, values in entry['banks'].items()
    )
    return Instrument(
        name=name,
        banks=banks,
        resolution=dict(entry.get('resolution') or {}),
        citation=' '.join(str(entry['citation']).split()),
    )


def _load_all() -> dict[str, dict[str, Any]]:
    folder = resources.files('aiida_insbench.science.ins') / 'instruments'
    entries: dict[str, dict[str, Any]] = {}
    for file in folder.iterdir():
        if file.name.endswith('.yaml'):
            data = yaml.safe_load(file.read_text(encoding='utf-8'))
            entries[data['name']] = data
    return entries
