"""From a node back to the pw.x calculations that it rests on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from aiida.orm import CalcJobNode, Dict, Node, QueryBuilder, StructureData, WorkChainNode
from aiida.orm.nodes.data.structure import get_formula

from aiida_insbench.queries.graph import behind, labelled, these

PW_PROCESS = 'aiida.calculations:quantumespresso.pw'


@dataclass(frozen=True)
class PwRun:
    """One pw.x calculation: identity, what it was for, and what it cost."""

    pk: int
    uuid: str
    formula: str
    n_atoms: int
    purpose: str
    energy_ev: float | None
    wall_time_seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def pw_pks_behind(node: Node) -> list[int]:
    """Identifiers of every PwCalculation behind a node, oldest first."""
    query = QueryBuilder().append(
        CalcJobNode,
        filters={**these(behind(node)), 'process_type': PW_PROCESS},
        project='id',
    )
    return sorted(query.all(flat=True))


def pw_calculations_behind(node: Node) -> list[CalcJobNode]:
    """Every PwCalculation behind a node, oldest first.

    Parameters
    ----------
    node : Node
        For example a spectrum, a potential or a dataset; of a process, what it called counts.

    Returns
    -------
    list of CalcJobNode
        Empty if none.
    """
    pks = pw_pks_behind(node)
    if not pks:
        return []
    query = QueryBuilder().append(CalcJobNode, filters=these(pks), tag='pw')
    query.order_by({'pw': {'id': 'asc'}})
    found: list[CalcJobNode] = query.all(flat=True)
    return found


def lineage(node: Node) -> list[PwRun]:
    """Every pw.x calculation behind a node, as rows to print."""
    return describe_runs(pw_pks_behind(node))


def describe_run(calculation: CalcJobNode) -> PwRun:
    """One pw.x calculation as a row to print."""
    return describe_runs([calculation.pk])[0]


def describe_runs(pks: Iterable[int]) -> list[PwRun]:
    """pw.x calculations as rows to print, in the order given.

    Parameters
    ----------
    pks : iterable of int
        Of PwCalculations.
    """
    wanted = list(pks)
    if not wanted:
        return []
    # whole attributes: two parts of them would be cut out of the same JSON one by one
    crystals = _inputs(wanted, StructureData, 'structure', ['attributes'])
    kinds = _inputs(wanted, Dict, 'parameters', ['attributes.CONTROL.calculation'])
    results, purposes = _results(wanted), _purposes(wanted)
    return [
        _row(
            pk,
            crystals[pk],
            purpose=f'{kinds[pk][1] or "scf"} {purposes.get(pk, "")}'.strip(),
            results=results.get(pk, (None, None)),
        )
        for pk in wanted
    ]


def _row(pk: int, crystal: list[Any], *, purpose: str, results: tuple[Any, Any]) -> PwRun:
    uuid, attributes = crystal
    names = {kind['name']: kind['symbols'][0] for kind in attributes['kinds']}
    symbols = [names[site['kind_name']] for site in attributes['sites']]
    energy, seconds = results
    return PwRun(
        pk=pk,
        uuid=str(uuid),
        formula=get_formula(symbols),
        n_atoms=len(symbols),
        purpose=purpose,
        energy_ev=None if energy is None else float(energy),
        wall_time_seconds=float(seconds or 0.0),
    )


def _inputs(pks: list[int], kind: type[Node], label: str, project: list[str]) -> dict[int, Any]:
    """UUID of each job, and what is projected of one of its inputs."""
    query = QueryBuilder()
    query.append(CalcJobNode, filters=these(pks), tag='job', project=['id', 'uuid'])
    query.append(
        kind,
        with_outgoing='job',
        edge_filters=labelled(label),
        project=project,
    )
    return {pk: values for pk, *values in query.all()}


def _results(pks: list[int]) -> dict[int, tuple[Any, Any]]:
    query = QueryBuilder()
    query.append(CalcJobNode, filters=these(pks), tag='job', project='id')
    query.append(
        Dict,
        with_incoming='job',
        edge_filters=labelled('output_parameters'),
        project=['attributes.energy', 'attributes.wall_time_seconds'],
    )
    return {pk: (energy, seconds) for pk, energy, seconds in query.all()}


def _purposes(pks: list[int]) -> dict[int, str]:
    """What the caller's caller called it: the frame or pressure that was labelled."""
    query = QueryBuilder()
    query.append(CalcJobNode, filters=these(pks), tag='job', project='id')
    query.append(
        WorkChainNode,
        with_outgoing='job',
        tag='caller',
    )
    query.append(
        WorkChainNode,
        with_outgoing='caller',
        edge_project='label',
    )
    return {pk: str(label) for pk, label in query.all()}
