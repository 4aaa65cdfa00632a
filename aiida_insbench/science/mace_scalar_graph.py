"""Pairs of a frame as tensors: spherical harmonics at each slot, gradients back to the vectors.

Lengths in Å. Arrays as large as pairs times channels are written into memory that is kept from
frame to frame: the system zeroes each page of new memory, which was measured to take longer than
all that is computed.
"""

from __future__ import annotations

import importlib
import itertools
import math
from typing import Any

import numpy as np

from aiida_insbench.science.mace_pairs import Pairs
from aiida_insbench.science.mace_scalar import ScalarMace


class Workspace:
    """Memory by name, enlarged where a larger array is asked for."""

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}

    def take(self, name: str, *shape: int) -> Any:
        """Give an array of double precision that holds anything."""
        size = math.prod(shape)
        if name not in self._held or self._held[name].numel() < size:
            torch = importlib.import_module('torch')
            self._held[name] = torch.empty(size + size // 8, dtype=torch.float64)
        return self._held[name][:size].view(shape)


class Graph:
    """Pairs as tensors.

    Attributes
    ----------
    harmonics : list of tensor, shape (n_atoms, 2 * l + 1, width)
        Of the edge at each slot; 0 at empty ones.
    pair, sender : tensor of int, shape (n_atoms * width,)
        Of the edge at each slot; 0 at empty ones.
    blocks : list of (int, slice)
        Elements that are there, and their atoms.
    radial : tensor, shape (n_pairs, n_functions)
        Radial functions of all layers.
    by_radial, by_harmonics : tensor, list of tensor
        Gradients of the energy, shaped as `radial` and `harmonics`: the first to be written, the
        second to be added to.
    """

    def __init__(self, scalar: ScalarMace, pairs: Pairs, workspace: Workspace) -> None:
        torch = importlib.import_module('torch')
        self.pairs, self.workspace = pairs, workspace
        self.n_atoms, self.width, self.n_pairs = len(pairs.order), pairs.width, len(pairs.ends)
        self.kinds = torch.tensor(pairs.kinds)
        self.sender = torch.tensor(pairs.sender_of_slot)
        edge = torch.tensor(pairs.edge_of_slot)
        self.pair = torch.where(edge < 2 * self.n_pairs, edge % self.n_pairs, 0)
        self._slots = torch.tensor(pairs.slot_of_edge).view(2, -1)
        kinds, counts = np.unique(pairs.kinds, return_counts=True)
        stops = np.cumsum(counts)
        self.blocks = [
            (int(kind), slice(int(stop - count), int(stop)))
            for kind, count, stop in zip(kinds, counts, stops, strict=True)
        ]
        self._tensors = scalar.harmonics
        self._lengths = torch.tensor(pairs.lengths)[:, None]
        self._units = torch.tensor(pairs.vectors) / self._lengths
        self._powers = [self._units.new_ones(self.n_pairs, 1)]
        for _ in self._tensors[1:]:
            self._powers.append((self._powers[-1][:, :, None] * self._units[:, None]).flatten(1))
        self.harmonics = [self._at_slots(degree, edge) for degree in range(len(self._tensors))]
        self._table = scalar.radial
        self.radial = self._radial()
        self.by_radial = workspace.take('by radial', *self.radial.shape)
        self.by_harmonics = [torch.zeros_like(one) for one in self.harmonics]

    def of_pairs(self, by_slot: Any, name: str) -> Any:
        """What is held at the slots of both directions of each pair, shape (2, n_pairs, n)."""
        torch = importlib.import_module('torch')
        found = self.workspace.take(name, 2, self.n_pairs, by_slot.shape[-1])
        flat = by_slot.view(self.n_atoms * self.width, -1)
        for direction in range(2):
            torch.index_select(flat, 0, self._slots[direction], out=found[direction])
        return found

    def to_vectors(self) -> Any:
        """Gradient of the energy to the vectors of pairs, shape (n_pairs, 3)."""
        turned = 0.0 * self._units
        for degree in range(1, len(self._tensors)):
            by_slot = self.by_harmonics[degree].transpose(1, 2).contiguous()
            there, back = self.of_pairs(by_slot, f'harmonics {degree}')
            slopes = there.add_(back, alpha=(-1) ** degree) @ self._tensors[degree].T
            power = self._powers[degree - 1][:, :, None]
            turned += degree * (slopes.view(self.n_pairs, -1, 3) * power).sum(dim=1)
        along = (turned * self._units).sum(dim=1, keepdim=True)
        return (turned - along * self._units) / self._lengths + (
            self._along()[:, None] * self._units
        )

    def _radial(self) -> Any:
        torch = importlib.import_module('torch')
        values, slopes, self._bounds = self._table.terms(self.pairs.lengths)
        terms, self._slopes = torch.tensor(values), torch.tensor(slopes)
        self._pieces = torch.from_numpy(self._table.coefficients)
        found = self.workspace.take('radial', self.n_pairs, self._pieces.shape[2])
        for piece, (start, stop) in enumerate(itertools.pairwise(self._bounds)):
            if stop > start:
                torch.mm(terms[start:stop], self._pieces[piece], out=found[start:stop])
        return found

    def _along(self) -> Any:
        """Gradient to the lengths, from that to the radial functions, shape (n_pairs,)."""
        torch = importlib.import_module('torch')
        terms = torch.empty_like(self._slopes)
        for piece, (start, stop) in enumerate(itertools.pairwise(self._bounds)):
            if stop > start:
                whole = self.by_radial[start:stop]
                torch.mm(whole, self._pieces[piece].T, out=terms[start:stop])
        return (terms * self._slopes).sum(dim=1)

    def _at_slots(self, degree: int, edge: Any) -> Any:
        torch = importlib.import_module('torch')
        there = self._powers[degree] @ self._tensors[degree]
        back = there * (-1) ** degree
        nothing = there.new_zeros(1, 2 * degree + 1)
        by_slot = torch.cat([there, back, nothing])[edge]
        return by_slot.view(self.n_atoms, self.width, -1).transpose(1, 2).contiguous()
