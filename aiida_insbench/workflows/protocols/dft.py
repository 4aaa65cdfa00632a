"""Inputs of pw.x runs, meshes and supercells that the builders of several WorkChains share."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida.orm import AbstractCode, Bool, Dict, List, Str, StructureData

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.workflows.protocols.options import pw_options


def pw_inputs(
    code: AbstractCode,
    inputs: Mapping[str, Any],
    pseudos: Mapping[str, Any],
    cutoffs: tuple[float, float],
    *,
    ranks: int = 1,
) -> dict[str, Any]:
    """Inputs of `PwBaseWorkChain` from ``clean_workdir`` and ``pw`` of a protocol."""
    parameters = {key: dict(values) for key, values in inputs['pw'].items()}
    parameters['SYSTEM'].update({'ecutwfc': cutoffs[0], 'ecutrho': cutoffs[1]})
    return {
        'clean_workdir': Bool(inputs['clean_workdir']),
        'on_unhandled_failure': Str('restart_once'),
        'pw': {
            'code': code,
            'parameters': Dict(parameters),
            'pseudos': dict(pseudos),
            'metadata': {'options': pw_options(ranks)},
        },
    }


def relax_inputs(
    inputs: Mapping[str, Any], pressures: Sequence[float], *, mesh: List, pw: dict[str, Any]
) -> dict[str, Any]:
    """Inputs of `RelaxWorkChain` but the structure, from ``relax`` of a protocol."""
    return {
        'pressures': List(list(pressures)),
        'kpoints_mesh': mesh,
        'settings': Dict(inputs['relax']),
        'pw_base': pw,
    }


def check_pseudos(structure: StructureData, pseudos: Mapping[str, Any]) -> None:
    """See that every element has a pseudopotential.

    Raises
    ------
    InputError
        Naming those that have none.
    """
    lacking = sorted(structure.get_symbols_set() - set(pseudos))
    if lacking:
        raise InputError(
            format_error(
                f'No pseudopotential for {", ".join(lacking)}.',
                fix='Install a family that has them (aiida-pseudo install) and name it.',
            )
        )


def unit_cell_mesh(inputs: Mapping[str, Any], structure: StructureData) -> List:
    """K mesh of the unit cell: ``kpoints_mesh``, or from ``kpoints_distance`` (Å⁻¹)."""
    given = inputs['kpoints_mesh']
    return List(given or _mesh_by_distance(structure, float(inputs['kpoints_distance'])))


def supercell_by_distance(structure: StructureData, distance: float) -> list[list[int]]:
    """Smallest diagonal supercell whose opposite faces are the distance (Å) apart."""
    cell = structure.get_ase().cell
    heights = cell.volume / np.array([np.linalg.norm(np.cross(cell[i - 2], cell[i - 1]))
                                      for i in range(3)])  # fmt: skip
    repeats = [max(1, math.ceil(distance / height - 1e-9)) for height in heights]
    matrix: list[list[int]] = np.diag(repeats).tolist()
    return matrix


def _mesh_by_distance(structure: StructureData, distance: float) -> list[int]:
    reciprocal = 2 * np.pi * np.linalg.norm(structure.get_ase().cell.reciprocal().array, axis=1)
    return [max(1, math.ceil(length / distance - 1e-9)) for length in reciprocal]
