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

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import check_pressures, pressure_label
from aiida_insbench.science.relaxation import Relaxation, relax
from aiida_insbench.science.sampling.cells import (
    SamplingCell,
    frame_generator,
    random_strain,
    tag_frame,
)
from aiida_insbench.science.sampling.optical_modes import (
    OpticalModes,
    equal_energy_amplitudes,
    optical_modes,
)
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, check_start, draw_until_apart

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
    report: Callable[[str, int, int], None] | None = None,
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
    _check(settings)
    levels = check_pressures(pressures)
    total = sum(cell.count for cell in cells)
    tell = report or _tell_nobody
    relaxations = _relax_all(atoms, calculator, levels, settings, tell)
    known: dict[tuple[str, int], tuple[Atoms, OpticalModes]] = {}
    frames: list[Atoms] = []
    refused = floored = 0
    for position, cell in enumerate(cells):
        for _ in range(cell.count):
            index = len(frames)
            pressure = levels[index % len(levels)]
            key = (pressure_label(pressure), position)
            if key not in known:
                start = relaxations[key[0]].atoms
                known[key] = optical_modes(
                    atoms=start,
                    calculator=calculator,
                    supercell_matrix=cell.supercell_matrix,
                    displacement=settings.displacement,
                    symprec=settings.symprec,
                )
            supercell, modes = known[key]
            frame, again = _draw_frame(supercell, modes, settings, seed, index)
            frames.append(
                tag_frame(
                    frame=frame,
                    prefix=prefix,
                    index=index,
                    method=METHOD,
                    pressure=pressure,
                    seed=seed,
                    supercell_matrix=cell.supercell_matrix,
                )
            )
            refused += again
            floored += int((modes.frequencies < settings.frequency_floor).sum())
            tell(f'frame at {pressure} GPa', index + 1, total)
    lowest: dict[str, float] = {}
    for (label, _), (_, modes) in known.items():
        lowest[label] = min(lowest.get(label, np.inf), float(modes.frequencies[0]))
    return EqualEnergySample(frames, refused, relaxations, lowest, floored)


def _draw_frame(
    supercell: Atoms, modes: OpticalModes, settings: EqualEnergy, seed: int, index: int
) -> tuple[Atoms, int]:
    amplitudes = equal_energy_amplitudes(
        frequencies=modes.frequencies,
        temperature=settings.temperature,
        frequency_floor=settings.frequency_floor,
    )

    def draw(rng: np.random.Generator) -> Atoms:
        phases = rng.uniform(0, 2 * np.pi, size=len(amplitudes))
        frame = supercell.copy()
        frame.positions += np.einsum('m,mia->ia', amplitudes * np.cos(phases), modes.displacements)
        deformation = np.eye(3) + random_strain(rng=rng, sigma=settings.strain)
        frame.set_cell(frame.cell.array @ deformation, scale_atoms=True)
        # the supercell carries phonopy's masses; a frame to be labelled has none of its own
        del frame.arrays['masses']
        return frame

    return draw_until_apart(
        draw=draw,
        rng=frame_generator(seed=seed, index=index),
        minimum_share=settings.minimum_contact,
    )


def _relax_all(
    atoms: Atoms,
    calculator: Any,
    levels: tuple[float, ...],
    settings: EqualEnergy,
    tell: Callable[[str, int, int], None],
) -> dict[str, Relaxation]:
    found: dict[str, Relaxation] = {}
    start = atoms
    for done, pressure in enumerate(levels, start=1):
        result = relax(
            atoms=start,
            calculator=calculator,
            pressure=pressure,
            fmax=settings.fmax,
            max_steps=settings.max_steps,
            symprec=settings.symprec,
        )
        check_start(
            atoms=result.atoms,
            minimum_share=settings.minimum_contact,
            name=f'relaxed structure at {pressure} GPa',
        )
        found[pressure_label(pressure)] = result
        start = result.atoms
        tell(f'relaxed at {pressure} GPa', done, len(levels))
    return found


def _tell_nobody(_what: str, _done: int, _total: int) -> None:
    pass


def _check(settings: EqualEnergy) -> None:
    limits = {
        'temperature': (settings.temperature, 0.0, 5000.0),
        'frequency_floor': (settings.frequency_floor, 1.0, 5000.0),
        'displacement': (settings.displacement, 1e-4, 0.2),
    }
    for name, (value, low, high) in limits.items():
        if not low <= value <= high:
            raise InputError(f'`{name}` is {value}; give a number from {low} to {high}.')
    if not 0 <= settings.strain < 0.2:
        raise InputError(f'`strain` is {settings.strain}; give a share from 0 to 0.2.')
