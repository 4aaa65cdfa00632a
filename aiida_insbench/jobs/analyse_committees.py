"""Committees of potentials in the stage ``analyse``: who belongs, who lacks what, the spread."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.jobs.analyse_sources import Source
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.mode_committee import (
    CommitteeModes,
    add_spread,
    committee_modes,
    committee_rows,
)
from aiida_insbench.science.pressure import pressure_from_label


def check_committees(committees: Mapping[str, Sequence[str]], names: Sequence[str]) -> None:
    """Refuse committees that make no sense.

    Raises
    ------
    JobFileError
        If a member is unknown or named twice, there are fewer than two, or a potential is the
        first of two committees, whose spreads its table cannot both hold.
    """
    leaders: dict[str, str] = {}
    for name, members in committees.items():
        unknown = [one for one in members if one not in names]
        if unknown:
            raise JobFileError(
                format_error(
                    f'Committee {name} names {", ".join(unknown)}.',
                    fix=f'`phonons` has {", ".join(names)}.',
                )
            )
        if len(members) < 2 or len(set(members)) < len(members):
            raise JobFileError(f'Committee {name} needs two members at least, each named once.')
        if members[0] in leaders:
            raise JobFileError(
                f'{members[0]} is the first of the committees {leaders[members[0]]} and {name}; it '
                'can be of one.'
            )
        leaders[members[0]] = name


def committee_block(
    members: Sequence[str], sources: Mapping[str, Source], tables: Mapping[str, dict[str, Any]]
) -> dict[str, Any]:
    """Spread of one committee, JSON-ready; the first member's table gets it too.

    Parameters
    ----------
    members : sequence of str
        Names, the first of which the others are matched to.
    sources : mapping from str to Source
        All potentials.
    tables : mapping from str to dict
        Blocks of the potentials; ``modes`` of the first member's is changed.

    Returns
    -------
    dict
        ``members``; ``modes`` of `committee_rows`, empty where fewer than two can be compared;
        ``missing`` and ``unstable`` (pressure labels by member), ``left_out`` (reason by member)
        and ``sentences`` that say so.
    """
    left_out = {name: why for name in members if (why := _why_not(name, members[0], sources))}
    used = {name: sources[name].series for name in members if name not in left_out}
    block: dict[str, Any] = {'members': list(members), 'left_out': left_out}
    if len(used) < 2:
        sentences = _sentences(left_out, {}, {})
        return {**block, 'modes': [], 'missing': {}, 'unstable': {}, 'sentences': sentences}
    found: CommitteeModes = committee_modes(used)
    rows = committee_rows(found)
    add_spread(tables[members[0]]['modes'], rows, found.first)
    return {
        **block,
        'modes': rows,
        'missing': found.missing,
        'unstable': found.unstable,
        'sentences': _sentences(left_out, found.missing, found.unstable),
    }


def _why_not(name: str, first: str, sources: Mapping[str, Source]) -> str:
    """Why a member cannot be compared with the first; empty if it can."""
    if name == first:
        return ''
    return sources[name].apart or sources[first].apart


def _sentences(
    left_out: Mapping[str, str],
    missing: Mapping[str, Sequence[str]],
    unstable: Mapping[str, Sequence[str]],
) -> list[str]:
    sentences = [f'{name} is left out: {why}' for name, why in left_out.items()]
    sentences += [f'{name} lacks {_places(labels)} GPa.' for name, labels in missing.items()]
    sentences += [
        f'{name} has imaginary modes at {_places(labels)} GPa.' for name, labels in unstable.items()
    ]
    return sentences


def _places(labels: Sequence[str]) -> str:
    return ' / '.join(f'{pressure_from_label(label):g}' for label in labels)
