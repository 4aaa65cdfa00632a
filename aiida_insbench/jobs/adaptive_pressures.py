"""Insert pressures where modes cannot be followed from one to the next.

Where a mode at Γ overlaps by less than a threshold with every mode of the next pressure, it is
lost between the two: modes mix and part again. A pressure half-way is computed, and so on.
"""

from __future__ import annotations

import itertools

from aiida_insbench.jobs.phonon_states import State
from aiida_insbench.jobs.pressure_sweep import PressureSweep
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.pressure import pressure_from_label, pressure_label

#: No two pressures are put closer than this, GPa.
SMALLEST_STEP = 0.05


def insert_pressures(sweep: PressureSweep) -> list[str]:
    """Compute pressures half-way where modes are lost; return their labels in order of pressure.

    Parameters
    ----------
    sweep : PressureSweep
        With its pressures finished; takes the new ones.
    """
    settings = sweep.place.task.settings
    asked = {pressure_label(value) for value in sweep.place.task.pressures}
    inserted = [label for label in sweep.labels() if label not in asked]  # by an earlier run
    hopeless: set[tuple[str, str]] = set()
    while len(inserted) < settings['most_inserted']:
        gap = _worst_gap(sweep, settings['adaptive_overlap'], hopeless)
        if gap is None:
            break
        low, high = gap
        middle = round(0.5 * (pressure_from_label(low) + pressure_from_label(high)), 3)
        label = pressure_label(middle)
        sweep.place.progress.report(f'{label} inserted between {low} and {high}', pressure=middle)
        state = sweep.attempt(label, middle, sweep.start_at(low))
        if state is None:
            hopeless.add(gap)
            continue
        sweep.keep(label, state)
        inserted.append(label)
    return sorted(inserted, key=pressure_from_label)


def _worst_gap(
    sweep: PressureSweep, threshold: float, hopeless: set[tuple[str, str]]
) -> tuple[str, str] | None:
    """The two neighbours between which a mode is lost most, if one is and they are far apart."""
    found = []
    for low, high in itertools.pairwise(sweep.labels()):
        width = pressure_from_label(high) - pressure_from_label(low)
        if (low, high) in hopeless or width < 2 * SMALLEST_STEP:
            continue
        overlap = least_overlap(sweep.state(low), sweep.state(high))
        if overlap is not None and overlap < threshold:
            found.append((overlap, low, high))
    if not found:
        return None
    _, low, high = min(found)
    return low, high


def least_overlap(first: State | None, second: State | None) -> float | None:
    """Smallest overlap of a Γ mode followed from one state to another.

    None where modes cannot be followed: no force constants, another space group or other atoms.
    """
    from aiida_insbench.science.gamma_modes import gamma_modes
    from aiida_insbench.science.modes import ModeSet, follow, split_acoustic

    if first is None or second is None:
        return None
    if first.atoms.get_chemical_symbols() != second.atoms.get_chemical_symbols():
        return None
    groups = [one.relaxation.space_group_after for one in (first, second)]
    if groups[0] != groups[1]:
        return None
    sets = []
    for state in (first, second):
        modes = gamma_modes(phonon=state.phonon)
        vectors = modes.eigenvectors.reshape(len(modes.frequencies), -1)
        whole = ModeSet(modes.frequencies, vectors, modes.irreps)
        try:
            sets.append(split_acoustic(whole, modes.masses)[0])
        except ComputationError:
            return None
    followed = follow(sets)
    return float(min(followed.overlap(index) for index in range(len(followed.groups))))
