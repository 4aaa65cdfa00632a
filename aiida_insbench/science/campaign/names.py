"""Names of rounds and members of a campaign: ``round_1`` …, ``seed_1`` …."""

from __future__ import annotations

from collections.abc import Iterable


def number_of(name: str) -> int:
    """Number at the end of a name.

    Raises
    ------
    ValueError
        If there is none.
    """
    return int(name.rpartition('_')[2])


def in_order(names: Iterable[str]) -> list[str]:
    """Names by their numbers: round_10 comes after round_9."""
    return sorted(names, key=number_of)


def leader_of(members: Iterable[str]) -> str:
    """Name of the member with the smallest seed."""
    return min(members, key=number_of)
