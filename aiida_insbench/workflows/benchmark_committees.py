"""Further members of the potentials' committees in a benchmark: their spread as an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from aiida_insbench.calculations.cell_spectra import MEMBER
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


def in_analysis(
    committees: Mapping[str, Mapping[str, Any]], competing: Mapping[str, Any]
) -> tuple[dict[str, Any], dict[str, list[str]]]:
    """Members for `insbench.analyse`, so that slopes of modes have a spread.

    Parameters
    ----------
    committees : mapping
        Force constants by potential, member and pressure label.
    competing : mapping
        Force constants of potentials; one without any has no committee.

    Returns
    -------
    phonons : dict
        Force constants of members, each with a name of its own there.
    committees : dict of str to list of str
        Names by committee, the potential first.
    """
    phonons: dict[str, Any] = {}
    named: dict[str, list[str]] = {}
    for name, by_member in committees.items():
        mine = {
            f'member_{number}_of_{name}': constants
            for number, (_, constants) in enumerate(sorted(by_member.items()))
            if constants
        }
        if mine and competing.get(name):
            phonons |= mine
            named[name] = [name, *mine]
    return phonons, named


def keywords(spectra: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Spectra of members, by name and pressure label, as keywords of `score_spectra`."""
    return {
        f'{MEMBER}{number}_{label}': node
        for number, (_, by_label) in enumerate(sorted(spectra.items()))
        for label, node in by_label.items()
    }
