r"""Frames along a potential's own normal modes, with the same energy in each mode.

Each mode of the sampling supercell is a classical oscillator of energy kT caught at a random phase:

.. math:: q_k = \frac{\sqrt{2 k_B T}}{\max(\omega_k, \omega_\mathrm{floor})} \cos\varphi_k

Its potential energy is kT cos²φ, its kinetic energy (not used) the rest: kT in total, exactly, and
kT/2 of potential energy on average. Soft modes move as far as their softness allows, which is what
shows a potential the soft modes; the floor keeps the softest from leaving the crystal. Imaginary
modes have no such amplitude and take the floor's.

Units: eV, Å, atomic mass units, K; frequencies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ase import Atoms

from aiida_insbench.science.relaxation import Relaxation
from aiida_insbench.science.sampling.cells import (
    SamplingCell,
    check_strain,
    check_within,
)
from aiida_insbench.science.sampling.mode_cell import ModeCell, lowest_frequencies, modes_below
from aiida_insbench.science.sampling.optical_modes import (
    equal_energy_amplitudes,
    optical_modes,
)
from aiida_insbench.science.sampling.pressure_states import (
    Report,
    deal_frames,
    evaluate_all,
    relax_all,
    report_to_nobody,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE

METHOD = 'equal-energy'


@dataclass(frozen=True)
class EqualEnergy:
    """How to displace along normal modes.

    Attributes
    ----------
    temperature : float
        In K; kT is the energy of each mode.
    frequency_floor : float
        In cm⁻¹; softer and imaginary modes are displaced as if they had this frequency.
    strain : float
        Standard deviation of each of the six strain components.
    displacement : float
        Of the finite differences, Å.
    fmax, max_steps, symprec : float, int, float
        Of the relaxation (eV/Å, steps, Å).
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    """

    temperature: float
    frequency_floor: float
    strain: float
    displacement: float = 0.01
    fmax: float = 1e-4
    max_steps: int = 500
    symprec: float = 1e-4
    minimum_contact: float = MINIMUM_SHARE


@dataclass(frozen=True)
class EqualEnergySample:
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
    floored : int
        Modes that took the floor's amplitude, counted over the frames.
    """

    frames: list[Atoms]
    refused: int
    relaxations: dict[str, Relaxation]
    lowest: dict[str, float]
    floored: int


def equal_energy_frames(
    *,
    atoms: Atoms,
    calculator: Any,
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: EqualEnergy,
    seed: int,
    prefix: str,
    report: Report | None = None,
) -> EqualEnergySample:
    """Relax at each pressure and displace along the modes of each sampling cell.

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
    settings : EqualEnergy
        How far to go.
    seed : int
        ≥ 0.
    prefix : str
        Of the frames' names.
    report : callable, optional
        Called as ``report(what, done, total)`` after each relaxation and each frame.

    Returns
    -------
    EqualEnergySample
        Frames, relaxed structures, lowest frequencies, numbers refused and floored.

    Raises
    ------
    InputError
        If a setting is out of its range.
    ConvergenceError
        If a relaxation or fit fails, or frames keep having atoms too close.
    """
    check_equal_energy(settings)
    tell = report or report_to_nobody
    relaxations = relax_all(
        atoms=atoms,
        calculator=calculator,
        pressures=pressures,
        settings=settings,
        report=tell,
    )
    return _displace(relaxations, calculator, cells, settings, seed, prefix, tell)


def equal_energy_about_each(
    *,
    structures: Mapping[str, Atoms],
    calculator: Any,
    cells: Sequence[SamplingCell],
    settings: EqualEnergy,
    seed: int,
    prefix: str,
    pressures: Sequence[float] | None = None,
    report: Report | None = None,
) -> EqualEnergySample:
    """Displace along the modes of given crystals, which are not relaxed by the potential.

    The potential's forces in them, which its modes take to be zero, are in the result's
    `relaxations` (`residual_force`).

    Parameters
    ----------
    structures : mapping of str to Atoms
        Unit cells by pressure label, relaxed by DFT for instance.
    pressures : sequence of float, optional
        In GPa; those of `structures` to sample, all by default.
    calculator, cells, settings, seed, prefix, report
        As in `equal_energy_frames`.

    Raises
    ------
    InputError
        If a setting is out of its range or a pressure has no crystal.
    ConvergenceError
        If a fit fails, or frames keep having atoms too close.
    """
    check_equal_energy(settings)
    states = evaluate_all(
        structures=structures,
        pressures=pressures,
        calculator=calculator,
        settings=settings,
    )
    tell = report or report_to_nobody
    return _displace(states, calculator, cells, settings, seed, prefix, tell)


def _displace(
    relaxations: dict[str, Relaxation],
    calculator: Any,
    cells: Sequence[SamplingCell],
    settings: EqualEnergy,
    seed: int,
    prefix: str,
    tell: Report,
) -> EqualEnergySample:
    dealt = deal_frames(
        states=relaxations,
        cells=cells,
        prepare=lambda atoms, cell: _prepare(atoms, calculator, cell, settings),
        method=METHOD,
        minimum_share=settings.minimum_contact,
        seed=seed,
        prefix=prefix,
        report=tell,
    )
    return EqualEnergySample(
        dealt.frames,
        dealt.refused,
        relaxations,
        lowest_frequencies(dealt.cells),
        modes_below(settings.frequency_floor, dealt.cells, dealt.places),
    )


def _prepare(atoms: Atoms, calculator: Any, cell: SamplingCell, settings: EqualEnergy) -> ModeCell:
    supercell, modes = optical_modes(
        atoms=atoms,
        calculator=calculator,
        supercell_matrix=cell.supercell_matrix,
        displacement=settings.displacement,
        symprec=settings.symprec,
    )
    amplitudes = equal_energy_amplitudes(
        frequencies=modes.frequencies,
        temperature=settings.temperature,
        frequency_floor=settings.frequency_floor,
    )
    return ModeCell(supercell, modes, amplitudes=amplitudes, strain=settings.strain)


def check_equal_energy(settings: EqualEnergy) -> None:
    """Refuse settings out of range.

    Raises
    ------
    InputError
        Naming the setting.
    """
    check_within(
        {
            'temperature': (settings.temperature, 0.0, 5000.0),
            'frequency_floor': (settings.frequency_floor, 1.0, 5000.0),
            'displacement': (settings.displacement, 1e-4, 0.2),
        }
    )
    check_strain(settings.strain)
