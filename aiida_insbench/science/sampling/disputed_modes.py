r"""Frames along the modes whose frequencies a committee of potentials disputes.

As `aiida_insbench.science.sampling.equal_energy`, but with an energy of its own for each mode: more
where the committee's members differ and neutrons see it, less where they agree.

.. math:: q_m = \frac{\sqrt{2 k_B T_m}}{\max(\omega_m, \omega_\mathrm{floor})} \cos\varphi_m

The shares T_m/T are those of `aiida_insbench.science.sampling.mode_disputes`, where they are
derived. The first member, by name, relaxes the crystal, and its modes are followed; the Hessians of
all members are taken in that same crystal. A committee without dispute gives the frames of equal
energy.

Units: eV, Å, atomic mass units, K; frequencies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.neutron_weights import cross_sections_of
from aiida_insbench.science.relaxation import Relaxation
from aiida_insbench.science.sampling.cells import SamplingCell, check_energy_shares
from aiida_insbench.science.sampling.equal_energy import (
    EqualEnergy,
    EqualEnergySample,
    check_equal_energy,
)
from aiida_insbench.science.sampling.mode_cell import ModeCell, lowest_frequencies, modes_below
from aiida_insbench.science.sampling.mode_disputes import ModeDispute, dispute_modes
from aiida_insbench.science.sampling.optical_modes import (
    OpticalModes,
    equal_energy_amplitudes,
    hessian_at_gamma,
    modes_of_hessian,
)
from aiida_insbench.science.sampling.pressure_states import (
    Report,
    deal_frames,
    evaluate_all,
    relax_all,
    report_to_nobody,
)

METHOD = 'disputed-modes'


@dataclass(frozen=True)
class DisputedModes(EqualEnergy):
    """How to displace along disputed modes; what is not named here is as in `EqualEnergy`.

    Attributes
    ----------
    temperature : float
        In K; kT is the mean energy of a mode before the limits.
    least_share, largest_share : float
        Limits of the energy of a mode, over kT.
    """

    least_share: float = 0.25
    largest_share: float = 4.0


@dataclass(frozen=True)
class DisputedSample(EqualEnergySample):
    """Frames and what was found on the way; what is not named here is as in `EqualEnergySample`.

    Attributes
    ----------
    disputes : dict of str to dict of int to ModeDispute
        By pressure label and place in the list of sampling cells.
    """

    disputes: dict[str, dict[int, ModeDispute]]


class _DisputedCell(ModeCell):
    """A supercell that knows what is disputed of its modes."""

    def __init__(
        self, supercell: Atoms, modes: OpticalModes, dispute: ModeDispute, settings: DisputedModes
    ) -> None:
        amplitudes = equal_energy_amplitudes(
            frequencies=modes.frequencies,
            temperature=settings.temperature * dispute.shares,
            frequency_floor=settings.frequency_floor,
        )
        super().__init__(supercell, modes, amplitudes=amplitudes, strain=settings.strain)
        self.dispute = dispute


def disputed_frames(
    *,
    atoms: Atoms,
    calculators: Mapping[str, Any],
    pressures: Sequence[float],
    cells: Sequence[SamplingCell],
    settings: DisputedModes,
    seed: int,
    prefix: str,
    report: Report | None = None,
) -> DisputedSample:
    """Relax by the first member at each pressure and displace along the disputed modes.

    Parameters
    ----------
    atoms : Atoms
        The unit cell to start from.
    calculators : mapping of str to ase Calculator
        Of two members or more; each gives energy, forces and stress.
    settings : DisputedModes
        How far to go.
    pressures, cells, seed, prefix, report
        As in `aiida_insbench.science.sampling.equal_energy.equal_energy_frames`.

    Raises
    ------
    InputError
        If there are fewer than two members, a setting is out of its range, or an element has no
        known cross-section.
    ConvergenceError
        If a relaxation or fit fails, or frames keep having atoms too close.
    """
    _check(settings, calculators, [atoms])
    tell = report or report_to_nobody
    states = relax_all(
        atoms=atoms,
        calculator=calculators[min(calculators)],
        pressures=pressures,
        settings=settings,
        report=tell,
    )
    return _displace(states, calculators, cells, settings, seed, prefix, tell)


def disputed_about_each(
    *,
    structures: Mapping[str, Atoms],
    calculators: Mapping[str, Any],
    cells: Sequence[SamplingCell],
    settings: DisputedModes,
    seed: int,
    prefix: str,
    pressures: Sequence[float] | None = None,
    report: Report | None = None,
) -> DisputedSample:
    """Displace along the disputed modes of given crystals, which no member relaxes.

    Parameters, results and errors are those of `disputed_frames` and
    `aiida_insbench.science.sampling.equal_energy.equal_energy_about_each`; `relaxations` has the
    residual forces of the first member.
    """
    _check(settings, calculators, list(structures.values()))
    states = evaluate_all(
        structures=structures,
        pressures=pressures,
        calculator=calculators[min(calculators)],
        settings=settings,
    )
    tell = report or report_to_nobody
    return _displace(states, calculators, cells, settings, seed, prefix, tell)


def _displace(
    states: dict[str, Relaxation],
    calculators: Mapping[str, Any],
    cells: Sequence[SamplingCell],
    settings: DisputedModes,
    seed: int,
    prefix: str,
    tell: Report,
) -> DisputedSample:
    dealt = deal_frames(
        states=states,
        cells=cells,
        prepare=lambda atoms, cell: _prepare(atoms, calculators, cell, settings),
        method=METHOD,
        minimum_share=settings.minimum_contact,
        seed=seed,
        prefix=prefix,
        report=tell,
    )
    disputes: dict[str, dict[int, ModeDispute]] = {}
    for (label, place), moving in dealt.cells.items():
        disputes.setdefault(label, {})[place] = moving.dispute
    return DisputedSample(
        frames=dealt.frames,
        refused=dealt.refused,
        relaxations=states,
        lowest=lowest_frequencies(dealt.cells),
        floored=modes_below(settings.frequency_floor, dealt.cells, dealt.places),
        disputes=disputes,
    )


def _prepare(
    atoms: Atoms, calculators: Mapping[str, Any], cell: SamplingCell, settings: DisputedModes
) -> _DisputedCell:
    found = [
        hessian_at_gamma(
            atoms=atoms,
            calculator=calculators[name],
            supercell_matrix=cell.supercell_matrix,
            displacement=settings.displacement,
            symprec=settings.symprec,
        )
        for name in sorted(calculators)
    ]
    supercell, first = found[0]
    modes = modes_of_hessian(hessian=first, masses=np.asarray(supercell.get_masses()))
    dispute = dispute_modes(
        supercell=supercell,
        modes=modes,
        hessians=[hessian for _, hessian in found],
        frequency_floor=settings.frequency_floor,
        limits=(settings.least_share, settings.largest_share),
    )
    return _DisputedCell(supercell, modes, dispute, settings)


def _check(settings: DisputedModes, calculators: Mapping[str, Any], crystals: list[Atoms]) -> None:
    check_equal_energy(settings)
    check_energy_shares(settings.least_share, settings.largest_share)
    if len(calculators) < 2:
        raise InputError(
            format_error(
                f'A committee of {len(calculators)} disputes nothing.',
                fix='Give two potentials or more, or use `equal-energy`.',
            )
        )
    for crystal in crystals:
        cross_sections_of(crystal.get_chemical_symbols())
