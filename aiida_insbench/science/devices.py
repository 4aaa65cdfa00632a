"""Devices that torch computes on: named, checked, and what ``auto`` stands for."""

from __future__ import annotations

import importlib

from aiida_insbench.science.errors import InputError, format_error

DEVICES = ('cpu', 'cuda', 'auto')


def check_device(wanted: str) -> str:
    """Check that a device is there.

    Parameters
    ----------
    wanted : str
        ``cpu``, ``cuda`` or ``auto``: a GPU where there is one, else the CPU.

    Returns
    -------
    str
        ``cpu`` or ``cuda``.

    Raises
    ------
    InputError
        If the name is unknown, or a GPU was asked for and there is none.
    """
    if wanted not in DEVICES:
        raise InputError(f'`device` is {wanted!r}; known: {", ".join(DEVICES)}.')
    if wanted == 'cpu':
        return 'cpu'
    present = bool(importlib.import_module('torch').cuda.is_available())
    if wanted == 'cuda' and not present:
        raise InputError(
            format_error(
                '`device` is cuda, but torch finds no GPU on this machine.',
                fix="Choose 'cpu' or 'auto', ask the scheduler for a GPU, or install a torch built "
                'for it.',
            )
        )
    return 'cuda' if present else 'cpu'
