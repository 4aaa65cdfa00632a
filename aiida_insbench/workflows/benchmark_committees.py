"""Further members of the potentials' committees in a benchmark: their spread as an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida_insbench.calculations.scores import MEMBER
from aiida_insbench.data.potential import PotentialData

_BETWEEN = '__member__'


def members_of(inputs: Mapping[str, Any]) -> Iterator[tuple[str, str, PotentialData]]:
    """Name of the potential, name of the member, and the member."""
    for name, by_member in inputs.get('committees', {}).items():
        for member, node in by_member.items():
            yield name, member, node


def known_vibrations(inputs: Mapping[str, Any], name: str, member: str) -> dict[str, Any] | None:
    """Force constants of a member by pressure label, where they are given."""
    given = inputs.get('committee_force_constants', {}).get(name, {})
    return dict(given[member]) if member in given else None


def member_key(name: str, member: str) -> str:
    """A member in link labels and in the context."""
    return f'{name}{_BETWEEN}{member}'


def keywords(spectra: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Spectra of members, by name and pressure label, as keywords of `score_spectra`."""
    return {
        f'{MEMBER}{number}_{label}': node
        for number, (_, by_label) in enumerate(sorted(spectra.items()))
        for label, node in by_label.items()
    }
