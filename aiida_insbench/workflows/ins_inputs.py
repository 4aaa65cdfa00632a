"""Inputs of `insbench.ins` in other work chains: parameters and vibrations, which come later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.orm import Dict

_OF_MESHES = ('mesh', 'map', 'sum_rule')


def without_mesh(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters without what only a mesh of q-points allows."""
    return {name: value for name, value in parameters.items() if name not in _OF_MESHES}


def with_vibrations(
    inputs: Mapping[str, Any], parameters: Mapping[str, Any], **source: Any
) -> dict[str, Any]:
    """Inputs of the work chain with other parameters and ``force_constants`` or ``motions``."""
    job = AttributeDict({**inputs['ins'], 'parameters': Dict(dict(parameters)), **source})
    return {**inputs, 'ins': job}
