"""What a set of frames holds, in numbers. Forces eV/Å, stress and pressures GPa, energies eV."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import GPa

from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    STRESS_KEY,
    is_gas_phase,
    is_isolated_atom,
    is_labelled,
    target_pressure_of,
)


def frame_counts(frames: Sequence[Atoms]) -> dict[tuple[str, float | None], int]:
    """Frames by method and target pressure (GPa; None: gas phase or not said), sorted."""
    counts = Counter(
        (str(frame.info.get('method', 'unknown')), target_pressure_of(frame)) for frame in frames
    )
    return dict(sorted(counts.items(), key=lambda item: (item[0][0], item[0][1] or 0.0)))


def label_statistics(frames: Sequence[Atoms]) -> dict[str, Any]:
    """Ranges of the labels.

    Returns
    -------
    dict
        ``rms_force`` (components) and ``max_force`` (length) of frames of several atoms, eV/Å;
        ``pressure``: lowest, mean and highest −tr(stress)/3 of the crystals, GPa; ``energy_spread``
        by composition, eV/atom. Empty without labels.
    """
    labelled = [frame for frame in frames if is_labelled(frame)]
    if not labelled:
        return {}
    found: dict[str, Any] = {}
    forces = [np.asarray(frame.arrays[FORCES_KEY]) for frame in labelled if len(frame) > 1]
    if forces:
        every = np.concatenate(forces)
        found['rms_force'] = float(np.sqrt(np.mean(every**2)))
        found['max_force'] = float(np.linalg.norm(every, axis=1).max())
    crystals = [f for f in labelled if not (is_gas_phase(f) or is_isolated_atom(f))]
    if crystals:
        pressures = [-float(np.mean(frame.info[STRESS_KEY][:3])) / GPa for frame in crystals]
        found['pressure'] = [min(pressures), float(np.mean(pressures)), max(pressures)]
    energies: dict[str, list[float]] = {}
    for frame in labelled:
        name = frame.get_chemical_formula(empirical=True)
        energies.setdefault(name, []).append(float(frame.info[ENERGY_KEY]) / len(frame))
    found['energy_spread'] = {name: max(e) - min(e) for name, e in sorted(energies.items())}
    return found
