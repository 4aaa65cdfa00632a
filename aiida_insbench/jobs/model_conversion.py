"""Child process that opens or writes a ``.model`` file: ``python -m … plan.json``.

The plan has ``action``. ``download``: ``url``; writes ``downloaded.json`` with the ``path`` where
MACE keeps the file. ``read``: ``source`` (file), ``known``, ``head`` (or empty), ``provenance``;
writes ``converted.json`` and ``converted.safetensors``. ``write``: ``source`` (prefix of a
potential), ``target`` and ``dtype``. What goes wrong is left in ``error.json``.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.program import ERROR_FILE, write_json
from aiida_insbench.science.errors import InsbenchError, PotentialError, format_error

CONVERTED = 'converted'
DOWNLOADED_FILE = 'downloaded.json'


def main(plan_file: str) -> int:
    """Do what the plan says in the current folder; return 0, or 1 with an error on file."""
    plan = json.loads(Path(plan_file).read_text(encoding='utf-8'))
    try:
        {'download': _download, 'read': _read, 'write': _write}[plan['action']](plan)
    except InsbenchError as exc:
        write_json(Path(ERROR_FILE), {'type': type(exc).__name__, 'message': str(exc)})
        return 1
    return 0


def _download(plan: dict[str, Any]) -> None:
    """Fetch by MACE's own means, into the folder where MACE looks for its models."""
    importlib.import_module('mace')
    foundations = importlib.import_module('mace.calculators.foundations_models')
    folder = importlib.import_module('mace.tools.utils').get_cache_dir()
    # MACE keeps those of MACE-OFF under the name they are published by
    kept = Path(folder) / plan['url'].rpartition('/')[2]
    try:
        with contextlib.redirect_stdout(sys.stderr):
            path = kept if kept.exists() else foundations.download_mace_mp_checkpoint(plan['url'])
    except (OSError, RuntimeError, ValueError) as exc:
        raise PotentialError(
            format_error(
                f'{plan["url"]} could not be downloaded: {exc}.',
                fix='Fetch the file where there is a network, and import it by its path.',
            )
        ) from exc
    write_json(Path(DOWNLOADED_FILE), {'path': str(path)})


def _read(plan: dict[str, Any]) -> None:
    from aiida_insbench.science.model_pickles import read_model_file
    from aiida_insbench.science.potentials import (
        potential_from_mace,
        single_head,
        write_potential,
    )

    model = read_model_file(Path(plan['source']), known=plan['known'])
    if plan['head']:
        model = single_head(model, plan['head'])
    write_potential(potential_from_mace(model, provenance=plan['provenance']), Path(CONVERTED))


def _write(plan: dict[str, Any]) -> None:
    from aiida_insbench.science.model_pickles import write_model_file
    from aiida_insbench.science.potentials import read_potential

    write_model_file(
        read_potential(Path(plan['source'])), Path(plan['target']), dtype=plan['dtype']
    )


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
