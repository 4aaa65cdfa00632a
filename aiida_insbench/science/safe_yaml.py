"""YAML that can hold data only."""

from __future__ import annotations

from typing import Any

import yaml


def load_yaml(text: str) -> Any:
    """Read YAML by PyYAML's quick loader, where it was built: as safe as the slow one.

    Raises
    ------
    yaml.YAMLError
        If the text is no YAML, or holds anything but data.
    """
    loader = getattr(yaml, 'CSafeLoader', yaml.SafeLoader)
    return yaml.load(text, Loader=loader)  # noqa: S506 - safe, see above
