"""The verdict of a validation: passed or failed, by part, with the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.science.validation.check import DYNAMICS, PARTS, Check, state_of

_WORDS = {
    'parity': 'errors on frames held out',
    'equation_of_state': 'equation of state',
    'dynamics': 'molecular dynamics',
    'extrapolation': "the committee's spread",
}


def verdict(
    checks: Sequence[Check], *, warnings: Sequence[str], unchecked: Mapping[str, str]
) -> dict[str, Any]:
    """Put checks together.

    Parameters
    ----------
    checks : sequence of Check
        All of them.
    warnings : sequence of str
        What does not decide but should be known.
    unchecked : mapping
        Why a part has no checks, by part.

    Returns
    -------
    dict
        ``passed`` (all checks hold, and molecular dynamics was done), ``summary``, ``parts`` (by
        part ``state``: passed, failed or not checked; ``n_checks``, ``n_failed``, ``reason``),
        ``failures``, ``warnings``, ``checks``.
    """
    parts = {}
    for part in PARTS:
        own = [one for one in checks if one.part == part]
        failed = [one for one in own if not one.passed]
        parts[part] = {
            'state': state_of(own),
            'n_checks': len(own),
            'n_failed': len(failed),
            'reason': failed[0].reason if failed else '' if own else unchecked.get(part, ''),
        }
    failures = [one.reason for one in checks if not one.passed]
    passed = not failures and parts[DYNAMICS]['state'] == 'passed'
    return {
        'passed': passed,
        'summary': _summary(passed, parts),
        'parts': parts,
        'failures': failures,
        'warnings': list(warnings),
        'checks': [one.to_dict() for one in checks],
    }


def _summary(passed: bool, parts: Mapping[str, Mapping[str, Any]]) -> str:
    by_state = {
        state: [_WORDS[name] for name in PARTS if parts[name]['state'] == state]
        for state in ('passed', 'failed', 'not checked')
    }
    words = ['The potential passes.' if passed else 'The potential does not pass.']
    if by_state['failed']:
        words.append(f'Failed: {", ".join(by_state["failed"])}.')
    if by_state['not checked']:
        words.append(f'Not checked: {", ".join(by_state["not checked"])}.')
    return ' '.join(words)
