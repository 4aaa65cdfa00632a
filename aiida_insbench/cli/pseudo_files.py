"""Files of pseudopotentials in a folder or an archive, and the cutoffs beside them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from aiida_insbench.cli.archives import unpack
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pseudo_cutoffs import (
    NORMAL,
    Cutoffs,
    cutoffs_of_json,
    cutoffs_of_toml,
)


@contextmanager
def opened(source: Path) -> Iterator[Path]:
    """Folder that holds the files of `source`: itself, or what an archive unpacks to.

    Raises
    ------
    InputError
        If there is no such file, or it is no archive that can be unpacked safely.
    """
    if source.is_dir():
        yield source
        return
    if not source.is_file():
        raise InputError(
            format_error(
                f'{source}: no such file or folder.',
                fix='To fetch a library from the internet: aiida-pseudo install sssp, or '
                'aiida-pseudo install pseudo-dojo -f upf.',
            )
        )
    with tempfile.TemporaryDirectory() as place:
        unpack(source, Path(place))
        yield Path(place)


def read_pseudos(folder: Path) -> dict[str, Any]:
    """Read the pseudopotentials of a folder, or of the only folder in it, by element; not stored.

    Raises
    ------
    InputError
        If there is none, one cannot be read, or two are of one element.
    """
    from aiida_pseudo.data.pseudo import UpfData

    files = [path for path in _files_of(folder) if path.suffix.lower() == '.upf']
    if not files:
        raise InputError(
            format_error(
                f'No pseudopotential was found in {folder}.',
                fix='It should hold files that end in .upf or .UPF, one for each element.',
            )
        )
    pseudos: dict[str, Any] = {}
    names: dict[str, str] = {}
    for path in files:
        try:
            node = UpfData.get_or_create(path, filename=path.name)
            element = str(node.element)
        except (ValueError, OSError) as exc:
            raise InputError(
                f'{path.name} cannot be read as a pseudopotential: {str(exc)[:120].strip()}'
            ) from exc
        if element in pseudos:
            raise InputError(
                format_error(
                    f'{names[element]} and {path.name} are both of {element}.',
                    fix='A family has one pseudopotential for each element: move one away.',
                )
            )
        pseudos[element], names[element] = node, path.name
    return dict(sorted(pseudos.items()))


def read_cutoffs(folder: Path, pseudos: Mapping[str, Any], given: Path | None) -> Cutoffs:
    """Cutoffs (Ry) by stringency and element, from `given` or what lies in the folder.

    Raises
    ------
    InputError
        If a file cannot be understood, several JSON files lie there, or they are of other
        pseudopotentials.
    """
    files = _files_of(folder)
    tables = [given] if given else [path for path in files if path.suffix.lower() == '.json']
    if len(tables) > 1:
        raise InputError(
            format_error(
                f'Which file has the cutoffs: {", ".join(path.name for path in tables)}?',
                fix='Name it with --cutoffs-file.',
            )
        )
    if tables:
        md5 = {element: str(node.md5) for element, node in pseudos.items()}
        text = _text_of(tables[0])
        return {NORMAL: cutoffs_of_json(text, name=tables[0].name, md5=md5)}
    found: Cutoffs = {}
    for path in files:
        if path.suffix.lower() == '.toml' and path.stem in pseudos:
            for stringency, pair in cutoffs_of_toml(_text_of(path), name=path.name).items():
                found.setdefault(stringency, {})[path.stem] = pair
    return found


def _text_of(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise InputError(f'{path.name} cannot be read: {exc}.') from exc


def _files_of(folder: Path) -> list[Path]:
    """Files of a folder, or of the only folder in one that has no pseudopotentials itself."""
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith(('.', '__')))
    files = [path for path in entries if path.is_file()]
    inner = [path for path in entries if path.is_dir()]
    if len(inner) == 1 and not any(path.suffix.lower() == '.upf' for path in files):
        return [*files, *_files_of(inner[0])]
    return files
