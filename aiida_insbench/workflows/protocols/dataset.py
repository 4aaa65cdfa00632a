"""Builder of one round of data from a protocol, for `DatasetWorkChain`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, Int, List, Str, StructureData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.job_estimates import JobEstimate
from aiida_insbench.science.molecules import is_molecular
from aiida_insbench.science.pressure import check_pressures
from aiida_insbench.workflows.protocols.dft import (
    check_pseudos,
    label_inputs,
    pw_inputs,
    relax_inputs,
    unit_cell_mesh,
)
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import committee_selection, job_inputs
from aiida_insbench.workflows.protocols.pw_estimates import cells_of, relaxation_of, scf_of
from aiida_insbench.workflows.protocols.requests import request_resources
from aiida_insbench.workflows.protocols.rounds import rattle_of, shared_cells


class DatasetProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a round of data."""

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
        potential: PotentialData | None = None,
        committee: Mapping[str, PotentialData] | None = None,
        known: DatasetData | None = None,
        convergence: Dict | None = None,
        held_out_pressures: Sequence[float] = (),
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        seed: int = 1,
        ranks: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Frames are drawn about the crystal relaxed by DFT at each pressure: whole molecules moved
        and atoms rattled or, with a `potential` or a `committee`, along modes by the method of
        ``later_rounds``. Of ``pool_per_frame`` times as many as wanted those are labelled that
        differ most, and with a committee those on which it disagrees.

        Parameters
        ----------
        pw_code, job_code : AbstractCode
            pw.x, and ``insbench-job``.
        structure : StructureData
            The crystal.
        pressures : sequence of float
            Target pressures in GPa; positive is compression.
        pseudos : mapping
            Element to pseudopotential node.
        cutoffs : tuple of two floats
            Plane-wave cutoffs of wave functions and charge density, Ry.
        potential : PotentialData, optional
            A first potential: its modes are followed, its descriptors tell frames apart.
        committee : mapping of str to PotentialData, optional
            Two potentials or more; without `potential` the first one's modes are followed.
        known : DatasetData, optional
            Frames labelled before.
        convergence : Dict, optional
            Of `insbench.converge`.
        held_out_pressures : sequence of float
            Of `pressures`, GPa: their frames become the test part.
        protocol : {'fast', 'balanced', 'stringent'}
            How many frames, and how dense the k points.
        overrides : dict, optional
            Laid over the protocol, the keys of the YAML file; of ``dataset``: ``frames``,
            ``pool_per_frame``, ``descriptors``, ``relax``, ``gas_molecules``, ``isolated_atoms``.
        seed : int
            From which the seeds of sampling, selection and split are derived.
        ranks : int
            MPI ranks of each pw.x.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If an element has no pseudopotential, or a pressure is not one.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        chosen = inputs['dataset']
        targets = check_pressures(pressures)
        check_pseudos(structure.get_symbols_set(), pseudos)
        atoms = structure.get_ase()
        mesh = unit_cell_mesh(inputs, atoms.cell.array)
        pw = pw_inputs(pw_code, inputs, pseudos, cutoffs, ranks=ranks, atoms=atoms)
        job = job_inputs(job_code)
        several = dict(committee or {})
        if several and potential is None:
            potential = next(iter(several.values()))
        follows = potential is not None
        round_name = 'later_rounds' if follows else 'first_round'
        frames = int(chosen['frames'] or inputs[round_name]['frames'])
        pool = math.ceil(frames * float(chosen['pool_per_frame']))
        builder = cls.get_builder()  # type: ignore[attr-defined]
        builder.structure = structure
        builder.pressures = List(list(targets))
        builder.seed = Int(1000 * seed)
        builder.split_seed = Int(1000 * seed + 100)
        builder.validation_frames = Int(inputs[round_name]['validation_frames'])
        builder.methods = _methods(inputs, structure, pool, follows=follows)
        builder.sample = {'sample': job}
        builder.label = label_inputs(inputs, mesh=mesh, pw=pw)
        if len(held_out_pressures):
            builder.split = Dict({'held_out_pressures': list(check_pressures(held_out_pressures))})
        if convergence is not None:
            builder.label.convergence = convergence
        if chosen['relax']:
            relax = relax_inputs(inputs, targets, mesh=mesh, pw=pw)
            builder.relax = {key: value for key, value in relax.items() if key != 'pressures'}
        if pool > frames:
            if several:
                selection = committee_selection(job, frames, seed)
            else:
                selection = _selection(job, chosen, frames, seed, follows=follows)
            builder.select = {'select': selection}
        if several:
            builder.committee = several
        for name, node in (('potential', potential), ('known', known)):
            if node is not None:
                builder[name] = node
        estimates = _pw_estimates(inputs, pw['pw'], structure, mesh.get_list(), round_name)
        request_resources(builder, inputs['options'], estimates)
        return builder


def _methods(
    inputs: Mapping[str, Any], structure: StructureData, count: int, *, follows: bool
) -> dict[str, Dict]:
    chosen = inputs['dataset']
    made = {}
    if follows:
        second = inputs['later_rounds']
        made['modes'] = {
            'seed_offset': 0,
            'method': second['method'],
            'cells': shared_cells(second['cells'], count),
            'settings': dict(second['settings']),
            'relaxed': False,
        }
    else:
        first = inputs['first_round']
        settings = {**first['settings'], 'volume_range': chosen['volume_range']}
        settings['rattle'] = rattle_of(settings['rattle'], structure)
        molecular = is_molecular(structure.get_ase())
        made['rattled'] = {
            'seed_offset': 0,
            'method': 'molecular-rattle' if molecular else 'strain-rattle',
            'cells': shared_cells(first['cells'], count),
            'settings': {**settings, **(chosen['molecules'] if molecular else {})},
        }
    if chosen['gas_molecules']:
        settings = {'count': int(chosen['gas_molecules'])}
        settings['rattle'] = rattle_of(inputs['first_round']['settings']['rattle'], structure)
        made['gas'] = {'method': 'gas-molecules', 'settings': settings, 'seed_offset': 1}
    if chosen['isolated_atoms']:
        made['atom'] = {'method': 'isolated-atoms', 'settings': {}, 'seed_offset': 2}
    return {name: Dict(entry) for name, entry in made.items()}


def _pw_estimates(
    inputs: Mapping[str, Any],
    pw: Mapping[str, Any],
    structure: StructureData,
    mesh: Sequence[int],
    round_name: str,
) -> dict[str, JobEstimate]:
    """Of relaxations and labels; of labels nothing where boxes come too, not known yet."""
    estimates = {'relax.pw': relaxation_of(pw, structure, mesh=mesh)}
    if not (inputs['dataset']['gas_molecules'] or inputs['dataset']['isolated_atoms']):
        matrices = [cell['supercell_matrix'] for cell in inputs[round_name]['cells']]
        estimates['label.pw'] = scf_of(pw, cells_of(structure, matrices), mesh=mesh)
    return estimates


def _selection(
    job: Mapping[str, Any], chosen: Mapping[str, Any], frames: int, seed: int, *, follows: bool
) -> dict[str, Any]:
    return {
        **job,
        'count': Int(frames),
        'seed': Int(1000 * seed + 200),
        'descriptors': Str(chosen['descriptors'] or ('mace' if follows else 'soap')),
    }
