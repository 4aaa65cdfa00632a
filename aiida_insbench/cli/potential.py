"""``aiida-insbench potential``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import decorators, echo

POTENTIAL = click.argument(
    'potential', type=DataParamType(sub_classes=('aiida.data:insbench.potential',))
)


@click.group('potential')
def cmd_potential() -> None:
    """Import, export, list and show potentials."""


@cmd_potential.command('import')
@click.argument('source')
@click.option(
    '--trust', is_flag=True, help='Open a .model file that is on no list; it is a program.'
)
@click.option('--head', default='', help='The one to keep of a model with several heads.')
@click.option('--functional', help='Exchange and correlation of the DFT it learnt, such as PBE-D3.')
@click.option('--licence', help='Licence of the weights.')
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_import(source, trust, head, functional, licence, label, description) -> None:  # type: ignore[no-untyped-def]
    r"""Import SOURCE: a .model file of MACE, a .json beside its .safetensors, or a name.

    `aiida-insbench potential names` prints the names of foundation models; MACE downloads
    them. Without a network, import the file.

    \b
    Example: aiida-insbench potential import MACE-MP-0b3-medium
             aiida-insbench potential import mine.model --trust --functional PBE-D3
    """
    from aiida_insbench.jobs.model_files import import_potential
    from aiida_insbench.science.errors import InsbenchError

    given: dict[str, Any] = {}
    if functional:
        given['dft_level'] = {'functional': functional}
    if licence:
        given['licence'] = licence
    try:
        potential = import_potential(source, trust=trust, head=head, provenance=given)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    _store(potential, label=label, description=description)


@cmd_potential.command('calculator')
@click.argument('name')
@click.option('--arguments', 'given', default='{}', show_default=True, help='JSON.')
@click.option('--package-version', default='', help='Of the package where the jobs run.')
@options.LABEL()
@options.DESCRIPTION()
@decorators.with_dbenv()
def cmd_calculator(name, given, package_version, label, description) -> None:  # type: ignore[no-untyped-def]
    r"""Make a potential of NAME, an ASE calculator of a package on the compute node.

    \b
    Example: aiida-insbench potential calculator chgnet
    """
    from aiida_insbench.science.errors import InsbenchError
    from aiida_insbench.science.potentials import potential_from_ase

    try:
        chosen = json.loads(given)
    except ValueError as exc:
        echo.echo_critical(f'--arguments is no JSON: {exc}.')
    try:
        potential = potential_from_ase(name, chosen, package_version=package_version)
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    _store(potential, label=label, description=description)


@cmd_potential.command('export')
@POTENTIAL
@click.argument('target', type=click.Path(path_type=Path))
@click.option(
    '--dtype', type=click.Choice(['float64', 'float32']), help='Of a .model; default as stored.'
)
@click.option('--overwrite', is_flag=True, help='Replace files that are there.')
@decorators.with_dbenv()
def cmd_export(potential, target, dtype, overwrite) -> None:  # type: ignore[no-untyped-def]
    r"""Write POTENTIAL to TARGET.

    TARGET ends in .model for MACE's own format, which ASE, janus and the converters for LAMMPS
    read, or in .json for the pair of files that cannot carry code.

    \b
    Example: aiida-insbench potential export 123 fine-tuned.model
    """
    from aiida_insbench.jobs.model_files import export_potential
    from aiida_insbench.science.errors import InsbenchError

    if target.exists() and not overwrite:
        echo.echo_critical(f'{target} is there already; choose another name or say --overwrite.')
    try:
        written = export_potential(potential.get_potential(), target, dtype=dtype or '')
    except InsbenchError as exc:
        echo.echo_critical(str(exc))
    echo.echo_success(', '.join(str(path) for path in written))


@cmd_potential.command('list')
@click.option('--elements', help='Only those that know these, for example H,Mg.')
@decorators.with_dbenv()
def cmd_list(elements) -> None:  # type: ignore[no-untyped-def]
    r"""Potentials of this profile, the newest last.

    \b
    Example: aiida-insbench potential list --elements H,Mg
    """
    from aiida_insbench.queries import potentials

    wanted = [one.strip() for one in (elements or '').split(',') if one.strip()]
    rows = potentials(elements=wanted)
    if not rows:
        echo.echo_report('No potential. `aiida-insbench potential import` makes one.')
        return
    echo.echo(f'{"PK":>7}  {"label":<20} {"kind":<20} {"elements":<16} {"DFT":<12} from')
    for row in rows:
        echo.echo(
            f'{row.pk:>7}  {row.label[:20]:<20} {row.kind:<20} {row.elements:<16} '
            f'{row.functional[:12]:<12} {row.origin}'
        )


@cmd_potential.command('show')
@POTENTIAL
@click.option(
    '--format', 'form', type=click.Choice(['text', 'json']), default='text', show_default=True
)
@decorators.with_dbenv()
def cmd_show(potential, form) -> None:  # type: ignore[no-untyped-def]
    r"""All that is on record of POTENTIAL.

    \b
    Example: aiida-insbench potential show 123
    """
    from aiida_insbench.queries import describe_potential

    found = describe_potential(potential)
    if form == 'json':
        echo.echo(json.dumps(found, indent=1))
        return
    for key, value in found.items():
        if isinstance(value, dict):
            echo.echo(f'{key}:')
            for name, inner in value.items():
                text = inner if isinstance(inner, str | int | float) else json.dumps(inner)
                echo.echo(f'    {name:<22} {text}')
        else:
            echo.echo(f'{key:<26} {value}')


@cmd_potential.command('names')
def cmd_names() -> None:
    r"""Foundation models that can be imported by name, and calculators of other packages.

    \b
    Example: aiida-insbench potential names
    """
    from aiida_insbench.science.ase_calculators import CALCULATORS
    from aiida_insbench.science.foundation_models import FOUNDATION_MODELS

    echo.echo('Foundation models (aiida-insbench potential import NAME):')
    for model in FOUNDATION_MODELS.values():
        echo.echo(
            f'  {model.name:<22} {model.functional:<18} {model.licence:<4} {model.training_set}'
        )
    echo.echo('ASL: Academic Software License, no commercial use.')
    echo.echo('Calculators (aiida-insbench potential calculator NAME):')
    for name, known in CALCULATORS.items():
        defaults = {key: default for key, (default, _) in known.arguments.items()}
        echo.echo(f'  {name:<22} package {known.package:<10} {json.dumps(defaults)}')


def _store(potential: Any, *, label: str, description: str) -> None:
    """Store a potential, or name the node that holds the same already."""
    from aiida_insbench.data.potential import PotentialData

    node = PotentialData.from_potential(potential)
    same = node.same_in_store()
    if same is not None:
        echo.echo_report(f'The profile holds it already: PotentialData<{same.pk}>.')
        return
    node.label, node.description = label or '', description or ''
    node.store()
    echo.echo_success(
        f'PotentialData<{node.pk}>: {node.flavour}, {len(node.elements)} elements, cutoff '
        f'{node.cutoff:g} Å, heads {", ".join(node.heads)}'
    )
