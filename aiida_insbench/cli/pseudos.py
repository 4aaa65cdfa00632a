"""``aiida-insbench pseudos``."""

from __future__ import annotations

from pathlib import Path

import click
from aiida.cmdline.params import options
from aiida.cmdline.utils import decorators, echo


@click.group('pseudos')
def cmd_pseudos() -> None:
    """Families of pseudopotentials from a folder or an archive on this machine."""


@cmd_pseudos.command('install')
@click.argument('source', type=click.Path(path_type=Path))
@click.option('--label', required=True, help='Of the family, for example SSSP/1.3/PBE/efficiency.')
@click.option(
    '--cutoffs-file',
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help='JSON with cutoffs, if it does not lie beside the pseudopotentials.',
)
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_install(source, label, cutoffs_file, description) -> None:  # type: ignore[no-untyped-def]
    r"""Make a family of the .upf files of SOURCE, a folder or an archive (zip, tar.gz).

    Recommended cutoffs are taken from files such as Si.toml or one .json beside them. As `setup
    pseudos`, which undoes it too.

    \b
    Example: aiida-insbench pseudos install SSSP_1.3.0_PBE_efficiency.tar.gz
             --cutoffs-file SSSP_1.3.0_PBE_efficiency.json --label SSSP/1.3/PBE/efficiency
    """
    from aiida_insbench.cli.pseudo_families import install_family
    from aiida_insbench.science.errors import InputError

    try:
        done = install_family(
            source, label, cutoffs_file=cutoffs_file, description=description or ''
        )
    except InputError as exc:
        echo.echo_critical(str(exc))
    say_installed(label, done)


def say_installed(label, done) -> None:  # type: ignore[no-untyped-def]
    """Say what a family holds, and which cutoffs it could not keep."""
    family = done.family
    for stringency, elements in done.without_cutoffs.items():
        echo.echo_warning(
            f'No {stringency} cutoffs for {", ".join(elements)}: none of this stringency are '
            'stored; `aiida-pseudo family cutoffs set` does it for all elements.'
        )
    stringencies = family.get_cutoff_stringencies()
    kept = f'cutoffs {", ".join(sorted(stringencies))}' if stringencies else 'no cutoffs'
    echo.echo_success(
        f'{label}: {family.count()} pseudopotentials ({", ".join(sorted(family.elements))}), '
        f'{done.functional or "unknown functional"}, {kept}'
    )
