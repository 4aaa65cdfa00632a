"""Checks before anything expensive starts."""

from __future__ import annotations

import shutil
from pathlib import Path

from aiida_insbench.science.errors import InputError, format_error

#: A demo campaign was seen to need 0.4 GB; the rest is for logs and the database.
NEEDED_BYTES = 2 * 1024**3


def check_disk(folder: str | Path, *, needed: int = NEEDED_BYTES) -> str:
    """Free space at `folder`, as text.

    Raises
    ------
    InputError
        If there is less than `needed`.
    """
    place = Path(folder).resolve()
    while not place.exists():
        place = place.parent
    free = shutil.disk_usage(place).free
    if free < needed:
        raise InputError(
            format_error(
                f'{place} has {free / 1024**3:.1f} GB free.',
                reason=f'A campaign needs {needed / 1024**3:.0f} GB.',
                fix='Free some space or choose another folder.',
            )
        )
    return f'{free / 1024**3:.0f} GB free'
