"""What one call of a potential costs beside MACE's own calculator, in turn and on one thread."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.mace_models import mace_parts
from aiida_insbench.science.potentials import calculator, mace_from_potential, read_potential

sys.path.insert(0, str(Path(__file__).parents[1]))
from lj_rutile import rutile

POTENTIAL = Path(__file__).parent / 'data' / 'mgh2_potential'
CALLS, FIRST = 20, 3


def mace_call_figure(_work: Path) -> dict[str, Any]:
    """Energy, forces and stress of 72 atoms of MgH2, shaken anew for each pair of calls."""
    torch = mace_parts()['torch']
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        ours, plain = _seconds()
    finally:
        torch.set_num_threads(threads)
    return {
        'name': 'potentials.call_speedup_vs_mace',
        'value': round(float(np.median(plain / ours)), 2),
        'unit': '1',
        'goal': 1.7,
        'better': 'higher',
        'how': f'energy, forces and stress of 72 atoms of MgH2, float64, one thread, '
        f"{CALLS} calls in turn with MACE's own calculator of the same model: median of the "
        f'ratios; {np.median(ours):.3f} s and {np.median(plain):.3f} s a call',
    }


def _seconds() -> tuple[Any, Any]:
    potential = read_potential(POTENTIAL)
    engines = [
        calculator(potential),
        mace_parts()['calculator'](
            models=[mace_from_potential(potential)], device='cpu', default_dtype='float64'
        ),
    ]
    spent = np.empty((FIRST + CALLS, 2))
    for call, row in enumerate(spent):
        atoms = rutile() * (2, 2, 3)
        atoms.rattle(0.05, seed=call)
        for place, engine in enumerate(engines):
            started = time.perf_counter()
            engine.calculate(atoms)
            row[place] = time.perf_counter() - started
    return spent[FIRST:, 0], spent[FIRST:, 1]
