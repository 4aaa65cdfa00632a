"""Questions to the provenance graph."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from aiida.orm import CalcJobNode, Node, QueryBuilder
from aiida.plugins import CalculationFactory


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


def pw_calculations_behind(node: Node) -> list[CalcJobNode]:
    """Every PwCalculation among the ancestors of a node, oldest first.

    Parameters
    ----------
    node : Node
        For example a spectrum, a potential or a dataset.

    Returns
    -------
    list of CalcJobNode
        Empty if none.
    """
    query = QueryBuilder()
    query.append(Node, filters={'id': node.pk}, tag='target')
    query.append(
        CalculationFactory('quantumespresso.pw'), with_descendants='target', tag='pw', project='*'
    )
    query.distinct()
    found = {row[0].pk: row[0] for row in query.iterall()}
    return [found[pk] for pk in sorted(found)]


def lineage(node: Node) -> list[PwRun]:
    """Every pw.x calculation behind a node, as rows to print."""
    return [_describe(calculation) for calculation in pw_calculations_behind(node)]


def _describe(calculation: CalcJobNode) -> PwRun:
    structure = calculation.inputs.structure
    outputs = calculation.outputs
    results = outputs.output_parameters.get_dict() if 'output_parameters' in outputs else {}
    energy = results.get('energy')
    return PwRun(
        pk=calculation.pk,
        uuid=str(calculation.uuid),
        formula=structure.get_formula(),
        n_atoms=len(structure.sites),
        purpose=_purpose(calculation),
        energy_ev=None if energy is None else float(energy),
        wall_time_seconds=float(results.get('wall_time_seconds', 0.0)),
    )


def _purpose(calculation: CalcJobNode) -> str:
    kind = calculation.inputs.parameters.get_dict().get('CONTROL', {}).get('calculation', 'scf')
    caller = calculation.caller
    label = ''
    if caller is not None:
        links = caller.base.links.get_incoming().all()
        label = next((link.link_label for link in links if 'call' in link.link_type.value), '')
    return f'{kind} {label}'.strip()
