"""Walks through the provenance graph, each in one query.

AiiDA's own ``with_ancestors`` and ``with_descendants`` follow every path, of which a round of
frames sampled by a potential makes thousands: a recursive query that keeps each node once takes
milliseconds where they take minutes. `QueryBuilder` has none, so it is written here, on the table
of links that all of AiiDA's storages share.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

from aiida.common.links import LinkType
from aiida.manage import get_manager
from aiida.orm import Node, ProcessNode
from sqlalchemy import String, bindparam, cast, column, select, table

_LINKS = table('db_dblink', column('input_id'), column('output_id'), column('type'))
_BACKWARD = (LinkType.CREATE, LinkType.INPUT_CALC, LinkType.INPUT_WORK)
_CALLS = (LinkType.CALL_CALC, LinkType.CALL_WORK)
#: Identifiers begin at 1.
_NOBODY = 0


def ancestors(pks: Iterable[int]) -> set[int]:
    """Everything that nodes were made of, processes and data, without the nodes themselves.

    Of a work chain that is what its inputs were made of; what it called is `called`.

    Parameters
    ----------
    pks : iterable of int
        Where to begin.
    """
    return _reached(pks, here='output_id', there='input_id', kinds=_BACKWARD)


def called(pks: Iterable[int]) -> set[int]:
    """Every process that work chains called, over all levels, without themselves."""
    return _reached(pks, here='input_id', there='output_id', kinds=_CALLS)


def behind(node: Node) -> set[int]:
    """What a node rests on: its ancestors; of a process also all that it called, and theirs."""
    reached = called([node.pk]) if isinstance(node, ProcessNode) else set()
    return (reached | ancestors({node.pk, *reached})) - {node.pk}


def these(pks: Iterable[int]) -> dict[str, Any]:
    """Filter for nodes by their identifiers; none of them if there are none."""
    return {'id': {'in': sorted(pks) or [_NOBODY]}}


def labelled(label: str) -> dict[str, Any]:
    """Filter for links by their label.

    SQLite, which has no statistics of AiiDA's tables, would begin with all links of that label if
    equality were asked for, and with all links of a type, instead of with the few nodes known. So
    labels are compared as patterns, and types follow from the classes at both ends.
    """
    return {'label': {'like': label}}


def _reached(pks: Iterable[int], *, here: str, there: str, kinds: tuple[LinkType, ...]) -> set[int]:
    begin = sorted(int(pk) for pk in pks)
    # a cast, so that SQLite does not begin with all links of a type: see `labelled`
    followed = cast(_LINKS.c.type, String).in_([kind.value for kind in kinds])
    # identifiers are written into the query: it may have no more than 32 766 parameters
    first = _LINKS.c[here].in_(bindparam('begin', begin, expanding=True, literal_execute=True))
    walk = select(_LINKS.c[there].label('id')).where(first, followed).cte(recursive=True)
    onward = select(_LINKS.c[there]).where(_LINKS.c[here] == walk.c.id, followed)
    # `union`, other than `union all`, keeps each node once
    statement = select(walk.union(onward).c.id)
    storage = get_manager().get_profile_storage()
    session = storage.get_session()
    with nullcontext() if session.in_nested_transaction() else storage.transaction():
        return set(session.execute(statement).scalars()) - set(begin)
