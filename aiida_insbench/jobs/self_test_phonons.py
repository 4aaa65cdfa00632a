"""Phonons and spectra of the self-test: small jobs whose results are known by another way.

Copper by ASE's EMT in its cubic cell of four atoms. The supercell's force constants, summed over
lattice vectors, are those of the cell repeated: its modes at Γ follow from forces in the cell
alone. With these modes only, mean-square displacement and lines of the spectrum are those of nine
oscillators. Frequencies in cm⁻¹, else eV and Å.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT
from numpy.typing import NDArray

from aiida_insbench.jobs.self_test_runs import check, run_job
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.pressure import pressure_label

FloatArray = NDArray[np.float64]

PRESSURES = (0.0, 5.0)  # GPa
TEMPERATURE = 10.0  # K
BIN_WIDTH = 2.0  # cm⁻¹
_ONE_CELL = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
_TWO_CELLS = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
#: What harmonic displacements of 0.01 Å and a relaxation to 5e-3 GPa leave.
_SAME_FREQUENCY, _SAME_PRESSURE = 0.2, 0.02


def phonons(folder: Path) -> str:
    """Relax copper and compute its phonons at two pressures; compare with EMT itself.

    Raises
    ------
    ComputationError
        If the job failed, or a number is not what it must be.
    """
    from aiida_insbench.science.potentials import potential_from_ase, write_potential
    from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

    write_potential(potential_from_ase('emt'), folder / 'potential')
    job = {
        'stage': 'phonons',
        'potential': 'potential',
        'structure': atoms_to_dict(bulk('Cu', cubic=True)),
        'pressures': list(PRESSURES),
        'supercell_matrix': _TWO_CELLS,
        'settings': {'mesh': [2, 2, 2]},
    }
    run_job(folder, job)
    highest = []
    for pressure in PRESSURES:
        record = _record(folder, pressure)
        found, atoms = (
            np.array(record['gamma']['frequencies']),
            atoms_from_dict(record['structure']),
        )
        check('acoustic modes at Γ, cm⁻¹', np.abs(found[:3]).max(), 0.0, _SAME_FREQUENCY)
        expected = gamma_frequencies(atoms)
        check('modes at Γ against EMT, cm⁻¹', np.abs(found - expected).max(), 0, _SAME_FREQUENCY)
        atoms.calc = EMT()
        stress = -float(atoms.get_stress()[:3].mean()) / units.GPa
        check('pressure of the relaxed crystal, GPa', stress, pressure, _SAME_PRESSURE)
        highest.append(found[-1])
    return 'highest modes of Cu {:.1f} and {:.1f} cm⁻¹ at 0 and 5 GPa, as by EMT itself'.format(
        *highest
    )


def ins(folder: Path, phonons_folder: Path) -> str:
    """Compute the spectra of these phonons; compare lines and displacements with oscillators.

    Raises
    ------
    ComputationError
        If the job failed, or a number is not what it must be.
    """
    labels = [pressure_label(pressure) for pressure in PRESSURES]
    for pressure, label in zip(PRESSURES, labels, strict=True):
        _write_yaml(phonons_folder, pressure, folder / f'{label}.yaml')
    job = {
        'stage': 'ins',
        'force_constants': {label: f'{label}.yaml' for label in labels},
        'temperature': TEMPERATURE,
        'instrument': 'TOSCA',
        'energy_range': [0, 400],
        'bin_width': BIN_WIDTH,
        'supercell_matrix': _ONE_CELL,
        'max_order': 2,
    }
    spectra = run_job(folder, job)['spectra']
    lines = []
    for pressure, label in zip(PRESSURES, labels, strict=True):
        modes = np.array(_record(phonons_folder, pressure)['gamma']['frequencies'])[3:]
        expected = mean_square_displacement(modes)
        check('displacement of Cu, Å²', spectra[label]['msd']['Cu'], expected, 1e-6)
        lines.append(_check_lines(folder / f'{label}.npz', modes))
    if not lines[1] > lines[0]:
        raise ComputationError(f'the line does not rise with pressure: {lines} cm⁻¹.')
    return 'strongest line of Cu at {:.0f} and {:.0f} cm⁻¹, where its modes are'.format(*lines)


def gamma_frequencies(atoms: Atoms) -> FloatArray:
    """Modes of a cell by EMT and central differences of its forces, rising; cm⁻¹."""
    step, rows = 0.01, []
    for index in range(3 * len(atoms)):
        moved = []
        for sign in (1, -1):
            one = atoms.copy()
            one.positions.flat[index] += sign * step
            one.calc = EMT()
            moved.append(one.get_forces().ravel())
        rows.append(-(moved[0] - moved[1]) / (2 * step))
    masses = np.repeat(atoms.get_masses(), 3)
    dynamical = np.array(rows) / np.sqrt(np.outer(masses, masses))
    squares = np.linalg.eigvalsh((dynamical + dynamical.T) / 2)
    return np.asarray(
        np.sign(squares) * np.sqrt(np.abs(squares)) * np.sqrt(_hbar_squared()) / units.invcm
    )


def mean_square_displacement(frequencies: FloatArray) -> float:
    r"""Of an atom of Cu in one direction, Å²; the four atoms of the cell are alike.

    .. math:: \frac{1}{12}\sum_m\frac{\hbar}{2m\omega_m}\coth\frac{\hbar\omega_m}{2k_BT}
    """
    energies = frequencies * units.invcm
    mass = float(bulk('Cu').get_masses()[0])
    motion = _hbar_squared() / (2 * mass * energies)
    return float((motion / np.tanh(energies / (2 * units.kB * TEMPERATURE))).sum() / 12)


def _check_lines(path: Path, modes: FloatArray) -> float:
    """Check order 1 of a spectrum; return the energy of its strongest line."""
    with np.load(path, allow_pickle=False) as arrays:
        energies = arrays['energy_transfer']
        spectrum = arrays['contributions'].sum(axis=(0, 1))[0].astype(float)
    if not spectrum.sum() > 0 or spectrum.min() < -1e-9 * spectrum.max():
        raise ComputationError(
            f'the spectrum is not positive: area {spectrum.sum():.3g}, least {spectrum.min():.3g}.'
        )
    middle = (modes[0] + modes[-1]) / 2
    for expected, part in ((modes[0], energies < middle), (modes[-1], energies >= middle)):
        line = float((energies * spectrum)[part].sum() / spectrum[part].sum())
        check('line of the spectrum, cm⁻¹', line, float(expected), 0.1 * BIN_WIDTH)
    strongest = float(energies[spectrum.argmax()])
    nearest = float(modes[np.abs(modes - strongest).argmin()])
    check('strongest line, cm⁻¹', strongest, nearest, BIN_WIDTH)
    return strongest


def _write_yaml(folder: Path, pressure: float, path: Path) -> None:
    from aiida_insbench.science.force_constant_files import save_force_constants
    from aiida_insbench.science.phonons import phonopy_from_force_constants
    from aiida_insbench.science.structures import atoms_from_dict

    with np.load(folder / f'{pressure_label(pressure)}.npz', allow_pickle=False) as arrays:
        phonon = phonopy_from_force_constants(
            atoms=atoms_from_dict(_record(folder, pressure)['structure']),
            supercell_matrix=arrays['supercell_matrix'].T,
            force_constants=arrays['force_constants'],
        )
    save_force_constants(phonon=phonon, path=path)


def _record(folder: Path, pressure: float) -> dict[str, Any]:
    text = (folder / f'{pressure_label(pressure)}.json').read_text(encoding='utf-8')
    return dict(json.loads(text))


def _hbar_squared() -> float:
    """ħ² in eV Å² u."""
    return float(units._hbar**2 / (units._e * units._amu) * 1e20)
