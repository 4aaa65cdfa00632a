"""`PhononsCalculation`: relaxation and phonons of one potential at every pressure, in one job."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_arrays, write_potential
from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.structures import atoms_to_dict


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or 'potential' not in inputs or 'structure' not in inputs:
        return None
    crystals = [inputs['structure'], *inputs.get('structures', {}).values()]
    wanted = set().union(*(one.get_symbols_set() for one in crystals))
    lacking = sorted(wanted - set(inputs['potential'].elements))
    if lacking:
        return f'The potential knows no {", ".join(lacking)}, which the structure holds.'
    return _validate_charges(inputs)


def _validate_charges(inputs: dict[str, Any]) -> str | None:
    if 'nac_parameters' not in inputs:
        return None
    node, n_atoms = inputs['nac_parameters'], len(inputs['structure'].sites)
    for name, shape in (('dielectric', (3, 3)), ('born_charges', (n_atoms, 3, 3))):
        found = node.get_array(name).shape if name in node.get_arraynames() else None
        if found != shape:
            return f'`nac_parameters` needs the array `{name}` of shape {shape}; it has {found}.'
    largest = float(np.abs(node.get_array('born_charges').sum(axis=0)).max())
    if largest > CHARGE_TOLERANCE * n_atoms:
        return (
            f'The Born charges of `nac_parameters` add up to {largest:.3f} e, not to zero: '
            'mend the sum rule before they are used.'
        )
    return None


#: Born charges may miss neutrality by this, e per atom.
CHARGE_TOLERANCE = 0.01


class PhononsCalculation(InsbenchCalculation):
    """Load the potential once; relax and displace at each pressure, starting from the last."""

    STAGE = 'phonons'
    CACHE_VERSION = 3  # 2: thermal functions; 3: strained state, warnings

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input('potential', valid_type=PotentialData, help='The potential.')
        spec.input('structure', valid_type=StructureData, help='The crystal to start from.')
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Static pressures in GPa; positive is compression.',
        )
        spec.input('supercell_matrix', valid_type=List, help='3×3 integers, rows are the axes.')
        spec.input(
            'settings',
            valid_type=Dict,
            help='fmax, displacement, mesh, cell_policy, imaginary, sweep, adaptive_overlap, …',
        )
        spec.input_namespace(
            'structures',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Crystals to start from at some pressures, by label: another phase, a measured '
            'cell.',
        )
        spec.input(
            'nac_parameters',
            valid_type=ArrayData,
            required=False,
            help='`born_charges` (e) and `dielectric` of the crystal, attached to its force '
            'constants for the non-analytical correction.',
        )
        spec.input_namespace(
            'finished',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Relaxed structures by pressure label of pressures that need not be done again.',
        )
        spec.input_namespace(
            'finished_force_constants',
            valid_type=ForceConstantsData,
            dynamic=True,
            required=False,
            help='Their force constants, which insertion and vibrational pressure need.',
        )
        spec.inputs.validator = _validate_inputs
        spec.output_namespace(
            'structure', valid_type=StructureData, dynamic=True, help='Relaxed, by pressure label.'
        )
        spec.output_namespace(
            'force_constants',
            valid_type=ForceConstantsData,
            dynamic=True,
            help='Force constants by pressure label.',
        )
        spec.output_namespace(
            'modes',
            valid_type=Dict,
            dynamic=True,
            help='Γ and mesh frequencies (cm⁻¹, below zero imaginary), verdict, by pressure label.',
        )
        spec.output_namespace(
            'strained',
            valid_type=ForceConstantsData,
            dynamic=True,
            help="Force constants in the last pressure's cell with the first one's coordinates.",
        )
        spec.exit_code(
            413, 'ERROR_PRESSURES_MISSING', message='Not finished: {pressures}. {reasons}'
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the potential and the body of the job file."""
        finished = self.inputs.get('finished', {})
        arrays = self.inputs.get('finished_force_constants', {})
        return {
            'potential': write_potential(folder, self.inputs.potential, 'potential'),
            'structure': atoms_to_dict(self.inputs.structure.get_ase()),
            'pressures': list(check_pressures(self.inputs.pressures.get_list())),
            'supercell_matrix': self.inputs.supercell_matrix.get_list(),
            'settings': self.inputs.settings.get_dict(),
            'structures': _as_dicts(self.inputs.get('structures', {})),
            'finished': _as_dicts(finished),
            'finished_arrays': {
                label: _write_constants(folder, f'finished_{label}.npz', node)
                for label, node in arrays.items()
                if label in finished
            },
        }

    def files_to_retrieve(self) -> list[Any]:
        """One JSON and one NPZ file per finished pressure, and of the strained state."""
        return [
            (f'{name}_*.{suffix}', '.', 0)
            for name in ('[pm]', 'strained')
            for suffix in ('json', 'npz')
        ]


def _as_dicts(structures: Mapping[str, StructureData]) -> dict[str, Any]:
    return {label: atoms_to_dict(node.get_ase()) for label, node in structures.items()}


def _write_constants(folder: Folder, name: str, node: ForceConstantsData) -> str:
    """Write force constants as the stage itself writes them; return the file's name."""
    arrays = {
        'force_constants': node.get_array('force_constants'),
        'supercell_matrix': np.asarray(node.supercell_matrix),
    }
    return write_arrays(folder, name, arrays)
