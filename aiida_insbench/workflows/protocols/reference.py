"""Builder of the DFT reference from a protocol, for `ReferenceWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Bool, Dict, Float, List, StructureData

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.science.vacuum import WIDEST_GAP, widest_gap
from aiida_insbench.workflows.protocols.dft import (
    check_pseudos,
    label_inputs,
    laid_over,
    pw_inputs,
    relax_inputs,
    supercell_by_distance,
    unit_cell_mesh,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_inputs
from aiida_insbench.workflows.protocols.pw_estimates import (
    UNIT,
    cells_of,
    relaxation_of,
    scf_of,
)
from aiida_insbench.workflows.protocols.requests import request_resources


class ReferenceProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of the DFT reference."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        pw_code: AbstractCode,
        job_code: AbstractCode,
        structure: StructureData,
        pressures: Sequence[float],
        *,
        pseudos: Mapping[str, Any],
        cutoffs: tuple[float, float],
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        ranks: int = 1,
        fixed_cell: bool = False,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        pw_code, job_code : AbstractCode
            pw.x, and ``insbench-job``.
        structure : StructureData
            The crystal to start from.
        pressures : sequence of float
            In GPa; positive is compression.
        pseudos : mapping
            Element to pseudopotential node.
        cutoffs : tuple of two floats
            Plane-wave cutoffs of wave functions and charge density, Ry.
        protocol : {'fast', 'balanced', 'stringent'}
            ``fast``: the unit cell, Γ only; the others: supercells.
        overrides : dict, optional
            Laid over the protocol: ``pw``, ``relax``, ``kpoints_mesh``, ``kpoints_distance`` and
            ``reference`` with ``displacement`` (Å), ``symprec`` (Å), ``minimum_image_distance`` (Å)
            or ``supercell_matrix``, ``mesh``, and ``pw``, laid over ``pw`` for displaced
            supercells.
        ranks : int
            MPI ranks of each pw.x.
        fixed_cell : bool
            Relax positions alone: in a measured cell, or of a molecule in a box. The one pressure
            then names the result.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If an element has no pseudopotential, a pressure is not one, or an empty slab in the
            cell would be relaxed away.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        chosen = inputs['reference']
        if not fixed_cell:
            _refuse_vacuum(structure)
        check_pseudos(structure.get_symbols_set(), pseudos)
        mesh = unit_cell_mesh(inputs, structure.get_ase().cell.array)
        atoms = structure.get_ase()
        pw = pw_inputs(pw_code, inputs, pseudos, cutoffs, ranks=ranks, atoms=atoms)
        job = job_inputs(job_code)
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.relax = {
            'structure': structure,
            **relax_inputs(inputs, check_pressures(pressures), mesh=mesh, pw=pw),
            'fixed_cell': Bool(fixed_cell),
        }
        builder.fit = {'fit': {**job, 'settings': Dict({'mesh': chosen['mesh']})}}
        matrix = chosen.get('supercell_matrix') or supercell_by_distance(
            structure, float(chosen['minimum_image_distance'])
        )
        if np.array_equal(matrix, np.eye(3)):
            builder.sample = {'sample': {**job, 'settings': gamma_settings(chosen)}}
            builder.label = label_inputs(inputs, mesh=mesh, pw=pw)
            estimates = pw_estimates(pw['pw'], structure, mesh.get_list(), UNIT)
            request_resources(builder, inputs['options'], estimates)
            return builder
        tight = {**inputs, 'pw': laid_over(inputs['pw'], chosen['pw'])}
        builder.supercell_matrix = List(matrix)
        builder.displacements = {
            'displacement': Float(chosen['displacement']),
            'symmetry_tolerance': Float(chosen['symprec']),
            'kpoints_mesh': mesh,
            'clean_workdir': pw['clean_workdir'],
            'pw_base': pw_inputs(pw_code, tight, pseudos, cutoffs, ranks=ranks, atoms=atoms),
        }
        estimates = pw_estimates(pw['pw'], structure, mesh.get_list(), matrix)
        request_resources(builder, inputs['options'], estimates)
        return builder


def pw_estimates(
    pw: Mapping[str, Any], structure: StructureData, mesh: Sequence[int], matrix: Any
) -> dict[str, Any]:
    """Estimates of the relaxation and of displaced cells of a supercell."""
    return {
        'pw': scf_of(pw, cells_of(structure, [matrix]), mesh=mesh),
        'relax.pw': relaxation_of(pw, structure, mesh=mesh),
    }


def _refuse_vacuum(structure: StructureData) -> None:
    gap = widest_gap(structure.get_ase())
    if gap.width > WIDEST_GAP:
        raise InputError(
            format_error(
                f'Along lattice vector {gap.axis + 1} the structure has {gap.width:.1f} Å without '
                'atoms; a relaxation of its cell would close that gap.',
                fix='Give `fixed_cell=True` for a molecule in a box or a slab.',
            )
        )


def gamma_settings(chosen: Mapping[str, Any]) -> Dict:
    """Settings of `insbench.sample` for displacements of the unit cell."""
    return Dict({name: chosen[name] for name in ('displacement', 'symprec')})
