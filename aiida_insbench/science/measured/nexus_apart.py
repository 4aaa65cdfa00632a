"""NeXus files read in a process of its own, which may hang, crash or ask for all memory.

HDF5 is written in C and trusts what a file says: a few flipped bits were seen to keep it busy for
ever, where nothing in Python can interrupt it. What comes back is JSON.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.measured.spectrum import RawBlock

#: What the child may use: CPU seconds and bytes. A spectrum takes a moment and some MB.
SECONDS, MEMORY = 10, 4 << 30
_WAIT = 120.0  # s by the clock, on a machine that has much else to do
_ARRAYS = ('energy', 'intensity', 'error', 'energy_error', 'hidden')


def read_nexus_apart(data: bytes, *, name: str) -> list[RawBlock]:
    """Read as `aiida_insbench.science.measured.nexus.read_nexus` does, in a child process.

    Raises
    ------
    InputError
        As there; and if the child comes to no end, crashes or needs too much memory.
    """
    root = str(Path(__file__).parents[3])
    paths = os.pathsep.join(filter(None, (root, os.environ.get('PYTHONPATH'))))
    try:
        done = subprocess.run(  # noqa: S603 - our own words only
            [sys.executable, '-m', __name__, name],
            input=data,
            capture_output=True,
            timeout=_WAIT,
            check=False,
            env={**os.environ, 'PYTHONPATH': paths},
        )
    except subprocess.TimeoutExpired:
        raise _damaged(name) from None
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _damaged(name) from None
    if 'refused' in answer:
        raise InputError(answer['refused'])
    return [_block(one) for one in answer['blocks']]


def main(name: str) -> int:
    """Read standard input, write JSON; the limits end the process if it goes astray."""
    import resource

    resource.setrlimit(resource.RLIMIT_CPU, (SECONDS, SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    from aiida_insbench.science.measured.nexus import read_nexus

    try:
        blocks = read_nexus(sys.stdin.buffer.read(), name=name)
        answer: dict[str, Any] = {'blocks': [_plain(block) for block in blocks]}
    except InputError as exc:
        answer = {'refused': str(exc)}
    sys.stdout.write(json.dumps(answer))
    return 0


def _plain(block: RawBlock) -> dict[str, Any]:
    values = dict(vars(block))
    for key in _ARRAYS:
        values[key] = None if values[key] is None else np.asarray(values[key]).tolist()
    return values


def _block(values: dict[str, Any]) -> RawBlock:
    for key in _ARRAYS:
        if values[key] is not None:
            values[key] = np.array(values[key], dtype=bool if key == 'hidden' else np.float64)
    return RawBlock(**{**values, 'notes': tuple(values['notes']), 'lines': tuple(values['lines'])})


def _damaged(name: str) -> InputError:
    return InputError(
        format_error(
            f'{name} cannot be read as HDF5: the library came to no end with it, or broke off.',
            fix='Was it copied completely? Save it again, or export text.',
        )
    )


if __name__ == '__main__':
    sys.exit(main(sys.argv[1]))
