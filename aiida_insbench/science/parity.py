"""Predictions of a potential beside the labels: energies, forces and stresses and their errors.

Errors in the units people compare: meV/atom, meV/Å, GPa. Stress errors are over the six Voigt
components, each counted once (MACE's own tables count the shear components twice).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.units import GPa

from aiida_insbench.science.errors import ComputationError, DatasetError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.molecular_forces import MOTIONS, split_forces
from aiida_insbench.science.molecules import find_molecules
from aiida_insbench.science.pressure import pressure_label

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

FloatArray = npt.NDArray[np.float64]
_MEV = 1000.0


@dataclass(frozen=True)
class Properties:
    """Energies, forces and stresses of frames, labels or predictions.

    Attributes
    ----------
    energy : ndarray, shape (n_frames,)
        In eV a frame.
    forces : ndarray, shape (n_atoms of all frames, 3)
        In eV/Å, frame after frame.
    stress : ndarray, shape (n_frames, 6)
        In eV/Å³, ASE's sign and Voigt order.
    """

    energy: FloatArray
    forces: FloatArray
    stress: FloatArray


def labels(frames: Sequence[Atoms]) -> Properties:
    """Collect the labels of frames; they must have passed `check_frames`."""
    return Properties(
        energy=np.array([float(frame.info[ENERGY_KEY]) for frame in frames]),
        forces=np.concatenate([np.asarray(frame.arrays[FORCES_KEY], float) for frame in frames]),
        stress=np.array([_voigt(frame.info[STRESS_KEY]) for frame in frames]),
    )


def predict(frames: Sequence[Atoms], *, calculator: Calculator) -> Properties:
    """Compute what `labels` collects.

    Parameters
    ----------
    frames : sequence of Atoms
        Left as they are.
    calculator : Calculator
        With energy, forces and stress.

    Raises
    ------
    ComputationError
        If a prediction is not finite.
    """
    energy, forces, stress = [], [], []
    for frame in frames:
        atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
        atoms.calc = calculator
        energy.append(float(atoms.get_potential_energy()))
        forces.append(np.array(atoms.get_forces(), dtype=float))
        stress.append(np.array(atoms.get_stress(), dtype=float))
    found = Properties(np.array(energy), np.concatenate(forces), np.array(stress))
    for name in ('energy', 'forces', 'stress'):
        if not np.isfinite(getattr(found, name)).all():
            raise ComputationError(f'The potential predicts a {name} that is not finite.')
    return found


def errors(frames: Sequence[Atoms], *, predicted: Properties) -> dict[str, Any]:
    r"""Root-mean-square and mean absolute errors, in all, by element and by target pressure.

    .. math:: \mathrm{rmse} = \sqrt{\frac{1}{n}\sum_i (p_i - l_i)^2}

    Energies are compared per atom; forces by Cartesian component; stress by Voigt component.

    Parameters
    ----------
    frames : sequence of Atoms
        Labelled.
    predicted : Properties
        Of the same frames in the same order.

    Returns
    -------
    dict
        ``rmse_energy_mev_atom``, ``rmse_forces_mev_a``, ``rmse_stress_gpa``,
        ``mae_forces_mev_a``, ``mean_energy_error_mev_atom`` (a constant offset between two levels
        of theory shows here), ``n_frames``; ``by_element`` (``rmse_forces_mev_a``,
        ``mae_forces_mev_a``, ``n_atoms``); ``by_pressure`` (the three rmse, ``n_frames`` and, of
        molecules, ``by_motion``) by pressure label; frames without ``target_pressure`` are in the
        totals only; ``by_motion`` (``translation``, ``rotation``, ``vibration`` of molecules in
        meV/Å, see `aiida_insbench.science.molecular_forces`), None where a frame is no molecular
        crystal.

    Raises
    ------
    DatasetError
        If predictions and frames differ in number.
    """
    if len(predicted.energy) != len(frames) or not frames:
        raise DatasetError(
            f'{len(predicted.energy)} predictions stand beside {len(frames)} frames.'
        )
    label = labels(frames)
    counts = np.array([len(frame) for frame in frames])
    energy = (predicted.energy - label.energy) / counts
    forces = predicted.forces - label.forces
    stress = predicted.stress - label.stress
    symbols = np.concatenate([frame.get_chemical_symbols() for frame in frames])
    owner = np.repeat(np.arange(len(frames)), counts)
    motions = _by_motion(frames, forces, counts)
    return {
        **_rms_errors(energy, forces, stress),
        'by_motion': _rms_of_motions(motions, slice(None)),
        'mae_forces_mev_a': _MEV * _mean_absolute(forces),
        'mean_energy_error_mev_atom': _MEV * float(energy.mean()),
        'by_element': {
            str(element): {
                'rmse_forces_mev_a': _MEV * _root_mean_square(forces[symbols == element]),
                'mae_forces_mev_a': _MEV * _mean_absolute(forces[symbols == element]),
                'n_atoms': int((symbols == element).sum()),
            }
            for element in sorted(set(symbols))
        },
        'by_pressure': {
            name: {
                **_rms_errors(energy[chosen], forces[np.isin(owner, chosen)], stress[chosen]),
                'by_motion': _rms_of_motions(motions, np.isin(owner, chosen)),
            }
            for name, chosen in _frames_by_pressure(frames).items()
        },
    }


def _by_motion(
    frames: Sequence[Atoms], errors_of_forces: FloatArray, counts: npt.NDArray[np.int64]
) -> dict[str, FloatArray] | None:
    """Part errors of forces by motions of molecules; None unless all frames are molecular."""
    found: dict[str, list[FloatArray]] = {name: [] for name in MOTIONS}
    for frame, own in zip(frames, np.split(errors_of_forces, np.cumsum(counts)[:-1]), strict=True):
        molecules = find_molecules(frame)
        if molecules is None or any(len(one.atoms) < 2 for one in molecules):
            return None
        parts = split_forces(own, molecules=molecules, masses=frame.get_masses())
        for name, part in parts.items():
            found[name].append(part)
    return {name: np.concatenate(parts) for name, parts in found.items()}


def _rms_of_motions(motions: dict[str, FloatArray] | None, chosen: Any) -> dict[str, float] | None:
    if motions is None:
        return None
    return {name: _MEV * _root_mean_square(part[chosen]) for name, part in motions.items()}


def _rms_errors(energy: FloatArray, forces: FloatArray, stress: FloatArray) -> dict[str, Any]:
    return {
        'rmse_energy_mev_atom': _MEV * _root_mean_square(energy),
        'rmse_forces_mev_a': _MEV * _root_mean_square(forces),
        'rmse_stress_gpa': _root_mean_square(stress) / GPa,
        'n_frames': len(energy),
    }


def _frames_by_pressure(frames: Sequence[Atoms]) -> dict[str, list[int]]:
    """Indices of frames by pressure label, in rising order of pressure."""
    found: dict[float, list[int]] = {}
    for index, frame in enumerate(frames):
        if 'target_pressure' in frame.info:
            found.setdefault(float(frame.info['target_pressure']), []).append(index)
    by_label: dict[str, list[int]] = {}
    for pressure in sorted(found):
        by_label.setdefault(pressure_label(pressure), []).extend(found[pressure])
    return by_label


def _voigt(stress: Any) -> FloatArray:
    values = np.asarray(stress, dtype=float)
    if values.size == 6:
        return values.reshape(6)
    if values.size == 9:
        return values.reshape(9)[[0, 4, 8, 5, 2, 1]]
    raise DatasetError(f'`{STRESS_KEY}` has {values.size} numbers; 6 (Voigt) or 9 are needed.')


def _root_mean_square(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


def _mean_absolute(values: FloatArray) -> float:
    return float(np.mean(np.abs(values)))
