"""Builder of a convergence from a protocol, for `ConvergeWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int, List, StructureData

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.workflows.protocols.dft import (
    check_pseudos,
    label_inputs,
    mesh_by_distance,
    pw_inputs,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_inputs
from aiida_insbench.workflows.protocols.pw_estimates import UNIT, cells_of, scf_of
from aiida_insbench.workflows.protocols.requests import request_resources
from aiida_insbench.workflows.protocols.rounds import rattle_of


class ConvergeProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a convergence."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        pw_code: AbstractCode,
        job_code: AbstractCode,
        structure: StructureData,
        pressures: Sequence[float] = (0.0,),
        *,
        pseudos: Mapping[str, Any],
        cutoffs: Sequence[tuple[float, float]],
        kpoints_meshes: Sequence[Sequence[int]] | None = None,
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        seed: int = 1,
        ranks: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        pw_code, job_code : AbstractCode
            pw.x, and ``insbench-job``.
        structure : StructureData
            The crystal.
        pressures : sequence of float
            Target pressures in GPa; the frames' volumes span the protocol's range about the cell.
        pseudos : mapping
            Element to pseudopotential node.
        cutoffs : sequence of two floats each
            Cutoffs to compare (wave functions, density; Ry), the lowest first.
        kpoints_meshes : sequence of three int each, optional
            Γ-centred meshes to compare; by default those of ``convergence.kpoints_distances``.
        protocol : {'fast', 'balanced', 'stringent'}
            How many frames, how tight.
        overrides : dict, optional
            Laid over the protocol; of ``convergence``: ``frames``, ``volume_range``,
            ``kpoints_distances``, ``tolerances``.
        seed : int
            Of the frames.
        ranks : int
            MPI ranks of each pw.x.

        Raises
        ------
        InputError
            If an element has no pseudopotential, or there is nothing to compare.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        chosen = inputs['convergence']
        targets = check_pressures(pressures)
        check_pseudos(structure.get_symbols_set(), pseudos)
        if len(cutoffs) < 2:
            raise InputError('Give at least two pairs of cutoffs: one cannot be compared.')
        atoms = structure.get_ase()
        job = job_inputs(job_code)
        first = inputs['first_round']['settings']
        settings = {
            **first,
            'volume_range': chosen['volume_range'],
            'rattle': rattle_of(first['rattle'], structure),
        }
        unit = [list(row) for row in UNIT]
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.structure, builder.pressures = structure, List(list(targets))
        builder.method = Dict(
            {
                'method': 'strain-rattle',
                'cells': [{'supercell_matrix': unit, 'count': int(chosen['frames'])}],
                'settings': settings,
            }
        )
        builder.seed = Int(seed)
        builder.cutoffs = List([[float(x) for x in pair] for pair in cutoffs])
        builder.kpoints_meshes = List(
            [list(mesh) for mesh in kpoints_meshes]
            if kpoints_meshes
            else distinct_meshes(atoms.cell.array, chosen['kpoints_distances'])
        )
        builder.tolerances = Dict(dict(chosen['tolerances']))
        builder.sample = {'sample': job}
        pw = pw_inputs(pw_code, inputs, pseudos, cutoffs[0], ranks=ranks, atoms=atoms)
        label = label_inputs(inputs, mesh=List([1, 1, 1]), pw=pw)
        builder.label = {key: value for key, value in label.items() if key != 'kpoints_mesh'}
        # each pair of cutoffs and each mesh by itself, beside the best of the others
        best = pw_inputs(pw_code, inputs, pseudos, cutoffs[-1], ranks=ranks, atoms=atoms)['pw']
        finest = builder.kpoints_meshes.get_list()[-1]
        estimate = scf_of(best, cells_of(structure, [UNIT]), mesh=finest)
        request_resources(builder, inputs['options'], {'pw': estimate})
        return builder


def distinct_meshes(cell: Any, distances: Sequence[float]) -> list[list[int]]:
    """Meshes of falling k-point distances (Å⁻¹), each finer than the one before."""
    meshes: list[list[int]] = []
    for distance in sorted(distances, reverse=True):
        mesh = mesh_by_distance(cell, float(distance))
        if not meshes or mesh != meshes[-1]:
            meshes.append(mesh)
    return meshes
