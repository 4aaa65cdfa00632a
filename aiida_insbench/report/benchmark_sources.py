"""Tables beside the scores: blind ranking, frequency errors, dynamics, targets, potentials.

Pressures in GPa.
"""

from __future__ import annotations

from collections import Counter

from aiida_insbench.report.benchmark_story import Data, potential_order
from aiida_insbench.report.numbers import MISSING, count, number, pressure
from aiida_insbench.report.tables import Cell, Table, without_empty
from aiida_insbench.science.benchmark.table import MEASURED

_RIGHT = 'number'


def agreement_table(data: Data) -> Table | None:
    """Mean costs beside frequency errors against DFT."""
    errors = data['ranking'].get('frequency_errors') or {}
    if not any(value is not None for value in errors.values()):
        return None
    known = sorted(value for value in errors.values() if value is not None)
    rows = []
    for one in data['ranking']['ranked']:
        error = errors.get(one['name'])
        place = MISSING if error is None else str(1 + known.index(error))
        texts = [number(one['mean'], 3), str(one['rank']), number(error), place]
        rows.append([Cell(one['name']), *(Cell(text, _RIGHT) for text in texts)])
    heads = ['Potential', 'Mean cost', 'Rank', 'Frequency error (cm⁻¹)', 'Rank by it']
    return Table([], heads, rows)


def blind_table(data: Data) -> Table | None:
    """Ranking over blind targets alone."""
    rows = [
        [
            Cell(f'{one["rank"]}{"=" if one["tied_with"] else ""}', _RIGHT),
            Cell(one['name']),
            Cell(f'{number(one["mean"], 3)} ± {number(one["error"], 3)}', _RIGHT),
        ]
        for one in data['ranking'].get('blind') or []
    ]
    return Table([], ['Rank', 'Potential', 'Mean cost'], rows) if rows else None


def dynamics_table(data: Data) -> Table | None:
    """Runs of molecular dynamics of each potential that was validated."""
    heads = ['Potential', 'P (GPa)', 'Ensemble', 'Length (ps)', 'T (K)', 'Drift (meV/atom/ps)']
    heads.append('State')
    rows = []
    for name in potential_order(data):
        verdict = (data.get('verdicts') or {}).get(name) or {}
        for run in ((verdict.get('tables') or {}).get('dynamics') or {}).get('runs') or []:
            broke = (
                f'broke at {number(run["first_violation_ps"], 3)} ps: {", ".join(run["checks"])}'
            )
            rows.append(
                [
                    Cell(name),
                    Cell(pressure(run['pressure']), _RIGHT),
                    Cell(run['ensemble'].upper()),
                    Cell(number(run['length_ps'], 2), _RIGHT),
                    Cell(number((run.get('mean_temperature') or {}).get('mean')), _RIGHT),
                    Cell(number((run.get('drift') or {}).get('mean'), 4), _RIGHT),
                    Cell('sound' if run['sound'] else broke, '' if run['sound'] else 'bad'),
                ]
            )
    return without_empty(heads, rows) if rows else None


def target_table(data: Data) -> Table:
    """Where targets come from."""
    heads = ['Target', 'Kind', 'P (GPa)', 'T (K)', 'Instrument', 'Sample', 'Blind', 'DOI', 'File']
    rows = []
    for cell in data['cells']:
        row = cell['row']
        error = f' ± {pressure(row["pressure_error"])}' if row.get('pressure_error') else ''
        texts = [
            'measured' if row['kind'] == MEASURED else "DFT's",
            f'{pressure(row["pressure"])}{error}',
            number(row.get('temperature'), 0),
            row.get('instrument') or MISSING,
            row.get('sample') or MISSING,
            'yes' if row.get('blind') else MISSING,
            row.get('doi') or MISSING,
            str(row.get('file_hash') or MISSING)[:19],
        ]
        rows.append([Cell(row['name']), *(Cell(str(text)) for text in texts)])
    return without_empty(heads, rows)


def cost_table(data: Data) -> Table | None:
    """Core-hours behind each potential, by program and stage; None where none are on record."""
    known = {name: (data.get('potentials') or {}).get(name) or {} for name in potential_order(data)}
    hours = {name: one['core_hours'] for name, one in known.items() if one.get('core_hours')}
    if not hours:
        return None
    totals = Counter[str]()
    for one in hours.values():
        totals.update(one)
    stages = [stage for stage, _ in totals.most_common()]
    rows = []
    for name in potential_order(data):
        mine = hours.get(name, {})
        texts = [number(sum(mine.values()), 2) if mine else MISSING]
        texts += [number(mine.get(stage), 2) for stage in stages]
        texts.append(number(known[name].get('saved_core_hours') or None, 2))
        untimed = known[name].get('n_untimed') or 0
        texts.append(count(untimed, 'job') if untimed else MISSING)
        rows.append([Cell(name), *(Cell(text, _RIGHT) for text in texts)])
    heads = ['Potential', 'Core-hours', *stages, 'saved by the cache', 'without a time on record']
    return without_empty(heads, rows)


def lineage_table(data: Data) -> Table | None:
    """What potentials are and what they learnt from."""
    heads = ['Potential', 'Node', 'Label', 'Kind', 'Frames', 'Pressures learnt (GPa)']
    heads += ['beyond them (GPa)', 'Started from', 'Functional', 'Weights']
    rows = []
    for name in potential_order(data):
        one = (data.get('potentials') or {}).get(name)
        if one is None:
            continue
        learnt = one.get('pressures_learnt') or []
        beyond = [
            value
            for value in sorted(data['pressures'].values())
            if learnt and not min(learnt) - 1e-6 <= value <= max(learnt) + 1e-6
        ]
        texts = [
            str(one.get('pk') or MISSING),
            one.get('label') or MISSING,
            one.get('flavour') or MISSING,
            str(one['n_frames']) if one.get('n_frames') is not None else MISSING,
            ', '.join(map(pressure, learnt)) or MISSING,
            ', '.join(map(pressure, beyond)) or MISSING,
            f'node {one["started_from"]}' if one.get('started_from') else MISSING,
            str((one.get('dft_level') or {}).get('functional') or MISSING),
            str(one.get('sha256') or MISSING)[:12],
        ]
        rows.append([Cell(name), *(Cell(text) for text in texts)])
    return without_empty(heads, rows) if rows else None
