"""Since when something has been so without a break, with a state in plain numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Key = tuple[int, ...]
_SLACK = 1e-9  # ps: times are sums of steps


class Lasting:
    """Beginnings of what is so now, by keys; times in ps."""

    def __init__(self) -> None:
        self.since: dict[Key, tuple[float, int]] = {}

    def update(self, keys: Iterable[Key], time: float, frame: int) -> None:
        """Note what is so now; everything else is forgotten."""
        now = (time, frame)
        self.since = {key: self.since.get(key, now) for key in keys}

    def for_long(self, key: Key, time: float, lifetime: float) -> bool:
        """Whether it has been so for a lifetime."""
        return time - self.since[key][0] >= lifetime - _SLACK

    def rows(self) -> list[list[float]]:
        """State: key, time and frame of each."""
        return [[*key, *since] for key, since in self.since.items()]

    def restore(self, rows: Iterable[Sequence[float]]) -> None:
        """Take up a state."""
        self.since = {
            tuple(int(part) for part in row[:-2]): (float(row[-2]), int(row[-1])) for row in rows
        }
