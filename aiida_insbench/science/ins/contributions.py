"""Contributions to a powder spectrum by bank, site and order, before the resolution.

Intensities are cross-section times scattering function, σ S(Q(ω), ω), in barn per cm⁻¹ and
primitive cell, without k_f/k_i and without 1/4π. Energies in cm⁻¹, Q in Å⁻¹.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.almost_isotropic import (
    abins_second_order,
    almost_isotropic_orders,
)
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.directions import Quadrature, sphere_rule
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.kernel import powder_orders
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.options import EXACT, PowderOptions, damping_tensors
from aiida_insbench.science.ins.orders import needed_orders
from aiida_insbench.science.ins.sum_rules import SumRules, mean_sum_rules, sum_rules
from aiida_insbench.science.ins.vibrations import Vibrations

_DIRECTIONS_OF_ORDERS = 110  # Poisson weights are smooth


@dataclass(frozen=True)
class Site:
    """Atoms that symmetry makes equal.

    Parameters
    ----------
    name : str
        Label and running number, such as ``H2``.
    label : str
        Chemical symbol, or isotope.
    atoms : tuple of int
        Numbers of the atoms from 0.
    """

    name: str
    label: str
    atoms: tuple[int, ...]


@dataclass(frozen=True)
class Contributions:
    """Contributions to a spectrum, with the accuracy of what was summed.

    Parameters
    ----------
    values : ndarray, shape (n_banks, n_sites, n_orders, n_energies)
        All atoms of a site together; orders from 1, the elastic line is left out.
    sites : tuple of Site
        In order of their first atoms.
    sum_rules : SumRules
        Mean over the atoms, weighted by cross-section, at the largest Q of the range.
    directions : mapping from str to int
        Largest number of directions taken for an atom of each label.
    direction_error : float
        Largest estimated error of the quadrature, as a share of an atom's highest line.
    direction_area_error : float
        Mean estimated error of the quadrature, as a share of the area.
    """

    values: FloatArray
    sites: tuple[Site, ...]
    sum_rules: SumRules
    directions: Mapping[str, int]
    direction_error: float
    direction_area_error: float


def sites_of(vibrations: Vibrations) -> tuple[Site, ...]:
    """Name the groups of equal atoms."""
    counts: dict[str, int] = {}
    sites = []
    for atom, members in vibrations.groups.items():
        label = vibrations.symbols[atom]
        counts[label] = counts.get(label, 0) + 1
        sites.append(Site(f'{label}{counts[label]}', label, members))
    return tuple(sites)


def compute_contributions(
    vibrations: Vibrations,
    *,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    largest: float,
    options: PowderOptions,
    modes: PhononModes | None = None,
    report: Callable[[str, int, int], None] | None = None,
) -> Contributions:
    """Sum the scattering of all atoms.

    Parameters
    ----------
    vibrations : Vibrations
        On bins as wide as the grid's.
    grid : EnergyGrid
        Energies.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹.
    largest : float
        Largest Q in Å⁻¹ by which orders and directions are chosen.
    options : PowderOptions
        Kernel, cross-section, orders, directions.
    modes : PhononModes, optional
        All modes, which the quirks of Abins need.
    report : callable, optional
        Called as ``report('sites', done, total)``.

    Returns
    -------
    Contributions
        Without resolution.

    Raises
    ------
    InputError
        If nothing scatters.
    ConvergenceError
        If too many orders would be needed.
    """
    damping = damping_tensors(vibrations.tensors, vibrations.symbols, options.displacements)
    shares, barns = _shares(vibrations, options)
    orders = _orders(vibrations.tensors, shares, largest=largest, options=options)
    quadrature = Quadrature(
        largest=largest, tolerance=options.direction_tolerance, points=options.directions
    )
    sites = sites_of(vibrations)
    values = np.zeros((len(momentum_transfer), len(sites), orders, momentum_transfer.shape[1]))
    rules, parts = [], []
    for index, site in enumerate(sites):
        atom, members = site.atoms[0], list(site.atoms)
        parts.append(float(shares[members].sum()))
        tensors = [vibrations.tensors[atom], damping[atom]][: 2 if options.displacements else 1]
        rule = quadrature.choose(*tensors, label=site.label, share=parts[-1])
        spectrum = _site_orders(
            vibrations, atom, grid, momentum_transfer, orders, damping[atom], rule, options, modes
        )
        values[:, index] = barns[members].sum() * spectrum
        rules.append(
            sum_rules(
                vibrations.densities[atom],
                tensor=damping[atom],
                mass=float(vibrations.masses[atom]),
                momentum_transfer=largest,
                orders=orders,
                directions=rule[0],
                weights=rule[1],
            )
        )
        if report:
            report('sites', index + 1, len(sites))
    return Contributions(
        values,
        sites,
        mean_sum_rules(rules, np.array(parts)),
        quadrature.points_by_label,
        quadrature.error,
        quadrature.area_error,
    )


def _site_orders(
    vibrations: Vibrations,
    atom: int,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    orders: int,
    damping: FloatArray,
    rule: tuple[FloatArray, FloatArray],
    options: PowderOptions,
    modes: PhononModes | None,
) -> FloatArray:
    """Orders of one atom by the kernel asked for, shape (n_banks, orders, n_energies)."""
    density = vibrations.densities[atom]
    if options.kernel == EXACT:
        return powder_orders(
            density,
            grid=grid,
            momentum_transfer=momentum_transfer,
            orders=orders,
            directions=rule[0],
            weights=rule[1],
            tensor=damping if options.displacements else None,
        )
    spectrum = almost_isotropic_orders(
        density, grid=grid, momentum_transfer=momentum_transfer, orders=orders, tensor=damping
    )
    if options.quirks and orders > 1 and modes is not None:
        spectrum[:, 1] = abins_second_order(
            modes,
            atom=atom,
            temperature=vibrations.temperature,
            grid=grid,
            momentum_transfer=momentum_transfer,
            tensor=damping,
            quirks=options.quirks,
            minimum_frequency=options.minimum_frequency,
        )
    return spectrum


def _shares(vibrations: Vibrations, options: PowderOptions) -> tuple[FloatArray, FloatArray]:
    """Each atom's share of the cross-section, and its cross-section in barn."""
    sections = cross_sections(vibrations.elements, kind=options.cross_section)
    barns = np.array([sections[symbol] for symbol in vibrations.symbols])
    if barns.sum() == 0:
        raise InputError(f'No atom of {vibrations.elements} scatters ({options.cross_section}).')
    return barns / barns.sum(), barns


def _orders(
    tensors: FloatArray, shares: FloatArray, *, largest: float, options: PowderOptions
) -> int:
    directions, weights = sphere_rule(_DIRECTIONS_OF_ORDERS)
    exponents = largest**2 * np.einsum('da,iab,db->id', directions, tensors, directions)
    return needed_orders(
        exponents,
        shares[:, None] * weights,
        tolerance=options.tolerance,
        max_order=options.max_order,
    )
