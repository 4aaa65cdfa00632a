"""`SampleCalculation`: many frames from a few structures, all from one seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, Int, List, Str, StructureData, TrajectoryData

from aiida_insbench.calculations.base import InsbenchCalculation, write_potential, write_text
from aiida_insbench.calculations.trajectories import trajectory_frames
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.sample_settings import METHODS, missing_inputs, read_sample_settings
from aiida_insbench.science.errors import InputError, PressureError
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.pressure import check_pressures, pressure_from_label
from aiida_insbench.science.sampling.cells import sampling_cell
from aiida_insbench.science.structures import atoms_to_dict
from aiida_insbench.science.vacuum import refuse_vacuum_under_pressure

TRAJECTORY_FILE = 'trajectory.extxyz'
#: Arrays of a TrajectoryData that hold potential energies in eV; pw.x's is the first.
_ENERGY_ARRAYS = ('energy', 'energies', 'potential_energy')
#: Inputs that not every method reads.
_OWN = (
    'structure', 'structures', 'pressures', 'cells', 'potential', 'potentials', 'trajectory'
)  # fmt: skip


def validate_pressures(value: List | None, _port: object = None) -> str | None:
    """Port validator: a list of finite pressures in GPa that do not share a label."""
    if value is None:
        return None
    try:
        check_pressures(value.get_list())
    except PressureError as exc:
        return str(exc)
    return None


def _validate_method(value: Str | None, _port: object = None) -> str | None:
    if value is not None and value.value not in METHODS:
        return f'`method` is {value.value!r}; it must be one of {", ".join(METHODS)}.'
    return None


def _validate_cells(value: List | None, _port: object = None) -> str | None:
    """Port validator: a list of supercell matrices and counts."""
    if value is None:
        return None
    try:
        for cell in value.get_list():
            sampling_cell(supercell_matrix=cell['supercell_matrix'], count=cell['count'])
    except InputError as exc:
        return str(exc)
    except (KeyError, TypeError) as exc:
        return f'`cells` needs dictionaries with `supercell_matrix` and `count`: {exc!r}.'
    return None


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: what the method needs is there, what it does not read is not."""
    if not inputs or 'method' not in inputs:
        return None
    name = inputs['method'].value
    problem = missing_inputs(name, inputs)
    if problem is not None:
        return problem
    method = METHODS[name]
    known = {*method.required, *method.optional, *method.either}
    unread = [key for key in _OWN if inputs.get(key) and key not in known]
    if unread:
        return f'`{name}` does not read the inputs {", ".join(unread)}: remove them.'
    try:
        if 'settings' in inputs:
            read_sample_settings(name, inputs['settings'].get_dict())
        _refuse_vacuum(inputs)
    except InputError as exc:
        return str(exc)
    return None


def _refuse_vacuum(inputs: dict[str, Any]) -> None:
    if 'structure' in inputs and 'pressures' in inputs:
        pressures = check_pressures(inputs['pressures'].get_list())
        refuse_vacuum_under_pressure(inputs['structure'].get_ase(), pressures=pressures)
    for label, node in (inputs.get('structures') or {}).items():
        pressure = pressure_from_label(label)
        refuse_vacuum_under_pressure(
            node.get_ase(), pressures=[pressure], name=f'structures.{label}'
        )


def trajectory_text(node: DatasetData | TrajectoryData) -> str:
    """Frames of a dataset or of an AiiDA trajectory as extended XYZ.

    Parameters
    ----------
    node : DatasetData or TrajectoryData
        Energies of the latter are kept as ``potential_energy`` if it has an array of them, one for
        each step.

    Raises
    ------
    StructureError
        If a TrajectoryData has no cells.
    """
    if isinstance(node, DatasetData):
        return node.get_text()
    frames = trajectory_frames(node)
    for name in _ENERGY_ARRAYS:
        energies = node.get_array(name) if name in node.get_arraynames() else np.array([])
        if energies.shape == (len(frames),):
            for frame, energy in zip(frames, energies, strict=True):
                frame.info['potential_energy'] = float(energy)
            break
    return write_frames(frames)


class SampleCalculation(InsbenchCalculation):
    """Draw frames around the states that pressure and vibration will take the crystal to."""

    STAGE = 'sample'

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input(
            'method',
            valid_type=Str,
            validator=_validate_method,
            help=f'One of {", ".join(METHODS)}.',
        )
        spec.input('prefix', valid_type=Str, help='First part of each frame_id.')
        spec.input('structure', valid_type=StructureData, required=False, help='The crystal.')
        spec.input_namespace(
            'structures',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='Relaxed crystal by pressure label (p_1500), instead of `structure`.',
        )
        spec.input(
            'pressures',
            valid_type=List,
            required=False,
            validator=validate_pressures,
            help='Target pressures in GPa; positive is compression.',
        )
        spec.input('seed', valid_type=Int, required=False, help='Seed of all random draws.')
        spec.input(
            'cells',
            valid_type=List,
            required=False,
            validator=_validate_cells,
            help='Supercells: [{"supercell_matrix": 3x3 integers, "count": frames}, ...].',
        )
        spec.input(
            'potential',
            valid_type=PotentialData,
            required=False,
            help='equal-energy, thermal: whose relaxed cells and normal modes are used.',
        )
        spec.input_namespace(
            'potentials',
            valid_type=PotentialData,
            dynamic=True,
            required=False,
            help='disputed-modes: a committee of two or more; the modes are those of its first '
            'member, by name.',
        )
        spec.input(
            'trajectory',
            valid_type=(DatasetData, TrajectoryData),
            required=False,
            help='trajectory: frames in order of time, of the same atoms.',
        )
        spec.input('settings', valid_type=Dict, help='Amplitudes; see the docs of each method.')
        spec.inputs.validator = _validate_inputs
        spec.output('pool', valid_type=DatasetData, required=False, help='Unlabelled frames.')

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write potentials and trajectory, if any, and the body of the job file."""
        job: dict[str, Any] = {
            'method': self.inputs.method.value,
            'prefix': self.inputs.prefix.value,
            'settings': self.inputs.settings.get_dict(),
            'seed': self.inputs.seed.value if 'seed' in self.inputs else -1,
        }
        if 'structure' in self.inputs:
            job['structure'] = atoms_to_dict(self.inputs.structure.get_ase())
        if 'structures' in self.inputs and self.inputs.structures:
            job['structures'] = {
                label: atoms_to_dict(node.get_ase())
                for label, node in self.inputs.structures.items()
            }
        if 'pressures' in self.inputs:
            job['pressures'] = list(check_pressures(self.inputs.pressures.get_list()))
        if 'cells' in self.inputs:
            job['cells'] = self.inputs.cells.get_list()
        if 'potential' in self.inputs:
            job['potential'] = write_potential(folder, self.inputs.potential, 'potential')
        if self.inputs.get('potentials'):
            job['potentials'] = {
                name: write_potential(folder, node, f'potential_{name}')
                for name, node in self.inputs.potentials.items()
            }
        if 'trajectory' in self.inputs:
            write_text(folder, TRAJECTORY_FILE, trajectory_text(self.inputs.trajectory))
            job['trajectory'] = TRAJECTORY_FILE
        return job

    def files_to_retrieve(self) -> list[Any]:
        """The frames."""
        return ['frames.extxyz']
