"""``aiida-insbench setup pseudos``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.setup_words import say_removed


@click.command('pseudos')
@click.argument('source')
@click.option('--label', help='Of the family of a folder or an archive.')
@click.option(
    '--cutoffs-file',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON with cutoffs, if it does not lie beside the pseudopotentials.',
)
@click.option('--dry-run', is_flag=True, help='Say what would be done; change nothing.')
@click.option('--undo', is_flag=True, help='Remove the family SOURCE, or --label.')
@decorators.with_dbenv()
def cmd_setup_pseudos(source, label, cutoffs_file, dry_run, undo) -> None:  # type: ignore[no-untyped-def]
    r"""Make a family of pseudopotentials of SOURCE: a label, a folder or an archive.

    A label as SSSP/1.3/PBEsol/efficiency is fetched from the internet; a folder or an archive holds
    one .upf file an element; a file .aiida_pseudo is what `aiida-pseudo install --download-only`
    writes.

    \b
    Example: aiida-insbench setup pseudos SSSP/1.3/PBEsol/efficiency
             aiida-insbench setup pseudos my-pseudos.zip --label mine
    """
    from aiida_insbench.cli.pseudo_online import DOWNLOADED

    path = Path(source)
    if undo:
        _undo(label or source, dry_run=dry_run)
    elif path.name.endswith(DOWNLOADED) and path.is_file():
        _install_downloaded(path, dry_run=dry_run)
    elif path.exists() or label:
        _install_local(path, label, cutoffs_file, dry_run=dry_run)
    else:
        _fetch(source, dry_run=dry_run)


def _undo(label, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.pseudo_online import undo_family

    removed = undo_family(label, dry_run=dry_run)
    say_removed(removed, nothing=f'There is no family {label}.', dry_run=dry_run)


def _fetch(label, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.pseudo_online import fetch_family, find_family, words_for_label

    words = words_for_label(label)
    family = find_family(label)
    if family is not None:
        echo.echo_report(f'{label} is there: {family.count()} pseudopotentials.')
    elif dry_run:
        echo.echo_report(f'Would run: aiida-pseudo install {" ".join(words)}')
    else:
        echo.echo_success(f'{label}: {fetch_family(label).count()} pseudopotentials')


def _install_downloaded(path, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.pseudo_online import install_downloaded, label_of

    if dry_run:
        echo.echo_report(f'Would install {label_of(path)} from {path}.')
        return
    family = install_downloaded(path)
    echo.echo_success(f'{family.label}: {family.count()} pseudopotentials')


def _install_local(path, label, cutoffs_file, *, dry_run) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.cli.pseudo_families import install_family, read_family
    from aiida_insbench.cli.pseudo_online import find_family
    from aiida_insbench.cli.pseudos import say_installed
    from aiida_insbench.science.errors import InputError

    if not label:
        raise InputError(f'Give the family of {path} a name: --label.')
    family = find_family(label)
    if family is not None or dry_run:
        pseudos, functional, _ = read_family(path, cutoffs_file=cutoffs_file)
        if family is not None:
            _say_there(family, pseudos, path)
            return
        echo.echo_report(
            f'Would make {label}: {len(pseudos)} pseudopotentials ({", ".join(pseudos)}), '
            f'{functional or "unknown functional"}.'
        )
        return
    say_installed(label, install_family(path, label, cutoffs_file=cutoffs_file))


def _say_there(family, pseudos, path) -> None:  # type: ignore[no-untyped-def]
    from aiida_insbench.science.errors import InputError, format_error

    if {node.md5 for node in family.nodes} != {node.md5 for node in pseudos.values()}:
        raise InputError(
            format_error(
                f'There is a family {family.label} already, of other pseudopotentials than {path}.',
                fix='Take another --label, or remove it: --undo.',
            )
        )
    echo.echo_report(f'{family.label} is there: {family.count()} pseudopotentials.')
