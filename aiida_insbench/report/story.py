"""What the numbers of a campaign say: modes side by side, the softest one, the verdict in words.

Frequencies in cm⁻¹ (negative: imaginary), force errors in meV/Å. Every sentence is made from the
data; none is fixed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aiida_insbench.report.numbers import arrow, joined, number
from aiida_insbench.science.pressure import pressure_from_label

Row = dict[str, Any]
#: Force errors within this factor are called nearly the same.
SIMILAR = 1.5
#: Reference frequencies this close (cm⁻¹) are of one mode.
_SAME_MODE = 0.5


@dataclass(frozen=True)
class ModeLine:
    """One mode in the reference and in each potential; rows are those of the `analyse` stage."""

    reference: Row | None
    potentials: dict[str, Row] = field(default_factory=dict)

    @property
    def first(self) -> Row:
        """Row that names the mode: the reference's if there is one."""
        return self.reference or next(iter(self.potentials.values()))

    @property
    def irrep(self) -> str:
        """Label of the mode, from whoever has one."""
        rows = [self.reference, *self.potentials.values()]
        return next((row['irrep'] for row in rows if row and row.get('irrep')), '')

    @property
    def name(self) -> str:
        """Irrep, or the number of the mode."""
        return self.irrep or f'mode {self.first["index"] + 1}'


def potential_names(data: Mapping[str, Any]) -> list[str]:
    """Names of the potentials, in order."""
    return [one['name'] for one in data.get('potentials') or []]


def potential(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Block of one potential."""
    found: dict[str, Any] = next(one for one in data['potentials'] if one['name'] == name)
    return found


def comparison(one: Mapping[str, Any]) -> dict[str, Any]:
    """Mode comparison of a potential, empty if there is none."""
    return one.get('comparison') or {}


def passed(one: Mapping[str, Any]) -> bool | None:
    """Verdict on a potential: None if it could not be judged."""
    verdict: Mapping[str, Any] = comparison(one).get('verdict') or {}
    return verdict.get('passed')


def force_error(one: Mapping[str, Any]) -> float | None:
    """Force error of a potential, rms, meV/Å."""
    return (one.get('errors') or {}).get('rmse_forces_mev_a')


def mode_lines(data: Mapping[str, Any]) -> list[ModeLine]:
    """Put the modes of reference and potentials side by side.

    Each row of a potential carries the reference frequencies of the mode it was matched to by
    eigenvector; that is the link. Without a reference, modes of two potentials are linked by irrep
    and order only where the lists of irreps agree, else they stay apart.
    """
    reference = (data.get('reference') or {}).get('modes') or []
    lines = [ModeLine(reference=row) for row in reference]
    for one in data.get('potentials') or []:
        for row in comparison(one).get('modes') or []:
            line = _linked(lines, one['name'], row)
            if line is None:
                lines.append(ModeLine(reference=None, potentials={one['name']: row}))
            else:
                line.potentials[one['name']] = row
    return lines


def pressures_of(lines: Sequence[ModeLine]) -> dict[str, float]:
    """Pressures (GPa) of all labels in modes, rising."""
    rows = [row for line in lines for row in (line.reference, *line.potentials.values()) if row]
    labels = {label for row in rows for label in row['frequencies']}
    return {label: pressure_from_label(label) for label in sorted(labels, key=pressure_from_label)}


def soft_mode(lines: Sequence[ModeLine]) -> ModeLine | None:
    """Mode that loses the greatest share of its frequency, judged by the reference if any.

    Imaginary counts as a loss of everything. None if no mode loses more than 1 cm⁻¹.
    """
    known = [line for line in lines if line.reference] or list(lines)
    losses = [(_loss(line.first), line) for line in known]
    worst = max(losses, key=lambda pair: pair[0], default=(0.0, None))
    return worst[1] if worst[0] > 0 else None


def soft_rows(line: ModeLine) -> list[tuple[str, Row]]:
    """Reference and potentials of one mode as (name, row)."""
    rows = [('DFT', line.reference)] if line.reference else []
    return rows + list(line.potentials.items())


def path(row: Row) -> str:
    """Frequencies of a row in order of pressure, joined by arrows, without unit."""
    return arrow(row['frequencies'].values())


def soft_sentence(line: ModeLine) -> str:
    """Return the way of the softest mode in DFT and in each potential."""
    parts = [
        f'{path(row)} cm⁻¹ {"in" if name == "DFT" else "with"} {name}'
        for name, row in soft_rows(line)
    ]
    return f'The soft mode{" " + line.irrep if line.irrep else ""} goes {joined(parts)}.'


def pair(data: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the potential started from and the one ended with, if there are two."""
    potentials = data.get('potentials') or []
    return (potentials[0], potentials[-1]) if len(potentials) > 1 else None


def headline(data: Mapping[str, Any]) -> str:
    """Return the one sentence a reader must not miss."""
    both = pair(data)
    if both is None:
        potentials = data.get('potentials') or []
        return _alone(potentials[0]) if potentials else 'No potential was judged.'
    first, last = both
    return f'{_force_clause(first, last)}{_judgement(first, last)}'


def _force_clause(first: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    errors = force_error(first), force_error(last)
    start, end = errors
    if not start or not end:
        return ''
    values = f'{number(start)} and {number(end)} meV/Å'
    names = f'{first["name"]} and {last["name"]}'
    if max(start, end) / min(start, end) < SIMILAR:
        link = 'yet ' if passed(first) is not passed(last) else 'and '
        return f'Nearly the same force error ({names}: {values}), {link}'
    return f'The force errors of {names} are {values}; '


def _judgement(first: Mapping[str, Any], last: Mapping[str, Any]) -> str:
    verdicts = (passed(first), passed(last))
    names = first['name'], last['name']
    if verdicts == (None, None):
        return 'no reference modes to judge either by.'
    if verdicts == (True, True):
        return f'both {names[0]} and {names[1]} have the right physics.'
    if verdicts == (False, False):
        return f'neither {names[0]} nor {names[1]} has the right physics.'
    words = {True: 'has the right physics', False: 'has the wrong physics', None: 'was not judged'}
    return f'{names[0]} {words[verdicts[0]]} and {names[1]} {words[verdicts[1]]}.'


def _alone(one: Mapping[str, Any]) -> str:
    words = {
        True: 'has the right physics',
        False: 'has the wrong physics',
        None: 'could not be judged: there are no reference modes',
    }
    error = force_error(one)
    clause = f' (force error {number(error)} meV/Å)' if error else ''
    return f'{one["name"].capitalize()}{clause} {words[passed(one)]}.'


def _linked(lines: Sequence[ModeLine], name: str, row: Row) -> ModeLine | None:
    free = [line for line in lines if name not in line.potentials]
    wanted = row.get('reference') or {}
    if wanted:
        near = [
            (_distance(line.reference['frequencies'], wanted), line)
            for line in free
            if line.reference
        ]
        best = min(near, key=lambda entry: entry[0], default=(_SAME_MODE, None))
        return best[1] if best[0] < _SAME_MODE else None
    alike = [
        line
        for line in free
        if not line.reference
        and row['irrep']
        and line.irrep == row['irrep']
        and line.first['degeneracy'] == row['degeneracy']
    ]
    return alike[0] if alike else None


def _distance(first: Mapping[str, float], second: Mapping[str, float]) -> float:
    common = [abs(first[label] - second[label]) for label in second if label in first]
    return max(common, default=float('inf'))


def _loss(row: Row) -> float:
    values = list(row['frequencies'].values())
    if min(values) < -1.0:
        return 2.0 - float(min(values)) / 1e4
    drop = values[0] - values[-1]
    return float(drop / max(values[0], 1.0)) if drop > 1.0 else 0.0
