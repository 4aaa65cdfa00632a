"""Spectra of one cell of the benchmark, sorted out by what their link labels say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.scoring.cell import Target, spectrum_at
from aiida_insbench.science.scoring.deuteration import (
    Deuteration,
    fit_deuteration,
    mixed_over_pressure,
)
from aiida_insbench.science.scoring.settings import FitSettings
from aiida_insbench.science.scoring.spectra import Simulation

#: Before the pressure label of a spectrum of DFT, in link labels.
REFERENCE = 'reference_'
#: Before the number of a member of a committee and a pressure label, in link labels.
MEMBER = 'member_'
#: Before any of these labels: the same with all hydrogen as deuterium.
DEUTERATED = 'deuterated_'
_MEMBER = re.compile(rf'{MEMBER}(\d+)_(.+)')

OverPressure = dict[float, Simulation]


@dataclass(frozen=True)
class CellSpectra:
    """What is compared with a target.

    Attributes
    ----------
    own, reference : dict of float to Simulation
        Of the potential and of DFT, by pressure in GPa.
    members : tuple of dict
        Of further members of the potential's committee.
    fitted : tuple of dict
        Fractions of deuterium fitted beforehand, JSON-ready.
    """

    own: OverPressure
    reference: OverPressure
    members: tuple[OverPressure, ...]
    fitted: tuple[dict[str, Any], ...] = ()


def cell_spectra(
    spectra: Mapping[str, SpectrumData], target: Target, settings: FitSettings
) -> CellSpectra:
    """Spectra by link label as those of potential, DFT and members; mixed with deuterated ones.

    Raises
    ------
    InputError
        If the target's fraction of deuterium is to be fitted and deuterated spectra are missing.
    """
    natural = _sorted_out(plain_labels(spectra, ''))
    bounds = target.deuterium_fraction
    if bounds is None:
        return natural
    heavy = _sorted_out(plain_labels(spectra, DEUTERATED))
    if not heavy.own:
        raise InputError(
            'The fraction of deuterium is to be fitted; deuterated spectra are missing.'
        )
    found = _fitted(natural.own, heavy.own, target, settings, bounds)
    reference: OverPressure = {}
    if natural.reference and heavy.reference:
        of_dft = _fitted(natural.reference, heavy.reference, target, settings, bounds)
        reference = mixed_over_pressure(natural.reference, heavy.reference, of_dft.value)
    return CellSpectra(
        own=mixed_over_pressure(natural.own, heavy.own, found.value),
        reference=reference,
        members=tuple(
            mixed_over_pressure(light, other, found.value)
            for light, other in zip(natural.members, heavy.members, strict=True)
        ),
        fitted=(found.to_dict(),),
    )


def plain_labels(spectra: Mapping[str, SpectrumData], prefix: str) -> dict[str, SpectrumData]:
    """Those with the prefix, without it; with an empty one those that are not deuterated."""
    return {
        label.removeprefix(prefix): node
        for label, node in spectra.items()
        if label.startswith(DEUTERATED) == bool(prefix)
    }


def own_spectra(spectra: Mapping[str, SpectrumData]) -> dict[str, SpectrumData]:
    """The potential's own, by pressure label."""
    return {
        label: node
        for label, node in plain_labels(spectra, '').items()
        if not label.startswith((REFERENCE, MEMBER))
    }


def simulations_by_pressure(spectra: Mapping[str, SpectrumData]) -> OverPressure:
    """Simulated spectra by pressure in GPa, from those by pressure label."""
    return {
        pressure_from_label(label): Simulation(node.energy_transfer, node.total)
        for label, node in spectra.items()
    }


def _sorted_out(spectra: Mapping[str, SpectrumData]) -> CellSpectra:
    reference = {
        label.removeprefix(REFERENCE): node
        for label, node in spectra.items()
        if label.startswith(REFERENCE)
    }
    members: dict[int, dict[str, SpectrumData]] = {}
    for label, node in spectra.items():
        if match := _MEMBER.fullmatch(label):
            members.setdefault(int(match.group(1)), {})[match.group(2)] = node
    return CellSpectra(
        own=simulations_by_pressure(own_spectra(spectra)),
        reference=simulations_by_pressure(reference),
        members=tuple(simulations_by_pressure(members[number]) for number in sorted(members)),
    )


def _fitted(
    light: OverPressure,
    heavy: OverPressure,
    target: Target,
    settings: FitSettings,
    bounds: tuple[float, float],
) -> Deuteration:
    return fit_deuteration(
        target.data,
        spectrum_at(light)(target.pressure),
        spectrum_at(heavy)(target.pressure),
        settings,
        bounds=bounds,
    )
