"""JSON from files of anybody: no NaN, no numbers of thousands of digits, no endless nesting."""

from __future__ import annotations

import json
from typing import Any

from aiida_insbench.science.errors import InputError


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

    try:
        return json.loads(text, parse_constant=None if allow_nan else refuse)
    except (ValueError, RecursionError) as exc:
        raise error(f'{name} is no JSON: {exc}.') from exc
