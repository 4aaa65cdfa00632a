"""Archives of strangers: unpacked file by file, never outside the folder, never without end."""

from __future__ import annotations

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import IO

from aiida_insbench.science.errors import InputError, format_error

#: What an archive may hold: the largest families of pseudopotentials have some 100 MB.
MOST_FILES, MOST_BYTES = 5000, 1 << 30
_CHUNK = 1 << 20
_DAMAGED = (
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
    lzma.LZMAError,
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
)


def unpack(source: Path, folder: Path) -> None:
    """Unpack a zip or tar archive.

    Parameters
    ----------
    source : Path
        ``.zip``, ``.tar``, ``.tar.gz``, ``.tar.bz2`` or ``.tar.xz``, told apart by their content.
    folder : Path
        Empty; gets the regular files, in the archive's own folders.

    Raises
    ------
    InputError
        If it is no archive, is damaged or encrypted, has a member that leads out of the folder or
        is a link, or holds more than `MOST_FILES` files or `MOST_BYTES` bytes.
    """
    try:
        _unpack(source, folder)
    except InputError:
        raise
    except _DAMAGED as exc:
        raise InputError(
            format_error(
                f'{source} cannot be unpacked: {exc or type(exc).__name__}.',
                fix='Give a folder, or a .zip, .tar, .tar.gz, .tar.bz2 or .tar.xz that was copied '
                'completely.',
            )
        ) from exc


def _unpack(source: Path, folder: Path) -> None:
    left = MOST_BYTES
    for number, (name, content) in enumerate(_members(source)):
        if number >= MOST_FILES:
            raise InputError(f'{source.name} holds more than {MOST_FILES} files.')
        with content:
            left = _written(content, _place(folder, name, source.name), left, source.name)


def _members(source: Path) -> Iterator[tuple[str, IO[bytes]]]:
    """Names and contents of the regular files of an archive."""
    if zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    yield member.filename, archive.open(member)
        return
    with tarfile.open(source) as tar:
        for entry in tar:
            if entry.isdir():
                continue
            content = tar.extractfile(entry) if entry.isreg() else None
            if content is None:
                raise InputError(
                    format_error(
                        f'{source.name}: {entry.name!r} is a link or a device, not a file.',
                        fix='Make the archive of plain files.',
                    )
                )
            yield entry.name, content


def _place(folder: Path, name: str, archive: str) -> Path:
    """Where a member goes; one that leads out of the folder is refused."""
    path = PurePosixPath(name.replace('\\', '/'))
    leads_out = path.is_absolute() or '..' in path.parts or PureWindowsPath(name).drive
    if leads_out or not path.parts or '\0' in name:
        raise InputError(
            format_error(
                f'{archive}: {name!r} leads out of the folder it is unpacked to.',
                reason='Such an archive could write over your files; nothing was unpacked.',
                fix='Do not trust it.',
            )
        )
    place = folder.joinpath(*path.parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    return place


def _written(content: IO[bytes], place: Path, left: int, archive: str) -> int:
    """Write one file; return how many bytes the others may have."""
    with place.open('xb') as file:
        while chunk := content.read(_CHUNK):
            left -= len(chunk)
            if left < 0:
                raise InputError(f'{archive} holds more than {MOST_BYTES >> 20} MB unpacked.')
            file.write(chunk)
    return left
