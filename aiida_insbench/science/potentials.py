"""Potentials: read, write, check, and turn into an ASE calculator.

Reading and checking (`read_potential_metadata`, `check_weights`, `read_potential`) needs neither
torch nor MACE; making a model or calculator loads both. See `potential_files` for the format.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiida_insbench.science.ase_calculators import ase_calculator, potential_from_ase
from aiida_insbench.science.devices import check_device
from aiida_insbench.science.mace_models import (
    mace_calculator,
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

if TYPE_CHECKING:
    from ase.calculators.calculator import Calculator

__all__ = [
    'Potential',
    'PotentialMetadata',
    'TensorInfo',
    'batched',
    'calculator',
    'check_weights',
    'mace_from_potential',
    'potential_from_ase',
    'potential_from_mace',
    'potential_paths',
    'read_potential',
    'read_potential_metadata',
    'set_isolated_atom_energies',
    'single_head',
    'tensors_of_weights',
    'write_potential',
]


def calculator(
    potential: Potential, *, device: str = 'cpu', dtype: str = 'float64', head: str = ''
) -> Calculator:
    """Make an ASE calculator: energy (eV), forces (eV/Å), stress (eV/Å³, ASE's sign and order).

    Parameters
    ----------
    potential : Potential
        As read by `read_potential`, of any flavour.
    device : str
        ``cpu``, ``cuda`` or ``auto``.
    dtype : str
        Precision of the computation, where the flavour leaves a choice; phonons and relaxations
        want ``float64``.
    head : str
        Which output of a model that has several.

    Returns
    -------
    Calculator
        Raises `PotentialError` on an element the potential does not know and `ComputationError`
        on results that are not finite.

    Raises
    ------
    InputError
        If there is no such device.
    PotentialError
        If the potential cannot be turned into one; see `mace_calculator` and `ase_calculator`.
    """
    device = check_device(device)
    if potential.metadata.flavour == 'ase':
        return ase_calculator(potential, device=device, head=head)
    return mace_calculator(potential, device=device, dtype=dtype, head=head)


def batched(potential: Potential, *, device: str, head: str = '') -> Any:
    """Make an engine whose ``predict(frames)`` takes as many frames at once as memory holds.

    Returns None for a flavour that has none: its frames go one by one through `calculator`.
    """
    if potential.metadata.flavour != 'mace':
        return None
    from aiida_insbench.science.mace_batches import BatchedPotential

    return BatchedPotential(potential, device=device, head=head)
