"""Force constants that a node is, has or was made of."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import Node, ProcessNode
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.science.errors import InputError, format_error


def force_constants_of(node: Node) -> dict[str, dict[str, ForceConstantsData]]:
    """Force constants that a node is or has, by potential and pressure label.

    Parameters
    ----------
    node : Node
        Force constants; a process with ``force_constants`` among its outputs; an analysis, or a
        process with one, such as a campaign: what was analysed.

    Returns
    -------
    dict
        The potential's name is empty where the node has one source only; the label is empty for
        force constants that no process of this package made.

    Raises
    ------
    InputError
        If there are none.
    """
    if isinstance(node, ForceConstantsData):
        return {'': {_pressure_label_of(node): node}}
    if isinstance(node, ProcessNode):
        analysis = _analysis(node)
        if analysis is None and 'force_constants' in node.outputs:
            return _by_potential(node.outputs.force_constants)
        if analysis is not None:
            phonons: Mapping[str, Mapping[str, ForceConstantsData]] = analysis.inputs.phonons
            return {name: dict(by_label) for name, by_label in sorted(phonons.items())}
    raise InputError(
        format_error(
            f'{node.__class__.__name__}<{node.pk}> has no force constants.',
            fix='Give a ForceConstantsData, or a process that made some: phonons, a campaign.',
        )
    )


def latest(names: Iterable[str]) -> str:
    """Of names that end in a number, such as ``round_2``, that with the largest; else the last."""

    def place(name: str) -> tuple[int, str]:
        digits = re.search(r'(\d+)$', name)
        return (int(digits.group(1)) if digits else -1, name)

    return max(names, key=place)


def _by_potential(outputs: Mapping[str, Any]) -> dict[str, dict[str, ForceConstantsData]]:
    found = dict(outputs.items())
    if any(isinstance(one, ForceConstantsData) for one in found.values()):
        return {'': found}
    return {name: dict(by_label) for name, by_label in sorted(found.items())}


def analysis_settings_of(node: Node) -> dict[str, Any]:
    """Settings of the analysis that is, or stands behind, a process; empty if there is none."""
    analysis = _analysis(node) if isinstance(node, ProcessNode) else None
    settings: dict[str, Any] = analysis.inputs.settings.get_dict() if analysis else {}
    return settings


def _analysis(node: ProcessNode) -> ProcessNode | None:
    """The job of the analysis that is, or stands behind, a process."""
    makers = [
        node.outputs[name].creator
        for name in ('comparison', 'output_parameters')
        if name in node.outputs
    ]
    for process in (node, *makers):
        if process is not None and process.process_type == 'aiida.calculations:insbench.analyse':
            return process
    return None


def _pressure_label_of(node: ForceConstantsData) -> str:
    links = node.base.links.get_incoming(link_type=LinkType.CREATE).all()
    labels = [link.link_label.rpartition('__') for link in links]
    return next((label for name, _, label in labels if name == 'force_constants'), '')
