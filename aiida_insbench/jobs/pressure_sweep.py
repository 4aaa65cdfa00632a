"""Go through a list of pressures, each starting from the one before; keep what failed and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_insbench.jobs.phonon_states import State, Workplace, compute_state, write_state
from aiida_insbench.jobs.phonon_task import FinishedPressure
from aiida_insbench.science.errors import ComputationError, JobFileError
from aiida_insbench.science.pressure import pressure_from_label, pressure_label

_SAME_STRAIN = 0.25
#: Crystal and supercell from which a pressure starts; None: the job's own.
Start = tuple[Atoms, NDArray[np.int64]] | None


class PressureSweep:
    """States of a crystal by pressure label, finished here or before.

    Parameters
    ----------
    place : Workplace
        Job, engine, folder, log.
    """

    def __init__(self, place: Workplace) -> None:
        self.place = place
        self.finished: list[str] = []
        self.skipped = sorted(place.task.finished, key=pressure_from_label)
        self.reasons: dict[str, str] = {}
        self.warnings: list[str] = []
        self._states: dict[str, State] = {}
        self._structures: dict[str, Atoms] = {}

    def go_through(self, pressures: Sequence[float]) -> None:
        """Compute pressures in the order given, each from the structure of the one before.

        A pressure that fails is named in `reasons`, and the next one starts from the last that did
        not.
        """
        start: Start = None
        for pressure in pressures:
            label = pressure_label(pressure)
            if label in self.place.task.finished:
                start = self.start_at(label)
                continue
            state = self.attempt(label, pressure, start)
            if state is not None:
                self.keep(label, state)
                start = self.start_at(label)

    def attempt(self, label: str, pressure: float, start: Start, *, name: str = '') -> State | None:
        """Compute a state; None if it fails, with the reason kept under the label.

        Parameters
        ----------
        label : str
            Under which a structure may be given, and a failure is kept.
        pressure : float
            Static, GPa.
        start : (Atoms, ndarray) or None
            Crystal and supercell to start from if no structure is given at this label; the job's
            own if None.
        name : str
            For the log.
        """
        task = self.place.task
        if label in task.structures:
            start = task.structures[label], self.supercell_of(task.structures[label])
        atoms, matrix = start or (task.structure, np.asarray(task.supercell_matrix))
        try:
            return compute_state(
                self.place, atoms, pressure, supercell_matrix=matrix, label=name or label
            )
        except ComputationError as exc:
            self.reasons[label] = str(exc)
            self.place.progress.report(f'{label} failed: {exc}', pressure=pressure)
            return None

    def keep(self, label: str, state: State, **more: Any) -> None:
        """Write a state's files and remember it."""
        write_state(self.place, label, state, **more)
        self._states[label] = state
        self.finished.append(label)
        self.reasons.pop(label, None)
        self.place.progress.report(f'{label} finished', pressure=pressure_from_label(label))

    def labels(self) -> list[str]:
        """Labels of all states there are, in order of pressure."""
        return sorted({*self.skipped, *self.finished}, key=pressure_from_label)

    def structure(self, label: str) -> Atoms:
        """The relaxed crystal at a label that is finished here or before."""
        if label in self._states:
            return self._states[label].atoms
        return self.place.task.finished[label].structure

    def start_at(self, label: str) -> tuple[Atoms, NDArray[np.int64]]:
        """Crystal and supercell of a label that is finished here or before."""
        state = self.state(label)
        if state is not None:
            return state.atoms, state.supercell_matrix
        atoms = self.structure(label)
        return atoms, self.supercell_of(atoms)

    def state(self, label: str) -> State | None:
        """The state at a label; None if an earlier run left no force constants of it."""
        if label not in self._states:
            before = self.place.task.finished[label]
            if before.arrays is None:
                return None
            self._states[label] = _read_state(self.place, before, pressure_from_label(label))
        return self._states[label]

    def supercell_of(self, atoms: Atoms) -> NDArray[np.int64]:
        """Supercell of a crystal that is given, not reached: the job's own, or one as large.

        A cell of another size, as another phase has it, is repeated until its supercell is no
        narrower than that of the job's crystal.
        """
        from aiida_insbench.science.imaginary_modes import repetitions

        task = self.place.task
        matrix = np.asarray(task.supercell_matrix, dtype=np.int64)
        strain = np.linalg.solve(task.structure.cell.array, atoms.cell.array) - np.eye(3)
        if len(atoms) == len(task.structure) and np.abs(strain).max() < _SAME_STRAIN:
            return matrix
        return repetitions(like=matrix @ task.structure.cell.array, cell=atoms.cell.array)

    def check_supercell(self) -> dict[str, Any] | None:
        """What twice the supercell changes at the lowest pressure; None without force constants."""
        from aiida_insbench.science.supercell_convergence import compare_supercells, doubled

        state = self.state(self.labels()[0])
        if state is None:
            return None
        settings, progress = self.place.task.settings, self.place.progress
        label = self.labels()[0]
        found = compare_supercells(
            phonon=state.phonon,
            atoms=state.atoms,
            calculator=self.place.engine,
            supercell_matrix=doubled(state.supercell_matrix),
            mesh=settings['mesh'],
            displacement=settings['displacement'],
            symprec=settings['symprec'],
            report=lambda done, total: progress.report(
                f'{label} in twice the supercell', step=done, total=total
            ),
        )
        return {'label': label, **found}

    def all_warnings(self) -> list[str]:
        """Those of single pressures, tension, and what does not fit between pressures."""
        from aiida_insbench.science.pressure_consistency import RelaxedState, inconsistencies

        asked = {pressure_label(value) for value in self.place.task.pressures}
        found = list(self.warnings)
        found += [f'{key}: {text}' for key, text in self.reasons.items() if key not in asked]
        found += [
            f'{label} is under tension: a crystal may hold it that would break in the laboratory.'
            for label in self.labels()
            if pressure_from_label(label) < 0
        ]
        states = {label: self._states[label] for label in self.labels() if label in self._states}
        found += inconsistencies(
            {
                label: RelaxedState(
                    pressure=one.relaxation.static_pressure,
                    volume=float(one.atoms.get_volume()) / len(one.atoms),
                    energy=one.relaxation.energy / len(one.atoms),
                )
                for label, one in states.items()
            }
        )
        return found


def _read_state(place: Workplace, before: FinishedPressure, pressure: float) -> State:
    """A state as an earlier run left it; its energy and stress are computed once more."""
    from aiida_insbench.science.phonons import phonopy_from_force_constants
    from aiida_insbench.science.relaxation import evaluate

    symprec = place.task.settings['symprec']
    try:
        with np.load(str(before.arrays), allow_pickle=False) as arrays:
            matrix = np.asarray(arrays['supercell_matrix'], dtype=np.int64).T
            constants = np.asarray(arrays['force_constants'], dtype=float)
    except (OSError, KeyError, ValueError) as exc:
        raise JobFileError(f'{before.arrays} cannot be read: {exc!r}') from exc
    phonon = phonopy_from_force_constants(
        atoms=before.structure,
        supercell_matrix=matrix,
        force_constants=constants,
        symprec=symprec,
    )
    relaxation = evaluate(
        atoms=before.structure, calculator=place.engine, pressure=pressure, symprec=symprec
    )
    return State(relaxation, phonon, matrix)
