"""Pairs of neighbours of one frame, each once, and the places of both their directions.

MACE sums over directed edges. Both directions of a pair have one distance and one radial function,
and their spherical harmonics differ by a sign: it is enough to compute them once. Lengths in Å.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Pairs:
    """Pairs in order of their distance; atoms in order of their elements.

    A slot is one place in a table of as many rows as atoms and as many columns as the most
    neighbours of one: row `a` holds the edges that end at atom `a`, then empty places.

    Attributes
    ----------
    order : ndarray of int, shape (n_atoms,)
        Which atom of the frame comes at which place.
    kinds : ndarray of int, shape (n_atoms,)
        Place of each atom's element in the model, rising.
    ends : ndarray of int, shape (n_pairs, 2)
        Places of the two atoms.
    vectors : ndarray, shape (n_pairs, 3)
        From the first to the second, Å.
    lengths : ndarray, shape (n_pairs,)
        Rising, Å.
    width : int
        Columns of the table of slots.
    edge_of_slot : ndarray of int, shape (n_atoms * width,)
        Pair `p` is edge `p` to its second atom and edge ``n_pairs + p`` to its first;
        ``2 * n_pairs`` marks an empty slot.
    sender_of_slot : ndarray of int, shape (n_atoms * width,)
        Place of the atom the edge comes from; 0 in an empty slot.
    slot_of_edge : ndarray of int, shape (2 * n_pairs,)
        The inverse of `edge_of_slot`.
    volume : float
        Of the cell that MACE takes, Å³.
    """

    order: IntArray
    kinds: IntArray
    ends: IntArray
    vectors: FloatArray
    lengths: FloatArray
    width: int
    edge_of_slot: IntArray
    sender_of_slot: IntArray
    slot_of_edge: IntArray
    volume: float


def find_pairs(atoms: Atoms, *, numbers: IntArray, cutoff: float) -> Pairs:
    """Find the pairs of a frame nearer than a cutoff.

    Parameters
    ----------
    atoms : Atoms
        Of elements in `numbers` only.
    numbers : ndarray of int
        Atomic numbers in the order the model counts them, rising.
    cutoff : float
        In Å.

    Returns
    -------
    Pairs
        The neighbour list is MACE's own, of frames that are periodic in any directions or none.
    """
    kinds = np.searchsorted(numbers, atoms.numbers)
    order = np.argsort(kinds, kind='stable')
    positions = atoms.positions[order]
    edges, shifts, images, cell = importlib.import_module('mace.data').get_neighborhood(
        positions=positions,
        cutoff=cutoff,
        pbc=tuple(bool(periodic) for periodic in atoms.pbc),
        cell=np.array(atoms.cell),
    )
    once = _once(edges, images)
    first, second = edges[0, once], edges[1, once]
    vectors = positions[second] - positions[first] + shifts[once]
    lengths = np.sqrt((vectors * vectors).sum(axis=1))
    rising = np.argsort(lengths, kind='stable')
    ends = np.stack([first[rising], second[rising]], axis=1).astype(np.int64)
    return Pairs(
        order=order,
        kinds=kinds[order],
        ends=ends,
        vectors=vectors[rising],
        lengths=lengths[rising],
        volume=abs(float(np.linalg.det(cell))),
        **_slots(ends, len(atoms)),
    )


def _once(edges: Any, images: Any) -> Any:
    """Choose one direction of each pair: the lower atom first, or the image on the upper side."""
    first, second = edges
    reach = 2 * int(np.abs(images).max(initial=0)) + 1
    above = (images[:, 0] * reach + images[:, 1]) * reach + images[:, 2] > 0
    return (first < second) | ((first == second) & above)


def _slots(ends: IntArray, n_atoms: int) -> dict[str, Any]:
    receiver = np.concatenate([ends[:, 1], ends[:, 0]])
    sender = np.concatenate([ends[:, 0], ends[:, 1]])
    counts = np.bincount(receiver, minlength=n_atoms)
    width = int(counts.max(initial=0))
    edge = np.argsort(receiver, kind='stable')
    starts = np.cumsum(counts) - counts
    slot = np.arange(len(edge)) - np.repeat(starts, counts) + width * receiver[edge]
    edge_of_slot = np.full(n_atoms * width, len(edge))
    edge_of_slot[slot] = edge
    sender_of_slot = np.zeros(n_atoms * width, dtype=np.int64)
    sender_of_slot[slot] = sender[edge]
    slot_of_edge = np.empty(len(edge), dtype=np.int64)
    slot_of_edge[edge] = slot
    return {
        'width': width,
        'edge_of_slot': edge_of_slot,
        'sender_of_slot': sender_of_slot,
        'slot_of_edge': slot_of_edge,
    }
