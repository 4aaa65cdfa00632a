"""Names of pictures that commands draw."""

from __future__ import annotations

from pathlib import Path

from aiida.cmdline.utils import echo

_SUFFIXES = ('.png', '.svg', '.pdf')


def check_picture(output: Path) -> None:
    """End the command if a name is none of a picture's."""
    if output.suffix not in _SUFFIXES:
        echo.echo_critical(f'{output}: give a name that ends in {", ".join(_SUFFIXES)}.')
