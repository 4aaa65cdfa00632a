r"""Which plane-wave cutoffs and k mesh a crystal needs, from the same frames at several of each.

Three changes are followed, each against the finest run given:

* forces, root of the mean square over components (meV/Å);
* energies per atom relative to the frames' mean (meV/atom): a constant is no physics;
* stress itself, largest component (GPa). Not its differences: with too few plane waves every
  volume is under nearly the same spurious pressure (Francis & Payne, *J. Phys. Condens. Matter*
  **2**, 4395 (1990)), which differences hide and a relaxed cell feels.

What is left of that pressure at the cutoffs chosen is the mean over the frames of

.. math:: P_\mathrm{Pulay} = P_\mathrm{finest} - P_\mathrm{chosen}, \qquad
   P = -\tfrac13 \mathrm{tr}\,\sigma
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms, units

from aiida_insbench.science.errors import DatasetError, InputError, format_error
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY


@dataclass(frozen=True)
class Tolerances:
    """Changes that count as none.

    Attributes
    ----------
    forces : float
        meV/Å.
    energy : float
        meV/atom, of differences between frames.
    stress : float
        GPa, absolute.
    """

    forces: float = 2.0
    energy: float = 0.5
    stress: float = 0.05


def changes(frames: Sequence[Atoms], finest: Sequence[Atoms]) -> dict[str, float]:
    """How labels differ from those of the finest run.

    Returns
    -------
    dict
        ``forces_mev_a``, ``energy_mev_atom``, ``stress_gpa`` (see the module) and
        ``pulay_stress_gpa``, what has to be added to the pressures of `frames`.

    Raises
    ------
    DatasetError
        If the runs do not hold the same frames.
    """
    _same(frames, finest)
    forces = _stacked(frames, FORCES_KEY) - _stacked(finest, FORCES_KEY)
    stress = (_stress(frames) - _stress(finest)) / units.GPa
    energy = np.array(
        [
            (one.info[ENERGY_KEY] - other.info[ENERGY_KEY]) / len(one)
            for one, other in zip(frames, finest, strict=True)
        ]
    )
    # σ is ASE's: P = −tr σ / 3, and what is missing is finest − chosen
    return {
        'forces_mev_a': 1000 * float(np.sqrt(np.mean(forces**2))),
        'energy_mev_atom': 1000 * float(np.abs(energy - energy.mean()).max()),
        'stress_gpa': float(np.abs(stress).max()),
        'pulay_stress_gpa': float(stress[:, :3].mean()),
    }


def choose(
    runs: Mapping[str, Sequence[Atoms]], *, tolerances: Tolerances
) -> tuple[str | None, dict[str, dict[str, float]]]:
    """Choose the cheapest run that agrees with the finest, and with which all finer ones do.

    Parameters
    ----------
    runs : mapping of str to sequence of Atoms
        Labelled frames, the cheapest run first, the finest last.
    tolerances : Tolerances
        What counts as no change.

    Returns
    -------
    tuple (str or None, dict)
        Name of the run, None if only the finest agrees with itself; and the changes of each run.

    Raises
    ------
    InputError
        With fewer than two runs.
    """
    if len(runs) < 2:
        raise InputError('Convergence needs at least two settings to compare.')
    names = list(runs)
    table = {name: changes(runs[name], runs[names[-1]]) for name in names}
    chosen = None
    for name in reversed(names[:-1]):
        if not _agrees(table[name], tolerances):
            break
        chosen = name
    return chosen, table


def pressure_range(frames: Sequence[Atoms]) -> tuple[float, float]:
    """Lowest and highest pressure of labelled frames, GPa."""
    pressures = -_stress(frames)[:, :3].mean(axis=1) / units.GPa
    return round(float(pressures.min()), 3), round(float(pressures.max()), 3)


def check_rising(values: Sequence[Any], *, name: str) -> None:
    """Refuse lists that do not rise in every component and somewhere in each step.

    Raises
    ------
    InputError
        Naming the two neighbours.
    """
    if len(values) < 2:
        raise InputError(f'`{name}` has {len(values)} entries; two at least can be compared.')
    for first, second in itertools.pairwise(values):
        steps = np.asarray(second, dtype=float) - np.asarray(first, dtype=float)
        if (steps < 0).any() or not (steps > 0).any():
            raise InputError(
                format_error(
                    f'`{name}`: {list(second)} is not finer than {list(first)}.',
                    fix='List the coarsest first.',
                )
            )


def convergence_record(found: Mapping[str, Any]) -> dict[str, Any]:
    """What a dataset keeps of a convergence: its Pulay stress and pressures (GPa)."""
    return {
        'pulay_stress_gpa': float(found['pulay_stress_gpa']),
        'converged_cutoffs_ry': list(found['cutoffs']),
        'converged_pressures_gpa': list(found['pressure_range']),
    }


def convergence_warnings(
    found: Mapping[str, Any], system: Mapping[str, Any], unit_mesh: Sequence[int]
) -> list[str]:
    """Sentences on settings coarser than a convergence asks for."""
    warnings = []
    wanted = float(found['cutoffs'][0])
    if float(system['ecutwfc']) < wanted - 1e-6:
        warnings.append(
            f'`ecutwfc` is {system["ecutwfc"]:g} Ry; the convergence of this crystal asks for '
            f'{wanted:g} Ry.'
        )
    if (np.asarray(unit_mesh) < np.asarray(found['kpoints_mesh'])).any():
        warnings.append(
            f'The k mesh is {list(unit_mesh)}; the convergence of this crystal asks for '
            f'{list(found["kpoints_mesh"])}.'
        )
    return warnings


def _agrees(found: Mapping[str, float], tolerances: Tolerances) -> bool:
    return (
        found['forces_mev_a'] <= tolerances.forces
        and found['energy_mev_atom'] <= tolerances.energy
        and found['stress_gpa'] <= tolerances.stress
    )


def _same(frames: Sequence[Atoms], finest: Sequence[Atoms]) -> None:
    names = [[frame.info['frame_id'] for frame in one] for one in (frames, finest)]
    if names[0] != names[1]:
        raise DatasetError(
            f'The runs to compare hold different frames: {len(names[0])} and {len(names[1])}; '
            f'{sorted(set(names[0]) ^ set(names[1]))[:5]} stand in one only.'
        )


def _stacked(frames: Sequence[Atoms], key: str) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.concatenate([np.asarray(frame.arrays[key], dtype=float) for frame in frames])


def _stress(frames: Sequence[Atoms]) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([np.asarray(frame.info[STRESS_KEY], dtype=float) for frame in frames])
