"""Frames from a trajectory that exists, far enough apart to be independent.

Times are counted in frames of the trajectory; lengths in Å.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import DatasetError, InputError, format_error
from aiida_insbench.science.frames import ENERGY_KEY
from aiida_insbench.science.sampling.cells import IntArray, frame_generator, tag_frame
from aiida_insbench.science.sampling.decorrelation import displacement_time, energy_time
from aiida_insbench.science.sampling.refusal import MINIMUM_SHARE, too_close

METHOD = 'trajectory'
#: Where an energy that is no label is kept in ``info``; `ENERGY_KEY` is read too.
POTENTIAL_ENERGY = 'potential_energy'


@dataclass(frozen=True)
class TrajectoryChoice:
    """Which frames to take.

    Attributes
    ----------
    discard : int
        Frames dropped at the beginning.
    stride : int
        Least distance of two frames taken, in frames; 0: the estimated correlation time, rounded
        up.
    minimum_contact : float
        Smallest distance allowed, as a share of the sum of covalent radii.
    """

    discard: int = 0
    stride: int = 0
    minimum_contact: float = MINIMUM_SHARE


@dataclass(frozen=True)
class TrajectorySample:
    """Frames taken and what was found on the way.

    Attributes
    ----------
    frames : list of Atoms
        Unlabelled frames, in the trajectory's order.
    refused : int
        Frames passed over because atoms came too close.
    length : int
        Frames of the trajectory, `discard` of them dropped.
    energy_time, displacement_time : float
        Correlation times in frames; of the energy NaN if a frame has none.
    stride : int
        Least distance used.
    independent : int
        Frames that far apart which the trajectory holds.
    """

    frames: list[Atoms]
    refused: int
    length: int
    energy_time: float
    displacement_time: float
    stride: int
    independent: int


def trajectory_frames(
    *,
    trajectory: Sequence[Atoms],
    count: int,
    supercell_matrix: IntArray,
    pressure: float | None,
    choice: TrajectoryChoice,
    seed: int,
    prefix: str,
) -> TrajectorySample:
    """Take independent frames, spread over the trajectory, from a random beginning.

    Parameters
    ----------
    trajectory : sequence of Atoms
        The same atoms in the same order, periodic in three dimensions. Energies are read from
        ``info`` (``REF_energy`` or ``potential_energy``, eV).
    count : int
        Frames to take, ≥ 1.
    supercell_matrix : ndarray, shape (3, 3)
        Integers; the trajectory's cell in the unit cell's axes.
    pressure : float or None
        Target pressure to tag frames with, GPa; None: the trajectory's own ``target_pressure``.
    choice : TrajectoryChoice
        What to leave out.
    seed : int
        ≥ 0; decides the first frame.
    prefix : str
        Of the frames' names.

    Returns
    -------
    TrajectorySample
        Frames with ``source_frame`` (number in the trajectory, from 0) in ``info``.

    Raises
    ------
    DatasetError
        If frames are not finite, not of the same atoms, or without pressure.
    InputError
        If a setting is out of its range, or fewer independent frames are there than asked for.
    """
    if count < 1:
        raise InputError(f'`count` is {count}; give frames to take, 1 or more.')
    _check(choice, len(trajectory))
    _check_trajectory(trajectory, supercell_matrix, pressure)
    kept = trajectory[choice.discard :]
    energies = [_energy(frame) for frame in kept]
    of_energy = math.nan if np.isnan(energies).any() else energy_time(energies)
    of_displacement = displacement_time(kept)
    longest = max(of_displacement, 0.0 if math.isnan(of_energy) else of_energy)
    stride = choice.stride or math.ceil(longest)
    independent = (len(kept) - 1) // stride + 1
    if count > independent:
        raise InputError(_too_few(count, independent, stride, len(kept), choice))
    numbers, refused = _pick(kept, count, stride, choice.minimum_contact, seed)
    if len(numbers) < count:
        raise InputError(
            format_error(
                f'Only {len(numbers)} of {count} frames of the trajectory could be taken: '
                f'{refused} on the way had atoms closer than {choice.minimum_contact} of '
                'the sum of their covalent radii.',
                fix='Ask for fewer frames, or give a trajectory that keeps its atoms apart.',
            )
        )
    frames = [
        _take(
            kept[number],
            prefix,
            index,
            choice.discard + number,
            pressure,
            seed,
            supercell_matrix,
        )
        for index, number in enumerate(numbers)
    ]
    return TrajectorySample(
        frames, refused, len(kept), of_energy, of_displacement, stride, independent
    )


def _pick(
    kept: Sequence[Atoms], count: int, stride: int, minimum_share: float, seed: int
) -> tuple[list[int], int]:
    last = len(kept) - 1
    # late enough to matter, early enough that `count` frames still fit
    latest = min(last - stride * (count - 1), max(len(kept) // count - 1, 0))
    place = int(frame_generator(seed=seed, index=0).integers(latest + 1))
    numbers: list[int] = []
    refused = 0
    while place <= last and len(numbers) < count:
        if too_close(atoms=kept[place], minimum_share=minimum_share):
            refused += 1
            place += 1
            continue
        numbers.append(place)
        place += max(stride, (last - place) // max(count - len(numbers), 1))
    return numbers, refused


def _take(
    frame: Atoms,
    prefix: str,
    index: int,
    number: int,
    pressure: float | None,
    seed: int,
    supercell_matrix: IntArray,
) -> Atoms:
    target = frame.info['target_pressure'] if pressure is None else pressure
    taken = Atoms(frame.symbols, cell=frame.cell.array, positions=frame.positions, pbc=True)
    tag_frame(
        frame=taken,
        prefix=prefix,
        index=index,
        method=METHOD,
        pressure=float(target),
        seed=seed,
        supercell_matrix=supercell_matrix,
    )
    taken.info['source_frame'] = number
    return taken


def _energy(frame: Atoms) -> float:
    value = frame.info.get(ENERGY_KEY, frame.info.get(POTENTIAL_ENERGY, math.nan))
    return float(value)


def _check(choice: TrajectoryChoice, length: int) -> None:
    if choice.stride < 0:
        raise InputError(f'`stride` is {choice.stride}; give frames ≥ 1, or 0 to estimate it.')
    if not 0 <= choice.discard < length:
        raise InputError(
            f'`discard` is {choice.discard}; the trajectory has {length} frames: give 0 to '
            f'{length - 1}.'
        )


def _check_trajectory(
    trajectory: Sequence[Atoms], supercell_matrix: IntArray, pressure: float | None
) -> None:
    symbols = trajectory[0].get_chemical_symbols()
    for number, frame in enumerate(trajectory):
        where = f'trajectory, frame {number}'
        if frame.get_chemical_symbols() != symbols:
            raise DatasetError(
                format_error(
                    f'{where} holds {frame.get_chemical_formula()}, frame 0 '
                    f'{trajectory[0].get_chemical_formula()}, or the order of atoms differs.',
                    fix='A trajectory is of the same atoms in the same order.',
                )
            )
        if not (np.isfinite(frame.positions).all() and np.isfinite(frame.cell.array).all()):
            raise DatasetError(f'{where}: positions or cell are not finite.')
        if not frame.pbc.all() or abs(frame.get_volume()) < 1e-3:
            raise DatasetError(f'{where} is not periodic in three dimensions.')
        if pressure is None and 'target_pressure' not in frame.info:
            raise DatasetError(
                format_error(
                    f'{where} has no `target_pressure`.', fix='Give one pressure in `pressures`.'
                )
            )
        own = frame.info.get('supercell_matrix')
        if own is not None and not np.array_equal(own, supercell_matrix):
            raise DatasetError(
                f'{where} has the supercell matrix {np.asarray(own).tolist()}, `cells` gives '
                f'{supercell_matrix.tolist()}.'
            )


def _too_few(
    count: int, independent: int, stride: int, length: int, choice: TrajectoryChoice
) -> str:
    origin = 'as set' if choice.stride else 'their correlation time'
    return format_error(
        f'{count} frames are asked for, but only {independent} independent ones are there: '
        f'{length} frames after the first {choice.discard}, at least {stride} apart ({origin}).',
        fix='Ask for fewer, give a longer trajectory, or set `stride`.',
    )
