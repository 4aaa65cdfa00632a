"""Files of a finished pressure: ``p_1500.npz``, force constants, and ``p_1500.json``, the rest.

The first holds ``force_constants`` (compact, shape (n_unit_cell, n_supercell, 3, 3), eV/Å²),
``supercell_matrix`` and ``primitive_matrix`` in phonopy's convention (columns are axes), ready for
phonopy's classes. The second is written last: whoever finds it finds the arrays too.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.jobs.program import write_arrays, write_json
from aiida_insbench.science.structures import atoms_to_dict

#: At which thermal functions are given, K.
THERMAL_TEMPERATURES = (0.0, 10.0, 50.0, 100.0, 150.0, 200.0, 250.0, 300.0)


def write_pressure(
    folder: Path,
    label: str,
    *,
    relaxation: Any,
    phonon: Any,
    settings: dict[str, Any],
    more: dict[str, Any] | None = None,
) -> None:
    """Write both files of a pressure.

    Parameters
    ----------
    folder : Path
        Where.
    label : str
        Of the pressure, ``p_1500``.
    relaxation : Relaxation
        The relaxed crystal.
    phonon : Phonopy
        With its force constants.
    settings : dict
        ``mesh`` and ``symprec``.
    more : dict, optional
        Further entries of the record, JSON-ready.
    """
    write_modes(
        folder,
        label,
        record={**relaxation_record(relaxation), **(more or {})},
        phonon=phonon,
        settings=settings,
    )


def write_modes(
    folder: Path, label: str, *, record: dict[str, Any], phonon: Any, settings: dict[str, Any]
) -> None:
    """Write both files of a pressure whose crystal was relaxed elsewhere.

    Parameters
    ----------
    folder, label, phonon, settings
        As of `write_pressure`.
    record : dict
        The keys of `relaxation_record`; None where a value is not known.
    """
    whole = {
        **record,
        'symprec': settings['symprec'],
        **mode_record(phonon, mesh=settings['mesh']),
    }
    write_force_constants(folder / f'{label}.npz', phonon)
    write_json(folder / f'{label}.json', whole)


def relaxation_record(relaxation: Any) -> dict[str, Any]:
    """Structure, energy, stress, residuals and space groups of a relaxed crystal, JSON-ready."""
    return {
        'pressure': relaxation.pressure,
        'structure': atoms_to_dict(relaxation.atoms),
        'energy': relaxation.energy,
        'stress': relaxation.stress.tolist(),
        'residual_stress_gpa': relaxation.residual_stress,
        'residual_force': relaxation.residual_force,
        'volume': float(relaxation.atoms.get_volume()),
        'space_group': {
            'before': relaxation.space_group_before,
            'after': relaxation.space_group_after,
        },
        'relax_steps': relaxation.steps,
    }


def mode_record(phonon: Any, *, mesh: list[int]) -> dict[str, Any]:
    """Γ and mesh frequencies (cm⁻¹), thermal functions and the verdict, JSON-ready."""
    from aiida_insbench.science.gamma_modes import gamma_modes
    from aiida_insbench.science.phonon_mesh import mesh_modes
    from aiida_insbench.science.thermal import thermal_functions

    gamma = gamma_modes(phonon=phonon)
    modes = mesh_modes(phonon=phonon, mesh=mesh)
    thermal = thermal_functions(
        modes.frequencies, modes.weights, temperatures=np.array(THERMAL_TEMPERATURES)
    )
    return {
        'gamma': {
            'frequencies': gamma.frequencies.tolist(),
            'irreps': list(gamma.irreps),
            'acoustic': gamma.acoustic.tolist(),
        },
        'mesh': {
            'mesh': list(modes.mesh),
            'minimum_frequency': modes.minimum_frequency,
            'imaginary': [
                {'q': point.tolist(), 'frequency': value} for point, value in modes.imaginary()
            ],
            'worst_eigenvector': _worst_eigenvector(phonon, modes),
            'n_imaginary': modes.n_imaginary,
            'dos': {'frequency': modes.dos_frequency.tolist(), 'dos': modes.dos.tolist()},
        },
        'thermal': {
            'temperatures': list(THERMAL_TEMPERATURES),
            'free_energy': thermal.free_energy.tolist(),
            'entropy': thermal.entropy.tolist(),
            'heat_capacity': thermal.heat_capacity.tolist(),
            'left_out': thermal.left_out,
            'units': {'energy': 'eV per primitive cell', 'temperature': 'K'},
        },
        'verdict': 'imaginary modes' if modes.n_imaginary else 'stable',
    }


def _worst_eigenvector(phonon: Any, modes: Any) -> dict[str, Any] | None:
    """q, frequency and complex mass-weighted eigenvector of the worst imaginary mode."""
    worst = modes.imaginary(limit=1)
    if not worst:
        return None
    point, frequency = worst[0]
    found = phonon.run_qpoints([point], with_eigenvectors=True)
    vector = np.asarray(found.eigenvectors)[0, :, 0].reshape(-1, 3)
    return {
        'q': point.tolist(),
        'frequency': frequency,
        'real': vector.real.tolist(),
        'imaginary': vector.imag.tolist(),
    }


def write_force_constants(path: Path, phonon: Any) -> None:
    """Write compact force constants and the matrices of the cells."""
    from aiida_insbench.science.supercells import compact_force_constants

    write_arrays(
        path,
        {
            'force_constants': compact_force_constants(phonon),
            'supercell_matrix': np.asarray(phonon.supercell_matrix, dtype=np.int64),
            'primitive_matrix': np.asarray(phonon.primitive_matrix, dtype=float),
        },
    )
