"""`FitCalculation`: force constants and modes from forces of displaced supercells."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, TrajectoryData
from aiida_phonopy.data import ForceConstantsData, PhonopyData
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from aiida_insbench.calculations.base import InsbenchCalculation, write_arrays
from aiida_insbench.science.errors import PressureError
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.structures import atoms_to_dict


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs or not inputs.get('phonopy_data'):
        return None
    for label, node in inputs['phonopy_data'].items():
        try:
            pressure_from_label(label)
        except PressureError as exc:
            return f'`phonopy_data`: {exc}'
        if node.forces is None:
            return f'`phonopy_data.{label}` holds no forces.'
        if not np.allclose(node.primitive_matrix, np.eye(3)):
            return (
                f'`phonopy_data.{label}` has the primitive matrix {node.primitive_matrix}; atoms '
                'keep their order with the identity only.'
            )
    lacking = sorted(set(inputs.get('relaxations', {})) - set(inputs['phonopy_data']))
    if lacking:
        return f'`relaxations` has {", ".join(lacking)}, of which `phonopy_data` has no forces.'
    return None


class FitCalculation(InsbenchCalculation):
    """Force constants, symmetrised, and modes at every pressure, in one job."""

    STAGE = 'fit'

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input_namespace(
            'phonopy_data',
            valid_type=PhonopyData,
            dynamic=True,
            help='Displaced supercells and their forces (eV/Å) by pressure label.',
        )
        spec.input_namespace(
            'relaxations',
            valid_type=TrajectoryData,
            dynamic=True,
            required=False,
            help='Relaxations by pw.x that ended at the crystals, by pressure label; their energy, '
            'stress and forces are reported with the modes.',
        )
        spec.input(
            'settings',
            valid_type=Dict,
            default=lambda: Dict({}),
            help='`mesh` of the modes, `max_residual` of the fit.',
        )
        spec.inputs.validator = _validate_inputs
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
        spec.exit_code(
            413, 'ERROR_PRESSURES_MISSING', message='Not finished: {pressures}. {reasons}'
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the forces of each pressure and the body of the job file."""
        relaxations = self.inputs.get('relaxations', {})
        crystals = {
            label: {
                'structure': atoms_to_dict(node.get_unitcell().get_ase()),
                # phonopy's matrices have axes in columns, those of job files in rows
                'supercell_matrix': np.transpose(node.supercell_matrix).tolist(),
                'symprec': node.symprec,
                'forces': _write_forces(folder, node, label),
                'relaxation': read_relaxation(relaxations[label]) if label in relaxations else None,
            }
            for label, node in self.inputs.phonopy_data.items()
        }
        return {'crystals': crystals, 'settings': self.inputs.settings.get_dict()}

    def files_to_retrieve(self) -> list[Any]:
        """One JSON and one NPZ file per finished pressure."""
        return [('[pm]_*.json', '.', 0), ('[pm]_*.npz', '.', 0)]


def read_relaxation(trajectory: TrajectoryData) -> dict[str, Any]:
    """Energy (eV), stress (eV/Å³, ASE's) and largest force (eV/Å) where a relaxation ended.

    aiida-quantumespresso gives stress in GPa with the sign of Quantum ESPRESSO (compression
    positive), opposite to ASE's.
    """
    names = trajectory.get_arraynames()
    found: dict[str, Any] = {}
    if 'energy' in names:
        found['energy'] = float(trajectory.get_array('energy')[-1])
    if 'stress' in names:
        stress = -np.asarray(trajectory.get_array('stress'))[-1] * GPa
        found['stress'] = full_3x3_to_voigt_6_stress(stress).tolist()
    if 'forces' in names:
        forces = np.asarray(trajectory.get_array('forces'))[-1]
        found['residual_force'] = float(np.linalg.norm(forces, axis=1).max())
    return found


def _write_forces(folder: Folder, node: PhonopyData, label: str) -> str:
    entries = node.displacement_dataset['first_atoms']
    arrays = {
        'displaced_atoms': np.array([entry['number'] for entry in entries], dtype=np.int64),
        'displacements': np.array([entry['displacement'] for entry in entries], dtype=float),
        'forces': np.asarray(node.forces, dtype=float),
    }
    return write_arrays(folder, f'forces_{label}.npz', arrays)
