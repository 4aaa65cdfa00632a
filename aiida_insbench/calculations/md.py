"""`MDCalculation`: molecular dynamics of one potential at every pressure, in one job."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict, FolderData, List, StructureData, TrajectoryData

from aiida_insbench.calculations.base import InsbenchCalculation, write_folder_data, write_potential
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs.md_files import UNFINISHED
from aiida_insbench.jobs.md_task import read_task
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.structures import atoms_to_dict


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: what the job itself would refuse, before it is submitted."""
    if not inputs or not inputs.get('structures') or 'supercell_matrix' not in inputs:
        return None
    if 'potential' in inputs:
        wanted = set().union(*(one.get_symbols_set() for one in inputs['structures'].values()))
        lacking = sorted(wanted - set(inputs['potential'].elements))
        if lacking:
            return f'The potential knows no {", ".join(lacking)}, which the structures hold.'
    try:
        read_task(_body(inputs))
    except InputError as exc:
        return str(exc)
    return None


def _body(inputs: Any) -> dict[str, Any]:
    """Entries of the job file but the potential."""
    return {
        'structures': {
            label: atoms_to_dict(node.get_ase()) for label, node in inputs['structures'].items()
        },
        'supercell_matrix': inputs['supercell_matrix'].get_list(),
        'settings': inputs['settings'].get_dict() if 'settings' in inputs else {},
        'finished': sorted(inputs.get('finished') or {}),
    }


class MDCalculation(InsbenchCalculation):
    """Run each pressure in each ensemble, look at every frame, and resume after a kill."""

    STAGE = 'md'
    CACHE_VERSION = 2  # densities of each atom

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input('potential', valid_type=PotentialData, help='The potential.')
        spec.input_namespace(
            'structures',
            valid_type=StructureData,
            dynamic=True,
            help='Relaxed unit cell by pressure label (p_1500); the run starts from it.',
        )
        spec.input('supercell_matrix', valid_type=List, help='3×3 integers, rows are the axes.')
        spec.input(
            'settings',
            valid_type=Dict,
            required=False,
            help='ensembles, temperature, length, timestep, thresholds, seed, …; see the docs.',
        )
        spec.input_namespace(
            'finished',
            valid_type=Dict,
            dynamic=True,
            required=False,
            help='Records of runs, by label, that need not be done again.',
        )
        spec.input(
            'unfinished',
            valid_type=FolderData,
            required=False,
            help='Chunks and checkpoint of a run to go on with.',
        )
        spec.inputs.validator = _validate_inputs
        spec.output_namespace(
            'runs',
            valid_type=Dict,
            dynamic=True,
            help='What was found, by pressure and ensemble (p_1500_npt).',
        )
        spec.output_namespace(
            'trajectories',
            valid_type=TrajectoryData,
            dynamic=True,
            help='Thinned frames: positions (Å, not wrapped), velocities (Å/ps), times (ps).',
        )
        spec.output_namespace(
            'series',
            valid_type=ArrayData,
            dynamic=True,
            help='Energies (eV), temperature (K), volume (Å³), pressure (GPa) over time (ps).',
        )
        spec.output_namespace(
            'density_of_states',
            valid_type=ArrayData,
            dynamic=True,
            help='From the velocities, states per cm⁻¹, by element, with its error.',
        )
        spec.output_namespace(
            'motions',
            valid_type=ArrayData,
            dynamic=True,
            help='The same of each atom, a tensor: `insbench.ins` makes spectra of them.',
        )
        spec.output(
            'unfinished',
            valid_type=FolderData,
            required=False,
            help='Of a job that failed: chunks and checkpoints of the runs under way.',
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write the potential, and the run that goes on."""
        if 'unfinished' in self.inputs:
            write_folder_data(folder, self.inputs.unfinished, UNFINISHED)
        prefix = write_potential(folder, self.inputs.potential, 'potential')
        return {'potential': prefix, **_body(self.inputs)}

    def files_to_retrieve(self) -> list[Any]:
        """Finished runs; chunks and checkpoints of those under way."""
        return [
            ('run_*.json', '.', 0),
            ('run_*.npz', '.', 0),
            (f'{UNFINISHED}/*/*.npz', '.', 3),
        ]
