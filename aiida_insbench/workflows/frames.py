"""calcfunctions between frames and the nodes of DFT runs; they keep the provenance whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Float, KpointsData, List, Node, StructureData
from ase import Atoms
from ase.stress import full_3x3_to_voigt_6_stress
from ase.units import GPa

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.dft_convergence import convergence_record, convergence_warnings
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    STRESS_KEY,
    is_gas_phase,
    unit_cell_of,
)
from aiida_insbench.science.label_plan import FramePlan, plan_frame
from aiida_insbench.science.preflight import labelling_preflight
from aiida_insbench.workflows.protocols.dft import laid_over


def plans_of(frames: Sequence[Atoms], unit_mesh: list[int]) -> dict[str, FramePlan]:
    """How each frame is labelled, by ``frame_id``, in the frames' order."""
    plans = (plan_frame(frame, unit_mesh=unit_mesh) for frame in frames)
    return {plan.frame_id: plan for plan in plans}


@calcfunction
def unpack_pool(pool: DatasetData, kpoints_mesh: List) -> dict[str, Any]:
    """Make one structure node per frame and one k-points node per set of k points."""
    frames = pool.get_frames()
    structures = {frame.info['frame_id']: structure_of_frame(frame) for frame in frames}
    kpoints: dict[str, KpointsData] = {}
    for plan in plans_of(frames, kpoints_mesh.get_list()).values():
        if plan.kpoints_key not in kpoints:
            kpoints[plan.kpoints_key] = _kpoints_of(plan)
    return {'structures': structures, 'kpoints': kpoints}


@calcfunction
def lay_over(parameters: Dict, system: Dict) -> Dict:
    """Parameters of pw.x with some of ``SYSTEM`` replaced."""
    return Dict(laid_over(parameters.get_dict(), {'SYSTEM': system.get_dict()}))


@calcfunction
def estimate_labelling(
    pool: DatasetData, kpoints_mesh: List, parameters: Dict, settings: Dict, **nodes: Any
) -> Dict:
    """What labelling will take; see `aiida_insbench.science.preflight`.

    `settings` has ``lanes`` and ``ranks``; `nodes` the namespace ``pseudos`` by element, and
    optionally ``convergence``.
    """
    return Dict(
        preflight(
            pool,
            kpoints_mesh.get_list(),
            parameters.get_dict(),
            nodes['pseudos'],
            convergence=nodes['convergence'].get_dict() if 'convergence' in nodes else None,
            **settings.get_dict(),
        )
    )


def preflight(
    pool: DatasetData,
    unit_mesh: list[int],
    parameters: dict[str, Any],
    pseudos: Mapping[str, Any],
    *,
    lanes: int,
    ranks: int,
    convergence: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Estimate of labelling, from what the nodes hold; nothing is stored."""
    system, frames = parameters.get('SYSTEM', {}), pool.get_frames()
    found = labelling_preflight(
        frames,
        list(plans_of(frames, unit_mesh).values()),
        **cost_settings(system, pseudos),
        lanes=lanes,
        ranks=ranks,
        converged_range=tuple(convergence['pressure_range']) if convergence else None,
    )
    if convergence:
        found['warnings'] += convergence_warnings(convergence, system, unit_mesh)
    return found


def cost_settings(system: Mapping[str, Any], pseudos: Mapping[str, Any]) -> dict[str, Any]:
    """What of ``SYSTEM`` and the pseudopotentials the estimate of a run depends on."""
    wave_functions = float(system['ecutwfc'])
    return {
        'cutoffs': (wave_functions, float(system.get('ecutrho', 4 * wave_functions))),
        'valence': {element: float(node.z_valence or 0) for element, node in pseudos.items()},
        'smeared': system.get('occupations') == 'smearing',
    }


@calcfunction
def unit_cell_kpoints(kpoints_mesh: List) -> KpointsData:
    """k-points node of the unit cell."""
    return _kpoints(tuple(kpoints_mesh.get_list()))


@calcfunction
def relax_parameters(parameters: Dict, settings: Dict, pressure: Float) -> Dict:
    """Parameters of a variable-cell relaxation at a pressure (GPa; pw.x takes kbar)."""
    merged = laid_over(parameters.get_dict(), settings.get_dict())
    task = {'CONTROL': {'calculation': 'vc-relax'}, 'CELL': {'press': 10 * pressure.value}}
    return Dict(laid_over(merged, task))


@calcfunction
def position_parameters(parameters: Dict, settings: Dict) -> Dict:
    """Parameters of a relaxation of positions in the cell given."""
    merged = laid_over(parameters.get_dict(), settings.get_dict())
    merged.pop('CELL', None)
    return Dict(laid_over(merged, {'CONTROL': {'calculation': 'relax'}}))


@calcfunction
def collect_labels(
    pool: DatasetData, parameters: Dict, kpoints_mesh: List, **nodes: Any
) -> DatasetData:
    """Assemble a labelled dataset from the outputs of each frame's DFT run.

    `nodes` holds the namespaces ``trajectories``, ``results``, ``structures`` by ``frame_id``,
    ``pseudos`` by element, and optionally ``failures``, a Dict of ``frame_id`` to reason, and
    ``convergence``, a Dict of `insbench.converge`.
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
    level = _level_of(parameters, nodes)
    mesh = kpoints_mesh.get_list()
    level |= {'kpoints_mesh': mesh, 'kpoints_distance': _largest_spacing(pool, mesh)}
    if 'convergence' in nodes:
        level |= convergence_record(nodes['convergence'].get_dict())
    failures = nodes['failures'].get_dict() if 'failures' in nodes else {}
    return DatasetData(frames, dft_level=level, failed=failures)


def _level_of(parameters: Dict, nodes: Mapping[str, Any]) -> dict[str, Any]:
    results = next(iter(nodes['results'].values())).get_dict() if nodes['results'] else {}
    return {
        'code': 'Quantum ESPRESSO pw.x',
        'version': results.get('creator_version', ''),
        'functional': results.get('dft_exchange_correlation', ''),
        'parameters': parameters.get_dict(),
        'pseudopotentials': {
            element: {'filename': pseudo.filename, 'md5': pseudo.md5}
            for element, pseudo in nodes['pseudos'].items()
        },
    }


def _largest_spacing(pool: DatasetData, unit_mesh: list[int]) -> float:
    """Largest distance between neighbouring k points of the unit cell's mesh, 1/Å."""
    spacings = [0.0]
    for frame in pool.get_frames():
        if is_gas_phase(frame):
            continue
        reciprocal = 2 * np.pi * np.linalg.inv(unit_cell_of(frame)).T
        spacings.append(float((np.linalg.norm(reciprocal, axis=1) / unit_mesh).max()))
    return round(max(spacings), 4)


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


def _kpoints_of(plan: FramePlan) -> KpointsData:
    if plan.mesh is not None:
        return _kpoints(plan.mesh)
    kpoints = KpointsData()
    points, weights = plan.points  # type: ignore[misc] # there where no mesh is
    kpoints.set_kpoints(points, weights=weights)
    return kpoints


def by_identity(nodes: Mapping[str, Any], output: str) -> dict[str, Node]:
    """Pick one output of each finished process, by ``frame_id``."""
    return {identity: node.outputs[output] for identity, node in nodes.items()}
