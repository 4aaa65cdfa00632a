"""Inputs of pw.x runs, meshes and supercells that the builders of several WorkChains share."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from aiida.orm import AbstractCode, Bool, Dict, Float, Int, List, Str, StructureData
from ase import Atoms
from numpy.typing import ArrayLike

from aiida_insbench.science.dft_levels import functional_of
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.molecules import is_molecular
from aiida_insbench.science.structures import cell_heights
from aiida_insbench.workflows.protocols.options import pw_options

#: D3 with the damping of Becke and Johnson (pw.x counts 3 as zero damping, 4 as this).
DISPERSION: dict[str, Any] = {'vdw_corr': 'grimme-d3', 'dftd3_version': 4}
#: Functionals that D3 has no parameters for, or that hold dispersion themselves.
_WITHOUT_D3 = ('LDA', 'PZ', 'PW', 'VDW', 'RVV10')


def pw_inputs(
    code: AbstractCode,
    inputs: Mapping[str, Any],
    pseudos: Mapping[str, Any],
    cutoffs: tuple[float, float],
    *,
    ranks: int = 1,
    atoms: Atoms | None = None,
) -> dict[str, Any]:
    """Inputs of `PwBaseWorkChain` from ``clean_workdir``, ``dispersion`` and ``pw`` of a protocol.

    With ``dispersion: auto`` a crystal of molecules (`atoms`) gets D3(BJ), unless its functional is
    not one of those that want it.
    """
    parameters = {key: dict(values) for key, values in inputs['pw'].items()}
    system = parameters['SYSTEM']
    system.update({'ecutwfc': cutoffs[0], 'ecutrho': cutoffs[1]})
    if 'vdw_corr' not in system and _wants_dispersion(inputs, system, pseudos, atoms):
        system.update(DISPERSION)
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


def _wants_dispersion(
    inputs: Mapping[str, Any],
    system: Mapping[str, Any],
    pseudos: Mapping[str, Any],
    atoms: Atoms | None,
) -> bool:
    chosen = inputs.get('dispersion', 'auto')
    if chosen not in ('auto', 'd3', 'none'):
        raise InputError(f'`dispersion` is {chosen!r}; it must be auto, d3 or none.')
    if chosen != 'auto' or atoms is None:
        return bool(chosen == 'd3')
    functional = str(system.get('input_dft') or functional_of_pseudos(pseudos)).upper()
    if not functional or functional.startswith(_WITHOUT_D3):
        return False
    return is_molecular(atoms)


def functional_of_pseudos(pseudos: Mapping[str, Any]) -> str:
    """Functional for which pseudopotentials were made, such as ``PBE``; empty if they do not say.

    Raises
    ------
    InputError
        If they were made for different ones.
    """
    found = {}
    for element, pseudo in pseudos.items():
        header = str(pseudo.get_content())[:20000]
        match = re.search(r'functional\s*=\s*"([^"]*)"', header) or re.search(
            r'^\s*(.+?)\s+Exchange-Correlation functional', header, re.MULTILINE
        )
        if match:
            found[element] = functional_of({'functional': match.group(1)}) or ''
    if len(set(found.values())) > 1:
        listed = ', '.join(f'{element}: {name}' for element, name in sorted(found.items()))
        raise InputError(
            format_error(
                f'The pseudopotentials were made for different functionals ({listed}).',
                fix='Take them from one family.',
            )
        )
    return next(iter(found.values()), '')


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


def laid_over(
    parameters: Mapping[str, Mapping[str, Any]], changes: Mapping[str, Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Namelists of pw.x with some of their values replaced or added."""
    return {
        name: {**parameters.get(name, {}), **changes.get(name, {})}
        for name in {**parameters, **changes}
    }


def label_inputs(inputs: Mapping[str, Any], *, mesh: List, pw: dict[str, Any]) -> dict[str, Any]:
    """Inputs of `LabelWorkChain` but the pool."""
    return {
        'kpoints_mesh': mesh,
        'pw_base': pw,
        'max_concurrent': Int(inputs['max_concurrent']),
        'minimum_success_fraction': Float(inputs['minimum_success_fraction']),
    }


def check_pseudos(elements: Iterable[str], pseudos: Mapping[str, Any]) -> None:
    """See that every element has a pseudopotential.

    Raises
    ------
    InputError
        Naming those that have none.
    """
    lacking = sorted(set(elements) - set(pseudos))
    if lacking:
        raise InputError(
            format_error(
                f'No pseudopotential for {", ".join(lacking)}.',
                fix='Install a family that has them (aiida-pseudo install) and name it.',
            )
        )


def missing_pseudos(
    elements: Iterable[str], pseudos: Mapping[str, Any], *, port: str = 'pw_base.pw.pseudos'
) -> str | None:
    """Say which elements have no pseudopotential at a port; None if all have."""
    lacking = sorted(set(elements) - set(pseudos))
    return f'No pseudopotential for {", ".join(lacking)}; add it to `{port}`.' if lacking else None


def unit_cell_mesh(inputs: Mapping[str, Any], cell: ArrayLike) -> List:
    """K mesh of the unit cell (axes in Å): ``kpoints_mesh``, or from ``kpoints_distance`` (Å⁻¹)."""
    given = inputs['kpoints_mesh']
    return List(given or mesh_by_distance(cell, float(inputs['kpoints_distance'])))


def supercell_by_distance(structure: StructureData, distance: float) -> list[list[int]]:
    """Smallest diagonal supercell whose opposite faces are the distance (Å) apart."""
    heights = cell_heights(structure.cell)
    repeats = [max(1, math.ceil(distance / height - 1e-9)) for height in heights]
    matrix: list[list[int]] = np.diag(repeats).tolist()
    return matrix


def supercell_inputs(settings: Mapping[str, Any], structure: StructureData) -> dict[str, Any]:
    """Supercell and settings of `insbench.phonons` or `insbench.md` from those of a protocol."""
    left = dict(settings)
    distance = float(left.pop('minimum_image_distance'))
    matrix = left.pop('supercell_matrix', None) or supercell_by_distance(structure, distance)
    return {'supercell_matrix': List(matrix), 'settings': Dict(left)}


def mesh_by_distance(cell: ArrayLike, distance: float) -> list[int]:
    """Γ-centred mesh with neighbouring points at most `distance` (Å⁻¹) apart."""
    reciprocal = 2 * np.pi * np.linalg.norm(np.linalg.inv(np.asarray(cell)).T, axis=1)
    return [max(1, math.ceil(length / distance - 1e-9)) for length in reciprocal]
