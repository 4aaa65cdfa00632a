"""Builder of DFT labels from a protocol, for `LabelWorkChain`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict
from ase import Atoms

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.frames import is_gas_phase, unit_cell_of
from aiida_insbench.workflows.protocols.dft import (
    check_pseudos,
    label_inputs,
    pw_inputs,
    unit_cell_mesh,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.pw_estimates import costliest_kinds, scf_of
from aiida_insbench.workflows.protocols.requests import request_resources


class LabelProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of labelling."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        pw_code: AbstractCode,
        pool: DatasetData,
        *,
        pseudos: Mapping[str, Any],
        cutoffs: tuple[float, float],
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        convergence: Dict | None = None,
        ranks: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        pw_code : AbstractCode
            pw.x.
        pool : DatasetData
            Frames; labels they have are not used.
        pseudos : mapping
            Element to pseudopotential node.
        cutoffs : tuple of two floats
            Plane-wave cutoffs of wave functions and charge density, Ry; one for all frames.
        protocol : {'fast', 'balanced', 'stringent'}
            Sets the k mesh of the unit cell, by a distance.
        overrides : dict, optional
            Laid over the protocol: ``pw``, ``dispersion``, ``kpoints_mesh``,
            ``kpoints_distance``, ``max_concurrent``, ``minimum_success_fraction``.
        convergence : Dict, optional
            Of `insbench.converge`.
        ranks : int
            MPI ranks of each pw.x.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If an element has no pseudopotential, or pseudopotentials do not go together.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        check_pseudos(pool.elements, pseudos)
        crystal = densest_crystal(pool.get_frames())
        mesh = unit_cell_mesh(inputs, unit_cell_of(crystal))
        used = {element: pseudos[element] for element in pool.elements}
        pw = pw_inputs(pw_code, inputs, used, cutoffs, ranks=ranks, atoms=crystal)
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.pool = pool
        for name, value in label_inputs(inputs, mesh=mesh, pw=pw).items():
            builder[name] = value
        if convergence is not None:
            builder.convergence = convergence
        estimate = scf_of(pw['pw'], costliest_kinds(pool.get_frames()), mesh=mesh.get_list())
        request_resources(builder, inputs['options'], {'pw': estimate})
        return builder


def densest_crystal(frames: list[Atoms]) -> Atoms:
    """Of the frames of crystals the one under the highest compression; else the first frame."""
    crystals = [frame for frame in frames if not is_gas_phase(frame)]
    if not crystals:
        return frames[0]
    return min(crystals, key=lambda frame: float(frame.get_volume() / len(frame)))
