"""Powder spectra, put together from contributions.

Energy transfers in cm⁻¹; intensities are cross-section times scattering function, σ S(Q(ω), ω), in
barn per cm⁻¹ and primitive cell, without k_f/k_i and without 1/4π.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.contributions import Site
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.resolution import broaden

QUANTITY = 'S(Q(omega), omega) times cross-section, without kf/ki'
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
