"""Settings of a stage: defaults, types and unknown keys, checked before anything is computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiida_insbench.jobs.json_shapes import as_float
from aiida_insbench.science.errors import JobFileError, format_error


def read_settings(
    given: object, *, defaults: Mapping[str, Any], required: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Fill in defaults and refuse what is unknown, missing or of another type.

    Parameters
    ----------
    given : object
        ``settings`` of the job file.
    defaults : mapping
        Name to default value; a value given must be of the same type. Whole numbers stand for
        floats; a list of numbers wants as many numbers.
    required : mapping, optional
        Name to an example of the value, for settings without default.

    Returns
    -------
    dict
        Every setting of `defaults` and `required`.

    Raises
    ------
    JobFileError
        Naming the setting.
    """
    examples = {**defaults, **(required or {})}
    if not isinstance(given, Mapping):
        raise JobFileError(f'`settings` is {given!r}; give a dictionary.')
    unknown = sorted(set(given) - set(examples))
    if unknown:
        raise JobFileError(
            format_error(
                f'Unknown settings: {", ".join(unknown)}.',
                fix=f'Known are {", ".join(sorted(examples))}.',
            )
        )
    missing = sorted(set(required or {}) - set(given))
    if missing:
        raise JobFileError(f'Missing settings: {", ".join(missing)}.')
    return {
        name: _like(given[name], example, f'settings.{name}') if name in given else example
        for name, example in examples.items()
    }


def require(job: Mapping[str, Any], *names: str) -> tuple[Any, ...]:
    """Return entries of a job file; raise `JobFileError` naming those that lack."""
    missing = [name for name in names if job.get(name) is None]
    if missing:
        raise JobFileError(f'The job file lacks {", ".join(missing)}.')
    return tuple(job[name] for name in names)


def _like(value: Any, example: Any, name: str) -> Any:
    if isinstance(example, list):
        if not isinstance(value, list) or len(value) != len(example):
            raise JobFileError(f'`{name}` is {value!r}; give {len(example)} numbers as {example}.')
        return [
            _like(v, e, f'{name}[{i}]') for i, (v, e) in enumerate(zip(value, example, strict=True))
        ]
    if isinstance(example, float) and isinstance(value, int) and not isinstance(value, bool):
        value = as_float(value)
    # type, not isinstance: True is no whole number here
    if type(value) is not type(example):
        raise JobFileError(f'`{name}` is {value!r}; give a value such as {example!r}.')
    if isinstance(value, float) and not math.isfinite(value):
        raise JobFileError(f'`{name}` is {value}, not finite; give a value such as {example!r}.')
    return value
