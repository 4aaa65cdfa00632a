"""Hyperparameters of a MACE model as plain JSON, each compared with what is known and allowed.

Names of classes and functions are words on a list, irreps must match a pattern, numbers must lie
in a range: nothing read from a file is evaluated, and no file can ask for a model so large that
building it fills the memory.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiida_insbench.science.errors import PotentialError

INTERACTIONS = (
    'RealAgnosticInteractionBlock',
    'RealAgnosticResidualInteractionBlock',
    'RealAgnosticDensityInteractionBlock',
    'RealAgnosticDensityResidualInteractionBlock',
    'RealAgnosticResidualNonLinearInteractionBlock',
)
READOUTS = ('LinearReadoutBlock', 'NonLinearReadoutBlock', 'NonLinearBiasReadoutBlock')
GATES = ('silu', 'tanh', 'abs', None)
RADIAL_TYPES = ('bessel', 'gaussian', 'chebyshev')
DISTANCE_TRANSFORMS = ('Agnesi', 'Soft', None)
_IRREPS = re.compile(r'^\d{1,4}x\d{1,2}[eo](\+\d{1,4}x\d{1,2}[eo]){0,30}$')

_Check = Callable[[Any], bool]


def _whole(low: int, high: int) -> _Check:
    return lambda value: type(value) is int and low <= value <= high


def _number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _numbers(value: Any) -> bool:
    return _number(value) or (isinstance(value, list) and all(_number(one) for one in value))


def _among(known: tuple[str | None, ...]) -> _Check:
    return lambda value: (value is None or isinstance(value, str)) and value in known


def _irreps(value: Any) -> bool:
    return isinstance(value, str) and _IRREPS.match(value) is not None


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


_SCHEMA: dict[str, _Check] = {
    'num_bessel': _whole(1, 128),
    'num_polynomial_cutoff': _whole(1, 128),
    'max_ell': _whole(0, 8),
    'interaction_cls': _among(INTERACTIONS),
    'interaction_cls_first': _among(INTERACTIONS),
    'num_interactions': _whole(1, 10),
    'hidden_irreps': _irreps,
    'edge_irreps': lambda value: value is None or _irreps(value),
    'MLP_irreps': _irreps,
    'gate': _among(GATES),
    'use_reduced_cg': _flag,
    'use_so3': _flag,
    'use_edge_irreps_first': _flag,
    'use_agnostic_product': _flag,
    'use_last_readout_only': _flag,
    'readout_cls': _among(READOUTS),
    'avg_num_neighbors': lambda value: _number(value) and value > 0,
    'correlation': _whole(1, 6),
    'radial_type': _among(RADIAL_TYPES),
    'apply_cutoff': _flag,
    'radial_MLP': lambda value: (
        isinstance(value, list) and len(value) <= 10 and all(_whole(1, 4096)(n) for n in value)
    ),
    'pair_repulsion': _flag,
    'distance_transform': _among(DISTANCE_TRANSFORMS),
    'atomic_inter_scale': _numbers,
    'atomic_inter_shift': _numbers,
}


def check_hyperparameters(data: object) -> dict[str, Any]:
    """Check the hyperparameters of a MACE model.

    Parameters
    ----------
    data : object
        A dictionary with exactly the entries this module knows.

    Returns
    -------
    dict
        The same.

    Raises
    ------
    PotentialError
        Naming the first entry that is missing, unknown or not allowed.
    """
    if not isinstance(data, Mapping):
        raise PotentialError('`hyperparameters` is no dictionary.')
    odd = sorted(set(data) ^ set(_SCHEMA))
    if odd:
        raise PotentialError(f'Hyperparameters missing or unknown: {", ".join(map(str, odd))}.')
    for name, allowed in _SCHEMA.items():
        if not allowed(data[name]):
            raise PotentialError(
                f'Hyperparameter {name} is {data[name]!r}, which this program does not allow. '
                'A potential of another kind needs a newer version.'
            )
    return dict(data)
