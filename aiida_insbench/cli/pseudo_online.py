"""Families that aiida-pseudo fetches from the internet, by their label; and families undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from aiida_insbench.cli.site import MADE_BY_SETUP, remove_nodes
from aiida_insbench.science.errors import InputError, format_error

DOWNLOADED = '.aiida_pseudo'
_SSSP = ('version', 'functional', 'protocol')
_DOJO = ('version', 'functional', 'relativistic', 'protocol', 'pseudo-format')


def words_for_label(label: str) -> list[str]:
    """Words for ``aiida-pseudo install`` that make a family of the label.

    Raises
    ------
    InputError
        No family of the label can be had from the internet, or pw.x could not read it.
    """
    from aiida_pseudo.groups.family import PseudoDojoFamily, SsspFamily

    parts = label.split('/')[1:]
    if label in SsspFamily.get_valid_labels():
        return ['sssp', *_as_options(_SSSP, parts)]
    if label in PseudoDojoFamily.get_valid_labels() and parts[-1] == 'upf':
        return ['pseudo-dojo', *_as_options(_DOJO, parts)]
    raise InputError(
        format_error(
            f'{label} is neither a file, nor a folder, nor a family that can be fetched.',
            fix='Families have labels as SSSP/1.3/PBEsol/efficiency or '
            'PseudoDojo/0.4/PBE/SR/standard/upf.',
        )
    )


def _as_options(names: tuple[str, ...], values: list[str]) -> list[str]:
    pairs = zip(names, values, strict=True)
    return [word for name, value in pairs for word in (f'--{name}', value)]


def find_family(label: str) -> Any:
    """Family of a label; None if there is none."""
    from aiida.orm import QueryBuilder
    from aiida_pseudo.groups.family import PseudoPotentialFamily

    return QueryBuilder().append(PseudoPotentialFamily, filters={'label': label}).first(flat=True)


def fetch_family(label: str) -> Any:
    """Let aiida-pseudo fetch a family and its cutoffs.

    Raises
    ------
    InputError
        It cannot be fetched.
    """
    return _install([*words_for_label(label)], label)


def install_downloaded(path: Path) -> Any:
    """Install what ``aiida-pseudo install ... --download-only`` wrote on another machine.

    Raises
    ------
    InputError
        It is no such file, or its family is there already.
    """
    label = label_of(path)
    family = find_family(label)
    if family is not None:
        return family
    kind = 'sssp' if label.startswith('SSSP') else 'pseudo-dojo'
    return _install([kind, '--from-download', str(path)], label)


def label_of(path: Path) -> str:
    """Label of the family in a file, by the configuration in it."""
    import json
    import tarfile

    from aiida_pseudo.groups.family import PseudoDojoFamily, SsspFamily

    try:
        with tarfile.open(path) as archive:
            member = archive.extractfile('configuration.json')
            settings = json.loads(member.read(4096)) if member is not None else {}
        template = SsspFamily if len(settings) == len(_SSSP) else PseudoDojoFamily
        label: str = template.label_template.format(**settings)
    except (OSError, tarfile.TarError, KeyError, ValueError) as exc:
        raise InputError(
            format_error(
                f'{path} is not what `aiida-pseudo install --download-only` writes: {exc}.',
                fix='Give that file, a folder or another archive with --label.',
            )
        ) from exc
    words_for_label(label)
    return label


def _install(words: list[str], label: str) -> Any:
    """Run aiida-pseudo's own command in this process; keep what it says for the error."""
    import io
    from contextlib import redirect_stderr, redirect_stdout

    import requests
    from aiida_pseudo.cli import cmd_root

    before = _newest_node()
    said = io.StringIO()
    try:
        with redirect_stdout(said), redirect_stderr(said):
            cmd_root.main(['install', *words], standalone_mode=False)
    except (requests.RequestException, OSError, ValueError, SystemExit) as exc:
        family = find_family(label)
        if family is not None:
            _remove(family, _newer(family, before))
        why = ' '.join(said.getvalue().split()) or str(exc)
        raise InputError(
            format_error(
                f'{label} could not be installed: {why[-300:]}.',
                fix='Without internet here, run `aiida-pseudo install '
                f'{" ".join(words)} --download-only` elsewhere and give the file it writes; or '
                'give a folder or an archive.',
            )
        ) from exc
    family = find_family(label)
    family.base.extras.set(MADE_BY_SETUP, [node.uuid for node in _newer(family, before)])
    return family


def _newest_node() -> int:
    from aiida.orm import Node, QueryBuilder

    query = QueryBuilder().append(Node, project='id').order_by({Node: {'id': 'desc'}})
    return int(query.first(flat=True) or 0)


def _newer(family: Any, than: int) -> list[Any]:
    return [node for node in family.nodes if node.pk > than]


def undo_family(label: str, *, dry_run: bool) -> str:
    """Remove a family, and the pseudopotentials that came with it and that nothing uses.

    Returns
    -------
    str
        What was removed, or would be; empty if there is no such family.

    Raises
    ------
    InputError
        It was not made by `setup`.
    """
    family = find_family(label)
    if family is None:
        return ''
    uuids = family.base.extras.get(MADE_BY_SETUP, None)
    if uuids is None:
        raise InputError(
            f'The family {label} was not made by `setup`: `verdi group delete {label}`.'
        )
    own = [node for node in family.nodes if node.uuid in uuids and not _needed(node, family)]
    text = f'{label} and {len(own)} of its {family.count()} pseudopotentials'
    if not dry_run:
        _remove(family, own)
    return text


def _needed(node: Any, family: Any) -> bool:
    """Whether a calculation or another group has a pseudopotential."""
    from aiida.orm import Group, Node, QueryBuilder

    if node.base.links.get_outgoing().all():
        return True
    query = QueryBuilder().append(Node, filters={'id': node.pk}, tag='node')
    query.append(Group, with_node='node', filters={'id': {'!==': family.pk}})
    return query.count() > 0


def _remove(family: Any, nodes: list[Any]) -> None:
    from aiida.orm import Group

    Group.collection.delete(family.pk)
    if nodes:
        remove_nodes(nodes)
