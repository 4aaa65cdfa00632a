"""The force calls of a phonons job: ``phonons_calls.py record|bare FOLDER``.

``record`` runs the job in FOLDER and keeps every structure MACE's calculator was asked for in
``calls.npz``; ``bare`` asks a calculator for them again, nothing else, and leaves ``bare.json``.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms


def record(folder: Path) -> None:
    """Run the job and keep its calls."""
    from mace.calculators import MACECalculator

    from aiida_insbench.jobs.program import run_stage

    calls: list[Atoms] = []
    calculate = MACECalculator.calculate

    def recorded(self: Any, atoms: Atoms, *args: Any, **kwargs: Any) -> None:
        calls.append(Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True))
        calculate(self, atoms, *args, **kwargs)

    MACECalculator.calculate = recorded
    code = run_stage('phonons', folder / 'job.json')
    if code != 0:
        raise SystemExit(code)
    arrays = {}
    for index, atoms in enumerate(calls):
        arrays |= {
            f'numbers_{index}': atoms.numbers,
            f'positions_{index}': atoms.positions,
            f'cell_{index}': atoms.cell.array,
        }
    np.savez(folder / 'calls.npz', count=len(calls), **arrays)


def bare(folder: Path) -> None:
    """Do the calls again and time them."""
    from aiida_insbench.science.potentials import calculator, read_potential

    job = json.loads((folder / 'job.json').read_text(encoding='utf-8'))
    engine = calculator(read_potential(folder / job['potential']))
    with np.load(folder / 'calls.npz') as found:
        calls = [
            Atoms(
                found[f'numbers_{index}'],
                positions=found[f'positions_{index}'],
                cell=found[f'cell_{index}'],
                pbc=True,
            )
            for index in range(int(found['count']))
        ]
    started = time.monotonic()
    for atoms in calls:
        atoms.calc = engine
        atoms.get_forces()
    answer = {'seconds': time.monotonic() - started, 'calls': len(calls)}
    (folder / 'bare.json').write_text(json.dumps(answer), encoding='utf-8')


if __name__ == '__main__':
    {'record': record, 'bare': bare}[sys.argv[1]](Path(sys.argv[2]))
