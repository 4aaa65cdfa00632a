"""What zero-point and thermal motion add to the static pressures of a crystal.

See `aiida_insbench.science.thermal` for formulas and source. Pressures in GPa, temperatures in K.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from phonopy import Phonopy

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.qpoint_mesh import mesh_of_spacing
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.thermal import thermal_functions, vibrational_pressure

_Q_SPACING = 0.3  # Å⁻¹, with 2π: free energies are smooth


def quasi_harmonic_pressure(
    phonons: Mapping[str, Phonopy], *, temperature: float
) -> dict[str, Any]:
    """Vibrational pressure at 0 K and at a temperature, JSON-ready.

    Parameters
    ----------
    phonons : mapping from str to Phonopy
        With force constants, by pressure label.
    temperature : float
        In K, ≥ 0.

    Returns
    -------
    dict
        ``reason`` why it is not known, or None; then ``temperatures`` and ``gpa``, by label one
        value a temperature.
    """
    labels = sorted(phonons, key=pressure_from_label)
    temperatures = np.array(sorted({0.0, temperature}))
    volumes, energies = [], []
    for label in labels:
        phonon = phonons[label]
        axes = 2 * np.pi * np.linalg.inv(phonon.primitive.cell).T
        mesh = mesh_modes(phonon=phonon, mesh=mesh_of_spacing(axes, _Q_SPACING))
        if mesh.n_imaginary:
            return {'reason': f'The crystal is unstable at {label}: it has no free energy.'}
        functions = thermal_functions(mesh.frequencies, mesh.weights, temperatures=temperatures)
        volumes.append(float(phonon.primitive.volume))
        energies.append(functions.free_energy)
    try:
        pressures = [vibrational_pressure(np.array(volumes), row) for row in np.transpose(energies)]
    except InputError as exc:
        return {'reason': str(exc)}
    return {
        'reason': None,
        'temperatures': temperatures.tolist(),
        'gpa': dict(zip(labels, np.transpose(pressures).tolist(), strict=True)),
    }
