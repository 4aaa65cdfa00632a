"""What a score depends on beside the data: stated limits, with the values of `insbench-1`.

Everything in cm⁻¹ unless said otherwise. `ScoringSettings.from_dict` reads what `to_dict` writes,
so that a protocol can freeze them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, TypeVar

from aiida_insbench.science.errors import InputError, format_error

_Settings = TypeVar('_Settings', 'FitSettings', 'WindowSettings', 'PeakSettings')


@dataclass(frozen=True)
class FitSettings:
    r"""Freedoms of the fit, each with its bounds.

    Attributes
    ----------
    scale_range : (float, float)
        Bounds of the scale in units of (measured area)/(simulated area).
    background_order : int or None
        Degree of the polynomial; None for no background.
    background_share : (float, float)
        The polynomial stays between these shares of the mean measured intensity, and so does its
        area.
    cell_range : (float, float)
        Bounds of the amplitude of the cell's spectrum, where one is given.
    transmission : float or None
        Largest absorption :math:`\tau` allowed, see `fitting`; None for no such freedom.
    final_energy : float
        Energy of the detected neutrons.
    smoothing : float
        Standard deviation of the resolution at which the fit compares: that of the largest shift,
        so that a shifted spectrum nearly keeps its scale. 0 compares bin by bin.
    model_floor : float
        Error granted to the simulation in the fit, as a share of the mean measured intensity.
    """

    scale_range: tuple[float, float] = (0.02, 5.0)
    background_order: int | None = 1
    background_share: tuple[float, float] = (-0.05, 0.5)
    cell_range: tuple[float, float] = (0.0, 2.0)
    transmission: float | None = None
    final_energy: float = 32.0
    smoothing: float = 40.0
    model_floor: float = 0.02

    def __post_init__(self) -> None:
        for name in ('scale_range', 'background_share', 'cell_range'):
            low, high = getattr(self, name)
            if not low < high:
                raise InputError(f'`{name}` must be two rising numbers: {low}, {high}.')
        if self.scale_range[0] < 0:
            raise InputError(f'The scale cannot be below zero: `scale_range` {self.scale_range}.')
        order = self.background_order
        if order is not None and not 0 <= order <= 4:
            raise InputError(
                format_error(
                    f'`background_order` must be 0 to 4 or None, not {order}.',
                    reason='A polynomial of higher order follows bands.',
                )
            )
        _check_positive(self, 'final_energy', 'model_floor')
        if not self.smoothing >= 0:
            raise InputError(f'`smoothing` must be ≥ 0 cm⁻¹, not {self.smoothing}.')
        if self.transmission is not None:
            _check_positive(self, 'transmission')


@dataclass(frozen=True)
class WindowSettings:
    """Windows, and what is free in each.

    Attributes
    ----------
    windows : tuple of (float, float), or None
        Their ends; None cuts the measured spectrum where it is low.
    width : float
        Width at which automatic cuts aim.
    groups : tuple of (str, float or None)
        Names of the window table and their upper limits, rising; None for no limit.
    max_shift : float
        Largest shift on either side.
    shift_step : float
        Step of the search before it is refined.
    scale_factor : float
        The scale of a window stays within this factor of the fitted one.
    line_share : float
        The straight line of a window stays within ± this share of its mean measured intensity.
    signal_floor : float
        Structure below this share of the strongest window's is no signal.
    noise_share : float
        Nor is structure of whose power counting noise makes more than this share.
    min_bins : int
        Windows with fewer bins cannot be aligned.
    """

    windows: tuple[tuple[float, float], ...] | None = None
    width: float = 150.0
    groups: tuple[tuple[str, float | None], ...] = (
        ('lattice', 200.0),
        ('skeletal', 700.0),
        ('internal', None),
    )
    max_shift: float = 40.0
    shift_step: float = 1.0
    scale_factor: float = 2.0
    line_share: float = 0.5
    signal_floor: float = 0.02
    noise_share: float = 0.5
    min_bins: int = 8

    def __post_init__(self) -> None:
        _check_positive(self, 'width', 'max_shift', 'shift_step', 'signal_floor', 'noise_share')
        if not self.scale_factor >= 1:
            raise InputError(f'`scale_factor` must be ≥ 1, not {self.scale_factor}.')
        if not self.line_share >= 0:
            raise InputError(f'`line_share` must be ≥ 0, not {self.line_share}.')
        if self.min_bins < 5:
            raise InputError(f'`min_bins` must be ≥ 5, not {self.min_bins}: four numbers are free.')
        limits = [limit for _, limit in self.groups[:-1]]
        numbers = [limit for limit in limits if limit is not None]
        rising = all(a < b for a, b in pairwise(numbers))
        if not self.groups or None in limits or not rising or self.groups[-1][1] is not None:
            raise InputError(
                f'`groups` must have rising limits, the last of them None: {self.groups}.'
            )


@dataclass(frozen=True)
class PeakSettings:
    """What a peak is, and when two are the same.

    Attributes
    ----------
    n_widths : float
        Peaks match within this number of the resolution's full widths at half maximum.
    prominence : float
        Least prominence as a share of the 95th percentile of the measured intensity.
    noise_factor : float
        Least prominence in counting errors.
    n_null : int
        Number of sets of random peaks for the null.
    seed : int
        Of the random peaks.
    """

    n_widths: float = 1.0
    prominence: float = 0.05
    noise_factor: float = 4.0
    n_null: int = 200
    seed: int = 0

    def __post_init__(self) -> None:
        _check_positive(self, 'n_widths', 'prominence', 'noise_factor', 'n_null')


@dataclass(frozen=True)
class ScoringSettings:
    """All of it.

    Attributes
    ----------
    energy_range : (float, float) or None
        Part of the measured spectrum that is scored; None for all of it.
    fit : FitSettings
        Freedoms.
    windows : WindowSettings
        Windows.
    peaks : PeakSettings
        Peaks.
    chi_relative, chi_floor : float
        Model error in χ², see `model_error`.
    """

    energy_range: tuple[float, float] | None = None
    fit: FitSettings = field(default_factory=FitSettings)
    windows: WindowSettings = field(default_factory=WindowSettings)
    peaks: PeakSettings = field(default_factory=PeakSettings)
    chi_relative: float = 0.1
    chi_floor: float = 0.02

    def __post_init__(self) -> None:
        _check_positive(self, 'chi_floor')
        if not self.chi_relative >= 0:
            raise InputError(f'`chi_relative` must be ≥ 0, not {self.chi_relative}.')
        if self.energy_range is not None and not self.energy_range[0] < self.energy_range[1]:
            raise InputError(f'`energy_range` must be two rising numbers: {self.energy_range}.')

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        plain: dict[str, Any] = _lists(dataclasses.asdict(self))
        return plain

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> ScoringSettings:
        """Read what `to_dict` writes; keys left out have the values of the protocol.

        Raises
        ------
        InputError
            If a key is not known or a value not allowed.
        """
        known = dict(settings)
        parts: dict[str, Any] = {
            'fit': _read(FitSettings, known.pop('fit', {})),
            'windows': _read(WindowSettings, known.pop('windows', {})),
            'peaks': _read(PeakSettings, known.pop('peaks', {})),
        }
        _check_keys(cls, known)
        return cls(**parts, **{key: _tuples(value) for key, value in known.items()})


def _read(kind: type[_Settings], settings: Mapping[str, Any]) -> _Settings:
    _check_keys(kind, settings)
    return kind(**{key: _tuples(value) for key, value in settings.items()})


def _check_keys(kind: type[Any], settings: Mapping[str, Any]) -> None:
    known = [one.name for one in dataclasses.fields(kind)]
    unknown = sorted(set(settings) - set(known))
    if unknown:
        raise InputError(
            format_error(
                f'Unknown settings of a score: {", ".join(unknown)}.',
                fix=f'Known are {", ".join(known)}.',
            )
        )


def _check_positive(settings: Any, *names: str) -> None:
    for name in names:
        value = getattr(settings, name)
        if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
            raise InputError(f'`{name}` must be a number > 0, not {value!r}.')


def _tuples(value: Any) -> Any:
    return tuple(_tuples(one) for one in value) if isinstance(value, list | tuple) else value


def _lists(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _lists(one) for key, one in value.items()}
    return [_lists(one) for one in value] if isinstance(value, list | tuple) else value
