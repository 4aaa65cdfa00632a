"""How followed Γ modes shift with pressure: frequencies, slope, direction.

Frequencies in cm⁻¹, negative for imaginary modes; pressures in GPa; slopes in cm⁻¹/GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from aiida_insbench.science.errors import ComputationError, InputError, format_error
from aiida_insbench.science.modes import (
    DEGENERACY_TOLERANCE,
    FloatArray,
    FollowedModes,
    ModeSet,
    follow,
    split_acoustic,
)
from aiida_insbench.science.molecules import Molecule
from aiida_insbench.science.neutron_weights import one_phonon_weights

Direction = Literal['red', 'blue', 'flat', 'unstable']


@dataclass(frozen=True)
class Tolerances:
    """What counts as noise.

    Attributes
    ----------
    flat : float
        Shifts smaller than this are neither red nor blue, cm⁻¹.
    imaginary : float
        A mode is unstable below minus this, cm⁻¹.
    degeneracy : float
        Width of a near-degenerate set, cm⁻¹.
    overlap : float
        Modes followed or matched with less overlap than this are named in the verdict.
    """

    flat: float = 1.0
    imaginary: float = 1.0
    degeneracy: float = DEGENERACY_TOLERANCE
    overlap: float = 0.7

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> Tolerances:
        """Read tolerances from a job's settings.

        Raises
        ------
        InputError
            If a key is unknown or a value is no number ≥ 0.
        """
        known = set(cls.__dataclass_fields__)
        unknown = sorted(set(settings) - known)
        if unknown:
            raise InputError(
                format_error(
                    f'Unknown settings: {", ".join(unknown)}.',
                    fix=f'Known are {", ".join(sorted(known))}.',
                )
            )
        for key, value in settings.items():
            if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
                raise InputError(f'`{key}` is {value!r}; give a number ≥ 0.')
        return replace(cls(), **{key: float(value) for key, value in settings.items()})


@dataclass(frozen=True)
class ModeSeries:
    """The optical Γ modes of one force field, followed across pressures.

    Attributes
    ----------
    pressures : dict of str to float
        Labels and pressures in GPa, rising.
    symbols : tuple of str
        Chemical symbol of each atom, in the order of the eigenvectors.
    optical : FollowedModes
        Rigid translations left out.
    acoustic : dict of str to float
        Largest modulus of the three acoustic frequencies at each pressure, cm⁻¹.
    tolerances : Tolerances
        Those used.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    volumes : dict of str to float
        Of the primitive cell at each pressure, Å³; empty if not known.
    molecules : tuple of Molecule
        At the first pressure; empty where there are none.
    cross_sections : ndarray, shape (n_atoms,), or None
        Total neutron cross-sections in barn; None if not known.
    """

    pressures: dict[str, float]
    symbols: tuple[str, ...]
    optical: FollowedModes
    acoustic: dict[str, float]
    tolerances: Tolerances
    masses: FloatArray
    volumes: dict[str, float]
    molecules: tuple[Molecule, ...] = ()
    cross_sections: FloatArray | None = None

    def by_label(self, group: int) -> dict[str, float]:
        """Frequency of a group at each pressure, cm⁻¹."""
        return dict(zip(self.pressures, self.optical.frequencies(group).tolist(), strict=True))

    def ins_weights(self) -> dict[str, FloatArray]:
        """Neutron weight of each mode at each pressure; empty without cross-sections."""
        if self.cross_sections is None:
            return {}
        return {
            label: one_phonon_weights(
                one.eigenvectors, masses=self.masses, cross_sections=self.cross_sections
            )
            for label, one in zip(self.pressures, self.optical.sets, strict=True)
        }


def mode_series(
    modes: Mapping[str, ModeSet],
    *,
    pressures: Mapping[str, float],
    symbols: Sequence[str],
    masses: FloatArray,
    tolerances: Tolerances | None = None,
    volumes: Mapping[str, float] | None = None,
    molecules: Sequence[Molecule] = (),
    cross_sections: FloatArray | None = None,
) -> ModeSeries:
    """Leave out rigid translations and follow the rest in order of pressure.

    Parameters
    ----------
    modes : mapping of str to ModeSet
        All modes at Γ for each label, all in one atom order.
    pressures : mapping of str to float
        GPa of each label.
    symbols : sequence of str
        One an atom.
    masses : ndarray, shape (n_atoms,)
        In atomic mass units.
    tolerances : Tolerances, optional
        What counts as noise.
    volumes : mapping of str to float, optional
        Of the primitive cell at each label, Å³.
    molecules : sequence of Molecule, optional
        At the lowest pressure, atoms in the order of the eigenvectors.
    cross_sections : ndarray, shape (n_atoms,), optional
        Total neutron cross-sections in barn.

    Raises
    ------
    ComputationError
        If the acoustic modes cannot be told (see `split_acoustic`); the message names the label.
    """
    used = tolerances or Tolerances()
    labels = sorted(modes, key=lambda label: pressures[label])
    optical, acoustic = [], {}
    for label in labels:
        try:
            kept, rigid = split_acoustic(modes[label], masses, tolerance=used.degeneracy)
        except ComputationError as exc:
            raise ComputationError(f'{label}: {exc}') from exc
        optical.append(kept)
        acoustic[label] = float(np.abs(rigid.frequencies).max())
    return ModeSeries(
        pressures={label: float(pressures[label]) for label in labels},
        symbols=tuple(symbols),
        optical=follow(optical, tolerance=used.degeneracy),
        acoustic=acoustic,
        tolerances=used,
        masses=np.asarray(masses, dtype=float),
        volumes={label: float((volumes or {})[label]) for label in labels if volumes},
        molecules=tuple(molecules),
        cross_sections=cross_sections,
    )


def shift_and_direction(
    frequencies: Mapping[str, float], pressures: Mapping[str, float], tolerances: Tolerances
) -> dict[str, Any]:
    """Shift of one mode: ``shift``, ``slope``, ``slope_error``, ``direction``, ``anomalous``.

    Parameters
    ----------
    frequencies : mapping of str to float
        cm⁻¹ by label, in order of pressure.
    pressures : mapping of str to float
        GPa by label.
    tolerances : Tolerances
        What counts as flat and as imaginary.
    """
    values = np.array(list(frequencies.values()))
    unstable = bool((values < -tolerances.imaginary).any())
    if len(values) < 2:
        return {
            'shift': None,
            'slope': None,
            'slope_error': None,
            'direction': 'unstable' if unstable else None,
            'anomalous': None,
        }
    shift = float(values[-1] - values[0])
    slope, error = _line([pressures[label] for label in frequencies], values)
    return {
        'shift': shift,
        'slope': slope,
        'slope_error': error,
        'direction': 'unstable' if unstable else trend(shift, tolerances),
        'anomalous': falls(shift, slope, error or 0.0, tolerances),
    }


def falls(shift: float, slope: float, error: float, tolerances: Tolerances) -> bool:
    """Whether a mode goes red beyond the tolerance and beyond twice the error of its slope."""
    return trend(shift, tolerances) == 'red' and slope + 2 * error < 0


def mode_gruneisen(frequencies: Mapping[str, float], volumes: Mapping[str, float]) -> float | None:
    r"""Mode Grüneisen parameter by least squares over all pressures.

    .. math:: \gamma = -\frac{d\ln\omega}{d\ln V}

    Parameters
    ----------
    frequencies : mapping of str to float
        cm⁻¹ by label.
    volumes : mapping of str to float
        In any one unit, by label; empty if not known.

    Returns
    -------
    float or None
        None with fewer than two volumes, or where the mode is imaginary at a pressure.

    References
    ----------
    Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), § 4.
    """
    values = np.array(list(frequencies.values()))
    if len(volumes) < 2 or len(values) < 2 or (values <= 0).any():
        return None
    logs = np.log([volumes[label] for label in frequencies])
    if np.ptp(logs) < 1e-9:
        return None
    return -float(np.polyfit(logs, np.log(values), 1)[0])


def _line(places: Sequence[float], values: FloatArray) -> tuple[float, float | None]:
    """Slope of the least-squares line and its standard error, which takes three points."""
    slope, start = np.polyfit(places, values, 1)
    if len(values) < 3:
        return float(slope), None
    rest = values - (start + slope * np.array(places))
    spread = float(((np.array(places) - np.mean(places)) ** 2).sum())
    return float(slope), float(np.sqrt((rest**2).sum() / (len(values) - 2) / spread))


def trend(shift: float, tolerances: Tolerances) -> Direction:
    """Red, blue or flat, by the sign of a shift in cm⁻¹."""
    if abs(shift) < tolerances.flat:
        return 'flat'
    return 'red' if shift < 0 else 'blue'
