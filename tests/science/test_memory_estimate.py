"""Memory of phonons: the formula, what the machine has, and a measurement."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from ase.build import bulk
from small_mace import HYPERPARAMETERS

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.memory_estimate import (
    available_memory,
    bytes_per_edge,
    check_memory,
    memory_of_phonons,
)

MAGNESIA = bulk('MgO', 'rocksalt', a=4.21)


def metadata(flavour='mace', cutoff=5.0, **changes):
    return SimpleNamespace(
        flavour=flavour, cutoff=cutoff, hyperparameters={**HYPERPARAMETERS, **changes}
    )


def test_bytes_of_an_edge_are_the_table():
    """kB measured in the module's table, to 15 %."""
    for channels, max_ell, max_l, measured in ((16, 1, 0, 2.1), (32, 2, 0, 6.4),
                                               (128, 3, 0, 27.7), (32, 2, 1, 33.9),
                                               (64, 3, 1, 95.0), (128, 3, 1, 175.0)):  # fmt: skip
        irreps = '+'.join(f'{channels}x{l}{"eo"[l % 2]}' for l in range(max_l + 1))  # noqa: E741
        found = bytes_per_edge({'hidden_irreps': irreps, 'max_ell': max_ell})
        assert found / 1000 == pytest.approx(measured, rel=0.15)


def test_edges_grow_with_the_supercell_and_pairs_with_its_square():
    one, eight = (
        memory_of_phonons(atoms=MAGNESIA, supercell_matrix=n * np.eye(3), metadata=metadata())
        for n in (1, 2)
    )
    pairs = 3 * 72.0 * 2**2
    assert eight - 64 * pairs == pytest.approx(8 * (one - pairs))


def test_other_flavours_count_force_constants_only():
    found = memory_of_phonons(
        atoms=MAGNESIA, supercell_matrix=5 * np.eye(3), metadata=metadata('ase')
    )
    assert found == 3 * 72.0 * 250**2


def test_too_large_a_supercell_is_refused_with_numbers():
    with pytest.raises(StructureError, match=r'2000 atoms take about \d\.\d GB; 0\.1 GB are free'):
        check_memory(
            atoms=MAGNESIA, supercell_matrix=10 * np.eye(3), metadata=metadata(), available=1e8
        )


def test_what_the_machine_has():
    """No process has more than the machine, and this one runs."""
    total = float(Path('/proc/meminfo').read_text().split()[1]) * 1024
    assert 0 < available_memory() <= total
    assert available_memory(machine=Path('/nowhere')) is None or available_memory() > 0


PROGRAM = """
import sys
import threading
import mace, torch
from ase.build import bulk
from small_mace import mace_model
from aiida_insbench.science.potentials import calculator, potential_from_mace
from aiida_insbench.science.memory_estimate import memory_of_phonons
from e3nn import o3
model = mace_model(r_max=5.0, max_ell=2, hidden_irreps=o3.Irreps(sys.argv[1]),
                   radial_MLP=[64, 64, 64], MLP_irreps=o3.Irreps("16x0e"), num_bessel=8,
                   atomic_numbers=[8, 12])
potential = potential_from_mace(model, provenance={})
engine = calculator(potential)
atoms = bulk('MgO', 'rocksalt', a=4.21)
# not ru_maxrss: a child inherits the peak of the process that forked it
def held():
    with open('/proc/self/status') as lines:
        return next(1024 * int(one.split()[1]) for one in lines if one.startswith('VmRSS'))
def peak(cell):
    cell.calc, seen, ended = engine, [held()], threading.Event()
    def watch():
        while not ended.wait(0.005):
            seen.append(held())
    watcher = threading.Thread(target=watch)
    watcher.start()
    cell.get_forces()
    ended.set()
    watcher.join()
    return max(seen)
before = peak(atoms.copy())
after = peak(atoms.repeat(6))
needed = memory_of_phonons(atoms=atoms, supercell_matrix=6 * __import__('numpy').eye(3),
                           metadata=potential.metadata)
print(after - before, needed)
"""


@pytest.mark.real
@pytest.mark.parametrize('irreps', ['32x0e', '16x0e+16x1o'])
def test_the_estimate_is_near_what_a_model_takes(irreps):
    """432 atoms in a process of its own: within a factor of two."""
    found = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', PROGRAM, irreps],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[1],
        env={'PYTHONPATH': str(Path(__file__).parents[1]), 'OMP_NUM_THREADS': '1', 'PATH': ''},
    )
    measured, estimated = (float(word) for word in found.stdout.split()[-2:])
    assert 0.5 < estimated / measured < 2.0
