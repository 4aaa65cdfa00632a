"""How time and memory of spectra grow: a table in Markdown on standard output.

``python tests/benchmarks/ins_scaling.py``; each row in a process of its own.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from ins import BIN_WIDTH, RANGE, TEMPERATURE, random_modes

from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.modes import ModeSource, PhononModes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum

BASE = {'atoms': 48, 'qpoints': 8, 'directions': 110, 'orders': 10}
STEPS = {
    'atoms': (24, 48, 96, 192),
    'qpoints': (8, 32, 128, 512),
    'directions': (50, 110, 302, 590),
    'orders': (2, 5, 10, 20),
}


@dataclass(frozen=True)
class MadeAsNeeded:
    """Modes of so many blocks of q-points, made one after the other, as interpolation does."""

    first: PhononModes
    n_blocks: int

    @property
    def symbols(self) -> tuple[str, ...]:
        """Of the atoms."""
        return self.first.symbols

    @property
    def masses(self) -> Any:
        """Of the atoms."""
        return self.first.masses

    equivalent = ()
    gamma_only = False

    @property
    def n_qpoints(self) -> int:
        """In all blocks."""
        return self.n_blocks * self.first.n_qpoints

    def blocks(self) -> Iterator[tuple[float, PhononModes]]:
        """The same block again and again: only time and memory are asked."""
        for _ in range(self.n_blocks):
            yield 1 / self.n_blocks, self.first


def measure(settings: dict[str, int]) -> tuple[float, float]:
    """Seconds, and peak memory in GiB."""
    _run(random_modes(4, 1), {**settings, 'orders': 1})  # imports, tables
    modes = MadeAsNeeded(random_modes(settings['atoms'], 8), settings['qpoints'] // 8)
    started = time.perf_counter()
    _run(modes, settings)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return time.perf_counter() - started, peak


def _run(modes: ModeSource, settings: dict[str, int]) -> None:
    powder_spectrum(
        modes,
        instrument=get_instrument('TOSCA-Abins'),
        temperature=TEMPERATURE,
        energy_range=RANGE,
        bin_width=BIN_WIDTH,
        options=PowderOptions(
            max_order=settings['orders'], tolerance=1e-12, directions=settings['directions']
        ),
    )


def main() -> int:
    """Print the table, or measure one row of it."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(json.loads(sys.argv[1]))))  # noqa: T201
        return 0
    rows = [('atoms', 'qpoints', 'directions', 'orders', 'seconds', 'peak / GiB')]
    for name, values in STEPS.items():
        for value in values:
            settings = BASE | {name: value}
            found = [_in_a_process(settings) for _ in range(2)]
            seconds, peak = np.min(found, axis=0)
            rows.append((*settings.values(), f'{seconds:.2f}', f'{peak:.2f}'))
    for number, row in enumerate(rows):
        sys.stdout.write(f'| {" | ".join(map(str, row))} |\n')
        if not number:
            sys.stdout.write(f'|{"---|" * len(row)}\n')
    return 0


def _in_a_process(settings: dict[str, int]) -> tuple[float, float]:
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(settings)], capture_output=True, text=True, check=True
    )
    seconds, peak = json.loads(done.stdout.splitlines()[-1])
    return seconds, peak


if __name__ == '__main__':
    raise SystemExit(main())
