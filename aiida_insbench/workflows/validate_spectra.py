"""Inputs of spectra that a validation draws: of runs, and of harmonic modes beside them.

Both are of the same supercell, over the same energies and with lines as wide, so that they differ
where frequencies of the run do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import ArrayData, Dict, List

from aiida_insbench.calculations.ins import RECORD
from aiida_insbench.workflows.ins_inputs import with_vibrations, without_mesh

SPECTRA = ('anharmonic', 'harmonic')
#: A thermostat disturbs velocities; where there is a run without one, that is taken.
_PREFERRED = ('nve', 'nvt')
#: Energies below so many standard deviations of the window are not used of a run.
_LOWEST = 3.0


def motion_by_pressure(outputs: Any) -> dict[str, ArrayData]:
    """Densities of states of one run at each pressure, that without a thermostat if there is one.

    Parameters
    ----------
    outputs : mapping
        Of `insbench.md`.
    """
    found: dict[str, ArrayData] = {}
    motions = dict(outputs.motions) if 'motions' in outputs else {}
    for ensemble in reversed(_PREFERRED):
        for label, node in motions.items():
            pressure, _, name = label.rpartition('_')
            if name == ensemble:
                found[pressure] = node
    return found


def spectra_sources(
    inputs: Mapping[str, Any],
    *,
    motions: Mapping[str, ArrayData],
    force_constants: Mapping[str, Any],
    supercell_matrix: List,
    isotopes: Mapping[str, Any],
) -> dict[str, dict[str, Any]]:
    """Inputs of `insbench.ins` for each of `SPECTRA` that can be made.

    Parameters
    ----------
    inputs : mapping
        Of `insbench.ins`, without a source of vibrations.
    motions, force_constants : mappings
        By pressure label; spectra are of pressures in `motions`.
    supercell_matrix : List
        Of the runs, rows are axes.
    isotopes : mapping
        Of the runs.
    """
    asked = inputs['ins']['parameters'].get_dict()
    plain = without_mesh(asked)
    plain.pop('isotopes', None)  # the runs have their own
    found = {'anharmonic': with_vibrations(inputs, plain, motions=dict(motions))}
    chosen = {label: node for label, node in force_constants.items() if label in motions}
    if chosen:
        width = max(node.base.attributes.get(RECORD)['resolution'] for node in motions.values())
        settings = {**asked.get('settings', {}), 'minimum_frequency': _LOWEST * width}
        harmonic = {
            **plain,
            'supercell_matrix': supercell_matrix.get_list(),
            'isotopes': dict(isotopes) or None,
            'settings': settings,
        }
        found['harmonic'] = with_vibrations(inputs, harmonic, force_constants=chosen)
        broadening = {**inputs['broadening'].get_dict(), 'least_width': width}
        found['harmonic']['broadening'] = Dict(broadening)
    return found
