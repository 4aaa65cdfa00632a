"""From modes to the spectrum of a powder on an instrument.

The route: one pass over the q-points → census of modes → number of orders → kernel of every site →
coherent part, if asked for → resolution. The range is computed a little wider than asked for, so
that the resolution can carry intensity in from outside.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.census import ModeCensus, check_census
from aiida_insbench.science.ins.coherent import coherent_one_phonon
from aiida_insbench.science.ins.contributions import (
    Contributions,
    compute_contributions,
)
from aiida_insbench.science.ins.debye_waller import isotropic_displacements
from aiida_insbench.science.ins.instruments import Instrument
from aiida_insbench.science.ins.interpolation import InterpolatedModes
from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.ins.modes import ModeSource, PhononModes
from aiida_insbench.science.ins.options import (
    PowderOptions,
    damping_tensors,
)
from aiida_insbench.science.ins.simulation import Simulation
from aiida_insbench.science.ins.spectrum import PowderSpectrum
from aiida_insbench.science.ins.sum_rules import SumRules
from aiida_insbench.science.ins.vibrations import Vibrations, gather_vibrations

Report = Callable[[str, int, int], None]
_COHERENT_SHARE = 0.2  # of order 1, above which interference between atoms is worth a warning


@dataclass(frozen=True)
class PowderResult:
    """A spectrum and what is needed to judge it.

    Parameters
    ----------
    spectrum : PowderSpectrum
        The spectrum.
    vibrations : Vibrations
        What it was made from.
    sum_rules : SumRules
        Mean over the atoms, weighted by cross-section, at the largest Q of the range.
    displacements : mapping from str to float
        Isotropic mean-square displacement of each label in Å², of the modes.
    directions : mapping from str to int
        Largest number of directions taken for an atom of each label.
    direction_error : float
        Largest estimated error of the quadrature, as a share of an atom's highest line.
    direction_area_error : float
        Mean estimated error of the quadrature, as a share of the area.
    coherent_error : ndarray, shape (n_wide,), or None
        Half the difference of the coherent part by two halves of the directions, mean over the
        banks, without resolution.
    warnings : tuple of str
        What a reader should mind.
    """

    spectrum: PowderSpectrum
    vibrations: Vibrations
    sum_rules: SumRules
    displacements: Mapping[str, float]
    directions: Mapping[str, int]
    direction_error: float
    direction_area_error: float
    coherent_error: FloatArray | None = None
    warnings: tuple[str, ...] = ()

    @property
    def census(self) -> ModeCensus:
        """Modes used and left out."""
        return self.vibrations.census


def powder_spectrum(
    modes: ModeSource,
    *,
    instrument: Instrument,
    temperature: float,
    energy_range: tuple[float, float],
    bin_width: float,
    options: PowderOptions | None = None,
    report: Report | None = None,
) -> PowderResult:
    """Spectrum of a powder on an instrument.

    Parameters
    ----------
    modes : ModeSource
        Modes on a mesh, in memory or interpolated block by block.
    instrument, temperature, energy_range, bin_width, options
        See `Simulation`.
    report : callable, optional
        Called as ``report(what, done, total)`` with ``q-points``, ``sites`` and ``spheres``.

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
    simulation = Simulation(instrument, temperature, energy_range, bin_width, options)
    return simulate(modes, simulation, report=report)


def simulate(
    source: ModeSource, simulation: Simulation, *, report: Report | None = None
) -> PowderResult:
    """Gather the modes, then see `simulate_vibrations`."""
    options = simulation.options
    _refuse_coherent(source, options)
    vibrations = gather_vibrations(
        source,
        temperature=simulation.temperature,
        bin_width=simulation.bin_width,
        minimum_frequency=options.minimum_frequency,
        report=report,
    )
    check_census(vibrations.census, maximum_imaginary_weight=options.maximum_imaginary_weight)
    return simulate_vibrations(vibrations, simulation, source=source, report=report)


def simulate_vibrations(
    vibrations: Vibrations,
    simulation: Simulation,
    *,
    source: ModeSource | None,
    report: Report | None = None,
) -> PowderResult:
    """Spectrum of modes that have been gathered on bins as wide as the simulation's."""
    _refuse_coherent(source, simulation.options)
    wide = simulation.wide
    transfers = simulation.momentum_transfer(wide)
    contributions = compute_contributions(
        vibrations,
        grid=wide,
        momentum_transfer=transfers,
        largest=simulation.largest_momentum_transfer(),
        options=simulation.options,
        modes=_all_modes(source) if source is not None and simulation.options.quirks else None,
        report=report,
    )
    halves = None
    if simulation.options.coherent and isinstance(source, InterpolatedModes):
        halves = _coherent(source, vibrations, simulation, transfers, report)
        _leave_incoherent(contributions)
    spectrum = PowderSpectrum(
        grid=simulation.grid,
        wide=wide,
        path=transfers,
        raw=contributions.values,
        coherent=None if halves is None else halves.mean(axis=0),
        sigma=simulation.sigma(wide),
        banks=tuple(bank.name for bank in simulation.instrument.banks),
        sites=contributions.sites,
        temperature=simulation.temperature,
    )
    return PowderResult(
        spectrum,
        vibrations,
        contributions.sum_rules,
        isotropic_displacements(vibrations.symbols, vibrations.tensors),
        contributions.directions,
        contributions.direction_error,
        contributions.direction_area_error,
        None if halves is None else (halves[0] - halves[1]).mean(axis=0) / 2,
        _warnings(vibrations, spectrum, simulation.options),
    )


def _refuse_coherent(source: ModeSource | None, options: PowderOptions) -> None:
    if options.coherent and not isinstance(source, InterpolatedModes):
        raise InputError('`coherent` needs force constants; here are modes as they stand.')


def _all_modes(source: ModeSource) -> PhononModes:
    """All modes in memory, which only the quirks of Abins need."""
    if isinstance(source, InterpolatedModes):
        return source.collect()
    ((_, modes),) = source.blocks()
    return modes


def _coherent(
    source: InterpolatedModes,
    vibrations: Vibrations,
    simulation: Simulation,
    transfers: FloatArray,
    report: Report | None,
) -> FloatArray:
    """Coherent part of order 1 by the two halves of the directions."""
    options = simulation.options
    bins = max(density.loss.shape[1] for density in vibrations.densities.values())
    return coherent_one_phonon(
        source,
        tensors=damping_tensors(vibrations.tensors, vibrations.symbols, options.displacements),
        temperature=simulation.temperature,
        grid=simulation.wide,
        momentum_transfer=transfers,
        highest_frequency=bins * simulation.bin_width,
        minimum_frequency=options.minimum_frequency,
        points=options.coherent_points,
        spacing=options.coherent_spacing,
        report=report,
    )


def _leave_incoherent(contributions: Contributions) -> None:
    """Keep of order 1 what is incoherent."""
    for index, site in enumerate(contributions.sites):
        seen = scatterer(site.label)
        contributions.values[:, index, 0] *= seen.incoherent / max(seen.total, 1e-300)


def _warnings(
    vibrations: Vibrations, spectrum: PowderSpectrum, options: PowderOptions
) -> tuple[str, ...]:
    """What a reader should mind."""
    found = [str(mode) for mode in vibrations.dominant]
    if vibrations.gamma_only:
        found.append(
            'Γ is the only q-point: right for a molecule, without dispersion for a crystal.'
        )
    if options.displacements:
        found.append(
            'Debye–Waller factors are of displacements from outside: the sum rules do not hold.'
        )
    if options.cross_section == 'total' and not options.coherent:
        areas = spectrum.raw[:, :, 0].sum(axis=(0, 2))
        sites = [scatterer(site.label) for site in spectrum.sites]
        shares = np.array([site.coherent / max(site.total, 1e-300) for site in sites])
        share = float(areas @ shares / max(areas.sum(), 1e-300))
        if share > _COHERENT_SHARE and not vibrations.gamma_only:
            found.append(
                f'{share:.0%} of order 1 scatters coherently and is taken as incoherent: '
                'interference between atoms is left out. `coherent` computes it.'
            )
    return tuple(found)
