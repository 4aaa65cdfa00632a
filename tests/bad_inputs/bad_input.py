"""One bad input: what is given, the words of a command or job, and what must be said."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

COMMAND, JOB = 'aiida-insbench', 'insbench-job'


@dataclass
class Place:
    """A folder to write bad files into, and the sound nodes of a profile by name."""

    folder: Path
    nodes: dict[str, Any] = field(default_factory=dict)

    def file(self, name: str, content: str | bytes) -> Path:
        """Write a file."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def job(self, content: Any) -> Path:
        """Write ``job.json``; text as it stands."""
        return self.file('job.json', content if isinstance(content, str) else json.dumps(content))


Words = Callable[[Place], Sequence[object]]


@dataclass(frozen=True)
class BadInput:
    """A row of the table.

    Attributes
    ----------
    group : str
        Kind of input, a heading of the table.
    given : str
        What is wrong, in words.
    through : str
        Command or stage, as in the documentation.
    says : str
        Part of the message.
    words : callable
        Writes files into a place and returns what follows the name of the program.
    program : str
        `COMMAND` or `JOB`.
    """

    group: str
    given: str
    through: str
    says: str
    words: Words
    program: str = COMMAND

    @property
    def name(self) -> str:
        """For the name of a test."""
        return f'{self.through}: {self.given}'.replace(' ', '-')
