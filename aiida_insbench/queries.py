"""Questions to the provenance graph."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import CalcJobNode, Node, ProcessNode, QueryBuilder
from aiida.plugins import CalculationFactory
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.science.dataset_merge import renamed
from aiida_insbench.science.dft_levels import functional_of
from aiida_insbench.science.errors import InputError, format_error


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
        'pw.x calculations behind it': len(pw_calculations_behind(node)),
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


def calculations_of_dataset(node: DatasetData) -> dict[str, CalcJobNode]:
    """The pw.x run that labelled each frame of a dataset, through merges, splits and filters.

    Other than `pw_calculations_behind` it leaves out what labelled frames that were split off or
    filtered, and what the sampling needed.

    Returns
    -------
    dict
        ``frame_id`` to PwCalculation, in the order of the frames; frames labelled elsewhere
        (imported, or by another function) are not in it.
    """
    names = [str(frame.info['frame_id']) for frame in node.get_frames()]
    found = _runs_of(node, set(names)) if node.labelled else {}
    return {name: found[name] for name in names if name in found}


def _runs_of(node: DatasetData, names: set[str]) -> dict[str, CalcJobNode]:
    if node.creator is None or not names:
        return {}
    links = node.creator.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all()
    pw = CalculationFactory('quantumespresso.pw').build_process_type()
    found: dict[str, CalcJobNode] = {}
    for link in links:
        name, maker = link.link_label.partition('__')[2], link.node.creator
        if name in names and maker is not None and maker.process_type == pw:
            found[name] = maker
    if found:
        return found
    parents = {link.link_label: link.node for link in links if isinstance(link.node, DatasetData)}
    for label, asked in _names_in_parents(parents, names).items():
        runs = _runs_of(parents[label], set(asked))
        found |= {asked[name]: run for name, run in runs.items()}
    return found


def _names_in_parents(
    parents: Mapping[str, DatasetData], names: set[str]
) -> dict[str, dict[str, str]]:
    """By parent: a frame's name there to its name in what was made; merges rename repeated ones."""
    taken: set[str] = set()
    asked: dict[str, dict[str, str]] = {}
    for label in sorted(parents):
        for frame in parents[label].get_frames() if parents[label].labelled else ():
            own = str(frame.info['frame_id'])
            name = renamed(label, own) if own in taken else own
            taken.add(name)
            if name in names:
                asked.setdefault(label, {})[own] = name
    return asked


def lineage(node: Node) -> list[PwRun]:
    """Every pw.x calculation behind a node, as rows to print."""
    return [describe_run(calculation) for calculation in pw_calculations_behind(node)]


def describe_run(calculation: CalcJobNode) -> PwRun:
    """One pw.x calculation as a row to print."""
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
        if 'force_constants' in node.outputs:
            return {'': dict(node.outputs.force_constants)}
        analysis = _analysis(node)
        if analysis is not None:
            phonons: Mapping[str, Mapping[str, ForceConstantsData]] = analysis.inputs.phonons
            return {name: dict(by_label) for name, by_label in sorted(phonons.items())}
    raise InputError(
        format_error(
            f'{node.__class__.__name__}<{node.pk}> has no force constants.',
            fix='Give a ForceConstantsData, or a process that made some: phonons, a campaign.',
        )
    )


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
