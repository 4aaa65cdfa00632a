"""Commands of ``aiida-insbench``; each group is imported only when it is used."""

from __future__ import annotations

import importlib
from typing import Any

import click

from aiida_insbench import __version__
from aiida_insbench.science.errors import InsbenchError

_COMMANDS = {
    'demo': ('aiida_insbench.cli.demo:cmd_demo', 'One crystal, MgH2, through the whole chain.'),
    'setup': ('aiida_insbench.cli.setup:cmd_setup', 'Computer, codes and pseudopotentials.'),
    'pseudos': (
        'aiida_insbench.cli.pseudos:cmd_pseudos',
        'Families of pseudopotentials from a folder or archive.',
    ),
    'potential': ('aiida_insbench.cli.potential:cmd_potential', 'Import, export, list potentials.'),
    'dataset': (
        'aiida_insbench.cli.dataset:cmd_dataset',
        'Import, export, merge, split, filter frames.',
    ),
    'spectrum': (
        'aiida_insbench.cli.spectrum:cmd_spectrum',
        'Measured spectra: import, series; export, plot.',
    ),
    'launch': ('aiida_insbench.cli.launch:cmd_launch', 'Submit work to the daemon.'),
    'campaign': ('aiida_insbench.cli.campaign:cmd_campaign', 'Rounds of a campaign; end it.'),
    'status': ('aiida_insbench.cli.status:cmd_status', 'Live progress of a campaign.'),
    'report': ('aiida_insbench.cli.report:cmd_report', 'Draw the report of a campaign.'),
    'phonons': (
        'aiida_insbench.cli.phonons:cmd_phonons',
        'List modes, write them as trajectories.',
    ),
    'validation': (
        'aiida_insbench.cli.validation:cmd_validation',
        'Verdicts on potentials: errors, volumes, dynamics.',
    ),
    'benchmark': (
        'aiida_insbench.cli.benchmark:cmd_benchmark',
        'Rankings of potentials by spectra, records that travel.',
    ),
    'query': ('aiida_insbench.cli.query:cmd_query', 'Ask the provenance graph.'),
    'doctor': ('aiida_insbench.cli.doctor:cmd_doctor', 'Find faults and say their remedy.'),
}


def _with_lines_kept(command: click.Command) -> click.Command:
    r"""Turn ``\b`` in helps, written in raw strings, into the mark that keeps lines as they are."""
    command.help = (command.help or '').replace('\\b\n', '\b\n')
    for name in getattr(command, 'commands', ()):
        _with_lines_kept(command.commands[name])  # type: ignore[attr-defined]
    return command


class LazyGroup(click.Group):
    """Know the names and one-line helps of commands without importing them."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; what its input or a file did wrong ends it with the message alone."""
        try:
            return super().invoke(ctx)
        except InsbenchError as exc:
            message = str(exc)
        except OSError as exc:
            if exc.filename is None:  # no file: a connection, say
                raise
            message = f'{exc.filename}: {exc.strerror or exc}.'
        from aiida.cmdline.utils import echo

        return echo.echo_critical(message)

    def list_commands(self, _ctx: click.Context) -> list[str]:
        """Names, in the order of a first visit."""
        return list(_COMMANDS)

    def get_command(self, _ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command."""
        if cmd_name not in _COMMANDS:
            return None
        module, _, attribute = _COMMANDS[cmd_name][0].partition(':')
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return _with_lines_kept(command)

    def format_commands(self, _ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands from the table, importing none."""
        with formatter.section('Commands'):
            formatter.write_dl([(name, text) for name, (_, text) in _COMMANDS.items()])


@click.group('insbench', cls=LazyGroup, context_settings={'help_option_names': ['-h', '--help']})
@click.version_option(__version__, prog_name='aiida-insbench')
def cmd_root(**_kwargs: Any) -> None:
    r"""Judge machine-learned potentials by inelastic neutron scattering under pressure.

    \b
    Example: aiida-insbench demo run --folder .demo
    """


_with_lines_kept(cmd_root)
