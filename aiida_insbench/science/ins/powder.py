"""From modes to the spectrum of a powder on an instrument.

The route: census of modes → displacements → number of orders → kernel of every atom, summed by
element as it comes → resolution. The range is computed a little wider than asked for, so that the
resolution can carry intensity in from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError, InstrumentError, format_error
from aiida_insbench.science.ins.almost_isotropic import (
    abins_second_order,
    almost_isotropic_orders,
    check_quirks,
)
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.census import (
    MAXIMUM_IMAGINARY_WEIGHT,
    MINIMUM_FREQUENCY,
    ModeCensus,
    check_census,
    take_census,
)
from aiida_insbench.science.ins.cross_sections import cross_sections
from aiida_insbench.science.ins.debye_waller import (
    displacement_tensors,
    dominant_modes,
    isotropic_displacements,
)
from aiida_insbench.science.ins.directions import (
    enough_directions,
    quadrature_error,
    sphere_rule,
)
from aiida_insbench.science.ins.instruments import Instrument
from aiida_insbench.science.ins.kernel import (
    DisplacementDensity,
    EnergyGrid,
    displacement_density,
    powder_orders,
)
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.orders import needed_orders
from aiida_insbench.science.ins.resolution import (
    broaden,
    polynomial_resolution,
    published_resolution,
)
from aiida_insbench.science.ins.spectrum import PowderSpectrum
from aiida_insbench.science.ins.sum_rules import SumRules, mean_sum_rules, sum_rules

PUBLISHED = 'published'
EXACT, ALMOST_ISOTROPIC = KERNELS = ('exact', 'almost-isotropic')
_DIRECTIONS_OF_ORDERS = 110  # Poisson weights are smooth
_MARGIN = 5.0  # standard deviations of the resolution computed beyond the range


@dataclass(frozen=True)
class PowderOptions:
    """How a spectrum is computed.

    Parameters
    ----------
    max_order : int or None
        Largest number of phonons exchanged; fewer are used if `tolerance` allows. None: by need.
    tolerance : float
        Share of scattering that may be missing for orders left out, at the largest Q.
    directions : int or None
        Points of the sphere quadrature; None: for each atom as few as `direction_tolerance` lets.
    direction_tolerance : float
        Largest error of the quadrature, as a share of an atom's highest line at the largest Q; see
        `aiida_insbench.science.ins.directions.quadrature_error`.
    kernel : {'exact', 'almost-isotropic'}
        The second is that of CLIMAX, Abins and abinslib, for comparison.
    quirks : sequence of str
        What Abins does to order 2 besides; see `aiida_insbench.science.ins.almost_isotropic`.
    cross_section : {'total', 'incoherent'}
        See `cross_sections`.
    resolution : 'published', None or sequence of float
        The instrument's published model, no broadening, or coefficients of σ(ω) in cm⁻¹.
    minimum_frequency : float
        Modes below this many cm⁻¹ are left out.
    maximum_imaginary_weight : float
        Largest share of an element's motion that may be left out with them.
    """

    max_order: int | None = None
    tolerance: float = 1e-4
    directions: int | None = None
    direction_tolerance: float = 1e-4
    kernel: str = EXACT
    quirks: Sequence[str] = ()
    cross_section: str = 'total'
    resolution: str | Sequence[float] | None = PUBLISHED
    minimum_frequency: float = MINIMUM_FREQUENCY
    maximum_imaginary_weight: float = MAXIMUM_IMAGINARY_WEIGHT


@dataclass(frozen=True)
class PowderResult:
    """A spectrum and what is needed to judge it.

    Parameters
    ----------
    spectrum : PowderSpectrum
        The spectrum, broadened if a resolution was asked for.
    census : ModeCensus
        Modes used and left out.
    sum_rules : SumRules
        Mean over the atoms, weighted by cross-section, at the largest Q of the range.
    displacements : mapping from str to float
        Isotropic mean-square displacement of each element in Å².
    directions : mapping from str to int
        Largest number of directions taken for an atom of each element.
    direction_error : float
        Largest estimated error of the quadrature, as a share of an atom's highest line.
    warnings : tuple of str
        What a reader should mind.
    """

    spectrum: PowderSpectrum
    census: ModeCensus
    sum_rules: SumRules
    displacements: Mapping[str, float]
    directions: Mapping[str, int]
    direction_error: float
    warnings: tuple[str, ...] = ()


def powder_spectrum(
    modes: PhononModes,
    *,
    instrument: Instrument,
    temperature: float,
    energy_range: tuple[float, float],
    bin_width: float,
    options: PowderOptions | None = None,
    report: Callable[[int, int], None] | None = None,
) -> PowderResult:
    """Spectrum of a powder on an instrument.

    Parameters
    ----------
    modes : PhononModes
        Modes on a mesh.
    instrument : Instrument
        Its banks and resolution.
    temperature : float
        In K.
    energy_range : tuple of float
        Lowest and highest energy transfer in cm⁻¹. Bins are centred on the whole multiples of
        `bin_width` in this range, its ends included.
    bin_width : float
        In cm⁻¹.
    options : PowderOptions, optional
        The defaults of its fields if not given.
    report : callable, optional
        Called as ``report(done, total)`` after each atom that symmetry does not make equal to
        another.

    Returns
    -------
    PowderResult
        Spectrum, census, sum rules and displacements.

    Raises
    ------
    InputError
        If an option or the range makes no sense.
    InstrumentError
        If the range is out of the instrument's reach.
    ImaginaryModeError
        If modes left out hold too much of an element's motion.
    ConvergenceError
        If eigenvectors or orders are missing.
    """
    options = options or PowderOptions()
    _check_kernel(options)
    grid = energy_grid(energy_range, bin_width)
    census = take_census(modes, minimum_frequency=options.minimum_frequency)
    check_census(census, maximum_imaginary_weight=options.maximum_imaginary_weight)
    wide = _widened(grid, instrument, options)
    transfers = np.array([bank.momentum_transfer(wide.energies) for bank in instrument.banks])
    inner = slice(grid.first - wide.first, grid.last - wide.first + 1)
    tensors = displacement_tensors(
        modes, temperature=temperature, minimum_frequency=options.minimum_frequency
    )
    quadrature = _Quadrature(options, largest=float(transfers[:, inner].max()))
    contributions, rules = _sum_atoms(
        modes,
        tensors=tensors,
        temperature=temperature,
        grid=wide,
        transfers=transfers,
        quadrature=quadrature,
        options=options,
        report=report,
    )
    sigma = _sigma(instrument, wide, options)
    if sigma is not None:
        contributions = broaden(contributions, sigma=sigma, bin_width=bin_width)
    spectrum = PowderSpectrum(
        energy_transfer=grid.energies,
        momentum_transfer=transfers[:, inner],
        contributions=np.ascontiguousarray(contributions[..., inner]),
        banks=tuple(bank.name for bank in instrument.banks),
        elements=modes.elements,
        temperature=temperature,
    )
    return PowderResult(
        spectrum,
        census,
        rules,
        isotropic_displacements(modes, tensors),
        quadrature.points,
        quadrature.error,
        _warnings(modes, temperature=temperature, options=options),
    )


class _Quadrature:
    """Chooses directions for atoms, and keeps what was chosen and how far it errs."""

    def __init__(self, options: PowderOptions, *, largest: float) -> None:
        if not 0 < options.direction_tolerance < 1:
            raise InputError(
                '`direction_tolerance` must lie between 0 and 1, not '
                f'{options.direction_tolerance}.'
            )
        self.largest = largest
        self.points: dict[str, int] = {}
        self.error = 0.0
        self._options = options

    def choose(self, tensor: FloatArray, *, element: str) -> tuple[FloatArray, FloatArray]:
        """Directions and weights for an atom of displacement tensor `tensor`."""
        points = self._options.directions
        if points is None:
            points, error = enough_directions(
                tensor,
                momentum_transfer=self.largest,
                tolerance=self._options.direction_tolerance,
            )
        else:
            error = quadrature_error(tensor, momentum_transfer=self.largest, points=points)
        self.points[element] = max(points, self.points.get(element, 0))
        self.error = max(error, self.error)
        return sphere_rule(points)


def _warnings(modes: PhononModes, *, temperature: float, options: PowderOptions) -> tuple[str, ...]:
    """What a reader should mind."""
    if modes.gamma_only:
        return ('Γ is the only q-point: right for a molecule, without dispersion for a crystal.',)
    dominant = dominant_modes(
        modes, temperature=temperature, minimum_frequency=options.minimum_frequency
    )
    return tuple(str(mode) for mode in dominant)


def energy_grid(energy_range: tuple[float, float], bin_width: float) -> EnergyGrid:
    """Bins centred on the whole multiples of `bin_width` in a range, its ends included.

    Raises
    ------
    InputError
        If the width is not positive or the range not finite or empty.
    """
    if not (np.isfinite(bin_width) and bin_width > 0):
        raise InputError(f'`bin_width` must be > 0 cm⁻¹, not {bin_width}.')
    low, high = energy_range
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(f'`energy_range` must be two rising numbers in cm⁻¹: {low}, {high}.')
    # 1e-9: an end that is a multiple up to rounding is included
    first = int(np.ceil(low / bin_width - 1e-9))
    last = int(np.floor(high / bin_width + 1e-9))
    return EnergyGrid(bin_width, first, last)


def _sum_atoms(
    modes: PhononModes,
    *,
    tensors: FloatArray,
    temperature: float,
    grid: EnergyGrid,
    transfers: FloatArray,
    quadrature: _Quadrature,
    options: PowderOptions,
    report: Callable[[int, int], None] | None,
) -> tuple[FloatArray, SumRules]:
    """Contributions (banks, elements, orders, energies) in barn per cm⁻¹, and the sum rules."""
    sections = cross_sections(modes.elements, kind=options.cross_section)
    barns = np.array([sections[symbol] for symbol in modes.symbols])
    if barns.sum() == 0:
        raise InputError(f'No atom of {modes.elements} scatters ({options.cross_section}).')
    shares = barns / barns.sum()
    directions, weights = sphere_rule(_DIRECTIONS_OF_ORDERS)
    exponents = quadrature.largest**2 * np.einsum('da,iab,db->id', directions, tensors, directions)
    orders = needed_orders(
        exponents,
        shares[:, None] * weights,
        tolerance=options.tolerance,
        max_order=options.max_order,
    )
    result = np.zeros((len(transfers), len(modes.elements), orders, transfers.shape[1]))
    rules, groups = [], like_atoms(modes, tensors)
    for done, (atom, members) in enumerate(groups.items(), start=1):
        directions, weights = quadrature.choose(tensors[atom], element=modes.symbols[atom])
        density = displacement_density(
            modes,
            atom=atom,
            temperature=temperature,
            bin_width=grid.bin_width,
            minimum_frequency=options.minimum_frequency,
        )
        if options.kernel == EXACT:
            spectrum = powder_orders(
                density,
                grid=grid,
                momentum_transfer=transfers,
                orders=orders,
                directions=directions,
                weights=weights,
            )
        else:
            spectrum = _almost_isotropic(
                modes,
                density,
                atom=atom,
                tensor=tensors[atom],
                temperature=temperature,
                grid=grid,
                transfers=transfers,
                orders=orders,
                options=options,
            )
        element = modes.elements.index(modes.symbols[atom])
        result[:, element] += barns[members].sum() * spectrum
        rules.append(
            sum_rules(
                density,
                tensor=tensors[atom],
                mass=float(modes.masses[atom]),
                momentum_transfer=quadrature.largest,
                orders=orders,
                directions=directions,
                weights=weights,
            )
        )
        if report:
            report(done, len(groups))
    return result, mean_sum_rules(rules, np.array([shares[m].sum() for m in groups.values()]))


def like_atoms(modes: PhononModes, tensors: FloatArray) -> dict[int, list[int]]:
    """Group atoms whose powder spectra are equal by symmetry.

    An atom is grouped with its equivalent only if the modes bear it out: mass, trace of U and of U²
    agree to 1e-3.

    Parameters
    ----------
    modes : PhononModes
        Which atoms symmetry makes equal.
    tensors : ndarray, shape (n_atoms, 3, 3)
        Mean-square displacements in Å².

    Returns
    -------
    dict of int to list of int
        First atom of each group to all of its atoms.
    """
    firsts = modes.equivalent or tuple(range(len(modes.symbols)))
    invariants = np.column_stack(
        (
            modes.masses,
            np.trace(tensors, axis1=1, axis2=2),
            np.einsum('iab,iab->i', tensors, tensors),
        )
    )
    groups: dict[int, list[int]] = {}
    for atom, first in enumerate(firsts):
        same = first in groups and np.allclose(invariants[atom], invariants[first], rtol=1e-3)
        groups.setdefault(first if same else atom, []).append(atom)
    return groups


def _almost_isotropic(
    modes: PhononModes,
    density: DisplacementDensity,
    *,
    atom: int,
    tensor: FloatArray,
    temperature: float,
    grid: EnergyGrid,
    transfers: FloatArray,
    orders: int,
    options: PowderOptions,
) -> FloatArray:
    """Orders of one atom in the approximation, order 2 with the quirks asked for."""
    result = almost_isotropic_orders(
        density, grid=grid, momentum_transfer=transfers, orders=orders, tensor=tensor
    )
    if options.quirks and orders > 1:
        result[:, 1] = abins_second_order(
            modes,
            atom=atom,
            temperature=temperature,
            grid=grid,
            momentum_transfer=transfers,
            tensor=tensor,
            quirks=options.quirks,
            minimum_frequency=options.minimum_frequency,
        )
    return result


def _check_kernel(options: PowderOptions) -> None:
    if options.kernel not in KERNELS:
        raise InputError(f'`kernel` must be one of {KERNELS}, not {options.kernel!r}.')
    if check_quirks(options.quirks) and options.kernel == EXACT:
        raise InputError('`quirks` belong to the kernel almost-isotropic; the exact one has none.')


def _sigma(instrument: Instrument, grid: EnergyGrid, options: PowderOptions) -> FloatArray | None:
    """Standard deviation of the resolution in every bin, None for no broadening."""
    if options.resolution is None:
        return None
    if isinstance(options.resolution, str):
        if options.resolution != PUBLISHED:
            raise InputError(
                f"`resolution` is '{PUBLISHED}', none or coefficients, not {options.resolution!r}."
            )
        return published_resolution(instrument, energy_transfer=grid.energies)
    return polynomial_resolution(options.resolution, energy_transfer=grid.energies)


def _widened(grid: EnergyGrid, instrument: Instrument, options: PowderOptions) -> EnergyGrid:
    """The grid and a margin for the resolution, within the instrument's reach."""
    low, high = instrument.reach
    lowest = int(np.ceil(max(low, -1e9) / grid.bin_width))
    highest = int(np.floor(min(high, 1e9) / grid.bin_width))
    if grid.first < lowest:
        raise InstrumentError(
            f'{instrument.name} reaches down to {low:.1f} cm⁻¹; `energy_range` starts at '
            f'{grid.first * grid.bin_width:.1f}.'
        )
    if grid.last > highest:
        raise InstrumentError(
            format_error(
                f'{instrument.name} reaches up to {high:.1f} cm⁻¹; `energy_range` ends at '
                f'{grid.last * grid.bin_width:.1f}.',
                fix='Lower the end of the range or raise the incident energy.',
            )
        )
    sigma = _sigma(instrument, grid, options)
    if sigma is None:
        return grid
    below, above = np.ceil(_MARGIN * sigma[[0, -1]] / grid.bin_width).astype(int)
    return EnergyGrid(
        grid.bin_width, max(lowest, grid.first - int(below)), min(highest, grid.last + int(above))
    )
