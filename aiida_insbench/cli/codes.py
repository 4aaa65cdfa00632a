"""Codes on a computer: programs found through its transport, made into codes, removed again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.cli.site import (
    MADE_BY_SETUP,
    PLUGINS,
    environment_of_pw,
    find_job_program,
    prepare_code,
    remove_nodes,
)
from aiida_insbench.science.errors import InputError, format_error

PROGRAMS = {'pw': 'pw.x', 'insbench-job': 'insbench-job'}
_INSTALL = {
    'pw': 'Install Quantum ESPRESSO there (on Debian: apt-get install quantum-espresso), load its '
    'module with --prepend-text, or give its path with --pw.',
    'insbench-job': 'Install the package there (pip install aiida-insbench, or without AiiDA from '
    'requirements-job.txt: docs/howto/cluster.md), load its module with --prepend-text, or give '
    'its path with --insbench-job.',
}


def find_programs(
    computer: Any,
    labels: Sequence[str],
    *,
    given: Mapping[str, str | None] | None = None,
    prepend_text: str = '',
) -> dict[str, str]:
    """Absolute paths of programs on a computer, by label of code.

    Parameters
    ----------
    computer : Computer
        Configured.
    labels : sequence of str
        Of `PROGRAMS`.
    given : mapping from str to str, optional
        Paths to take instead of looking for them; they are tried.
    prepend_text : str
        Commands that make them known, as ``module load``.

    Raises
    ------
    InputError
        The computer cannot be reached, or a program is not there; tells of all.
    """
    from aiida.common.exceptions import AiidaException

    from aiida_insbench.cli.computers import why_not

    given = given or {}
    try:
        with computer.get_transport() as transport:
            found = {
                label: _find(transport, computer, label, given.get(label), prepend_text)
                for label in labels
            }
    except (AiidaException, OSError, ValueError) as exc:
        raise InputError(why_not(computer, exc)) from exc
    missing = [label for label in labels if not found[label]]
    if missing:
        raise InputError(' '.join(_not_there(computer, one, given.get(one)) for one in missing))
    return {label: path for label, path in found.items() if path}


def _find(
    transport: Any, computer: Any, label: str, given: str | None, prepend_text: str
) -> str | None:
    from aiida.common.escaping import escape_for_bash

    if given is None and label == 'insbench-job' and computer.transport_type == 'core.local':
        return find_job_program()
    before = f'{prepend_text.strip()}\n' if prepend_text.strip() else ''
    if given is not None:
        code, _, _ = transport.exec_command_wait(f'{before}test -x {escape_for_bash(given)}')
        return given if code == 0 and given.startswith('/') else None
    code, said, _ = transport.exec_command_wait(f'{before}command -v {PROGRAMS[label]}')
    lines = said.strip().splitlines()
    return lines[-1] if code == 0 and lines and lines[-1].startswith('/') else None


def _not_there(computer: Any, label: str, given: str | None) -> str:
    if given is not None:
        return f'{given} is no absolute path of a program on {computer.label}.'
    return format_error(
        f'{PROGRAMS[label]} was not found on PATH of {computer.label}.', fix=_INSTALL[label]
    )


def stored_codes(computer: Any) -> dict[str, Any]:
    """Codes of the labels in `PLUGINS` that a computer has."""
    from aiida.common.exceptions import NotExistent
    from aiida.orm import load_code

    found = {}
    for label in PLUGINS:
        try:
            found[label] = load_code(f'{label}@{computer.label}')
        except NotExistent:
            continue
    return found


def make_codes(computer: Any, paths: Mapping[str, str], *, prepend_text: str = '') -> list[str]:
    """Make codes that are not there.

    Parameters
    ----------
    computer : Computer
        On which they are.
    paths : mapping from str to str
        Of `find_programs`.
    prepend_text : str
        Commands before each run.

    Returns
    -------
    list of str
        Labels of those that are new.

    Raises
    ------
    InputError
        A code is there with another program; nothing is made then.
    """
    there = stored_codes(computer)
    for label, path in paths.items():
        if label in there and str(there[label].filepath_executable) != path:
            raise InputError(
                format_error(
                    f'The code {label}@{computer.label} is {there[label].filepath_executable}, '
                    f'not {path}.',
                    fix=f'If it was not used, `aiida-insbench setup codes --computer '
                    f'{computer.label} --undo` removes it; else relabel it: verdi code relabel.',
                )
            )
    new = [label for label in paths if label not in there]
    for label in new:
        text = environment_of_pw(root=_user_of(computer) == 'root') if label == 'pw' else ''
        text += prepend_text
        prepare_code(computer, label, paths[label], prepend_text=text)
    return new


def _user_of(computer: Any) -> str:
    with computer.get_transport() as transport:
        return str(transport.whoami())


def undo_codes(computer: Any, labels: Sequence[str], *, dry_run: bool) -> list[str]:
    """Remove codes that `setup` made and nothing used.

    Returns
    -------
    list of str
        Labels of those removed.

    Raises
    ------
    InputError
        One was made otherwise, or used: it is part of the provenance. Nothing is removed then.
    """
    there = {label: code for label, code in stored_codes(computer).items() if label in labels}
    for code in there.values():
        if not code.base.extras.get(MADE_BY_SETUP, False):
            raise InputError(
                f'The code {code.full_label} was not made by `setup`: verdi code delete.'
            )
        runs = len(code.base.links.get_outgoing().all())
        if runs:
            raise InputError(
                format_error(
                    f'The code {code.full_label} ran {runs} times: it stays, being part of the '
                    'provenance.',
                    fix='`verdi code hide` keeps it out of lists.',
                )
            )
    if there and not dry_run:
        remove_nodes(list(there.values()))
    return list(there)
