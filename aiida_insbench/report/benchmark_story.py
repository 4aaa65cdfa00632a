"""What a benchmark says, before any table or figure: order, looks, headline, one card a potential.

Data are those of `aiida_insbench.report.benchmark.collect_benchmark`. Costs go from 0, the same
spectrum, to 1, featureless or failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.report.numbers import count, joined, number, pressure
from aiida_insbench.report.style import DFT_LOOK, Look, potential_looks
from aiida_insbench.science.benchmark.table import DFT, MEASURED

Data = Mapping[str, Any]


def potential_order(data: Data) -> list[str]:
    """Names of the potentials, best first."""
    return [one['name'] for one in data['ranking']['ranked']]


def competitors(data: Data, cell: Mapping[str, Any]) -> list[str]:
    """Those asked for a target: the potentials, best first, and DFT where it has a score."""
    return potential_order(data) + ([DFT] if DFT in cell['scores'] else [])


def shown(name: str) -> str:
    """Name as it is printed."""
    return 'DFT' if name == DFT else name


def looks(data: Data) -> dict[str, Look]:
    """Look of each competitor, the best potential first in the palette."""
    return {DFT: DFT_LOOK, **potential_looks(by_look(data))}


def by_look(data: Data) -> list[str]:
    """Names of the potentials as `potential_looks` takes them: the best one last."""
    return potential_order(data)[::-1]


def ranked(data: Data, name: str) -> Mapping[str, Any]:
    """Row of a potential in the ranking."""
    found: Mapping[str, Any] = next(one for one in data['ranking']['ranked'] if one['name'] == name)
    return found


def failure(data: Data, name: str, cell: Mapping[str, Any]) -> str:
    """Why a potential failed on a target; empty if it did not."""
    if name == DFT:
        return ''
    return str(ranked(data, name)['failures'].get(cell['row']['name'], ''))


def target_title(row: Mapping[str, Any]) -> str:
    """A target in words, without its name."""
    error = f' ± {pressure(row["pressure_error"])}' if row.get('pressure_error') else ''
    whose = 'measured' if row['kind'] == MEASURED else "DFT's spectrum"
    blind = ', blind' if row.get('blind') else ''
    return f'{whose}, {pressure(row["pressure"])}{error} GPa{blind}'


def as_campaign(data: Data) -> dict[str, Any]:
    """Comparison of modes in the form of a campaign's, the best potential first."""
    comparison = data.get('comparison') or {}
    tables = comparison.get('potentials') or {}
    return {
        'potentials': [
            {'name': name, 'comparison': tables[name]}
            for name in potential_order(data)
            if name in tables
        ],
        'reference': comparison.get('reference'),
        'pressures': data['pressures'],
    }


def headline(data: Data) -> str:
    """Return the one sentence a reader must not miss."""
    rows = data['ranking']['ranked']
    first, last = rows[0], rows[-1]
    if len(rows) == 1:
        return f'{first["name"]}: {_cost(first)} over {_targets(data)}{_but_failed(first)}.'
    top = [one['name'] for one in rows if one['rank'] == 1]
    if len(top) > 1:
        start = f'{joined(top)} cannot be told apart ({_cost(first)} for {first["name"]})'
    else:
        start = f'{first["name"]} is nearest to the targets: {_cost(first)} over {_targets(data)}'
    if last['name'] in top:
        return f'{start}{_but_failed(first)}.'
    return f'{start}{_but_failed(first)}; {last["name"]} is last, {_cost(last)}{_but_failed(last)}.'


def tie_sentence(data: Data) -> str:
    """Who cannot be told apart; empty if all can."""
    pairs = {
        tuple(sorted((one['name'], other)))
        for one in data['ranking']['ranked']
        for other in one['tied_with']
    }
    if not pairs:
        return ''
    said = '; '.join(f'{a} and {b}' for a, b in sorted(pairs))
    return f'Within the errors of their means these cannot be told apart: {said}.'


def cards(data: Data) -> list[dict[str, Any]]:
    """One card a potential, best first."""
    return [_card(data, one) for one in data['ranking']['ranked']]


def _card(data: Data, one: Mapping[str, Any]) -> dict[str, Any]:
    name, total = one['name'], len(data['cells'])
    good = [cell for cell in data['cells'] if _reproduced(data, name, cell)]
    if one['failures']:
        kind, sign, word = 'fail', '✗', f'failed on {len(one["failures"])} of {total}'
    elif len(good) == total:
        kind, sign, word = 'pass', '✓', f'all {total} reproduced' if total > 1 else 'reproduced'
    else:
        kind, sign, word = 'open', '◐', f'{len(good)} of {total} reproduced'
    potential = (data.get('potentials') or {}).get(name) or {}
    learnt = potential.get('pressures_learnt')
    facts = [
        ('Rank', f'{one["rank"]} of {len(data["ranking"]["ranked"])}'),
        ('Mean cost', f'{number(one["mean"], 3)} ± {number(one["error"], 3)}'),
    ]
    error = (data['ranking'].get('frequency_errors') or {}).get(name)
    if error is not None:
        facts.append(('Γ modes (rms, INS-weighted)', f'{number(error)} cm⁻¹'))
    if potential.get('n_frames') is not None:
        facts.append(('Learnt from', count(potential['n_frames'], 'frame')))
    if learnt:
        facts.append(('Pressures learnt', f'{", ".join(pressure(p) for p in learnt)} GPa'))
    modes = ((data.get('comparison') or {}).get('potentials') or {}).get(name) or {}
    verdict = modes.get('verdict') or {}
    if verdict.get('passed') is not None:
        facts.append(('Γ modes against DFT', '✓ right' if verdict['passed'] else '✗ wrong'))
    # those on modes stand beside the figures of modes
    elsewhere = set(verdict.get('sentences') or [])
    said = [text for text in data['ranking']['verdicts'].get(name) or [] if text not in elsewhere]
    return {
        'name': name,
        'kind': kind,
        'sign': sign,
        'word': word,
        'facts': facts,
        'sentences': once(said),
    }


def once(sentences: Sequence[str]) -> list[str]:
    """Failures on several targets for one reason become one sentence."""
    found: list[str] = []
    where: dict[str, list[str]] = {}
    for text in sentences:
        head, _, reason = text.partition(': ')
        if not head.startswith('Failed on '):
            found.append(text)
        elif reason in where:
            where[reason].append(head.removeprefix('Failed on '))
        else:
            where[reason] = [head.removeprefix('Failed on ')]
            found.append(reason)
    return [f'Failed on {joined(where[one])}: {one}' if one in where else one for one in found]


def _reproduced(data: Data, name: str, cell: Mapping[str, Any]) -> bool:
    """Whether shift and residual are within what the rules call good."""
    summary = ((cell['scores'].get(name) or {}).get('score') or {}).get('summary') or {}
    shift, residual = summary.get('shift'), summary.get('residual')
    rules = data['ranking']['rules']
    if failure(data, name, cell) or shift is None or residual is None:
        return False
    return bool(shift <= rules['good_shift'] and residual <= rules['good_residual'])


def _cost(one: Mapping[str, Any]) -> str:
    return f'mean cost {number(one["mean"], 3)} ± {number(one["error"], 3)}'


def _targets(data: Data) -> str:
    return count(len(data['cells']), 'target')


def _but_failed(one: Mapping[str, Any]) -> str:
    if not one['failures']:
        return ''
    return f', failed on {len(one["failures"])} of {len(one["cells"])} targets'
