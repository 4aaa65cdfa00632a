"""What one layer of a MACE model with scalar features does to atoms of each element.

See `mace_scalar` for the formulas.
"""

from __future__ import annotations

import importlib
import itertools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Parts:
    """What a layer does to atoms of one element.

    Attributes
    ----------
    mix : tuple of tensor, shape (n_edge_channels, n_channels)
        :math:`M` of each degree `l`.
    keep : tensor or None, shape (n_features, n_features)
        :math:`S`; in the first layer, shape (n_features,), times the features.
    linear : tensor, shape (n_channels, n_lm, 1)
        Coefficients of degree one of :math:`p`.
    quadratic : tensor or None, shape (n_channels, n_lm, n_lm)
        Of degree two, symmetric.
    cubic : tensor or None, shape (n_channels, n_lm, n_products)
        Of degree three, symmetric in the variable and both of a product; those that occur twice
        are added.
    """

    mix: tuple[Any, ...]
    keep: Any
    linear: Any
    quadratic: Any
    cubic: Any


class ElementParts:
    """Parts of a layer by the place of the element in the model, worked out when first asked for.

    Parameters
    ----------
    interaction, product : torch.nn.Module
        MACE's two halves of the layer.
    given : tensor, shape (n_elements or n_features, n_features)
        What the first layer is given for each element; unit vectors in the others.
    one_hot : tensor, shape (n_elements, n_elements)
        Elements as MACE marks them.
    first : bool
        Whether it is the first layer.

    Attributes
    ----------
    products : tensor of int or None, shape (2, n_products)
        Pairs of variables that are multiplied in :math:`p`.
    """

    def __init__(
        self, interaction: Any, product: Any, *, given: Any, one_hot: Any, first: bool
    ) -> None:
        self._interaction, self._product = interaction, product
        self._given, self._one_hot, self._first = given, one_hot, first
        self._contraction = product.symmetric_contractions.contractions[0]
        self._couplings = {
            degree: _symmetric(self._contraction.U_tensors(degree))
            for degree in range(1, self._contraction.correlation + 1)
        }
        self.products = _products(self._couplings[3]) if 3 in self._couplings else None
        self._known: dict[int, Parts] = {}

    def __call__(self, kind: int) -> Parts:
        """Give the parts of one element."""
        if kind not in self._known:
            with importlib.import_module('torch').no_grad():
                self._known[kind] = Parts(
                    mix=_mix(self._interaction, self._one_hot[kind]),
                    keep=self._keep(kind),
                    **_polynomials(self._contraction, self._couplings, self.products, kind),
                )
        return self._known[kind]

    def _keep(self, kind: int) -> Any:
        if not (_residual(self._interaction) and self._product.use_sc):
            return None
        given = self._given[kind][None] if self._first else self._given
        found = self._interaction.skip_tp(given, self._one_hot[kind].expand(len(given), -1))
        return found[0] if self._first else found


def _residual(interaction: Any) -> bool:
    return 'Residual' in type(interaction).__name__


def _mix(interaction: Any, one_hot: Any) -> tuple[Any, ...]:
    torch = importlib.import_module('torch')
    width, n_l = interaction.conv_tp.irreps_in1.dim, len(interaction.target_irreps)
    channels = torch.arange(width)
    found = []
    for degree in range(n_l):
        units = one_hot.new_zeros(width, width * n_l**2)
        units[channels, width * degree**2 + (2 * degree + 1) * channels] = 1.0
        message = interaction.linear(units) / interaction.avg_num_neighbors
        if not _residual(interaction):
            message = interaction.skip_tp(message, one_hot.expand(width, -1))
        found.append(interaction.reshape(message)[:, :, degree**2].contiguous())
    return tuple(found)


def _symmetric(coupling: Any) -> Any:
    """Mean over all orders of the variables; the last axis counts the couplings."""
    degree = coupling.dim() - 1
    orders = list(itertools.permutations(range(degree)))
    return sum(coupling.permute(*order, degree) for order in orders) / len(orders)


def _products(coupling: Any) -> Any:
    """Pairs of variables, the lower first, that any coupling of degree three multiplies."""
    torch = importlib.import_module('torch')
    pairs = torch.triu_indices(len(coupling), len(coupling))
    used = (coupling[:, pairs[0], pairs[1]] != 0).any(dim=2).any(dim=0)
    return pairs[:, used]


def _polynomials(
    contraction: Any, couplings: dict[int, Any], products: Any, kind: int
) -> dict[str, Any]:
    """Couplings times the weights of one element."""
    torch = importlib.import_module('torch')
    weights = [contraction.weights_max, *contraction.weights]
    found = dict.fromkeys(('linear', 'quadratic', 'cubic'))
    for weight, degree in zip(weights, sorted(couplings, reverse=True), strict=True):
        own = weight[kind if len(weight) > 1 else 0]
        dense = torch.einsum('...k,kc->c...', couplings[degree], own)
        if degree == 1:
            found['linear'] = dense[:, :, None].contiguous()
        elif degree == 2:
            found['quadratic'] = dense.contiguous()
        else:
            first, second = products
            twice = torch.where(first == second, 1.0, 2.0)
            found['cubic'] = (dense[:, :, first, second] * twice).contiguous()
    return found
