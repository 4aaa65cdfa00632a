"""The third state of an attribution: the last pressure's cell with the first one's coordinates.

Between the crystal at the first pressure and that at the last lies one whose atoms only went with
the cell. Its force constants tell what the strain does to a mode from what the atoms' own
relaxation does. Its files are ``strained_p_2000.npz`` and ``.json``, by the label of the last
pressure.
"""

from __future__ import annotations

import numpy as np

from aiida_insbench.jobs.phonon_records import write_force_constants
from aiida_insbench.jobs.phonon_states import force_constants
from aiida_insbench.jobs.pressure_sweep import PressureSweep
from aiida_insbench.jobs.program import write_json
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.structures import atoms_to_dict

PREFIX = 'strained_'


def write_strained_state(sweep: PressureSweep) -> None:
    """Compute and write the strained state between the first and the last pressure.

    It is left out, with a warning, where the two are no states of one crystal in one cell.
    """
    labels = sweep.labels()
    if len(labels) < 2:
        return
    first, last = labels[0], labels[-1]
    start, end = sweep.structure(first), sweep.structure(last)
    if start.get_chemical_symbols() != end.get_chemical_symbols():
        sweep.warnings.append(
            f'No strained state: {first} and {last} have cells of different atoms.'
        )
        return
    strained = start.copy()
    strained.set_cell(end.cell, scale_atoms=True)
    try:
        phonon = force_constants(
            sweep.place, strained, sweep.start_at(last)[1], name=f'{PREFIX}{last}'
        )
    except ComputationError as exc:
        sweep.warnings.append(f'No strained state: {exc}')
        return
    folder = sweep.place.folder
    write_force_constants(folder / f'{PREFIX}{last}.npz', phonon)
    write_json(
        folder / f'{PREFIX}{last}.json',
        {
            'from': first,
            'to': last,
            'structure': atoms_to_dict(strained),
            'symprec': sweep.place.task.settings['symprec'],
            'largest_move': float(np.abs(_moves(strained, end)).max()),
        },
    )


def _moves(strained: object, relaxed: object) -> np.ndarray:  # type: ignore[type-arg]
    """Displacements of the relaxation, without the common shift, Å."""
    difference = strained.get_scaled_positions() - relaxed.get_scaled_positions()  # type: ignore[attr-defined]
    difference -= np.rint(difference)
    moves: np.ndarray = (difference - difference.mean(axis=0)) @ relaxed.cell.array  # type: ignore[attr-defined,type-arg]
    return moves
