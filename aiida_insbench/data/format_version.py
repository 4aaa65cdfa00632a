"""Which format a node's content has, so that an earlier release does not misread a later one's.

Nodes stored before there was a number have format 1. The number and the release that wrote it are
no part of what AiiDA's caching compares: the same content is the same data, whoever wrote it.
"""

from __future__ import annotations

from typing import Any

import aiida_insbench
from aiida_insbench.science.errors import InsbenchError, format_error

FORMAT_VERSION, WRITTEN_BY = 'format_version', 'written_by'
FIRST = 1
#: For `_hash_ignored_attributes` of the node types.
UNCOMPARED = (FORMAT_VERSION, WRITTEN_BY)


class Stamped:
    """Properties of a node type with a stamp; beside `Data`, before it."""

    base: Any

    @property
    def format_version(self) -> int:
        """Version of the format of the content; 1 where a node does not say."""
        return int(self.base.attributes.get(FORMAT_VERSION, FIRST))

    @property
    def written_by(self) -> str:
        """Release of aiida-insbench that wrote the node; empty where it does not say."""
        return str(self.base.attributes.get(WRITTEN_BY, ''))


def stamp(version: int) -> dict[str, Any]:
    """Attributes of a new node whose content has this version of its format."""
    return {FORMAT_VERSION: version, WRITTEN_BY: aiida_insbench.__version__}


def check_format(node: Any, *, known: int, error: type[InsbenchError]) -> None:
    """Refuse a node of a later format than this release knows.

    Parameters
    ----------
    node : Stamped
        The node.
    known : int
        The latest version of the format that this release reads.
    error : type
        Of the exception.

    Raises
    ------
    InsbenchError
        Of type `error`, with the release that wrote it.
    """
    if node.format_version <= known:
        return
    release = node.written_by
    raise error(
        format_error(
            f'{type(node).__name__}<{node.pk}> has format {node.format_version}, which '
            f'aiida-insbench {release or "of a later release"} wrote; aiida-insbench '
            f'{aiida_insbench.__version__}, installed here, reads formats up to {known}.',
            fix=f'Install aiida-insbench {release or "anew"}{" or later" if release else ""}.',
        )
    )
