r"""How far a spectrum is off for what is finite in its computation, in per cent of its area.

The difference of two spectra is

.. math:: \delta = 100\,\frac{\int|S_a - S_b|\,d\omega}{\int S_b\,d\omega}

with the instrument's resolution, or a Gaussian of 5 cm⁻¹ where none is applied. Judged are

q mesh
    difference to the spectrum of a coarser mesh, with two thirds as many points along each axis: an
    upper bound in practice, since the finer one is given out. By need, meshes are refined by 3/2
    until it is below the tolerance.
bins
    a third of the difference to bins twice as wide: sharing lines between bins errs by the square
    of their width.
directions
    estimated for the harmonic well of each atom, see `quadrature_error`.
orders
    Poisson weight of orders left out at the largest Q, as a share of what is inelastic there.
coherent
    half the difference of two halves of the directions.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.interpolation import InterpolatedModes
from aiida_insbench.science.ins.modes import ModeSource
from aiida_insbench.science.ins.powder import PowderResult, simulate, simulate_vibrations
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.spectrum import PowderSpectrum

_PLAIN_RESOLUTION = 5.0  # cm⁻¹
_REFINEMENT = 1.5
MOST_QPOINTS = 100_000
"""Where refinement of the mesh gives up."""


@dataclass(frozen=True)
class Convergence:
    """Errors of a spectrum in per cent of its area; None for what was not judged.

    Parameters
    ----------
    q_mesh : float or None
        Difference to the mesh before; None where modes are given as they stand.
    bins : float
        Of their width.
    directions : float
        Of the sphere quadrature.
    orders : float
        Left out.
    coherent : float or None
        Statistical, of the coherent part.
    meshes : tuple of tuple of int
        Meshes computed, the last one that of the spectrum.
    tolerance : float or None
        What was asked for, in per cent.
    statistics : float or None
        Of a run's frames; None of modes.
    """

    q_mesh: float | None
    bins: float
    directions: float
    orders: float
    coherent: float | None
    meshes: tuple[tuple[int, int, int], ...]
    tolerance: float | None
    statistics: float | None = None

    @property
    def errors(self) -> dict[str, float]:
        """All that were judged."""
        values = {
            'q_mesh': self.q_mesh,
            'bins': self.bins,
            'directions': self.directions,
            'orders': self.orders,
            'coherent': self.coherent,
            'statistics': self.statistics,
        }
        return {name: value for name, value in values.items() if value is not None}

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is above the tolerance, and what to do."""
        if self.tolerance is None:
            return ()
        return tuple(
            f'The spectrum is not converged: {name} {value:.2g} % of the area, above the '
            f'{self.tolerance:g} % asked for. {_REMEDIES[name]}'
            for name, value in self.errors.items()
            if value > self.tolerance
        )


_REMEDIES = {
    'q_mesh': 'Give a finer mesh.',
    'bins': 'Give a smaller `bin_width`.',
    'directions': 'Lower `direction_tolerance`.',
    'orders': 'Raise `max_order`.',
    'coherent': 'Raise `coherent_points`.',
    'statistics': 'Run longer.',
}


def converged_spectrum(
    source: ModeSource,
    simulation: Simulation,
    *,
    tolerance: float | None,
    refine: bool,
    most_qpoints: int = MOST_QPOINTS,
    report: Callable[[str, int, int], None] | None = None,
) -> tuple[PowderResult, Convergence]:
    """Compute a spectrum and how far it is off.

    Parameters
    ----------
    source : ModeSource
        Modes; of a mesh to begin with, where it is to be refined.
    simulation : Simulation
        What is asked for.
    tolerance : float or None
        Largest error in per cent of the area; None to judge without asking for any.
    refine : bool
        Whether to refine the mesh until its error is below `tolerance`.
    most_qpoints : int
        No mesh of more q-points is taken.
    report : callable, optional
        See `powder_spectrum`.

    Returns
    -------
    result : PowderResult
        On the last mesh.
    convergence : Convergence
        Its errors.

    Raises
    ------
    InputError
        If the tolerance is not positive, or the mesh is to be refined without one.
    """
    if tolerance is not None and not tolerance > 0:
        raise InputError(f'The tolerance must be > 0 % of the area, not {tolerance}.')
    if refine and tolerance is None:
        raise InputError('A mesh is refined to a tolerance: give one.')
    # errors of parts are small change beside the tolerance
    simulation = tightened(simulation, tolerance)
    # mesh and bins are judged without the coherent part, which knows neither
    plain = _without_coherent(simulation)
    meshes: tuple[tuple[int, int, int], ...] = ()
    difference = None
    if not isinstance(source, InterpolatedModes):
        result = simulate(source, plain, report=report)
    elif refine and tolerance is not None and _finer(source).n_qpoints <= most_qpoints:
        source, result, difference, meshes = _refined(
            source, plain, tolerance, most_qpoints, report
        )
    else:
        result, difference, meshes = _beside_a_coarser(source, plain, report)
    bins = bins_error(result, plain, source)
    if simulation.options.coherent:
        result = simulate_vibrations(result.vibrations, simulation, source=source, report=report)
    return result, Convergence(
        q_mesh=difference,
        bins=bins,
        directions=100 * float(result.direction_area_error),
        orders=orders_error(result),
        coherent=_coherent_error(result),
        meshes=meshes,
        tolerance=tolerance,
    )


def orders_error(result: PowderResult) -> float:
    """Weight of orders left out at the largest Q, in per cent of what is inelastic there."""
    rules = result.sum_rules
    return 100 * rules.missing_weight / max(1 - rules.elastic_weight, 1e-300)


def area_difference(values: FloatArray, reference: FloatArray) -> float:
    """Area between two spectra on the same bins, in per cent of that of the second."""
    area = float(np.abs(reference).sum())
    return 100 * float(np.abs(values - reference).sum()) / max(area, 1e-300)


def _refined(
    source: InterpolatedModes,
    simulation: Simulation,
    tolerance: float,
    most_qpoints: int,
    report: Callable[[str, int, int], None] | None,
) -> tuple[InterpolatedModes, PowderResult, float, tuple[tuple[int, int, int], ...]]:
    """Refine the mesh until two in a row agree."""
    meshes = [source.mesh]
    result = simulate(source, simulation, report=report)
    difference = math.inf
    while difference > tolerance:
        finer = _finer(source)
        if finer.n_qpoints > most_qpoints:
            break
        better = simulate(finer, simulation, report=report)
        difference = _difference(better, result)
        source, result = finer, better
        meshes.append(source.mesh)
    return source, result, difference, tuple(meshes)


def _beside_a_coarser(
    source: InterpolatedModes,
    simulation: Simulation,
    report: Callable[[str, int, int], None] | None,
) -> tuple[PowderResult, float | None, tuple[tuple[int, int, int], ...]]:
    """The mesh as it is, and what a coarser one would change; None where there is none."""
    result = simulate(source, simulation, report=report)
    coarse = source.with_mesh(_coarser_mesh(source.mesh))
    if coarse.mesh == source.mesh:
        return result, None, (source.mesh,)
    difference = _difference(result, simulate(coarse, simulation, report=report))
    return result, difference, (coarse.mesh, source.mesh)


def _coherent_error(result: PowderResult) -> float | None:
    if result.coherent_error is None:
        return None
    judged = _judged(result.spectrum)
    whole = judged.total
    return area_difference(whole + judged.seen(result.coherent_error), whole)


def tightened(simulation: Simulation, tolerance: float | None) -> Simulation:
    """Orders and directions as good as the tolerance asks for, in per cent of the area."""
    if tolerance is None:
        return simulation
    options = simulation.options
    part = tolerance / 100 / 10
    options = dataclasses.replace(
        options,
        tolerance=min(options.tolerance, part),
        direction_tolerance=min(options.direction_tolerance, part),
    )
    return dataclasses.replace(simulation, options=options)


def _without_coherent(simulation: Simulation) -> Simulation:
    options = dataclasses.replace(simulation.options, coherent=False)
    return dataclasses.replace(simulation, options=options)


def _difference(result: PowderResult, other: PowderResult) -> float:
    """Between two meshes."""
    here, there = (_judged(one.spectrum).total for one in (result, other))
    return area_difference(there, here)


def _judged(spectrum: PowderSpectrum) -> PowderSpectrum:
    """The spectrum with a resolution, where it has none."""
    if spectrum.sigma is not None:
        return spectrum
    plain = np.full(len(spectrum.wide.energies), _PLAIN_RESOLUTION)
    return dataclasses.replace(spectrum, sigma=plain)


def bins_error(
    result: PowderResult, simulation: Simulation, source: ModeSource | None = None
) -> float:
    """A third of the difference to bins twice as wide, on every second bin, per cent of the area.

    Parameters
    ----------
    result : PowderResult
        Without a coherent part.
    simulation : Simulation
        It was made by.
    source : ModeSource, optional
        Of its modes, where it has any.

    Returns
    -------
    float
        Not a number if the range holds one or two bins.
    """
    wide = dataclasses.replace(
        simulation,
        bin_width=2 * simulation.bin_width,
        options=dataclasses.replace(simulation.options, max_order=result.spectrum.n_orders),
    )
    try:
        coarse = simulate_vibrations(result.vibrations.coarser(), wide, source=source)
    except InputError:
        return math.nan  # a range of one or two bins
    grid = result.spectrum.grid
    every_second = np.arange(grid.first, grid.last + 1) % 2 == 0
    fine = _judged(result.spectrum).total[every_second]
    return area_difference(_judged(coarse.spectrum).total, fine) / 3


def _finer(source: InterpolatedModes) -> InterpolatedModes:
    return source.with_mesh([max(n + 1, math.ceil(_REFINEMENT * n)) for n in source.mesh])


def _coarser_mesh(mesh: tuple[int, int, int]) -> tuple[int, int, int]:
    first, second, third = (max(1, round(n / _REFINEMENT)) for n in mesh)
    return first, second, third
