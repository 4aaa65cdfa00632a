"""Header of a safetensors file, read without torch.

The layout of safetensors: eight bytes with the length of the header (little endian), the header
(JSON: type, shape and place of each tensor), the numbers. Source: the format's own description in
the safetensors package.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.safe_json import load_json

#: Types as safetensors names them, and as numpy does.
NUMPY_TYPES = {
    'F64': '<f8',
    'F32': '<f4',
    'I64': '<i8',
    'I32': '<i4',
    'U8': '|u1',
    'BOOL': '|b1',
}


@dataclass(frozen=True)
class TensorInfo:
    """Type (safetensors' name, such as ``F64``) and shape of one tensor."""

    dtype: str
    shape: tuple[int, ...]


def tensors_of_weights(weights: bytes) -> dict[str, TensorInfo]:
    """Read type and shape of every tensor from the header of a safetensors file.

    Raises
    ------
    PotentialError
        If the header is unreadable, tensors overlap or leave gaps, or numbers are not finite.
    """
    try:
        return _tensors(weights)
    except PotentialError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise PotentialError(f'The weights are no safetensors file: {exc!r}.') from exc


def _tensors(weights: bytes) -> dict[str, TensorInfo]:
    start = 8 + int.from_bytes(weights[:8], 'little')
    text = weights[8:start].decode('utf-8')
    header = load_json(text, name='The header of the weights', error=PotentialError)
    header.pop('__metadata__', None)
    places = {
        name: (TensorInfo(str(entry['dtype']), read_shape(entry['shape'])), entry['data_offsets'])
        for name, entry in header.items()
    }
    position = 0
    for name, (info, (begin, end)) in sorted(places.items(), key=lambda item: item[1][1]):
        numbers = np.frombuffer(weights[start + begin : start + end], NUMPY_TYPES[info.dtype])
        if begin != position or numbers.size != math.prod(info.shape):
            raise PotentialError(f'Tensor {name} does not lie where the header says.')
        if not np.isfinite(numbers).all():
            raise PotentialError(f'Tensor {name} holds numbers that are not finite.')
        position = end
    if start + position != len(weights):
        raise PotentialError('The weights are cut short or too long.')
    return {name: info for name, (info, _) in places.items()}


def read_shape(value: Any) -> tuple[int, ...]:
    """Read the shape of a tensor; raises `PotentialError` if it is no list of whole numbers."""
    if not isinstance(value, list) or any(type(n) is not int or n < 0 for n in value):
        raise PotentialError(f'{value!r} is not the shape of a tensor.')
    return tuple(value)


def _info(entry: dict[str, Any]) -> TensorInfo:
    return TensorInfo(str(entry['dtype']), read_shape(entry['shape']))
