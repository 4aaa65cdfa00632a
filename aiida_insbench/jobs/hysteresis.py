"""What a sweep back down finds: the same crystals, or others that the way up did not meet."""

from __future__ import annotations

import itertools
from typing import Any

from ase import units

from aiida_insbench.jobs.phonon_states import relax_at
from aiida_insbench.jobs.pressure_sweep import PressureSweep
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.pressure import pressure_from_label

#: Crystals that differ by less are the same: share of the volume, meV per atom.
_VOLUME, _ENTHALPY = 1e-3, 0.1


def sweep_back(sweep: PressureSweep) -> dict[str, Any]:
    """Relax down again from the highest pressure and compare with the way up.

    Returns
    -------
    dict
        By label ``volume`` (Å³ per atom) and ``space_group`` on the way up and down,
        ``enthalpy_difference`` (down − up, meV per atom), ``same``; or ``reason`` why not.
    """
    found: dict[str, Any] = {}
    labels = sweep.labels()[::-1]
    start = sweep.structure(labels[0]) if labels else None
    for _, label in itertools.pairwise(labels):
        pressure = pressure_from_label(label)
        try:
            down = relax_at(sweep.place, start, pressure)
        except ComputationError as exc:
            found[label] = {'reason': str(exc)}
            continue
        start = down.atoms
        found[label] = _compare(sweep, label, down, pressure)
        sweep.place.progress.report(f'{label} relaxed on the way down', pressure=pressure)
    return found


def _compare(sweep: PressureSweep, label: str, down: Any, pressure: float) -> dict[str, Any]:
    up = relax_at(sweep.place, sweep.structure(label), pressure)
    volumes = [one.atoms.get_volume() / len(one.atoms) for one in (up, down)]
    enthalpies = [
        (one.energy + pressure * units.GPa * one.atoms.get_volume()) / len(one.atoms)
        for one in (up, down)
    ]
    difference = 1000 * (enthalpies[1] - enthalpies[0])
    same = abs(volumes[1] / volumes[0] - 1) < _VOLUME and abs(difference) < _ENTHALPY
    if difference < -_ENTHALPY:
        sweep.warnings.append(
            f'On the way down a crystal of lower enthalpy is found at {label}: '
            f'{-difference:.2f} meV per atom below that of the way up.'
        )
    return {
        'volume': [float(value) for value in volumes],
        'space_group': [up.space_group_after, down.space_group_after],
        'enthalpy_difference': float(difference),
        'same': bool(same),
    }
