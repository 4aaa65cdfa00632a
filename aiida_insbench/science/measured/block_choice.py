"""Which block of a file is meant."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.spectrum import RawBlock

#: Formats whose block of this name is taken when none is asked for.
_DEFAULTS = {'vision': 'sum', 'oclimax': 'sum'}
_SHOWN = 12


def choose_block(
    blocks: Sequence[RawBlock],
    wanted: str | int | None,
    *,
    format: str,  # noqa: A002  the word users know
    name: str,
) -> tuple[RawBlock, tuple[str, ...]]:
    """Find the block a user asks for, or the one a format means if none is asked for.

    Parameters
    ----------
    blocks : sequence of RawBlock
        All of the file, at least one.
    wanted : str or int, optional
        A name, or the number that the spectrum has in the file.
    format : str
        Of the file.
    name : str
        Of the file, for messages.

    Returns
    -------
    block : RawBlock
    notes : tuple of str
        Which was taken where nobody asked, and which were not.

    Raises
    ------
    InputError
        If there is no such block, or one must be chosen: lists them.
    """
    if wanted is None:
        return _default(blocks, format, name)
    named = [block for block in blocks if block.name == str(wanted)]
    found = named or [block for block in blocks if str(block.number) == str(wanted).strip()]
    if len(found) == 1:
        return found[0], ()
    raise InputError(
        format_error(
            f'{name} has {"several blocks" if found else "no block"} {wanted!r}.',
            fix=f'Choose `block` from {_listed(blocks)}.',
        )
    )


def _default(
    blocks: Sequence[RawBlock],
    format: str,  # noqa: A002
    name: str,
) -> tuple[RawBlock, tuple[str, ...]]:
    if len(blocks) == 1:
        return blocks[0], ()
    usual = [block for block in blocks if block.name == _DEFAULTS.get(format)]
    if len(usual) == 1:
        others = ', '.join(block.name for block in blocks if block is not usual[0])
        return usual[0], (
            f'block {usual[0].name!r} was taken, as none was asked for; not {others}',
        )
    raise InputError(
        format_error(
            f'{name} holds {len(blocks)} spectra.', fix=f'Choose `block` from {_listed(blocks)}.'
        )
    )


def _listed(blocks: Sequence[RawBlock]) -> str:
    shown = [
        block.name if block.name == str(block.number) else f'{block.name} ({block.number})'
        for block in blocks[:_SHOWN]
    ]
    return ', '.join(shown) + (f' and {len(blocks) - _SHOWN} more' if len(blocks) > _SHOWN else '')
