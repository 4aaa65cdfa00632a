"""One layer of a MACE model with scalar features, forwards and backwards.

See `mace_scalar` for the formulas and for what each tensor of a layer is.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import Any

from aiida_insbench.science.mace_scalar import Layer
from aiida_insbench.science.mace_scalar_graph import Graph
from aiida_insbench.science.mace_scalar_parts import Parts


@dataclass(frozen=True)
class Tape:
    """What `forward` leaves for `backward`.

    Attributes
    ----------
    first : bool
        No layer came before.
    weights, edges : tensor, shape (n_l, n_slots, n_edge_channels)
        Radial functions, alone and times what the sender gives.
    senders : tensor, shape (n_slots, n_edge_channels)
        What the sender gives.
    blocks : list of tensor, shape (n_channels, n_lm, n)
        Gradients of the polynomials of each block of atoms.
    """

    first: bool
    weights: Any
    edges: Any
    senders: Any
    blocks: list[Any]


def forward(layer: Layer, graph: Graph, features: Any, *, name: str) -> tuple[Any, Tape]:
    """Compute the features a layer gives.

    Parameters
    ----------
    layer : Layer
        The layer.
    graph : Graph
        The frame.
    features : tensor or None, shape (n_atoms, n_features)
        Of the layer before; None in the first.
    name : str
        Of the layer, for its own part of the memory.

    Returns
    -------
    features : tensor, shape (n_atoms, n_features)
        Of this layer.
    tape : Tape
        For `backward`. Lies in the memory of the graph: good until the next frame.
    """
    torch = importlib.import_module('torch')
    first = features is None
    take = graph.workspace.take
    sent = layer.up[graph.kinds] if first else features @ layer.up
    n_slots, channels, n_l = len(graph.pair), sent.shape[1], len(graph.harmonics)
    senders = take(f'senders {name}', n_slots, channels)
    torch.index_select(sent, 0, graph.sender, out=senders)
    weights = take(f'weights {name}', n_l, n_slots, channels)
    edges = take(f'edges {name}', n_l, n_slots, channels)
    atoms = []
    for degree, columns in enumerate(layer.columns):
        weight, edge = weights[degree], edges[degree]
        torch.index_select(graph.radial[:, columns], 0, graph.pair, out=weight)
        torch.mul(weight, senders, out=edge)
        edge = edge.view(graph.n_atoms, -1, channels)
        atoms.append(torch.bmm(graph.harmonics[degree], edge))
    found = sent.new_empty(graph.n_atoms, layer.out.shape[1])
    blocks = []
    for kind, block in graph.blocks:
        parts = layer.parts(kind)
        mixed = [sums[block] @ mix for sums, mix in zip(atoms, parts.mix, strict=True)]
        basis = torch.cat(mixed, dim=1).permute(2, 1, 0).contiguous()
        value, slope = _polynomial(parts, layer.parts.products, basis, graph)
        blocks.append(slope)
        found[block] = value.T @ layer.out
        if parts.keep is not None:
            found[block] += parts.keep if first else features[block] @ parts.keep
    return found, Tape(first, weights, edges, senders, blocks)


def backward(layer: Layer, graph: Graph, tape: Tape, slope: Any) -> Any:
    """Carry a gradient through a layer.

    Parameters
    ----------
    layer, graph, tape : Layer, Graph, Tape
        As in `forward`; the graph's gradients are written or added to.
    slope : tensor, shape (n_atoms, n_features)
        Gradient of the energy to the features of this layer.

    Returns
    -------
    tensor or None, shape (n_atoms, n_features)
        Gradient to the features of the layer before; None in the first.
    """
    torch = importlib.import_module('torch')
    take = graph.workspace.take
    n_slots, channels = tape.senders.shape
    shape = graph.n_atoms, graph.width, channels
    to_edges, to_weights = take('to edges', *shape), take('to weights', *shape)
    to_senders = take('to senders', n_slots, channels).zero_()
    for degree, to_sums in enumerate(_to_atoms(layer, graph, tape, slope)):
        edges = tape.edges[degree].view(shape)
        graph.by_harmonics[degree].baddbmm_(to_sums, edges.transpose(1, 2))
        torch.bmm(graph.harmonics[degree].transpose(1, 2), to_sums, out=to_edges)
        torch.mul(to_edges, tape.senders.view(shape), out=to_weights)
        if not tape.first:
            to_senders.addcmul_(to_edges.view(n_slots, -1), tape.weights[degree])
        there, back = graph.of_pairs(to_weights, 'to weights of pairs')
        torch.add(there, back, out=graph.by_radial[:, layer.columns[degree]])
    if tape.first:
        return None
    sent = slope.new_zeros(graph.n_atoms, channels).index_add_(0, graph.sender, to_senders)
    carried = sent @ layer.up.T
    for kind, block in graph.blocks:
        keep = layer.parts(kind).keep
        if keep is not None:
            carried[block] += slope[block] @ keep.T
    return carried


def _to_atoms(layer: Layer, graph: Graph, tape: Tape, slope: Any) -> list[Any]:
    """Gradient to the sums over neighbours, shapes (n_atoms, 2 * l + 1, n_edge_channels)."""
    torch = importlib.import_module('torch')
    to_products = slope @ layer.out.T
    parts = []
    for (kind, block), inner in zip(graph.blocks, tape.blocks, strict=True):
        to_basis = (to_products[block].T[:, None] * inner).permute(2, 1, 0)
        parts.append(
            [
                to_basis[:, degree**2 : (degree + 1) ** 2].contiguous() @ mix.T
                for degree, mix in enumerate(layer.parts(kind).mix)
            ]
        )
    return [torch.cat(of_degree) for of_degree in zip(*parts, strict=True)]


def _polynomial(parts: Parts, products: Any, basis: Any, graph: Graph) -> tuple[Any, Any]:
    """Values and gradients, shape (n_channels, n) and (n_channels, n_lm, n)."""
    torch = importlib.import_module('torch')
    inner = slope = parts.linear
    if parts.quadratic is not None:
        part = torch.bmm(parts.quadratic, basis)
        inner, slope = inner + part, slope + 2.0 * part
    if parts.cubic is not None:
        shape = len(basis), products.shape[1], basis.shape[2]
        first, second = graph.workspace.take('one', *shape), graph.workspace.take('other', *shape)
        torch.index_select(basis, 1, products[0], out=first)
        torch.index_select(basis, 1, products[1], out=second)
        part = torch.bmm(parts.cubic, first.mul_(second))
        inner, slope = inner + part, slope + 3.0 * part
    return (basis * inner).sum(dim=1), slope.expand_as(basis)
