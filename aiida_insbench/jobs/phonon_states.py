"""One pressure of stage ``phonons``: relax, compute force constants, follow what is unstable."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

from aiida_insbench.jobs.phonon_records import write_pressure
from aiida_insbench.jobs.phonon_task import PhononTask
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.structures import rounded

#: Share of the volume by which one pressure may change the structure it starts from.
MAX_VOLUME_CHANGE = 0.4
#: Enthalpy a followed structure must gain to be another one, eV per atom.
LEAST_GAIN = 1e-6


@dataclass(frozen=True)
class Workplace:
    """What every part of the job needs.

    Attributes
    ----------
    task : PhononTask
        The checked job.
    engine : ase Calculator
        Gives energy, forces and stress.
    folder : Path
        Where files are written.
    progress : Progress
        Log.
    batch : BatchedPotential, optional
        Gives the forces of many displaced supercells at once, on a GPU.
    """

    task: PhononTask
    engine: Any
    folder: Path
    progress: Progress
    batch: Any = None

    def forget(self) -> None:
        """Make the calculator forget earlier frames, whose neighbour lists some keep.

        Sums in another order differ in the last digit, and a resumed run has another history.
        """
        if hasattr(self.engine, 'reset'):
            self.engine.reset()


@dataclass(frozen=True)
class State:
    """A crystal relaxed at a static pressure, with its force constants.

    Attributes
    ----------
    relaxation : Relaxation
        Structure, energy, stress.
    phonon : Phonopy
        With force constants.
    supercell_matrix : ndarray, shape (3, 3)
        Rows are the supercell's axes in those of the relaxed crystal.
    followed : list of dict
        Imaginary modes that were followed to this structure, the first one first.
    """

    relaxation: Any
    phonon: Any
    supercell_matrix: NDArray[np.int64]
    followed: list[dict[str, Any]] = field(default_factory=list)

    @property
    def atoms(self) -> Atoms:
        """The relaxed crystal."""
        return self.relaxation.atoms


def compute_state(
    place: Workplace, start: Atoms, pressure: float, *, supercell_matrix: Any, label: str = ''
) -> State:
    """Relax at a static pressure and compute force constants.

    Parameters
    ----------
    place : Workplace
        Job, engine, folder, log.
    start : Atoms
        Where the relaxation starts.
    pressure : float
        Static, GPa; in a given cell (``cell_policy: experimental``) only a name.
    supercell_matrix : array_like, shape (3, 3)
        Rows are the supercell's axes in those of `start`.
    label : str
        For the log; of the pressure by default.

    Raises
    ------
    ConvergenceError
        If relaxation or fit do not converge.
    """
    name = label or pressure_label(pressure)
    relaxation = relax_at(place, start, pressure)
    place.progress.report(
        f'{name} relaxed',
        step=relaxation.steps,
        pressure=pressure,
        volume=float(relaxation.atoms.get_volume()),
    )
    matrix = np.asarray(supercell_matrix, dtype=np.int64)
    phonon = force_constants(place, relaxation.atoms, matrix, name=name)
    state = State(relaxation, phonon, matrix)
    if place.task.settings['imaginary'] == 'follow':
        return _follow(place, state, pressure, name)
    return state


def relax_at(place: Workplace, start: Atoms, pressure: float) -> Any:
    """Relax at a static pressure by the job's settings; see `aiida_insbench.science.relaxation`."""
    from aiida_insbench.science.relaxation import relax

    settings = place.task.settings
    place.forget()
    found = relax(
        atoms=start,
        calculator=place.engine,
        pressure=pressure,
        fmax=settings['fmax'],
        stress_tolerance=settings['stress_tolerance'],
        max_steps=settings['max_steps'],
        fix_symmetry=settings['fix_symmetry'],
        fix_cell=settings['cell_policy'] == 'experimental',
        symprec=settings['symprec'],
        max_volume_change=MAX_VOLUME_CHANGE,
    )
    # whoever goes on from the stored crystal goes on from this one, to the last digit
    return dataclasses.replace(found, atoms=rounded(found.atoms))


def force_constants(
    place: Workplace, atoms: Atoms, supercell_matrix: NDArray[np.int64], *, name: str
) -> Any:
    """Force constants by the route the settings name, as a Phonopy object."""
    from aiida_insbench.science.one_sided_displacements import one_sided_force_constants
    from aiida_insbench.science.phonons import calculate_force_constants
    from aiida_insbench.science.random_displacements import random_force_constants

    settings = place.task.settings
    place.forget()
    common = {
        'atoms': atoms,
        'calculator': place.batch or place.engine,
        'supercell_matrix': supercell_matrix,
        'symprec': settings['symprec'],
        'report': lambda done, total: place.progress.report(
            f'{name} displaced supercell', step=done, total=total
        ),
    }
    route = settings['displacements']
    if route == 'auto':
        route = _route_by_noise(place, atoms, name)
    if route == 'one-sided':
        return one_sided_force_constants(**common)
    if route == 'random':
        return random_force_constants(
            seed=settings['seed'], cutoff=settings['random_cutoff'], **common
        )
    return calculate_force_constants(displacement=settings['displacement'], **common)


def _route_by_noise(place: Workplace, atoms: Atoms, name: str) -> str:
    """One-sided tiny displacements where forces are exact enough for them."""
    from aiida_insbench.science.one_sided_displacements import LARGEST_NOISE, force_noise

    noise = force_noise(atoms=atoms, calculator=place.engine)
    route = 'one-sided' if noise < LARGEST_NOISE else 'finite'
    place.progress.report(f'{name} has forces exact to {noise:.1e} eV/Å: displacements {route}')
    return route


def write_state(place: Workplace, label: str, state: State, **more: Any) -> None:
    """Write both files of a pressure; `more` is laid over the record."""
    write_pressure(
        place.folder,
        label,
        relaxation=state.relaxation,
        phonon=state.phonon,
        settings=place.task.settings,
        more={
            'cell_policy': place.task.settings['cell_policy'],
            'static_pressure': state.relaxation.static_pressure,
            'supercell_matrix': state.supercell_matrix.tolist(),
            'followed': state.followed,
            **more,
        },
    )


def _follow(place: Workplace, state: State, pressure: float, name: str) -> State:
    """Follow the worst imaginary mode, again and again; end with a reason, never with an error."""
    from aiida_insbench.science.imaginary_modes import worst_imaginary_mode

    settings = place.task.settings
    for round_ in range(1, settings['most_followed'] + 1):
        mode = worst_imaginary_mode(phonon=state.phonon, mesh=settings['mesh'])
        if mode is None:
            return state
        place.progress.report(
            f'{name} follows {mode.frequency:.1f} cm⁻¹', step=round_, pressure=pressure
        )
        try:
            found, step = _one_step(place, state, mode, pressure, name)
        except ComputationError as exc:
            found, step = None, {'outcome': str(exc)}
        entry = {'qpoint': mode.qpoint.tolist(), 'frequency': mode.frequency, **step}
        state.followed.append(entry)
        if found is None:
            return state
        state = State(found.relaxation, found.phonon, found.supercell_matrix, state.followed)
    return state


def _one_step(
    place: Workplace, state: State, mode: Any, pressure: float, name: str
) -> tuple[State | None, dict[str, Any]]:
    """Displace along a mode, relax, compute again; None if the crystal went back."""
    from aiida_insbench.science.imaginary_modes import lowest_along, same_supercell

    displaced, amplitude, _ = lowest_along(atoms=state.atoms, mode=mode, calculator=place.engine)
    relaxation = relax_at(place, displaced, pressure)
    before, after = (one.enthalpy / len(one.atoms) for one in (state.relaxation, relaxation))
    step = {
        'amplitude': amplitude,
        'cell_matrix': mode.cell_matrix.tolist(),
        'enthalpy_gain_mev_atom': 1000 * (before - after),
        'space_group': {
            'before': state.relaxation.space_group_after,
            'after': relaxation.space_group_after,
        },
    }
    if before - after < LEAST_GAIN:
        return None, {**step, 'outcome': 'The crystal went back to where it was.'}
    matrix = same_supercell(
        supercell_matrix=state.supercell_matrix,
        cell_matrix=mode.cell_matrix,
        cell=relaxation.atoms.cell.array,
    )
    phonon = force_constants(place, relaxation.atoms, matrix, name=name)
    return State(relaxation, phonon, matrix), {**step, 'outcome': 'A lower structure was found.'}
