"""How much memory the forces and force constants of a supercell take, before any is taken.

A MACE model holds messages along all edges of its graph. Measured on a CPU in float64, peak memory
beyond the start, 56 edges an atom of MgO (mace-torch 0.3.16, torch 2.13):

======== ======= ===== =========== ============ =========
channels max_ell max_L edges       measured / kB formula
======== ======= ===== =========== ============ =========
64       3       1     19712       95           93
128      3       1     8316        175          179
32       2       1     14000       34           31
16       1       0     24192       2.1          1.9
32       2       0     24192       6.4          5.8
32       3       0     24192       5.4          7.7
64       3       0     24192       17.2         15.4
64       3       0     14000       12.3         15.4
128      2       0     14000       22.5         23.0
128      3       0     14000       27.7         30.7
======== ======= ===== =========== ============ =========

with two formulas for an edge. Features of scalars alone (max_L 0), which are evaluated by
`mace_scalar_forces`: 7.5 · 8 B · channels · (max_ell + 1). All others, which MACE evaluates:
7 kB + 8 B · channels · (max_ell + 1)² · (4.5 + 6 max_L); should a model of scalars be evaluated by
MACE after all, it takes 2.5 to 5 times what is estimated. Full force constants take 72 B a pair of
the supercell's atoms, three times over while they are symmetrised.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import ArrayLike

from aiida_insbench.science.errors import StructureError, format_error

if TYPE_CHECKING:
    from aiida_insbench.science.potential_files import PotentialMetadata

GIGABYTE = 1e9
_PER_EDGE, _PER_MESSAGE, _PER_L = 7e3, 4.5, 6.0
_PER_RADIAL_FUNCTION = 7.5
_COPIES_OF_FORCE_CONSTANTS = 3
_IRREP = re.compile(r'(\d+)x(\d+)[eo]')
#: Limit and use of a control group, versions 2 and 1.
_GROUPS = (
    ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory.current'),
    (
        '/sys/fs/cgroup/memory/memory.limit_in_bytes',
        '/sys/fs/cgroup/memory/memory.usage_in_bytes',
    ),
)


def memory_of_phonons(
    *, atoms: Atoms, supercell_matrix: ArrayLike, metadata: PotentialMetadata
) -> float:
    """Estimate of the memory that phonons in a supercell take, bytes.

    Parameters
    ----------
    atoms : Atoms
        The unit cell.
    supercell_matrix : array_like, shape (3, 3)
        Integers.
    metadata : PotentialMetadata
        Of the potential; of other flavours than ``mace`` only the force constants are counted.
    """
    copies = cells_in(supercell_matrix)
    if metadata.flavour != 'mace':
        return memory_of_supercell(atoms=copies * len(atoms))
    return memory_of_supercell(
        atoms=copies * len(atoms),
        edges=copies * len(neighbor_list('i', atoms, metadata.cutoff)),
        edge_bytes=bytes_per_edge(metadata.hyperparameters),
    )


def cells_in(supercell_matrix: ArrayLike) -> int:
    """How many unit cells a supercell holds."""
    return round(abs(float(np.linalg.det(np.asarray(supercell_matrix, dtype=float)))))


def memory_of_supercell(*, atoms: int, edges: float = 0.0, edge_bytes: float = 0.0) -> float:
    """Memory of the force constants of so many atoms and of a graph of so many edges, bytes."""
    return 72.0 * atoms**2 * _COPIES_OF_FORCE_CONSTANTS + edges * edge_bytes


def bytes_per_edge(hyperparameters: dict[str, Any]) -> float:
    """Memory of one edge of a MACE model's graph in float64, bytes; see the module."""
    channels, largest, degrees = _size(hyperparameters)
    if largest == 0:
        return _PER_RADIAL_FUNCTION * 8.0 * channels * degrees
    return bytes_per_edge_in_mace(hyperparameters)


def bytes_per_edge_in_mace(hyperparameters: dict[str, Any]) -> float:
    """The same where MACE itself evaluates the model, as in a training, bytes."""
    channels, largest, degrees = _size(hyperparameters)
    return _PER_EDGE + 8.0 * channels * degrees**2 * (_PER_MESSAGE + _PER_L * largest)


def _size(hyperparameters: dict[str, Any]) -> tuple[int, int, int]:
    """Channels, largest degree of the features, degrees of the edges."""
    irreps = np.array(_IRREP.findall(hyperparameters['hidden_irreps']), dtype=int)
    channels, largest = (int(number) for number in irreps.max(axis=0))
    return channels, largest, int(hyperparameters['max_ell']) + 1


def available_memory(*, machine: Path = Path('/proc/meminfo')) -> float | None:
    """Memory a process may still take, bytes, of machine and control group; None if not known."""
    found = []
    try:
        text = machine.read_text(encoding='ascii')
        found += [1024.0 * int(n) for n in re.findall(r'^MemAvailable:\s+(\d+) kB', text, re.M)]
    except OSError:
        pass
    for limit, used in _GROUPS:
        try:
            found.append(float(Path(limit).read_text()) - float(Path(used).read_text()))
        except (OSError, ValueError):
            continue  # no such file, or "max": no limit
    return min(found, default=None)


def check_memory(
    *,
    atoms: Atoms,
    supercell_matrix: ArrayLike,
    metadata: PotentialMetadata,
    available: float | None = None,
) -> float:
    """Refuse a supercell that cannot fit in memory; return the estimate in bytes.

    Parameters
    ----------
    atoms : Atoms
        The unit cell.
    supercell_matrix : array_like, shape (3, 3)
        Integers; rows are axes.
    metadata : PotentialMetadata
        Of the potential.
    available : float, optional
        Bytes; what the machine has by default.

    Raises
    ------
    StructureError
        If the estimate is more than there is.
    """
    needed = memory_of_phonons(atoms=atoms, supercell_matrix=supercell_matrix, metadata=metadata)
    free = available_memory() if available is None else available
    if free is not None and needed > free:
        copies = cells_in(supercell_matrix)
        raise StructureError(
            format_error(
                f'Phonons in a supercell of {copies * len(atoms)} atoms take about '
                f'{needed / GIGABYTE:.1f} GB; {free / GIGABYTE:.1f} GB are free.',
                fix='Use a smaller supercell, a smaller model, or a machine with more memory.',
            )
        )
    return needed
