"""YAML that can hold data only, from files of anybody."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

from aiida_insbench.science.errors import InputError

#: Values that a file with references may stand for: a few nested ones stand for billions.
_MOST_VALUES = 1_000_000
_ANCHOR = re.compile(r'(?:^|[\s,\[{:-])&\S')


def load_yaml(text: str) -> Any:
    """Read YAML by PyYAML's quick loader, where it was built: as safe as the slow one.

    Raises
    ------
    yaml.YAMLError
        If the text is no YAML, holds anything but data, numbers that cannot be, or references that
        stand for more than a million values.
    """
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    try:
        content = yaml.load(text, Loader=loader)  # noqa: S506 - safe, see above
    except (ValueError, OverflowError, RecursionError) as exc:
        # a whole number of thousands of digits, a date that there is not
        raise yaml.YAMLError(f'a value cannot be read: {exc}') from exc
    if _ANCHOR.search(text):
        _refuse_expansion(content)
    return content


def read_yaml_file(path: Path, *, error: type[InputError] = InputError) -> dict[str, Any]:
    """Read a file of YAML that holds names and values.

    Raises
    ------
    InputError
        If it cannot be read, is no YAML, or holds anything else.
    """
    try:
        content = load_yaml(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as exc:
        raise error(f'{path.name} cannot be read as YAML: {exc}') from exc
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise error(f'{path.name} must hold names and values, as `name: value`.')
    return content


def _refuse_expansion(content: Any) -> None:
    """Count what references stand for, and for themselves."""
    waiting, seen = [content], 0
    while waiting:
        value = waiting.pop()
        seen += 1
        if seen > _MOST_VALUES:
            raise yaml.YAMLError(f'its references stand for more than {_MOST_VALUES} values')
        if isinstance(value, dict):
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
