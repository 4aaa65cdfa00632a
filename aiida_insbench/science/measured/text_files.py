"""Bytes of a file as lines of text: encodings, ends of lines, and files that are no text at all."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from aiida_insbench.science.errors import InputError, format_error

HDF5_MAGIC = b'\x89HDF\r\n\x1a\n'

_AS_TEXT = 'Export the numbers as text (energy, intensity, error) and import that.'
_DIGITISE = 'Digitise the curve and import energy, intensity and errors of both as text.'
_MAGIC = (
    (b'\x89PNG\r\n', 'a PNG picture', _DIGITISE),
    (b'\xff\xd8\xff', 'a JPEG picture', _DIGITISE),
    (b'GIF8', 'a GIF picture', _DIGITISE),
    (b'II*\x00', 'a TIFF picture', _DIGITISE),
    (b'MM\x00*', 'a TIFF picture', _DIGITISE),
    (b'%PDF', 'a PDF document', _DIGITISE),
    (b'%!PS', 'a PostScript document', _DIGITISE),
    (b'PK\x03\x04', 'a ZIP archive (or a spreadsheet)', _AS_TEXT),
    (b'\xd0\xcf\x11\xe0', 'an old spreadsheet or document of Office', _AS_TEXT),
    (b'\x1f\x8b', 'compressed by gzip', 'Decompress it first.'),
    (b'BZh', 'compressed by bzip2', 'Decompress it first.'),
    (b'\x0e\x03\x13\x01', 'HDF4', 'Save it again as HDF5, as SaveNexusProcessed of Mantid does.'),
)
_BOMS = (
    (codecs.BOM_UTF8, 'utf-8-sig'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
)
_LINE_END = re.compile('\r\n|\n|\r')


@dataclass(frozen=True)
class TextFile:
    """Lines of a text file (the first is line 1) and what was assumed to read it."""

    name: str
    lines: tuple[str, ...]
    notes: tuple[str, ...] = ()


def is_hdf5(data: bytes) -> bool:
    """Whether these bytes are of an HDF5 file, as ``.nxs`` files are."""
    return data.startswith(HDF5_MAGIC)


def read_text(data: bytes, *, name: str) -> TextFile:
    """Decode a file and cut it into lines.

    UTF-8 with or without a mark, UTF-16 with a mark, else Windows' Western code page (cp1252), of
    which Latin-1 is a part but for control characters; ends of lines of all systems.

    Parameters
    ----------
    data : bytes
        The whole file.
    name : str
        Of the file, for messages.

    Raises
    ------
    InputError
        If the file is empty, a picture, a document, an archive or other data that is no text.
    """
    if not data.strip(b'\x00 \t\r\n\x1a'):
        raise InputError(
            format_error(f'{name} is empty.', fix='Was it copied or downloaded completely?')
        )
    for magic, what, fix in _MAGIC:
        if data.startswith(magic):
            raise InputError(format_error(f'{name} is {what}, not a spectrum.', fix=fix))
    text, notes = _decode(data, name)
    lines = _LINE_END.split(text.rstrip('\x1a'))  # DOS ended files so
    return TextFile(name, tuple(lines), notes)


def _decode(data: bytes, name: str) -> tuple[str, tuple[str, ...]]:
    for mark, encoding in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(encoding), ()
            except UnicodeDecodeError as exc:
                raise InputError(
                    format_error(
                        f'{name} begins as {encoding} but is not: {exc}.',
                        fix='Was it copied completely? Save it again as UTF-8.',
                    )
                ) from exc
    if b'\x00' in data:
        raise InputError(
            format_error(
                f'{name} is binary data, not text.', reason='It holds NUL bytes.', fix=_AS_TEXT
            )
        )
    try:
        return data.decode('utf-8'), ()
    except UnicodeDecodeError:
        pass
    try:
        return data.decode('cp1252'), ('the file is not UTF-8: it was read as Windows-1252',)
    except UnicodeDecodeError:
        return data.decode('latin-1'), ('the file is not UTF-8: it was read as Latin-1',)
