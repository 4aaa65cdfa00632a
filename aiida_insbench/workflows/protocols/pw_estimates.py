"""Estimates of the pw.x jobs of a builder; see `aiida_insbench.science.scf_cost`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from aiida.orm import StructureData
from ase import Atoms

from aiida_insbench.science.job_estimates import JobEstimate
from aiida_insbench.science.label_plan import plan_cost, plan_frame
from aiida_insbench.science.sampling.cells import build_supercell
from aiida_insbench.science.scf_cost import ACCURACY, RELAXATION_CYCLES, parallel_seconds
from aiida_insbench.workflows.frames import cost_settings

UNIT = ((1, 0, 0), (0, 1, 0), (0, 0, 1))
_BYTES_OF_A_RANK = 60e6


def unit_frame(atoms: Atoms, matrix: Any = UNIT) -> Atoms:
    """A supercell with the entries of a frame that its plan reads."""
    frame = build_supercell(atoms=atoms, supercell_matrix=matrix)
    frame.info |= {'frame_id': 'estimate', 'supercell_matrix': matrix}
    return frame


def scf_of(
    pw: Any, frames: Iterable[Atoms], *, mesh: Sequence[int], cycles: int = 1
) -> JobEstimate:
    """Of the costliest frame, `cycles` times; `mesh` is that of the unit cell.

    `pw` holds the inputs of pw.x. The time is the estimate times how far it may be off.
    """
    settings = cost_settings(pw['parameters'].get_dict()['SYSTEM'], pw['pseudos'])
    ranks = int(pw['metadata']['options']['resources']['num_mpiprocs_per_machine'])
    costs = [plan_cost(one, plan_frame(one, unit_mesh=mesh), **settings) for one in frames]
    longest = max(cost.core_seconds for cost in costs)
    return JobEstimate(
        seconds=ACCURACY * cycles * parallel_seconds(longest, ranks),
        memory_bytes=max(cost.memory_bytes for cost in costs) + (ranks - 1) * _BYTES_OF_A_RANK,
    )


def relaxation_of(pw: Any, structure: StructureData, *, mesh: Sequence[int]) -> JobEstimate:
    """Of a relaxation of cell and atoms."""
    frame = unit_frame(structure.get_ase())
    return scf_of(pw, [frame], mesh=mesh, cycles=RELAXATION_CYCLES)


def cells_of(structure: StructureData, matrices: Iterable[Any]) -> list[Atoms]:
    """Supercells of some matrices, each once."""
    distinct = {tuple(map(tuple, matrix)) for matrix in matrices}
    return [unit_frame(structure.get_ase(), matrix) for matrix in sorted(distinct)]


def costliest_kinds(frames: Iterable[Atoms]) -> list[Atoms]:
    """Of frames of one supercell and so many atoms the one of the largest volume."""
    kinds: dict[tuple[Any, ...], Atoms] = {}
    for frame in frames:
        matrix = frame.info.get('supercell_matrix', UNIT)
        key = (len(frame), str(frame.info.get('gas_phase')), str(matrix))
        if key not in kinds or frame.get_volume() > kinds[key].get_volume():
            kinds[key] = frame
    return list(kinds.values())
