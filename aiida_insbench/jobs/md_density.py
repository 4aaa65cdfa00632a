"""Density of states of a run as files: arrays of floats, and the rest as JSON.

Arrays: ``density_energy`` (cm⁻¹, where a mode would be that was not followed in finite steps),
``density_total``, ``density_error``, ``density_<element>`` (states per cm⁻¹), ``density_without``
(shape (n_segments, n_elements, n_energies): with one segment left out each). JSON: ``elements``,
``bin_width`` and ``last`` of the grid (cm⁻¹, from 0; where the integrator puts modes),
``resolution`` (cm⁻¹), ``stride`` (ps), ``n_lags``, ``degrees_of_freedom``, ``temperatures``,
``temperature_errors`` (K), by element, ``warnings``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from aiida_insbench.science.dynamics.correlations import Segments
from aiida_insbench.science.dynamics.timestep import crystal_energies
from aiida_insbench.science.dynamics.velocity_spectrum import VelocitySpectrum
from aiida_insbench.science.ins.energies import EnergyGrid

WITHOUT = 'density_without'


def density_arrays(found: VelocitySpectrum, *, timestep: float) -> dict[str, Any]:
    """Arrays of a density; `timestep` of the integrator in fs."""
    return {
        'density_energy': crystal_energies(found.energy_transfer, timestep=timestep),
        'density_total': found.total,
        'density_error': found.total_error,
        **{f'density_{name}': values for name, values in found.by_element.items()},
        WITHOUT: found.parts_without,
    }


def density_record(found: VelocitySpectrum) -> dict[str, Any]:
    """What is no array, JSON-ready."""
    return {
        'elements': list(found.elements),
        'bin_width': found.grid.bin_width,
        'last': found.grid.last,
        'resolution': found.resolution,
        'stride': found.segments.stride,
        'n_lags': found.segments.n_lags,
        'degrees_of_freedom': found.degrees_of_freedom.tolist(),
        'temperatures': found.temperatures.tolist(),
        'temperature_errors': found.temperature_errors.tolist(),
        'warnings': list(found.warnings),
    }


def read_density(record: Mapping[str, Any], arrays: Mapping[str, Any]) -> VelocitySpectrum:
    """Put arrays and record together again; the frames of segments are not known any more."""
    freedoms = np.array(record['degrees_of_freedom'])
    temperatures = np.array(record['temperatures'])
    without = np.asarray(arrays[WITHOUT])
    return VelocitySpectrum(
        grid=EnergyGrid(record['bin_width'], 0, record['last']),
        elements=tuple(record['elements']),
        parts=np.array([arrays[f'density_{name}'] for name in record['elements']]),
        parts_without=without,
        degrees_of_freedom=freedoms,
        temperatures=temperatures,
        temperature_errors=np.array(record['temperature_errors']),
        temperature=float(temperatures @ freedoms / freedoms.sum()),
        segments=Segments(
            parts=((0, slice(0, 0)),) * len(without),
            stride=record['stride'],
            n_lags=record['n_lags'],
            resolution=record['resolution'],
            left_over=0,
        ),
        warnings=tuple(record['warnings']),
    )
