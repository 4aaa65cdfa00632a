"""Powder spectra and the bands in them.

Energy transfers in cm⁻¹; intensities are cross-section times scattering function, σ S(Q(ω), ω), in
barn per cm⁻¹ and primitive cell, without k_f/k_i and without 1/4π.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.signal import find_peaks

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.contributions import Site
from aiida_insbench.science.ins.kernel import EnergyGrid
from aiida_insbench.science.ins.resolution import broaden
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER

QUANTITY = 'S(Q(omega), omega) times cross-section, without kf/ki'
_PER_WAVENUMBER = {'1/cm': 1.0, 'meV': 1 / MEV_TO_WAVENUMBER}
UNITS = {
    'energy_transfer': 'cm^-1',
    'momentum_transfer': 'angstrom^-1',
    'intensity': 'barn / cm^-1 / primitive cell',
    'msd': 'angstrom^2',
}


@dataclass(frozen=True)
class PowderSpectrum:
    """Spectrum of a powder, in contributions; the resolution is applied to what is asked for.

    Parameters
    ----------
    grid : EnergyGrid
        Energies asked for.
    wide : EnergyGrid
        The same and a margin, from which the resolution carries intensity in.
    path : ndarray, shape (n_banks, n_wide)
        Q(ω) of each bank in Å⁻¹.
    raw : ndarray, shape (n_banks, n_sites, n_orders, n_wide)
        Without resolution, in barn per cm⁻¹ and primitive cell; orders from 1, the elastic line is
        left out.
    coherent : ndarray, shape (n_banks, n_wide), or None
        Coherent part of order 1 where it was computed as such; in `raw` then is its incoherent
        part.
    sigma : ndarray, shape (n_wide,), or None
        Standard deviation of the resolution in cm⁻¹; None for none.
    banks : tuple of str
        Names of the banks.
    sites : tuple of Site
        Atoms that symmetry makes equal.
    temperature : float
        In K.
    """

    grid: EnergyGrid
    wide: EnergyGrid
    path: FloatArray
    raw: FloatArray
    coherent: FloatArray | None
    sigma: FloatArray | None
    banks: tuple[str, ...]
    sites: tuple[Site, ...]
    temperature: float

    @property
    def energy_transfer(self) -> FloatArray:
        """Bin centres in cm⁻¹, shape (n_energies,)."""
        return self.grid.energies

    @property
    def momentum_transfer(self) -> FloatArray:
        """Q in Å⁻¹ on the bins asked for, shape (n_banks, n_energies)."""
        return self.path[:, self._inside]

    @property
    def n_orders(self) -> int:
        """Highest order held."""
        return int(self.raw.shape[2])

    @property
    def elements(self) -> tuple[str, ...]:
        """Labels of the sites, without repetition."""
        return tuple(dict.fromkeys(site.label for site in self.sites))

    @property
    def contributions(self) -> FloatArray:
        """With resolution, shape (n_banks, n_sites, n_orders, n_energies)."""
        return self.seen(self.raw)

    @property
    def total(self) -> FloatArray:
        """Mean over the banks of everything, shape (n_energies,)."""
        return self.seen(self._banks_sum().mean(axis=0))

    @property
    def by_order(self) -> FloatArray:
        """Mean over the banks by order, shape (n_orders, n_energies); row 0 is order 1."""
        orders = self.raw.mean(axis=0).sum(axis=0)
        if self.coherent is not None:
            orders[0] += self.coherent.mean(axis=0)
        return self.seen(orders)

    @property
    def by_element(self) -> dict[str, FloatArray]:
        """Mean over the banks by label; without what was computed as coherent."""
        parts = self.raw.mean(axis=0).sum(axis=1)
        labels = np.array([site.label for site in self.sites])
        sums = np.array([parts[labels == label].sum(axis=0) for label in self.elements])
        return dict(zip(self.elements, self.seen(sums), strict=True))

    @property
    def by_site(self) -> dict[str, FloatArray]:
        """Mean over the banks by site; without what was computed as coherent."""
        parts = self.seen(self.raw.mean(axis=0).sum(axis=1))
        return dict(zip((site.name for site in self.sites), parts, strict=True))

    @property
    def by_bank(self) -> dict[str, FloatArray]:
        """Each bank's own spectrum; `total` is their mean."""
        return dict(zip(self.banks, self.seen(self._banks_sum()), strict=True))

    @property
    def coherent_total(self) -> FloatArray | None:
        """Mean over the banks of what was computed as coherent, shape (n_energies,)."""
        return None if self.coherent is None else self.seen(self.coherent.mean(axis=0))

    def _banks_sum(self) -> FloatArray:
        sums = self.raw.sum(axis=(1, 2))
        return np.asarray(sums if self.coherent is None else sums + self.coherent)

    def seen(self, values: FloatArray) -> FloatArray:
        """Apply the resolution to values on the wide grid and cut the margin off."""
        if self.sigma is not None:
            values = broaden(values, sigma=self.sigma, bin_width=self.grid.bin_width)
        return np.ascontiguousarray(values[..., self._inside])

    @property
    def _inside(self) -> slice:
        start = self.grid.first - self.wide.first
        return slice(start, start + len(self.grid.energies))


def selected(
    spectrum: PowderSpectrum,
    *,
    banks: Sequence[str] | None = None,
    sites: Sequence[str] | None = None,
    elements: Sequence[str] | None = None,
    orders: Sequence[int] | None = None,
) -> FloatArray:
    """Part of a spectrum: mean over some banks, sum over some sites and orders.

    What is computed as coherent belongs to no site; it is left out.

    Parameters
    ----------
    spectrum : PowderSpectrum
        With its contributions.
    banks, sites, elements : sequence of str, optional
        Names; all where not given.
    orders : sequence of int, optional
        From 1; all where not given.

    Returns
    -------
    ndarray, shape (n_energies,)
        With resolution.

    Raises
    ------
    InputError
        If a name or an order is not there.
    """
    names = [site.name for site in spectrum.sites]
    labels = [site.label for site in spectrum.sites]
    _check_names('sites', sites, names)
    _check_names('elements', elements, labels)
    kept = [
        index
        for index, (name, label) in enumerate(zip(names, labels, strict=True))
        if (sites is None or name in sites) and (elements is None or label in elements)
    ]
    rows = _indices('banks', banks, list(spectrum.banks))
    levels = _indices('orders', orders, list(range(1, spectrum.n_orders + 1)))
    part = spectrum.raw[np.ix_(rows, kept, levels)]
    return spectrum.seen(part.mean(axis=0).sum(axis=(0, 1)))


def _check_names(kind: str, wanted: Sequence[Any] | None, known: Sequence[Any]) -> None:
    unknown = [name for name in wanted or () if name not in known]
    if unknown or (wanted is not None and not wanted):
        listed = ', '.join(map(str, dict.fromkeys(known)))
        raise InputError(f'`{kind}` {unknown} are not among {listed}.')


def _indices(kind: str, wanted: Sequence[Any] | None, known: Sequence[Any]) -> list[int]:
    _check_names(kind, wanted, known)
    return [index for index, name in enumerate(known) if wanted is None or name in wanted]


def unreached_ends(spectrum: PowderSpectrum) -> tuple[str, ...]:
    """Say where a resolution is wider than the margin that was computed for it."""
    if spectrum.sigma is None:
        return ()
    width = spectrum.grid.bin_width
    found = []
    for name, sigma, margin in (
        ('lower', spectrum.sigma[0], spectrum.grid.first - spectrum.wide.first),
        ('upper', spectrum.sigma[-1], spectrum.wide.last - spectrum.grid.last),
    ):
        missing = 3 * float(sigma) - margin * width
        if missing > width:
            found.append(
                f'Within {missing:.0f} cm⁻¹ of the {name} end the resolution may carry in '
                'intensity from outside the range, which is missing.'
            )
    return tuple(found)


def rebin(
    energy_transfer: FloatArray,
    values: FloatArray,
    *,
    bin_width: float | None = None,
    unit: str = '1/cm',
    density: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Put values in evenly spaced bins on other bins or in another unit of energy.

    Areas are kept: a new bin takes of each old one the part that lies in it.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        Bin centres in cm⁻¹, evenly spaced.
    values : ndarray, shape (..., n)
        Per cm⁻¹, or means over bins if not `density`.
    bin_width : float, optional
        In `unit`; the old width if not given.
    unit : {'1/cm', 'meV'}
        Of the new axis.
    density : bool
        Whether values are per unit of energy.

    Returns
    -------
    axis : ndarray, shape (m,)
        Bin centres in `unit`; only bins that lie wholly in the old range.
    values : ndarray, shape (..., m)
        Per `unit` if `density`.

    Raises
    ------
    InputError
        If the unit is unknown, the old bins are not even, or the width is not positive or less than
        the old one, or no new bin fits.
    """
    if unit not in _PER_WAVENUMBER:
        raise InputError(f'`unit` must be one of {tuple(_PER_WAVENUMBER)}, not {unit!r}.')
    factor = _PER_WAVENUMBER[unit]
    axis = np.asarray(energy_transfer) * factor
    old = (axis[-1] - axis[0]) / (len(axis) - 1)
    if not np.allclose(np.diff(axis), old, rtol=1e-6):
        raise InputError('only evenly spaced bins can be rebinned.')
    width = old if bin_width is None else float(bin_width)
    if not (np.isfinite(width) and width >= old * (1 - 1e-9)):
        raise InputError(f'`bin_width` must be at least the old {old:g} {unit}, not {width}.')
    start, end = axis[0] - old / 2, axis[-1] + old / 2
    first, last = np.ceil(start / width + 0.5 - 1e-9), np.floor(end / width - 0.5 + 1e-9)
    if last < first:
        raise InputError(f'no bin of {width:g} {unit} fits in {start:g} to {end:g} {unit}.')
    centres = np.arange(first, last + 1) * width + 0.0  # no −0
    edges = np.concatenate((centres - width / 2, [centres[-1] + width / 2]))
    running = np.concatenate(
        (np.zeros((*values.shape[:-1], 1)), np.cumsum(values, axis=-1)), axis=-1
    )
    places = np.clip((edges - start) / old, 0, len(axis))
    lower = np.minimum(np.floor(places).astype(int), len(axis) - 1)
    at_edges = running[..., lower] + (places - lower) * (
        running[..., lower + 1] - running[..., lower]
    )
    means = np.diff(at_edges, axis=-1) * old / width
    return centres, np.asarray(means / factor if density else means)


@dataclass(frozen=True)
class Band:
    """A maximum of a spectrum.

    Parameters
    ----------
    position : float
        In cm⁻¹, of the parabola through the highest bin and its neighbours.
    height : float
        Of that parabola, in the spectrum's unit.
    """

    position: float
    height: float


def find_bands(
    energy_transfer: FloatArray, intensity: FloatArray, *, prominence: float = 0.02
) -> tuple[Band, ...]:
    """Find the bands of a spectrum.

    Parameters
    ----------
    energy_transfer : ndarray, shape (n,)
        Evenly spaced, in cm⁻¹.
    intensity : ndarray, shape (n,)
        In any unit.
    prominence : float
        How far a band must rise above its surroundings, in parts of the highest intensity.

    Returns
    -------
    tuple of Band
        In order of position; empty if the spectrum is zero.
    """
    highest = float(np.max(intensity, initial=0.0))
    if highest <= 0:
        return ()
    peaks, _ = find_peaks(intensity, prominence=prominence * highest)
    width = float(energy_transfer[1] - energy_transfer[0])
    return tuple(_vertex(energy_transfer, intensity, int(peak), width) for peak in peaks)


def _vertex(energies: FloatArray, intensity: FloatArray, peak: int, width: float) -> Band:
    left, middle, right = intensity[peak - 1 : peak + 2]
    curvature = left - 2 * middle + right
    shift = 0.5 * (left - right) / curvature if curvature < 0 else 0.0
    return Band(
        position=float(energies[peak] + shift * width),
        height=float(middle - 0.25 * (left - right) * shift),
    )
