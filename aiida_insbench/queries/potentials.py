"""Stored potentials and what is on record of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiida.orm import QueryBuilder

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.queries.lineage import pw_pks_behind
from aiida_insbench.science.dft_levels import functional_of


@dataclass(frozen=True)
class PotentialRow:
    """One potential, as a line to print."""

    pk: int
    label: str
    kind: str
    elements: str
    functional: str
    licence: str
    origin: str


def potentials(*, elements: Sequence[str] = ()) -> list[PotentialRow]:
    """Stored potentials, the oldest first.

    Parameters
    ----------
    elements : sequence of str
        Only those that know all of these.
    """
    query = QueryBuilder().append(PotentialData, tag='potential')
    query.order_by({'potential': {'id': 'asc'}})
    # SQLite cannot ask whether a list contains something
    return [_row(node) for (node,) in query.iterall() if {*elements} <= {*node.elements}]


def describe_potential(node: PotentialData) -> dict[str, Any]:
    """All that is on record of a potential, its training in the graph included."""
    metadata = node.get_metadata()
    row = _row(node)
    return {
        'pk': node.pk,
        'uuid': str(node.uuid),
        'label': node.label,
        'kind': row.kind,
        'elements': ' '.join(node.elements),
        'cutoff (Å)': node.cutoff,
        'heads': ' '.join(node.heads),
        'dtype': node.dtype,
        'functional': row.functional,
        'licence': row.licence,
        'made by': row.origin,
        'sha256': node.sha256,
        'hyperparameters': metadata.hyperparameters,
        'isolated atoms (eV)': node.isolated_atom_energies,
        'provenance': node.provenance,
        'versions': metadata.versions,
        'pw.x calculations behind it': len(pw_pks_behind(node)),
    }


def _row(node: PotentialData) -> PotentialRow:
    names = node.elements
    known = ' '.join(names) if len(names) <= 5 else f'{len(names)} elements'
    return PotentialRow(
        pk=node.pk,
        label=node.label,
        kind=f'{node.flavour}: {node.get_metadata().model_class}',
        elements=known,
        functional=functional_of(node.dft_level) or 'unknown',
        licence=str(node.provenance.get('licence', 'unknown')),
        origin=_origin(node),
    )


def _origin(node: PotentialData) -> str:
    if node.creator is not None:
        strategy = (node.provenance.get('training') or {}).get('strategy', '')
        return f'{node.creator.process_label}<{node.creator.pk}> {strategy}'.strip()
    source = node.provenance.get('source')
    if not isinstance(source, dict):
        return 'unknown'
    if 'package' in source:
        return f'{source["package"]} {source["version"]}'
    return str(source.get('name') or source.get('file') or 'unknown')
