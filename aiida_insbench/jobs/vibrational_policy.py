"""``cell_policy: vibrational``: crystals that stand at their pressure with their vibrations.

The static pressure of each is found from states that have been computed, another state is computed
there, and so on until P_static + P_vib is the pressure asked for. See
`aiida_insbench.science.vibrational_cell`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from aiida_insbench.jobs.phonon_states import State
from aiida_insbench.jobs.pressure_sweep import PressureSweep, Start
from aiida_insbench.science.errors import ComputationError, ImaginaryModeError, InputError
from aiida_insbench.science.pressure import pressure_label

#: States computed for one pressure before it is given up.
_MOST_STEPS = 6
#: With fewer volumes than this the second derivative of the free energy is not known.
_LEAST_VOLUMES = 3
_STEP = 1.0  # GPa, between static pressures computed for their free energy alone


class VibrationalCells:
    """Static states of a crystal, and those among them that stand at the pressures asked for.

    Parameters
    ----------
    sweep : PressureSweep
        Takes the states that stand at a pressure.
    """

    def __init__(self, sweep: PressureSweep) -> None:
        self.sweep = sweep
        self.settings = sweep.place.task.settings
        self._states: list[tuple[Any, State]] = []

    def go_through(self, pressures: tuple[float, ...]) -> None:
        """Find a state for every pressure that is not finished yet."""
        wanted = self._take_finished(pressures)
        if not wanted:
            return
        self._compute_supports(wanted)
        for pressure in wanted:
            if len(self._states) < 2:
                self.sweep.reasons.setdefault(
                    pressure_label(pressure), 'Too few stable crystals for a vibrational pressure.'
                )
                continue
            try:
                self._find(pressure)
            except (ComputationError, InputError) as exc:
                self.sweep.reasons[pressure_label(pressure)] = str(exc)

    def _take_finished(self, pressures: tuple[float, ...]) -> list[float]:
        """Pressures not finished yet; states of the others are taken over."""
        wanted = []
        for pressure in pressures:
            label = pressure_label(pressure)
            if label not in self.sweep.place.task.finished:
                wanted.append(pressure)
                continue
            state = self.sweep.state(label)
            if state is not None:
                self._add(state, label)
        return wanted

    def _compute_supports(self, wanted: list[float]) -> None:
        """States at the static pressures asked for, and below them while stable ones are few."""
        for pressure in wanted:
            self._compute(pressure, label=pressure_label(pressure))
        for step in range(1, _MOST_STEPS + 1):
            if len(self._states) >= _LEAST_VOLUMES:
                return
            lower = min(wanted) - step * _STEP
            self._compute(lower, label=pressure_label(lower))

    def _find(self, pressure: float) -> None:
        """Compute states until one stands at a pressure; keep it."""
        from aiida_insbench.science.vibrational_cell import (
            static_pressure_for,
            vibrational_pressure_of,
        )

        label = pressure_label(pressure)
        for _ in range(_MOST_STEPS):
            known = [one for one, _ in self._states]
            for one, state in self._states:
                vibrational = vibrational_pressure_of(one, known)
                off = one.static_pressure + vibrational - pressure
                if abs(off) <= self.settings['pressure_tolerance'] and self._is_inner(one):
                    self.sweep.keep(
                        label,
                        state,
                        pressure=pressure,
                        vibrational_pressure=vibrational,
                        temperature=self.settings['temperature'],
                    )
                    return
            if not self._compute(static_pressure_for(pressure, known), label=label):
                raise ComputationError(self.sweep.reasons.get(label, 'The state failed.'))
        raise ComputationError(
            f'No crystal was found to stand at {pressure:g} GPa within '
            f'{self.settings["pressure_tolerance"]:g} GPa in {_MOST_STEPS} steps.'
        )

    def _is_inner(self, one: Any) -> bool:
        """Whether volumes on both sides, or many, support the derivative at a state."""
        volumes = [other.volume for other, _ in self._states]
        return min(volumes) < one.volume < max(volumes) or len(volumes) > _LEAST_VOLUMES

    def _compute(self, static: float, *, label: str) -> bool:
        """Compute a static state; False if it fails."""
        self.sweep.reasons.pop(label, None)
        name = f'{label} at static {static:.3f} GPa'
        state = self.sweep.attempt(label, static, self._nearest(static), name=name)
        if state is None:
            return False
        return self._add(state, label)

    def _nearest(self, static: float) -> Start:
        if not self._states:
            return None
        _, state = min(self._states, key=lambda item: abs(item[0].static_pressure - static))
        return state.atoms, state.supercell_matrix

    def _add(self, state: State, label: str) -> bool:
        """Take a state into the equation of state; False, with a reason, if it is unstable."""
        try:
            self._states.append((self._static_state(state), state))
        except ImaginaryModeError as exc:
            self.sweep.reasons[label] = str(exc)
            return False
        return True

    def _static_state(self, state: State) -> Any:
        """Volume and energies of a state, per atom: cells may differ in size.

        Raises
        ------
        ImaginaryModeError
            If it has imaginary modes, and so no free energy.
        """
        from aiida_insbench.science.phonon_mesh import mesh_modes
        from aiida_insbench.science.thermal import thermal_functions
        from aiida_insbench.science.vibrational_cell import StaticState

        mesh = mesh_modes(phonon=state.phonon, mesh=self.settings['mesh'])
        if mesh.n_imaginary:
            raise ImaginaryModeError(
                f'At the static pressure {state.relaxation.static_pressure:.3f} GPa the crystal '
                'has imaginary modes: no free energy, and so no vibrational pressure.'
            )
        functions = thermal_functions(
            mesh.frequencies,
            mesh.weights,
            temperatures=np.array([float(self.settings['temperature'])]),
        )
        size = len(state.atoms)
        return StaticState(
            static_pressure=state.relaxation.static_pressure,
            volume=float(state.atoms.get_volume()) / size,
            energy=state.relaxation.energy / size,
            free_energy=float(functions.free_energy[0]) / size,
        )
