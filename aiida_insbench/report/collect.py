"""The report's data, read from the graph: every number is a node's property or output."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from aiida.orm import CalcJobNode, QueryBuilder, WorkChainNode

from aiida_insbench.queries import force_constants_of, latest, pw_calculations_behind
from aiida_insbench.queries.cost import seconds_of
from aiida_insbench.queries.graph import called, these
from aiida_insbench.report.analysed_modes import analysed_modes
from aiida_insbench.report.mode_view import mode_view, too_large
from aiida_insbench.science.campaign.names import in_order, leader_of
from aiida_insbench.science.errors import InputError, InsbenchError
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.relax import BASIS_CHANGED

_NOTES = (
    'Pressures are static: zero-point and thermal pressure are left out.',
    'The reference is the Γ point of the unit cell by the same DFT that labelled the frames.',
)


def collect(campaign: WorkChainNode) -> dict[str, Any]:
    """Gather what the report shows of a campaign that ended, also of one that broke off.

    Parameters
    ----------
    campaign : WorkChainNode
        Of `CampaignWorkChain`, finished.

    Returns
    -------
    dict
        JSON-ready; the schema that `render_html`, `findings` and `spectra_csv` take.

    Raises
    ------
    InputError
        If the campaign has not finished, or nothing of it could be judged.
    """
    if not campaign.is_finished or 'comparison' not in campaign.outputs:
        raise InputError(
            f'Campaign {campaign.pk} has no results to report '
            f'({campaign.process_state.value}, exit status {campaign.exit_status}); '
            'see `aiida-insbench status`.'
        )
    comparison = campaign.outputs.comparison.get_dict()
    return {
        'schema': 1,
        'title': f'{formula_of(campaign)} under pressure',
        'generated': datetime.now(tz=UTC).isoformat(timespec='seconds'),
        'campaign': {
            'pk': campaign.pk,
            'uuid': str(campaign.uuid),
            'label': campaign.label,
            'state': campaign.process_state.value,
            'failure': campaign.exit_message or '',
            'wall_time_s': (campaign.mtime - campaign.ctime).total_seconds(),
        },
        'crystal': _crystal(campaign),
        'pressures': pressure_labels(campaign.inputs.pressures.get_list()),
        'potentials': [_potential(campaign, name, comparison) for name in round_names(campaign)],
        'rounds': [
            {'name': words(name), **campaign.outputs.rounds[name].get_dict()}
            for name in round_names(campaign)
            if name in campaign.outputs.rounds
        ],
        'stopping': campaign.inputs.stopping.get_dict(),
        'benchmark': _benchmark(campaign),
        'validation': campaign.outputs.verdict.get_dict()
        if 'verdict' in campaign.outputs
        else None,
        'reference': comparison.get('reference'),
        'mode_view': _mode_view(campaign, comparison.get('settings') or {}),
        'spectra': [
            _spectrum(node, words(round_names(campaign)[-1]))
            for _, node in sorted(campaign.outputs.spectrum.items())
        ],
        'provenance': _provenance(campaign),
        'notes': list(_NOTES),
    }


def round_names(campaign: WorkChainNode) -> list[str]:
    """Rounds of a campaign that have potentials, in their order."""
    return in_order(campaign.outputs.potentials)


def words(name: str) -> str:
    """Name of a round as it is read: ``round_1`` is round 1."""
    return name.replace('_', ' ')


def _benchmark(campaign: WorkChainNode) -> dict[str, Any] | None:
    """Data of the benchmark's own report, if there was one."""
    from aiida_insbench.report.benchmark import collect_benchmark

    query = QueryBuilder().append(WorkChainNode, filters={'id': campaign.pk}, tag='campaign')
    query.append(
        WorkChainNode,
        with_incoming='campaign',
        filters={'attributes.process_label': 'BenchmarkWorkChain'},
    )
    found = query.first(flat=True)
    return collect_benchmark(found) if found is not None and found.is_finished_ok else None


def formula_of(campaign: WorkChainNode) -> str:
    """Reduced formula of the crystal a work chain was given."""
    from ase.formula import Formula

    symbols = str(campaign.inputs.structure.get_ase().symbols)
    return str(Formula(symbols).reduce()[0].convert('metal'))


def _crystal(campaign: WorkChainNode) -> dict[str, Any]:
    modes = campaign.outputs.modes[_judged(campaign)[-1]]
    first = modes[sorted(modes)[0]].get_dict()
    return {
        'formula': formula_of(campaign),
        'space_group': first['space_group']['after'],
        'n_atoms': len(campaign.inputs.structure.sites),
    }


def _judged(campaign: WorkChainNode) -> list[str]:
    """Rounds whose leader has modes."""
    return [name for name in round_names(campaign) if name in campaign.outputs.modes]


def _potential(campaign: WorkChainNode, name: str, comparison: dict[str, Any]) -> dict[str, Any]:
    outputs = campaign.outputs
    creator = outputs.potentials[name].creator
    relaxed = {}
    if name in outputs.structure:
        for label, structure in outputs.structure[name].items():
            relaxed[label] = _relaxed(structure, outputs.modes[name][label].get_dict())
    return {
        'name': words(name),
        'pk': outputs.potentials[name].pk,
        'n_frames': creator.inputs.dataset.n_frames if creator is not None else None,
        'errors': outputs.evaluation.get_dict()['potentials'][name],
        'comparison': comparison['potentials'].get(name),
        'curve': _curve(campaign, name),
        'relaxed': relaxed,
    }


def _curve(campaign: WorkChainNode, name: str) -> dict[str, Any] | None:
    """Training curve of a round's leader; None of one that an earlier campaign trained."""
    curves = campaign.outputs.training_curves
    if name not in curves:
        return None
    leader = leader_of(curves[name])
    found: dict[str, Any] = curves[name][leader].get_dict()
    return found


def _relaxed(structure: Any, modes: dict[str, Any]) -> dict[str, Any]:
    a, b, c = structure.cell_lengths
    return {
        'a': a,
        'b': b,
        'c': c,
        'volume': structure.get_cell_volume(),
        'space_group': modes['space_group']['after'],
        'residual_stress_gpa': modes['residual_stress_gpa'],
        'minimum_frequency': modes['mesh']['minimum_frequency'],
    }


def _mode_view(campaign: WorkChainNode, settings: dict[str, Any]) -> dict[str, Any] | None:
    """Atoms and eigenvectors of the last potential, from the force constants that were analysed."""
    sources = force_constants_of(campaign)
    if not sources:
        return None
    key = latest(sources)
    phonons = {label: node.get_phonopy_instance() for label, node in sources[key].items()}
    reason = too_large(max(len(phonon.primitive) for phonon in phonons.values()))
    if reason:
        return {'reason': reason}
    try:
        found = analysed_modes(phonons, settings)
    except InsbenchError as exc:
        return {'reason': str(exc)}
    return mode_view(found[0], potential=words(key), key=key)


def _spectrum(node: Any, potential: str) -> dict[str, Any]:
    return {
        'label': next(iter(pressure_labels([node.pressure]))),
        'pressure': node.pressure,
        'pk': node.pk,
        'potential': potential,
        'instrument': node.instrument,
        'temperature': node.temperature,
        'energy_transfer': node.energy_transfer.tolist(),
        'total': node.total.tolist(),
        'orders': {key: values.tolist() for key, values in node.components('order').items()},
        'elements': {key: values.tolist() for key, values in node.components('element').items()},
        'banks': {key: values.tolist() for key, values in node.components('bank').items()},
        'bands': node.details['bands'],
        'errors_percent': node.details['convergence']['errors_percent'],
        'warnings': node.details['warnings'],
    }


def _provenance(campaign: WorkChainNode) -> dict[str, Any]:
    spectrum = next(iter(campaign.outputs.spectrum.values()))
    descendants = called([campaign.pk])
    pw = _pw_runs(descendants)
    return {
        'n_pw': len(pw),
        'n_pw_failed': sum(1 for status, *_ in pw if status not in (0, BASIS_CHANGED)),
        'n_pw_cached': sum(1 for _, source, _ in pw if source is not None),
        'n_pw_behind_spectrum': len(pw_calculations_behind(spectrum)),
        'pw_core_seconds': sum(seconds for *_, seconds in pw),
        'n_processes': len(descendants) + 1,
        'stages': _stages(campaign),
        'versions': campaign.outputs.comparison.get_dict()['job']['versions'],
        'dft_level': campaign.outputs.dataset.dft_level,
        'nodes': {
            name: f'{node.pk} ({node.uuid})'
            for name, node in (
                ('campaign', campaign),
                ('training frames', campaign.outputs.dataset),
                ('held-out frames', campaign.outputs.validation),
                *(
                    (f'potential of {words(one)}', campaign.outputs.potentials[one])
                    for one in round_names(campaign)
                ),
                ('comparison', campaign.outputs.comparison),
            )
        },
        'settings': campaign.inputs.ins.ins.parameters.get_dict(),
    }


def _pw_runs(pks: set[int]) -> list[tuple[int | None, str | None, float]]:
    """Exit status, source in the cache and core seconds of every pw.x among processes.

    In two queries: to ask each job for its outputs takes seconds in a profile of 50,000 nodes.
    """
    chosen = {**these(pks), 'attributes.process_label': 'PwCalculation'}
    runs = QueryBuilder().append(
        CalcJobNode,
        filters=chosen,
        project=[
            'id',
            'attributes.exit_status',
            'extras._aiida_cached_from',
            'attributes.resources',
        ],
    )
    found = runs.all()
    seconds = seconds_of([pk for pk, *_ in found])
    return [
        (status, source, seconds.get(pk, 0.0) * (asked or {}).get('num_mpiprocs_per_machine', 1))
        for pk, status, source, asked in found
    ]


def _stages(campaign: WorkChainNode) -> list[dict[str, Any]]:
    from aiida_insbench.report.stages import CampaignWatch

    return [
        {'name': stage.name, 'state': stage.state, 'seconds': stage.seconds, 'pk': stage.pk}
        for stage in CampaignWatch(campaign).stages()
        if stage.pk is not None
    ]
