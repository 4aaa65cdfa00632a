"""calcfunctions between frames and the nodes of DFT runs; they keep the provenance whole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Float, KpointsData, List, Node, StructureData
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.kpoints import commensurate_mesh


def mesh_of_frame(frame: Atoms, unit_mesh: list[int]) -> tuple[int, int, int]:
    """K mesh of a frame, commensurate with the unit cell's."""
    matrix = np.asarray(frame.info['supercell_matrix'], dtype=int).reshape(3, 3)
    return commensurate_mesh(
        unit_mesh=unit_mesh, supercell_matrix=matrix, cell=frame.cell.array
    ).mesh


def mesh_key(mesh: tuple[int, int, int]) -> str:
    """Key under which a mesh is kept, for example ``mesh_4_4_2``."""
    return 'mesh_' + '_'.join(str(number) for number in mesh)


@calcfunction
def unpack_pool(pool: DatasetData, kpoints_mesh: List) -> dict[str, Any]:
    """Make one structure node per frame and one k-points node per mesh."""
    structures, kpoints = {}, {}
    for frame in pool.get_frames():
        structures[frame.info['frame_id']] = structure_of_frame(frame)
        mesh = mesh_of_frame(frame, kpoints_mesh.get_list())
        if mesh_key(mesh) not in kpoints:
            kpoints[mesh_key(mesh)] = _kpoints(mesh)
    return {'structures': structures, 'kpoints': kpoints}


@calcfunction
def unit_cell_kpoints(kpoints_mesh: List) -> KpointsData:
    """k-points node of the unit cell."""
    return _kpoints(tuple(kpoints_mesh.get_list()))


@calcfunction
def relax_parameters(parameters: Dict, settings: Dict, pressure: Float) -> Dict:
    """Parameters of a variable-cell relaxation at a pressure (GPa; pw.x takes kbar)."""
    merged: dict[str, Any] = {key: dict(value) for key, value in parameters.get_dict().items()}
    for namelist, values in settings.get_dict().items():
        merged.setdefault(namelist, {}).update(values)
    merged.setdefault('CONTROL', {})['calculation'] = 'vc-relax'
    merged.setdefault('CELL', {})['press'] = 10 * pressure.value
    return Dict(merged)


@calcfunction
def collect_labels(pool: DatasetData, parameters: Dict, **nodes: Any) -> DatasetData:
    """Assemble a labelled dataset from the outputs of each frame's DFT run.

    `nodes` holds the namespaces ``trajectories``, ``results``, ``structures`` by ``frame_id``,
    ``pseudos`` by element, and optionally ``failures``, a Dict of ``frame_id`` to reason.
    """
    frames = []
    for frame in pool.get_frames():
        identity = frame.info['frame_id']
        if identity in nodes['trajectories']:
            frames.append(
                label_frame(
                    frame,
                    structure=nodes['structures'][identity],
                    trajectory=nodes['trajectories'][identity],
                    results=nodes['results'][identity],
                )
            )
    results = next(iter(nodes['results'].values())).get_dict() if nodes['results'] else {}
    level = {
        'code': 'Quantum ESPRESSO pw.x',
        'version': results.get('creator_version', ''),
        'functional': results.get('dft_exchange_correlation', ''),
        'parameters': parameters.get_dict(),
        'pseudopotentials': {
            element: {'filename': pseudo.filename, 'md5': pseudo.md5}
            for element, pseudo in nodes['pseudos'].items()
        },
    }
    failures = nodes['failures'].get_dict() if 'failures' in nodes else {}
    return DatasetData(frames, dft_level=level, failed=failures)


def label_frame(
    frame: Atoms, *, structure: StructureData, trajectory: ArrayData, results: Dict
) -> Atoms:
    """Put the labels of one pw.x run on its frame.

    aiida-quantumespresso gives energies in eV, forces in eV/Å and stress in GPa with the sign of
    Quantum ESPRESSO (compression positive), opposite to ASE's.

    Raises
    ------
    DatasetError
        If the run was of another structure than the frame, or lacks forces or stress.
    """
    identity = frame.info['frame_id']
    run = structure.get_ase()
    if list(run.symbols) != list(frame.symbols) or not (
        np.allclose(run.positions, frame.positions, atol=1e-6)
        and np.allclose(run.cell.array, frame.cell.array, atol=1e-6)
    ):
        raise DatasetError(f'Frame {identity} and the structure of its DFT run differ.')
    names = trajectory.get_arraynames()
    if 'forces' not in names or 'stress' not in names:
        raise DatasetError(f'The DFT run of frame {identity} has no forces or no stress.')
    labelled = frame.copy()
    labelled.info[ENERGY_KEY] = float(results.get_dict()['energy'])
    labelled.arrays[FORCES_KEY] = np.asarray(trajectory.get_array('forces'))[-1]
    stress = -np.asarray(trajectory.get_array('stress'))[-1] * GPa
    labelled.info[STRESS_KEY] = full_3x3_to_voigt_6_stress(stress)
    return labelled


def structure_of_frame(frame: Atoms) -> StructureData:
    """Structure node of a frame, without its tags and labels."""
    bare = Atoms(frame.symbols, cell=frame.cell, positions=frame.positions, pbc=True)
    return StructureData(ase=bare)


def _kpoints(mesh: tuple[int, ...]) -> KpointsData:
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh(list(mesh))
    return kpoints


def by_identity(nodes: Mapping[str, Any], output: str) -> dict[str, Node]:
    """Pick one output of each finished process, by ``frame_id``."""
    return {identity: node.outputs[output] for identity, node in nodes.items()}
