"""A full disk is noticed, and said in the little room that was kept back for saying it."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

from aiida_insbench.science.errors import DiskFullError, format_error

RESERVE_FILE = 'reserve'
RESERVE_BYTES = 32 * 1024
#: With less room than this, in bytes, whatever failed is put down to it.
FULL_BELOW = RESERVE_BYTES + 96 * 1024


def keep_reserve(folder: Path) -> None:
    """Take the room that a last word needs."""
    (folder / RESERVE_FILE).write_bytes(bytes(RESERVE_BYTES))


def release_reserve(folder: Path) -> None:
    """Give that room back."""
    (folder / RESERVE_FILE).unlink(missing_ok=True)


def as_disk_full(folder: Path, exc: BaseException) -> DiskFullError | None:
    """Error that says so if the disk was full when `exc` came, else None."""
    free = shutil.disk_usage(folder).free
    if not _says_so(exc) and free > FULL_BELOW:
        return None
    return DiskFullError(
        format_error(
            f'The disk of {folder} is full ({free / 2**20:.1f} MB free).',
            reason=f'{type(exc).__name__}: {exc}'.rstrip('.') + '.',
            fix='Make room there; what was finished is kept.',
        )
    )


def _says_so(exc: BaseException | None) -> bool:
    while exc is not None:
        if isinstance(exc, OSError) and exc.errno in (errno.ENOSPC, errno.EDQUOT):
            return True
        exc = exc.__cause__ or exc.__context__
    return False
