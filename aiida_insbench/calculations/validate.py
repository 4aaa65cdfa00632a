"""`ValidateCalculation`: the verdict on a potential, from what other jobs computed."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, List, Str, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_arrays, write_text
from aiida_insbench.calculations.ins import write_force_constants
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.jobs.validate import HARMONIC_FILE
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.structures import atoms_to_dict
from aiida_insbench.science.validation.limits import read_limits


def validate_limits(node: Dict | None, _port: object = None) -> str | None:
    """Port validator: known limits, in range, not contradicting."""
    if node is None:
        return None
    try:
        read_limits(node.get_dict())
    except InputError as exc:
        return str(exc)
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs:
        return None
    if inputs.get('spreads') and 'training' not in inputs:
        return '`spreads` needs `training`, the frames learnt from.'
    if inputs.get('densities') and inputs.get('phonons') and 'supercell_matrix' not in inputs:
        return 'Comparing `densities` with `phonons` needs the `supercell_matrix` of the runs.'
    unknown = sorted(set(inputs.get('densities') or {}) - set(inputs.get('runs') or {}))
    return f'`densities` names {", ".join(unknown)}, which `runs` does not.' if unknown else None


class ValidateCalculation(InsbenchCalculation):
    """Judge errors, volumes, molecular dynamics and a committee's spread against limits."""

    STAGE = 'validate'
    CACHE_VERSION = 1

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'pressures', valid_type=List, help='Labels of pressures at which there must be runs.'
        )
        _of_dynamics(spec)
        _of_frames(spec)
        for name, whose in (('structures', "the potential's"), ('dft_structures', "DFT's")):
            spec.input_namespace(
                name,
                valid_type=StructureData,
                dynamic=True,
                required=False,
                help=f'Relaxed crystals by pressure label, {whose}.',
            )
        spec.input(
            'limits',
            valid_type=Dict,
            required=False,
            validator=validate_limits,
            help='energy, forces, stress, volume, …; see the docs.',
        )
        spec.inputs.validator = _validate_inputs
        spec.output(
            'harmonic_density',
            valid_type=ArrayData,
            required=False,
            help='Harmonic densities of states (per cm⁻¹) on the energies of the runs.',
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write densities, force constants and frames."""
        inputs = self.inputs
        job: dict[str, Any] = {
            'pressures': inputs.pressures.get_list(),
            'runs': {label: node.get_dict() for label, node in inputs.get('runs', {}).items()},
            'densities': {
                label: _write_node(folder, node, f'density_{label}.npz', 'density_')
                for label, node in inputs.get('densities', {}).items()
            },
            'phonons': {
                label: write_force_constants(folder, node, label)
                for label, node in inputs.get('phonons', {}).items()
            },
            'isotopes': inputs.isotopes.get_dict() if 'isotopes' in inputs else {},
            'limits': inputs.limits.get_dict() if 'limits' in inputs else {},
        }
        if 'supercell_matrix' in inputs:
            job['supercell_matrix'] = inputs.supercell_matrix.get_list()
        for name in ('structures', 'dft_structures'):
            job[name] = {
                label: atoms_to_dict(node.get_ase()) for label, node in inputs.get(name, {}).items()
            }
        if 'evaluation' in inputs:
            job['evaluation'] = inputs.evaluation['potentials'][inputs.potential_name.value]
        if 'training' in inputs:
            job['pressures_learnt'] = inputs.training.target_pressures
        if inputs.get('spreads'):
            job['spreads'] = self._write_spreads(folder)
        return job

    def _write_spreads(self, folder: Folder) -> dict[str, Any]:
        spreads = self.inputs.spreads
        write_text(folder, 'runs.extxyz', spreads.run_frames.get_text())
        write_text(folder, 'training.extxyz', self.inputs.training.get_text())
        return {
            'runs': {
                'frames': 'runs.extxyz',
                'predictions': _write_node(folder, spreads.runs, 'runs_predictions.npz'),
            },
            'training': {
                'frames': 'training.extxyz',
                'predictions': _write_node(folder, spreads.training, 'training_predictions.npz'),
            },
        }

    def files_to_retrieve(self) -> list[Any]:
        """Harmonic densities."""
        return [HARMONIC_FILE]


def _of_dynamics(spec: CalcJobProcessSpec) -> None:
    for name, kind, text in (
        ('runs', Dict, 'Records of molecular dynamics by label (p_1500_npt).'),
        ('densities', ArrayData, 'Densities of states by label of the run.'),
        ('phonons', ForceConstantsData, 'Force constants by pressure label.'),
    ):
        spec.input_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
    spec.input(
        'supercell_matrix', valid_type=List, required=False, help='Of the runs; rows are axes.'
    )
    spec.input('isotopes', valid_type=Dict, required=False, help='Of the runs.')
    spec.input_namespace(
        'spreads', required=False, help='Predictions of a committee for frames of runs and learnt.'
    )
    spec.input('spreads.run_frames', valid_type=DatasetData, help='Of runs.')
    for name in ('runs', 'training'):
        spec.input(f'spreads.{name}', valid_type=ArrayData, help='Of `insbench.evaluate`.')


def _of_frames(spec: CalcJobProcessSpec) -> None:
    spec.input(
        'evaluation', valid_type=Dict, required=False, help='Errors, of `insbench.evaluate`.'
    )
    spec.input(
        'potential_name',
        valid_type=Str,
        default=lambda: Str('potential'),
        help='Of the potential in `evaluation`.',
    )
    spec.input('training', valid_type=DatasetData, required=False, help='Frames learnt from.')


def _write_node(folder: Folder, node: ArrayData, name: str, prefix: str = '') -> str:
    """Write a node's arrays as NPZ; return the name of the file."""
    arrays = {f'{prefix}{key}': node.get_array(key) for key in node.get_arraynames()}
    return write_arrays(folder, name, arrays)
