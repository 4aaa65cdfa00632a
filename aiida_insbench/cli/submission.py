"""What commands that submit work share: options, codes, and what is said."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import click
from aiida.cmdline.params.types import DataParamType
from aiida.cmdline.utils import echo

DEFAULT_CODES = ('pw', 'insbench-job')

PROTOCOL = click.option('--protocol', type=click.Choice(['fast', 'balanced', 'stringent']))


class YamlFile(click.ParamType):
    """A file of names and values, read as data only before anything else is done."""

    name = 'file'

    def convert(self, value: Any, param: Any, ctx: Any) -> dict[str, Any]:
        """What the file holds; ends the command if it cannot be read."""
        from aiida_insbench.science.errors import InputError
        from aiida_insbench.science.safe_yaml import read_yaml_file

        if isinstance(value, dict):
            return value
        try:
            return read_yaml_file(Path(value))
        except InputError as exc:
            self.fail(str(exc), param, ctx)


OVERRIDES = click.option('--overrides', type=YamlFile(), help='YAML file, over the protocol.')
PSEUDO_FAMILY = click.option(
    '--pseudo-family', required=True, help='Label of an aiida-pseudo family.'
)
CUTOFFS = click.option(
    '--cutoffs',
    nargs=2,
    type=float,
    help='Wave functions and density, Ry; by default those that the family recommends.',
)
RANKS = click.option(
    '--ranks', type=click.IntRange(min=1), default=1, show_default=True, help='Of each pw.x.'
)
CONVERGENCE = click.option(
    '--convergence',
    type=DataParamType(sub_classes=('aiida.data:core.dict',)),
    help='Of `dataset converge`: its cutoffs are taken, its Pulay stress recorded.',
)


def say_cutoffs(
    family: str,
    elements: Iterable[str],
    given: tuple[float, float] | None,
    convergence: Any = None,
) -> tuple[float, float]:
    """Cutoffs (Ry) to work with, after saying where they come from.

    Raises
    ------
    InputError
        If none are known.
    """
    from aiida_insbench.cli.pseudo_families import choose_cutoffs

    cutoffs, source = choose_cutoffs(family, elements, given, convergence)
    echo.echo(f'cutoffs {cutoffs[0]:g} and {cutoffs[1]:g} Ry, {source}')
    return cutoffs


def two_codes(codes: Sequence[Any] | None) -> list[Any]:
    """pw.x and insbench-job: those given, or those of ``aiida-insbench setup``.

    Raises
    ------
    InputError
        If it is not two that are given.
    NotExistent
        If none are given, and none were set up.
    """
    from aiida.orm import load_code

    from aiida_insbench.cli.site import COMPUTER
    from aiida_insbench.science.errors import InputError

    if codes and len(codes) != len(DEFAULT_CODES):
        raise InputError(f'--codes takes two codes, pw.x and insbench-job; {len(codes)} given.')
    return list(codes or [load_code(f'{name}@{COMPUTER}') for name in DEFAULT_CODES])


def outputs_by_pressure(process: Any, name: str) -> dict[str, Any]:
    """Outputs of a finished process by pressure label; none of no process.

    Raises
    ------
    InputError
        If the process has none.
    """
    from aiida_insbench.science.errors import InputError

    if process is None:
        return {}
    if name not in process.outputs:
        raise InputError(f'Process {process.pk} ({process.process_label}) has no `{name}`.')
    return dict(process.outputs[name].items())


def built(make: Callable[[], Any]) -> Any:
    """What `make` returns; bad input ends the command with its message."""
    from aiida.common.exceptions import NotExistent

    from aiida_insbench.science.errors import InputError

    try:
        return make()
    except (InputError, NotExistent, ValueError) as exc:
        echo.echo_critical(str(exc))


def submit_and_say(
    builder: Any, what: str, *, dry_run: bool, then: str = 'verdi process status {pk}'
) -> None:
    """Submit, unless it is a dry run; faults of the daemon are named first, `then` what follows."""
    from aiida.engine import submit

    from aiida_insbench.cli.health import check_daemon
    from aiida_insbench.cli.slots import slots_fault

    health = check_daemon()
    for fault in health.faults:
        echo.echo_warning(fault)
    starving = slots_fault(builder._inputs(prune=True), workers=len(health.workers))
    if starving is not None:
        echo.echo_warning(starving)
    if dry_run:
        echo.echo_success(f'The {what} can be submitted.')
        return
    node = submit(builder)
    echo.echo_success(f'Submitted {what} {node.pk}; {then.format(pk=node.pk)}')


def refuse_what_the_engine_would(process_class: Any, builder: Any) -> None:
    """Validate inputs as a submission does, for the sake of dry runs.

    Raises
    ------
    InputError
        With the message of the port that refuses.
    """
    from aiida_insbench.science.errors import InputError

    ports = process_class.spec().inputs
    problem = ports.validate(ports.pre_process(builder._inputs(prune=True)))
    if problem is not None:
        raise InputError(f'{problem.message} ({problem.port})')
