"""Import and export of potentials; what is in a ``.model`` file is opened in a child process.

A file is hashed, compared with the list of published models, copied where nobody else can change
it, and only then opened, by another process.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.memory import speaks_of_memory
from aiida_insbench.jobs.model_conversion import CONVERTED, DOWNLOADED_FILE
from aiida_insbench.jobs.program import ERROR_FILE, python_path, write_json
from aiida_insbench.science.errors import (
    ComputationError,
    OutOfMemoryError,
    PotentialError,
    format_error,
)
from aiida_insbench.science.foundation_models import (
    FoundationModel,
    foundation_model,
    model_of_file,
)
from aiida_insbench.science.potential_files import (
    Potential,
    potential_paths,
    read_potential,
    write_potential,
)

_SOURCE = 'source.model'
_LOG = 'conversion.log'
_LOG_LINES = 8


def import_potential(
    source: str | Path,
    *,
    trust: bool = False,
    head: str = '',
    provenance: Mapping[str, Any] | None = None,
) -> Potential:
    """Make a potential from a file or from a foundation model.

    Parameters
    ----------
    source : str or Path
        A ``.model`` file of MACE; a potential's ``.json``, beside its ``.safetensors``; or the
        name of a foundation model, which MACE then downloads unless it has it.
    trust : bool
        Whether the user vouches for a ``.model`` file that is on no list.
    head : str
        The one to keep of a model with several; empty keeps all.
    provenance : mapping, optional
        Level of theory, licence and the like, laid over what is known of the source.

    Returns
    -------
    Potential
        Its provenance says where it came from: ``source`` with file name, SHA-256 and, of a
        published model, name and address.

    Raises
    ------
    PotentialError
        If there is no such file or name, the file is not trusted, is not the one that was
        published, or cannot be stored.
    OutOfMemoryError
        If opening it takes more memory than there is.
    """
    path = Path(source)
    if path.suffix == '.json' and path.exists():
        return _import_pair(path, head=head, provenance=provenance)
    if path.is_file():
        return _import_model(path, trust=trust, head=head, provenance=provenance)
    if path.suffix in ('.model', '.json') or path.parent != Path():
        raise PotentialError(f'{source}: no such file.')
    return import_foundation(foundation_model(str(source)), head=head, provenance=provenance)


def import_foundation(
    model: FoundationModel, *, head: str = '', provenance: Mapping[str, Any] | None = None
) -> Potential:
    """Make a potential from a foundation model, downloaded by MACE unless it has it.

    Raises
    ------
    PotentialError
        If it cannot be downloaded, or what came is not what was published.
    """
    with tempfile.TemporaryDirectory(prefix='insbench-model-') as name:
        folder = Path(name)
        _run(folder, {'action': 'download', 'url': model.url})
        path = Path(json.loads((folder / DOWNLOADED_FILE).read_text(encoding='utf-8'))['path'])
    return _import_model(path, trust=False, head=head, provenance=provenance, expected=model)


def export_potential(potential: Potential, target: Path, *, dtype: str = '') -> list[Path]:
    """Write a potential for other programs.

    Parameters
    ----------
    potential : Potential
        To write.
    target : Path
        Ends in ``.model`` for MACE's own format, a pickle that ASE, janus and the converters for
        LAMMPS read; or in ``.json`` for the two files that cannot carry code.
    dtype : str
        Of a ``.model`` file: ``float64`` or ``float32``; empty for the potential's own.

    Returns
    -------
    list of Path
        The files.

    Raises
    ------
    PotentialError
        If the ending is neither, the folder is not there, or the potential is no MACE model.
    """
    if not target.parent.is_dir():
        raise PotentialError(f'There is no folder {target.parent}.')
    if target.suffix == '.json':
        write_potential(potential, target.with_suffix(''))
        return list(potential_paths(target.with_suffix('')))
    if target.suffix != '.model':
        raise PotentialError(f'{target.name} ends neither in .model nor in .json.')
    if potential.metadata.flavour != 'mace':
        raise PotentialError(
            f'A potential of the flavour {potential.metadata.flavour!r} has no weights to write; '
            f'it is the calculator {potential.metadata.model_class}.'
        )
    with tempfile.TemporaryDirectory(prefix='insbench-model-') as name:
        folder = Path(name)
        write_potential(potential, folder / CONVERTED)
        plan = {'source': CONVERTED, 'target': str(target.resolve()), 'dtype': dtype}
        _run(folder, {'action': 'write', **plan})
    return [target]


def _import_pair(path: Path, *, head: str, provenance: Mapping[str, Any] | None) -> Potential:
    if head:
        raise PotentialError('`head` chooses among the heads of a `.model` file only.')
    potential = read_potential(path.with_suffix(''))
    merged = {**potential.metadata.provenance, **(provenance or {})}
    metadata = dataclasses.replace(potential.metadata, provenance=merged)
    return Potential(metadata, potential.weights)


def _import_model(
    path: Path,
    *,
    trust: bool,
    head: str,
    provenance: Mapping[str, Any] | None,
    expected: FoundationModel | None = None,
) -> Potential:
    with tempfile.TemporaryDirectory(prefix='insbench-model-') as name:
        folder = Path(name)
        digest = _copy(path, folder / _SOURCE)
        if expected is not None and digest != expected.sha256:
            raise PotentialError(_not_as_published(path, digest, expected))
        known = expected or model_of_file(digest)
        if known is None and not trust:
            raise PotentialError(_not_trusted(path, digest))
        origin: dict[str, Any] = {'file': path.name, 'sha256': digest}
        if known:
            origin |= {'name': known.name, 'url': known.url}
        described = {**(known.provenance if known else {}), **(provenance or {})}
        plan = {
            'source': _SOURCE,
            'known': known is not None,
            'head': head,
            'provenance': {**described, 'source': origin},
        }
        _run(folder, {'action': 'read', **plan}, name=path.name)
        return read_potential(folder / CONVERTED)


def _copy(path: Path, target: Path) -> str:
    """Copy a file and return the SHA-256 of what was copied."""
    digest = hashlib.sha256()
    try:
        with path.open('rb') as source, target.open('wb') as copy:
            while block := source.read(1 << 20):
                digest.update(block)
                copy.write(block)
    except OSError as exc:
        raise PotentialError(f'{path} cannot be read: {exc.strerror}.') from exc
    return digest.hexdigest()


def _run(folder: Path, plan: dict[str, Any], *, name: str = _SOURCE) -> None:
    """Run the child in `folder`; raise what it left as its error."""
    write_json(folder / 'plan.json', plan)
    with (folder / _LOG).open('wb') as log:
        done = subprocess.run(
            [sys.executable, '-P', '-m', 'aiida_insbench.jobs.model_conversion', 'plan.json'],
            cwd=folder,
            env={**os.environ, 'PYTHONPATH': python_path()},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
        )
    if done.returncode == 0:
        return
    if (folder / ERROR_FILE).exists():
        message = json.loads((folder / ERROR_FILE).read_text(encoding='utf-8'))['message']
        raise PotentialError(message.replace(_SOURCE, name))
    text = (folder / _LOG).read_text(encoding='utf-8', errors='replace')
    words = '\n'.join(text.splitlines()[-_LOG_LINES:])
    if done.returncode == -9 or speaks_of_memory(words):
        raise OutOfMemoryError(f'Opening {name} took more memory than there is.')
    raise ComputationError(f'Opening {name} ended with code {done.returncode}. {words}')


def _not_trusted(path: Path, digest: str) -> str:
    return format_error(
        f'{path.name} (SHA-256 {digest}) is no published model this program knows.',
        reason='A .model file is a pickled program: opening it can run anything. It was not '
        'opened.',
        fix='If you know where it comes from, say --trust.',
    )


def _not_as_published(path: Path, digest: str, expected: FoundationModel) -> str:
    return format_error(
        f'{path} has the SHA-256 {digest}; that of {expected.name} is {expected.sha256}.',
        reason='The file was cut short, or is not the one that was published. It was not opened.',
        fix='Remove it and try again.',
    )
