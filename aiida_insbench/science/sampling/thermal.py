"""Frames along a potential's harmonic modes with quantum amplitudes at a temperature.

The potential's own relaxed crystal and force constants at each pressure, or given crystals and its
force constants there; `aiida_insbench.science.sampling.thermal_cell` displaces.

Units: Å, K, GPa; frequencies in cm⁻¹, imaginary ones negative.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.relaxation import Relaxation
from aiida_insbench.science.sampling.cells import SamplingCell, check_strain, check_within
from aiida_insbench.science.sampling.pressure_states import (
    Report,
    deal_frames,
    evaluate_all,
    relax_all,
    report_to_nobody,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE
from aiida_insbench.science.sampling.thermal_cell import ThermalCell

METHOD = 'thermal'


@dataclass(frozen=True)
class Thermal:
    """How to displace along harmonic modes.

    Attributes
    ----------
    temperature : float
        In K; 0 gives zero-point motion.
    strain : float
        Standard deviation of each of the six strain components.
    frequency_cutoff : float
        In cm⁻¹; modes with |ω| at or below it stay at rest.
    displacement : float
        Of the finite differences, Å.
    fmax, max_steps, symprec : float, int, float
        Of the relaxation (eV/Å, steps, Å).
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    """

    temperature: float
    strain: float
    frequency_cutoff: float = 1.0
    displacement: float = 0.01
    fmax: float = 1e-4
    max_steps: int = 500
    symprec: float = 1e-4
    minimum_contact: float = MINIMUM_SHARE


@dataclass(frozen=True)
class ThermalSample:
    """Frames and what was found on the way.

    Attributes
    ----------
    frames : list of Atoms
        Unlabelled frames.
    refused : int
        Draws refused because atoms came too close.
    relaxations : dict of str to Relaxation
        By pressure label.
    lowest : dict of str to float
        Lowest frequency (cm⁻¹) met at each pressure in any sampling cell.
    imaginary, at_rest : dict of str to int
        Modes of all sampling cells of a pressure that were displaced with |ω|, and those below the
        cutoff, three of each cell being translations.
    """

    frames: list[Atoms]
    refused: int
    relaxations: dict[str, Relaxation]
    lowest: dict[str, float]
    imaginary: dict[str, int]
    at_rest: dict[str, int]


def thermal_frames(
    *,
    atoms: Atoms,
    calculator: Any,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: Thermal,
    seed: int,
    prefix: str,
    report: Report | None = None,
) -> ThermalSample:
    """Relax at each pressure and displace thermally in each sampling cell.

    Frames are dealt to the pressures in turn, so that each pressure gets its share to within one.

    Parameters
    ----------
    atoms : Atoms
        The unit cell to start from.
    calculator : ase Calculator
        Gives energy, forces and stress.
    pressures : sequence of float
        In GPa; relaxed in rising order, each from the one before.
    cells : sequence of SamplingCell
        Supercells and total numbers of frames over all pressures.
    settings : Thermal
        How far to go.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.
    report : callable, optional
        Called as ``report(what, done, total)`` after each relaxation and each frame.

    Returns
    -------
    ThermalSample
        Frames, relaxed structures, and how modes without an amplitude of their own were treated.

    Raises
    ------
    InputError
        If a setting is out of its range.
    ConvergenceError
        If a relaxation or fit fails, or frames keep having atoms too close.
    """
    _check(settings)
    tell = report or report_to_nobody
    states = relax_all(
        atoms=atoms,
        calculator=calculator,
        pressures=pressures,
        settings=settings,
        report=tell,
    )
    return _displace(states, calculator, cells, settings, seed, prefix, tell)


def thermal_about_each(
    *,
    structures: Mapping[str, Atoms],
    calculator: Any,
    cells: Sequence[SamplingCell],
    settings: Thermal,
    seed: int,
    prefix: str,
    pressures: Sequence[float] | None = None,
    report: Report | None = None,
) -> ThermalSample:
    """Displace given crystals, which are not relaxed by the potential.

    Parameters, results and errors are those of `equal_energy_about_each` and `thermal_frames`.
    """
    _check(settings)
    states = evaluate_all(
        structures=structures,
        pressures=pressures,
        calculator=calculator,
        settings=settings,
    )
    tell = report or report_to_nobody
    return _displace(states, calculator, cells, settings, seed, prefix, tell)


def _displace(
    states: dict[str, Relaxation],
    calculator: Any,
    cells: Sequence[SamplingCell],
    settings: Thermal,
    seed: int,
    prefix: str,
    tell: Report,
) -> ThermalSample:
    dealt = deal_frames(
        states=states,
        cells=cells,
        prepare=lambda atoms, cell: _prepare(atoms, calculator, cell, settings),
        method=METHOD,
        minimum_share=settings.minimum_contact,
        seed=seed,
        prefix=prefix,
        report=tell,
    )
    census = _census(dealt.cells, settings.frequency_cutoff)
    return ThermalSample(dealt.frames, dealt.refused, states, *census)


def _prepare(atoms: Atoms, calculator: Any, cell: SamplingCell, settings: Thermal) -> ThermalCell:
    phonon = calculate_force_constants(
        atoms=atoms,
        calculator=calculator,
        supercell_matrix=cell.supercell_matrix,
        displacement=settings.displacement,
        symprec=settings.symprec,
    )
    return ThermalCell(
        phonon,
        temperature=settings.temperature,
        frequency_cutoff=settings.frequency_cutoff,
        strain=settings.strain,
    )


def _census(
    known: Mapping[tuple[str, int], ThermalCell], cutoff: float
) -> tuple[dict[str, float], dict[str, int], dict[str, int]]:
    lowest: dict[str, float] = {}
    imaginary: dict[str, int] = {}
    at_rest: dict[str, int] = {}
    for (label, _), cell in known.items():
        found = cell.frequencies
        lowest[label] = min(lowest.get(label, np.inf), float(found[0]))
        imaginary[label] = imaginary.get(label, 0) + int((found < -cutoff).sum())
        at_rest[label] = at_rest.get(label, 0) + int((np.abs(found) <= cutoff).sum())
    return lowest, imaginary, at_rest


def _check(settings: Thermal) -> None:
    check_within(
        {
            'temperature': (settings.temperature, 0.0, 5000.0),
            'frequency_cutoff': (settings.frequency_cutoff, 0.01, 5000.0),
            'displacement': (settings.displacement, 1e-4, 0.2),
        }
    )
    check_strain(settings.strain)
