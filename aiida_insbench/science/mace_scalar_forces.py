"""Energy, forces and stress of a MACE model with scalar features, its gradients written out.

See `mace_scalar` for the formulas. Gradients are taken to the vectors of pairs, once for both
directions: forces and the virial are sums over pairs. Energies eV, lengths Å.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.mace_pairs import FloatArray, Pairs
from aiida_insbench.science.mace_scalar import ScalarMace
from aiida_insbench.science.mace_scalar_graph import Graph, Workspace
from aiida_insbench.science.mace_scalar_layer import backward, forward


@dataclass(frozen=True)
class Computed:
    """Results in the order of the frame's atoms.

    Attributes
    ----------
    energies, interaction : ndarray, shape (n_atoms,)
        Energy of each atom, and what of it is not its isolated-atom energy, eV.
    forces : ndarray, shape (n_atoms, 3)
        eV/Å.
    stress : ndarray, shape (3, 3)
        eV/Å³.
    """

    energies: FloatArray
    interaction: FloatArray
    forces: FloatArray
    stress: FloatArray


def compute(scalar: ScalarMace, pairs: Pairs, *, head: int, workspace: Workspace) -> Computed:
    """Compute one frame.

    Parameters
    ----------
    scalar : ScalarMace
        The model.
    pairs : Pairs
        Of the frame; at least one, none shorter than `mace_scalar.SHORTEST`.
    head : int
        Which of the model's heads.
    workspace : Workspace
        Memory, kept from frame to frame; what it holds does not matter.

    Returns
    -------
    Computed
        The same input gives the same numbers to the last bit.
    """
    torch = importlib.import_module('torch')
    with torch.no_grad():
        graph = Graph(scalar, pairs, workspace)
        features: list[Any] = []
        tapes = []
        for index, layer in enumerate(scalar.layers):
            given = features[-1] if features else None
            found, tape = forward(layer, graph, given, name=str(index))
            features.append(found)
            tapes.append(tape)
        interaction, slopes = _read_out(scalar.model, features, head)
        carried = None
        for layer, tape, own in zip(
            reversed(scalar.layers), reversed(tapes), reversed(slopes), strict=True
        ):
            slope = own if carried is None else own + carried
            carried = backward(layer, graph, tape, slope)
        gradient = graph.to_vectors().numpy()
    return _collect(scalar, pairs, head, interaction.numpy(), gradient)


def _read_out(model: Any, features: list[Any], head: int) -> tuple[Any, list[Any]]:
    """Interaction energy of each atom and its gradient to the features of each layer."""
    torch = importlib.import_module('torch')
    leaves = [one.detach().requires_grad_() for one in features]
    heads = torch.full((len(features[0]),), head)
    with torch.enable_grad():
        total = 0.0
        for index, readout in enumerate(model.readouts):
            chosen = leaves[-1 if len(model.readouts) == 1 else index]
            total = total + readout(chosen, heads)[:, head]
        energies = model.scale_shift(total, heads)
        found = torch.autograd.grad(energies.sum(), leaves, allow_unused=True)
    slopes = [
        torch.zeros_like(leaf) if slope is None else slope
        for leaf, slope in zip(leaves, found, strict=True)
    ]
    return energies.detach(), slopes


def _collect(
    scalar: ScalarMace, pairs: Pairs, head: int, interaction: FloatArray, gradient: FloatArray
) -> Computed:
    n_atoms = len(pairs.order)
    forces = np.empty((n_atoms, 3))
    for axis in range(3):
        one = np.bincount(pairs.ends[:, 0], gradient[:, axis], minlength=n_atoms)
        other = np.bincount(pairs.ends[:, 1], gradient[:, axis], minlength=n_atoms)
        forces[:, axis] = one - other
    virial = gradient.T @ pairs.vectors
    isolated = np.atleast_2d(scalar.model.atomic_energies_fn.atomic_energies.numpy())[head]
    back = np.argsort(pairs.order)
    return Computed(
        energies=(isolated[pairs.kinds] + interaction)[back],
        interaction=interaction[back],
        forces=forces[back],
        stress=0.5 * (virial + virial.T) / pairs.volume,
    )
