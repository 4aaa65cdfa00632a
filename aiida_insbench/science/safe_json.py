"""JSON from files of anybody: no NaN, no numbers of thousands of digits, no endless nesting."""

from __future__ import annotations

import json
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError

#: Levels of nesting. Python's reader in C ends the program where a library allowed it too many.
_DEEPEST = 200


def load_json(
    text: str, *, name: str, error: type[InputError] = InputError, allow_nan: bool = False
) -> Any:
    """Read JSON.

    Parameters
    ----------
    text : str
        Of a file.
    name : str
        Of the file, for the message.
    error : type
        What is raised.
    allow_nan : bool
        Whether NaN and infinity pass, for those who say later where one stands.

    Raises
    ------
    InputError
        If it is none, is nested without end, or holds a number of thousands of digits, or NaN or
        infinity that may not pass.
    """

    def refuse(word: str) -> float:
        raise ValueError(f'{word} is not a number of JSON')

    if _depth(text) > _DEEPEST:
        raise error(f'{name} is no JSON: more than {_DEEPEST} lists stand in each other.')
    try:
        return json.loads(text, parse_constant=None if allow_nan else refuse)
    except (ValueError, RecursionError) as exc:
        raise error(f'{name} is no JSON: {exc}.') from exc


def _depth(text: str) -> int:
    """At most how many brackets are open at once; those inside texts count, too."""
    letters = np.frombuffer(text.encode('utf-8', 'replace'), dtype=np.uint8)
    steps = np.isin(letters, list(b'[{')).astype(np.int8) - np.isin(letters, list(b']}'))
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))
