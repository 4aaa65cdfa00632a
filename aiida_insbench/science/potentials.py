"""Potentials: read, write, check, and turn into an ASE calculator.

Reading and checking (`read_potential_metadata`, `check_weights`, `read_potential`) needs neither
torch nor MACE; making a model or calculator loads both. See `potential_files` for the format.
"""

from __future__ import annotations

from typing import Any

from aiida_insbench.science.mace_models import (
    calculator,
    mace_from_potential,
    potential_from_mace,
    set_isolated_atom_energies,
    single_head,
)
from aiida_insbench.science.potential_files import (
    Potential,
    PotentialMetadata,
    check_weights,
    potential_paths,
    read_potential,
    read_potential_metadata,
    write_potential,
)
from aiida_insbench.science.weights_header import TensorInfo, tensors_of_weights

__all__ = [
    'Potential',
    'PotentialMetadata',
    'TensorInfo',
    'batched',
    'calculator',
    'check_weights',
    'mace_from_potential',
    'potential_from_mace',
    'potential_paths',
    'read_potential',
    'read_potential_metadata',
    'set_isolated_atom_energies',
    'single_head',
    'tensors_of_weights',
    'write_potential',
]


def batched(potential: Potential, *, device: str, head: str = '') -> Any:
    """Make an engine whose ``predict(frames)`` takes as many frames at once as memory holds.

    Returns None for a flavour that has none: its frames go one by one through `calculator`.
    """
    if potential.metadata.flavour != 'mace':
        return None
    from aiida_insbench.science.mace_batches import BatchedPotential

    return BatchedPotential(potential, device=device, head=head)
