"""``aiida-insbench launch campaign``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params import options
from aiida.cmdline.utils import decorators, echo

from aiida_insbench.cli.submission import (
    CUTOFFS,
    OVERRIDES,
    PROTOCOL,
    built,
    refuse_what_the_engine_would,
    say_cutoffs,
    submit_and_say,
    two_codes,
)

#: Entries of the file that have an option of their own.
_OPTIONS = ('pressures', 'pseudo_family', 'cutoffs', 'protocol', 'seed', 'continue')


@click.command('campaign')
@click.option(
    '--config', type=click.Path(exists=True, dir_okay=False, path_type=Path), help='YAML file.'
)
@click.option('--example', is_flag=True, help='Print a commented file, and end.')
@click.option('--structure', type=click.Path(path_type=Path), help='CIF or what ASE reads.')
@click.option('--pressures', help='GPa, for example 0,1.5.')
@options.CODES(required=False, help='pw.x and insbench-job, in this order.')
@click.option('--pseudo-family', help='Label of an aiida-pseudo family.')
@CUTOFFS
@PROTOCOL
@OVERRIDES
@click.option('--seed', type=click.IntRange(min=0))
@click.option('--continue', 'continue_', metavar='PK', help='Campaign to go on from.')
@click.option('--dry-run', is_flag=True, help='Check everything, submit nothing.')
@decorators.with_dbenv()
def cmd_campaign(config, example, codes, overrides, dry_run, **given) -> None:  # type: ignore[no-untyped-def]
    r"""From a crystal, pressures and measured spectra to a verdict, unattended.

    Options stand over what a file says; a file holds more of them.

    \b
    Example: aiida-insbench launch campaign --example > campaign.yaml
             aiida-insbench launch campaign --config campaign.yaml --dry-run
             aiida-insbench launch campaign --structure hexane.cif --pressures 0,1.5
             --pseudo-family SSSP/1.3/PBE/efficiency --cutoffs 50 400
    """
    from aiida_insbench.science.campaign.config import EXAMPLE
    from aiida_insbench.workflows.campaign import CampaignWorkChain

    if example:
        echo.echo(EXAMPLE, nl=False)
        return
    builder = built(lambda: _builder(config, codes, overrides, given))
    built(lambda: refuse_what_the_engine_would(CampaignWorkChain, builder))
    submit_and_say(builder, 'campaign', dry_run=dry_run, then='aiida-insbench status {pk} --watch')


def _builder(
    config: Path | None, codes: Any, overrides: dict[str, Any] | None, given: dict[str, Any]
) -> Any:
    from aiida_insbench.cli.campaign_inputs import campaign_inputs
    from aiida_insbench.science.campaign.config import checked_config, read_config
    from aiida_insbench.workflows.campaign import CampaignWorkChain

    entries: dict[str, Any] = {}
    if config is not None:
        entries = read_config(config).model_dump(by_alias=True)
    if given.get('structure') is not None:
        entries['structure'] = str(given['structure'].resolve())
    given = {**given, 'continue': given.pop('continue_')}
    if given['pressures'] is not None:
        given['pressures'] = [one.strip() for one in given['pressures'].split(',')]
    entries |= {name: given[name] for name in _OPTIONS if given[name] not in (None, ())}
    if overrides is not None:
        entries['overrides'] = overrides
    checked = checked_config(entries, name=config.name if config else 'The campaign')
    folder = config.parent if config else Path()
    inputs = campaign_inputs(checked, folder, codes=codes)
    family, elements = checked.pseudo_family, inputs['structure'].get_symbols_set()
    cutoffs = say_cutoffs(family, elements, checked.cutoffs)
    pw, job = two_codes(inputs.pop('codes'))
    return CampaignWorkChain.get_builder_from_protocol(pw, job, cutoffs=cutoffs, **inputs)
