"""One cell of the benchmark: a potential's spectra over pressure against one target.

A target is a measured spectrum, whose pressure is known within an error, or the spectrum of DFT.
The headline is that of the best pressure within the error; full tables are those at it. Its error
has parts from counting, a committee, the pressure and the convergence of the simulation, see
`uncertainty`. Energies in cm⁻¹, pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring import VERSION
from aiida_insbench.science.scoring.anchors import (
    AnchorSettings,
    anchors_to_dict,
    score_anchors,
    where_on_scale,
)
from aiida_insbench.science.scoring.pressure_profile import SpectrumAt, profile_pressure
from aiida_insbench.science.scoring.quantile_interpolation import QuantileInterpolation
from aiida_insbench.science.scoring.score import SpectrumScore, score_spectrum, with_windows
from aiida_insbench.science.scoring.settings import ScoringSettings
from aiida_insbench.science.scoring.spectra import Measurement, Simulation
from aiida_insbench.science.scoring.uncertainty import uncertainty

_SAME = 1e-6  # GPa
RULES_OF_CELLS = ('scoring', 'seed', 'draws', 'anchors')


def cell_rules(rules: Mapping[str, Any]) -> dict[str, Any]:
    """Of a benchmark's rules, those that the score of one cell depends on."""
    return {name: rules[name] for name in RULES_OF_CELLS if name in rules}


@dataclass(frozen=True)
class CellSettings:
    """What a cell's score depends on beside its spectra.

    Attributes
    ----------
    scoring : ScoringSettings
        Rules of scores.
    seed, draws : int
        Of the bootstrap.
    anchors : AnchorSettings
        How the target is spoilt to give the number a scale.
    """

    scoring: ScoringSettings
    seed: int = 0
    draws: int = 40
    anchors: AnchorSettings = field(default_factory=AnchorSettings)

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> CellSettings:
        """Read settings from JSON.

        Raises
        ------
        InputError
            If a name or value is not allowed.
        """
        if unknown := sorted(set(given) - set(RULES_OF_CELLS)):
            raise InputError(
                format_error(
                    f'Unknown rules: {", ".join(unknown)}.',
                    fix=f'Known are {", ".join(RULES_OF_CELLS)}.',
                )
            )
        try:
            anchors = AnchorSettings(**given.get('anchors', {}))
        except TypeError as exc:
            raise InputError(f'`anchors`: {exc}.') from exc
        return cls(
            scoring=ScoringSettings.from_dict(given.get('scoring', {})),
            seed=int(given.get('seed', 0)),
            draws=int(given.get('draws', 40)),
            anchors=anchors,
        )


@dataclass(frozen=True)
class Target:
    """What is to be reproduced.

    Attributes
    ----------
    data : Measurement
        The spectrum.
    pressure, pressure_error : float
        As stated; an error of 0 for DFT.
    deuterium_fraction : (float, float), optional
        Bounds of the sample's fraction of deuterium, where that is to be fitted.
    """

    data: Measurement
    pressure: float
    pressure_error: float = 0.0
    deuterium_fraction: tuple[float, float] | None = None


@dataclass(frozen=True)
class CellResult:
    """Score of a cell.

    Attributes
    ----------
    table : dict
        JSON-ready: ``headline``, ``headline_error``, ``version``, ``score`` (at the best pressure),
        ``profile``, ``uncertainty``, ``anchors``, ``scale`` (in words).
    arrays : dict of ndarray, shape (n,)
        For an overlay, on the target's bins: ``energy``, ``target``, ``simulated`` (scaled, with
        background), ``background``, ``used``.
    """

    table: dict[str, Any]
    arrays: dict[str, FloatArray]


def score_cell(
    target: Target,
    spectra: Mapping[float, Simulation],
    settings: CellSettings,
    *,
    reference: Mapping[float, Simulation] | None = None,
    members: Sequence[Mapping[float, Simulation]] = (),
    convergence: float | None = None,
) -> CellResult:
    """Score spectra at a few pressures against a target.

    Parameters
    ----------
    target : Target
        Data, and at which pressure.
    spectra : mapping of float to Simulation
        By pressure in GPa, with the instrument's resolution in them.
    settings : CellSettings
        Rules.
    reference : mapping of float to Simulation, optional
        DFT's spectra, as one more anchor.
    members : sequence of mapping
        Spectra of further members of the potential's committee, by pressure; those that do not
        reach the best pressure have no say.
    convergence : float, optional
        What the simulations say they are off, in per cent of their area.

    Raises
    ------
    InputError
        If the pressure is not simulated, or spectra do not overlap.
    """
    at = spectrum_at(spectra)
    fixed = with_windows(target.data, settings.scoring)
    profile = profile_pressure(
        target.data,
        at,
        fixed,
        pressure=target.pressure,
        error=target.pressure_error,
        simulated_range=(min(spectra), max(spectra)),
    )
    simulated = at(profile.best)
    score = score_spectrum(target.data, simulated, fixed)
    found = uncertainty(
        target.data,
        simulated,
        fixed,
        seed=settings.seed,
        draws=settings.draws,
        committee=_committee(simulated, members, profile.best),
        spectrum_at=at if target.pressure_error > 0 else None,
        pressure=target.pressure,
        pressure_error=target.pressure_error,
        simulated_range=(min(spectra), max(spectra)),
        convergence=convergence,
    )
    anchors = score_anchors(
        target.data,
        fixed,
        settings.anchors,
        reference=spectrum_at(reference)(target.pressure) if reference else None,
    )
    table = {
        'version': VERSION,
        'headline': score.headline,
        'headline_error': found.cost if np.isfinite(found.cost) else 0.0,
        'failure': '',
        'score': score.to_dict(),
        'profile': profile.to_dict(),
        'uncertainty': found.to_dict(),
        'anchors': anchors_to_dict(anchors),
        'scale': where_on_scale(score.headline, anchors),
    }
    return CellResult(table, _overlay(target.data, score))


def _committee(
    simulated: Simulation, members: Sequence[Mapping[float, Simulation]], pressure: float
) -> list[Simulation]:
    """The potential's own spectrum and its members'; empty where it is alone."""
    others = [
        spectrum_at(one)(pressure)
        for one in members
        if one and min(one) - _SAME <= pressure <= max(one) + _SAME
    ]
    return [simulated, *others] if others else []


def spectrum_at(spectra: Mapping[float, Simulation]) -> SpectrumAt:
    """Spectra as a function of pressure: those given where they are, between them by quantiles.

    Raises
    ------
    InputError
        If there is none.
    """
    if not spectra:
        raise InputError('There is no spectrum at any pressure.')
    pressures = np.array(sorted(spectra))

    def at(pressure: float) -> Simulation:
        nearest = float(pressures[np.abs(pressures - pressure).argmin()])
        if abs(nearest - pressure) <= _SAME:
            return spectra[nearest]
        if len(pressures) < 2:
            raise InputError(
                format_error(
                    f'A spectrum is wanted at {pressure:g} GPa, and there is one at '
                    f'{nearest:g} GPa only.',
                    fix='Simulate pressures on both sides.',
                )
            )
        return QuantileInterpolation(pressures, [spectra[one] for one in pressures])(pressure)

    return at


def _overlay(data: Measurement, score: SpectrumScore) -> dict[str, FloatArray]:
    fitted = score.fitted
    if fitted is None:
        return {}
    return {
        'energy': np.asarray(data.energies),
        'target': np.asarray(data.intensity),
        'simulated': np.asarray(fitted.total),
        'background': np.asarray(fitted.background),
        'used': fitted.used.astype(np.float64),
    }
