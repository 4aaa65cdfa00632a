"""A benchmark read from the graph: every number of its report is a node's property or output."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from aiida.orm import CalcJobNode, WorkChainNode

from aiida_insbench import __version__
from aiida_insbench.queries.cost import cost_behind
from aiida_insbench.queries.training import learnt_by
from aiida_insbench.report.collect import formula_of
from aiida_insbench.science.benchmark.records import leaderboard_record
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import pressure_from_label, pressure_labels

#: Of a training curve, what is drawn.
_CURVES = ('epoch', 'rmse_forces_mev_a', 'loss')


def collect_benchmark(process: WorkChainNode) -> dict[str, Any]:
    """Gather what the report of a benchmark shows.

    Parameters
    ----------
    process : WorkChainNode
        Of `BenchmarkWorkChain`, with its ranking.

    Returns
    -------
    dict
        JSON-ready. ``schema``, ``title``, ``generated``; ``benchmark`` (pk, uuid, label,
        wall_time_s); ``crystal`` (formula, n_atoms); ``pressures`` (GPa by label); ``rules``;
        ``ranking`` (see `benchmark_table`); ``cells``: by target its row, ``error`` (counting) and
        by potential ``scores`` and ``overlays`` (arrays); ``differences``: by target at the higher
        pressure ``lower``, ``pressures`` and by competitor ``scores`` and ``overlays``; ``shifts``:
        by table of measured band shifts its ``file`` and by competitor ``scores``; ``spectra``: by
        competitor, group of targets and pressure label; ``comparison`` (stage ``analyse``) or None;
        ``potentials``; ``verdicts`` of validations; ``provenance``.

    Raises
    ------
    InputError
        If there is no ranking.
    """
    if 'ranking' not in process.outputs:
        raise InputError(f'Process {process.pk} ({process.process_label}) has no ranking.')
    outputs, inputs = process.outputs, process.inputs
    ranking = outputs.ranking.get_dict()
    formula = formula_of(process)
    return {
        'schema': 1,
        'title': f'{formula} under pressure: {len(ranking["ranked"])} potentials',
        'generated': datetime.now(tz=UTC).isoformat(timespec='seconds'),
        'benchmark': {
            'pk': process.pk,
            'uuid': str(process.uuid),
            'label': process.label,
            'wall_time_s': (process.mtime - process.ctime).total_seconds(),
        },
        'crystal': {'formula': formula, 'n_atoms': len(inputs.structure.sites)},
        'pressures': pressure_labels(inputs.pressures.get_list()),
        'rules': inputs.rules.get_dict(),
        'ranking': ranking,
        'cells': [_cell(process, row) for row in ranking['cells']],
        'differences': _differences(process, ranking['cells']),
        'shifts': _shifts(process),
        'spectra': _spectra(outputs),
        'comparison': outputs.comparison.get_dict() if 'comparison' in outputs else None,
        'potentials': {
            name: {**_potential(node), **_making(node)} for name, node in inputs.potentials.items()
        },
        'verdicts': {
            name: node.get_dict()
            for name, node in (inputs.verdicts.items() if 'verdicts' in inputs else ())
        },
        'provenance': _provenance(process),
    }


def record_of(process: WorkChainNode) -> dict[str, Any]:
    """Leaderboard record of a benchmark, see `leaderboard_record`."""
    from aiida import __version__ as aiida_version

    return leaderboard_record(
        process.outputs.ranking.get_dict(),
        rules=process.inputs.rules.get_dict(),
        potentials={name: _potential(node) for name, node in process.inputs.potentials.items()},
        crystal=formula_of(process),
        software={'aiida-insbench': __version__, 'aiida-core': aiida_version},
        provenance={
            'benchmark': str(process.uuid),
            'ranking': str(process.outputs.ranking.uuid),
        },
    )


def _cell(process: WorkChainNode, row: Mapping[str, Any]) -> dict[str, Any]:
    outputs, name = process.outputs, row['name']
    scores = outputs.scores if 'scores' in outputs else {}
    found: dict[str, Any] = {'row': dict(row), 'scores': {}, 'overlays': {}, 'error': None}
    for potential in scores:
        if name not in scores[potential]:
            continue
        found['scores'][potential] = {
            **scores[potential][name].get_dict(),
            'pk': scores[potential][name].pk,
        }
        overlay = outputs.overlays[potential][name]
        found['overlays'][potential] = _arrays(overlay)
    measured = process.inputs.measured if 'measured' in process.inputs else {}
    if name in measured and 'error' in measured[name].get_arraynames():
        found['error'] = significant(measured[name].get_array('error'))
    return found


def _differences(
    process: WorkChainNode, rows: Sequence[Mapping[str, Any]]
) -> dict[str, dict[str, Any]]:
    """What pressure changes, by target at the higher pressure."""
    outputs = process.outputs
    if 'difference_scores' not in outputs:
        return {}
    names = {row['uuid']: row['name'] for row in rows}
    found: dict[str, dict[str, Any]] = {}
    for potential, scores in outputs.difference_scores.items():
        for target, score in scores.items():
            table = score.get_dict()
            one = found.setdefault(
                target,
                {
                    'lower': names.get(str(score.creator.inputs.lower.uuid), 'the lowest pressure'),
                    'pressures': table['pressures'],
                    'scores': {},
                    'overlays': {},
                },
            )
            one['scores'][potential] = {**table, 'pk': score.pk}
            one['overlays'][potential] = _arrays(outputs.difference_overlays[potential][target])
    order = [row['name'] for row in rows]
    return {target: found[target] for target in sorted(found, key=order.index)}


def _shifts(process: WorkChainNode) -> dict[str, Any]:
    """Scores of measured band shifts, by table and competitor."""
    tables = process.inputs.band_shifts if 'band_shifts' in process.inputs else {}
    scores = process.outputs.shift_scores if 'shift_scores' in process.outputs else {}
    return {
        table: {
            'file': node.get_dict().get('file'),
            'scores': {
                name: {**scores[name][table].get_dict(), 'pk': scores[name][table].pk}
                for name in scores
                if table in scores[name]
            },
        }
        for table, node in tables.items()
    }


def _spectra(outputs: Any) -> dict[str, Any]:
    """By competitor and group of targets; rising pressure."""
    if 'spectrum' not in outputs:
        return {}
    return {
        name: {
            group: {
                label: _spectrum(by_label[label])
                for label in sorted(by_label, key=pressure_from_label)
            }
            for group, by_label in groups.items()
        }
        for name, groups in outputs.spectrum.items()
    }


def _spectrum(node: Any) -> dict[str, Any]:
    return {
        'pk': node.pk,
        'pressure': node.pressure,
        'instrument': node.instrument,
        'temperature': node.temperature,
        'energy': significant(node.energy_transfer),
        'total': significant(node.total),
        'elements': {key: significant(one) for key, one in node.components('element').items()},
        'orders': {key: significant(one) for key, one in node.components('order').items()},
        'bands': node.details['bands'],
        'warnings': node.details['warnings'],
    }


def _arrays(node: Any) -> dict[str, list[float]]:
    found = {name: significant(node.get_array(name)) for name in node.get_arraynames()}
    if 'used' in found:
        found['used'] = [int(value) for value in found['used']]
    return found


def significant(values: Any) -> list[float]:
    """Numbers with six digits that count: no spectrum knows more, and files stay small."""
    return [float(f'{value:.6g}') for value in values]


def _potential(node: Any) -> dict[str, Any]:
    """What a potential is and what it learnt from, its ancestors by fine-tuning included."""
    learnt = learnt_by()[node.pk]
    return {
        'pk': node.pk,
        'uuid': str(node.uuid),
        'label': node.label,
        'flavour': node.flavour,
        'elements': node.elements,
        'sha256': node.sha256,
        'n_frames': learnt.n_frames or None,
        'pressures_learnt': list(learnt.pressures) if learnt.n_frames else None,
        'dft_level': node.dft_level,
        'started_from': next(iter(learnt.parents), None),
    }


def _making(node: Any) -> dict[str, Any]:
    """Training curve of a potential, and core-hours behind it by program and stage."""
    made = node.creator.outputs if node.creator is not None else {}
    curve = made['training_curve'].get_dict() if 'training_curve' in made else {}
    cost = cost_behind(node)
    return {
        'curve': {key: curve[key] for key in _CURVES if key in curve},
        'core_hours': {f'{row.program} {row.stage}'.strip(): row.core_hours for row in cost.rows},
        'saved_core_hours': cost.total('saved_core_hours'),
        'n_untimed': int(cost.total('n_untimed')),
    }


def _provenance(process: WorkChainNode) -> dict[str, Any]:
    descendants = process.called_descendants
    jobs = [node for node in descendants if isinstance(node, CalcJobNode)]
    cached = [node for node in descendants if node.base.caching.is_created_from_cache]
    versions = {}
    if 'comparison' in process.outputs:
        versions = process.outputs.comparison.get_dict().get('job', {}).get('versions', {})
    return {
        'n_processes': len(descendants) + 1,
        'n_jobs': len(jobs),
        'n_cached': len(cached),
        'n_pw': sum(1 for node in jobs if node.process_label == 'PwCalculation'),
        'versions': {'aiida-insbench': __version__, **versions},
        'nodes': {
            'benchmark': f'{process.pk} ({process.uuid})',
            'ranking': f'{process.outputs.ranking.pk} ({process.outputs.ranking.uuid})',
            **{
                f'potential {name}': f'{node.pk} ({node.uuid})'
                for name, node in process.inputs.potentials.items()
            },
        },
    }
