"""What the commands of ``aiida-insbench setup`` say alike."""

from __future__ import annotations

from aiida.cmdline.utils import echo


def say_removed(removed: str, *, nothing: str, dry_run: bool) -> None:
    """Say what ``--undo`` removed or would remove; `nothing` where that is an empty text."""
    if not removed:
        echo.echo_report(nothing)
    elif dry_run:
        echo.echo_report(f'Would remove {removed}.')
    else:
        echo.echo_success(f'Removed {removed}.')
