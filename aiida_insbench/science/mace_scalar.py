r"""MACE with scalar features, evaluated without its general machinery: what it is made of.

Of a model whose features are scalars (``hidden_irreps`` of ``0e`` only, MACE's default and this
program's) little is left of the algebra of rotations. With senders :math:`j`, receivers :math:`i`,

.. math::
    A_{i,lm,u} = \sum_j Y_{lm}(\hat r_{ij}) R_{lu}(r_{ij}) h_{ju}, \quad
    B_{i,lm,v} = \sum_u A_{i,lm,u} M_{l,uv}, \quad
    h'_{iv} = \sum_w p_{w}(B_{i,\cdot,w}) O_{wv} + \sum_u h_{iu} S_{uv},

where :math:`R` are functions of one number, :math:`p` polynomials of a degree up to three, and
:math:`M`, :math:`p`, :math:`S` depend on the element of :math:`i`. All are read off the model by
applying its own parts to unit vectors.

Source: Batatia et al., *NeurIPS* 35, 11423 (2022).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aiida_insbench.science.mace_radial import PiecewisePolynomials, piecewise_polynomials
from aiida_insbench.science.mace_scalar_parts import ElementParts

FloatArray = npt.NDArray[np.float64]

#: Shortest distance the radial functions are written for, Å.
SHORTEST = 0.4
_INTERACTIONS = ('RealAgnosticInteractionBlock', 'RealAgnosticResidualInteractionBlock')
_HIGHEST_DEGREE, _HIGHEST_ELL = 3, 4
_UNKNOWN_PARTS = ('pair_repulsion', 'joint_embedding', 'embedding_readout')


@dataclass(frozen=True)
class Layer:
    """One interaction and product.

    Attributes
    ----------
    columns : tuple of slice
        Of the radial functions, for each degree `l`.
    up : tensor, shape (n_features or n_elements, n_edge_channels)
        What senders give; in the first layer that of each element.
    out : tensor, shape (n_channels, n_features)
        :math:`O`.
    parts : ElementParts
        :math:`M`, :math:`p` and :math:`S`.
    """

    columns: tuple[slice, ...]
    up: Any
    out: Any
    parts: ElementParts


@dataclass(frozen=True)
class ScalarMace:
    """What is read off a model, with the model itself for what is used as it is.

    Attributes
    ----------
    layers : tuple of Layer
        In order.
    radial : PiecewisePolynomials
        Radial functions of all layers.
    harmonics : tuple of tensor, shape (3**l, 2 * l + 1)
        Spherical harmonics of unit vectors as symmetric tensors.
    numbers : ndarray of int, shape (n_elements,)
        Atomic numbers, rising.
    cutoff : float
        Å.
    model : torch.nn.Module
        Its readouts, scale and isolated-atom energies are used.
    """

    layers: tuple[Layer, ...]
    radial: PiecewisePolynomials
    harmonics: tuple[Any, ...]
    numbers: npt.NDArray[np.int64]
    cutoff: float
    model: Any


def scalar_mace(model: Any) -> ScalarMace | None:
    """Read a MACE model with scalar features.

    Parameters
    ----------
    model : torch.nn.Module
        Any; its weights must stay as they are.

    Returns
    -------
    ScalarMace or None
        None if it is not in double precision on a CPU or has a part that is not known here.
    """
    torch = importlib.import_module('torch')
    if not _known(model):
        return None
    with torch.no_grad():
        radial = piecewise_polynomials(_radial(model), low=SHORTEST, high=float(model.r_max))
        if radial is None:
            return None
        return ScalarMace(
            layers=tuple(_layer(model, index) for index in range(len(model.interactions))),
            radial=radial,
            harmonics=_harmonics(model),
            numbers=model.atomic_numbers.numpy(),
            cutoff=float(model.r_max),
            model=model,
        )


def _known(model: Any) -> bool:
    return (
        type(model).__name__ == 'ScaleShiftMACE'
        and str(model.r_max.dtype) == 'torch.float64'
        and model.r_max.device.type == 'cpu'
        and float(model.r_max) > 2 * SHORTEST
        and not any(hasattr(model, part) for part in _UNKNOWN_PARTS)
        and not hasattr(model.radial_embedding, 'distance_transform')
        and all(_known_interaction(interaction) for interaction in model.interactions)
        and all(_known_product(product) for product in model.products)
    )


def _known_interaction(interaction: Any) -> bool:
    scalars = (interaction.node_feats_irreps, interaction.hidden_irreps, interaction.edge_irreps)
    irreps = importlib.import_module('e3nn.o3').Irreps
    degrees = [irrep.l for _, irrep in interaction.target_irreps]
    return (
        type(interaction).__name__ in _INTERACTIONS
        and not hasattr(interaction, 'conv_fusion')
        and all([str(irrep) for _, irrep in irreps(one)] == ['0e'] for one in scalars)
        and degrees == list(range(len(degrees)))
        and len(degrees) <= _HIGHEST_ELL + 1
        and len({mul for mul, _ in interaction.target_irreps}) == 1
    )


def _known_product(product: Any) -> bool:
    contractions = getattr(product.symmetric_contractions, 'contractions', [])
    return len(contractions) == 1 and contractions[0].correlation <= _HIGHEST_DEGREE


def _radial(model: Any) -> Callable[[FloatArray], FloatArray]:
    """Radial functions of all layers as MACE computes them, times those `_factors`."""
    torch = importlib.import_module('torch')
    factors = [_factors(interaction) for interaction in model.interactions]

    def function(lengths: FloatArray) -> FloatArray:
        features, cutoff = model.radial_embedding(
            torch.from_numpy(lengths)[:, None], None, None, None
        )
        found = torch.cat(
            [
                interaction.conv_tp_weights(features) * factor
                for interaction, factor in zip(model.interactions, factors, strict=True)
            ],
            dim=1,
        )
        result: FloatArray = (found if cutoff is None else found * cutoff).numpy()
        return result

    return function


def _factors(interaction: Any) -> Any:
    """Factors of a tensor product, channel after channel of degree after degree."""
    torch = importlib.import_module('torch')
    product, width = interaction.conv_tp, interaction.conv_tp.irreps_in1.dim
    ones = [
        interaction.linear_up.weight.new_ones(1, size)
        for size in (width, product.irreps_in2.dim, product.weight_numel)
    ]
    values = product(*ones)[0]
    return torch.cat(
        [
            values[width * degree**2 : width * (degree + 1) ** 2 : 2 * degree + 1]
            for degree in range(len(interaction.target_irreps))
        ]
    )


def _layer(model: Any, index: int) -> Layer:
    interaction, product = model.interactions[index], model.products[index]
    given = model.node_embedding(_one_hot(model))
    if index > 0:
        given = given.new_ones(given.shape[1]).diag()
    parts = ElementParts(
        interaction, product, given=given, one_hot=_one_hot(model), first=index == 0
    )
    sizes = [one.conv_tp.weight_numel for one in model.interactions]
    width, start = interaction.conv_tp.irreps_in1.dim, sum(sizes[:index])
    return Layer(
        columns=tuple(slice(at, at + width) for at in range(start, start + sizes[index], width)),
        up=interaction.linear_up(given),
        out=product.linear(given.new_ones(product.linear.irreps_in.dim).diag()),
        parts=parts,
    )


def _one_hot(model: Any) -> Any:
    return model.r_max.new_ones(len(model.atomic_numbers)).diag()


def _harmonics(model: Any) -> tuple[Any, ...]:
    """Each degree as a symmetric tensor: the shortest solution at more places than unknowns."""
    torch = importlib.import_module('torch')
    vectors = torch.from_numpy(np.random.default_rng(0).normal(size=(400, 3)))
    vectors /= torch.linalg.norm(vectors, dim=1, keepdim=True)
    values = model.spherical_harmonics(vectors)
    powers = [vectors.new_ones(len(vectors), 1)]
    found = []
    for degree in range(len(model.spherical_harmonics.irreps_out)):
        part = values[:, degree**2 : (degree + 1) ** 2]
        found.append(torch.linalg.pinv(powers[-1], rtol=1e-10) @ part)
        powers.append((powers[-1][:, :, None] * vectors[:, None]).flatten(1))
    return tuple(found)
