"""MACE's ASE calculator, with another way to energy, forces and stress where the model allows it.

The other way is compared with MACE's own before it is taken; a model or frame it is not made for
goes MACE's way. Energies eV, forces eV/Å, stress eV/Å³ in ASE's sign and Voigt order.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.stress import full_3x3_to_voigt_6_stress

from aiida_insbench.science.mace_pairs import IntArray, Pairs, find_pairs
from aiida_insbench.science.mace_scalar import SHORTEST, ScalarMace, scalar_mace
from aiida_insbench.science.mace_scalar_forces import Computed, compute
from aiida_insbench.science.mace_scalar_graph import Workspace

#: Largest difference to MACE's own results, relative to the largest of 1 and the value itself.
SAME = 1e-10
_ELEMENTS_COMPARED = 4


@functools.cache
def with_scalar_path(base: type[Any]) -> type[Any]:
    """Derive a class from MACE's calculator that is several times faster on a CPU.

    Parameters
    ----------
    base : type
        ``mace.calculators.MACECalculator``.

    Returns
    -------
    type
        Takes what `base` takes. Its `calculate` gives the same results: energy, energies, forces
        and stress, to rounding. All else is that of `base`.
    """

    class ScalarMaceCalculator(base):  # type: ignore[misc]
        """The calculator, faster for models whose features are scalars."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.scalar: ScalarMace | None = None
            self._workspace = Workspace()
            scalar = scalar_mace(self.models[0]) if len(self.models) == 1 else None
            if scalar is not None and self._agrees(scalar):
                self.scalar = scalar

        def calculate(self, atoms: Atoms | None = None, *args: Any, **kwargs: Any) -> None:
            """Compute energy, forces and stress."""
            scalar = self.scalar
            pairs = None if scalar is None or atoms is None else _pairs_in_reach(scalar, atoms)
            if scalar is None or pairs is None:
                super().calculate(atoms, *args, **kwargs)
            else:
                Calculator.calculate(self, atoms)
                self.results = _results(self._compute(scalar, pairs))

        def _compute(self, scalar: ScalarMace, pairs: Pairs) -> Computed:
            head = self.available_heads.index(self.head)
            return compute(scalar, pairs, head=head, workspace=self._workspace)

        def _agrees(self, scalar: ScalarMace) -> bool:
            atoms = row_of_elements(scalar.numbers[:_ELEMENTS_COMPARED])
            super().calculate(atoms)
            expected, self.results = self.results, {}
            self.atoms = None
            pairs = _pairs_in_reach(scalar, atoms)
            if pairs is None:
                return False
            found = _results(self._compute(scalar, pairs))
            return all(_close(value, expected[name]) for name, value in found.items())

    return ScalarMaceCalculator


def row_of_elements(numbers: Sequence[int] | IntArray) -> Atoms:
    """Give atoms of these elements, 2 Å apart and shaken, in a periodic cell."""
    count = len(numbers)
    index = np.arange(count)[:, None]
    places = index * [2.0, 0.0, 0.0] + 0.2 * np.sin(1.0 + 3 * index + np.arange(3))
    return Atoms(numbers, positions=places, cell=[2.0 * count + 0.5, 3.0, 3.5], pbc=True)


def _pairs_in_reach(scalar: ScalarMace, atoms: Atoms) -> Pairs | None:
    """Find the pairs; None of a frame without any, with other elements or atoms that overlap."""
    if not np.isin(atoms.numbers, scalar.numbers).all():
        return None
    pairs = find_pairs(atoms, numbers=scalar.numbers, cutoff=scalar.cutoff)
    if len(pairs.lengths) == 0 or not pairs.lengths[0] >= SHORTEST:
        return None
    return pairs


def _results(computed: Computed) -> dict[str, Any]:
    energy = float(computed.energies.sum())
    return {
        'energy': energy,
        'free_energy': energy,
        'energies': computed.energies,
        'node_energy': computed.interaction,
        'forces': computed.forces,
        'stress': full_3x3_to_voigt_6_stress(computed.stress),
    }


def _close(value: Any, expected: Any) -> bool:
    largest = max(1.0, float(np.abs(expected).max()))
    return bool(np.abs(value - expected).max() <= SAME * largest)
