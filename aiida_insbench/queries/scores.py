"""Potentials beside each other: what they learnt, their errors, verdicts and scores."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from aiida.orm import CalcJobNode, Dict, ProcessNode, QueryBuilder, WorkChainNode

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.queries.graph import labelled
from aiida_insbench.queries.training import Learnt, Training, all_trainings, learnt_by

_EVALUATE = 'aiida.calculations:insbench.evaluate'
_VALIDATE = 'aiida.workflows:insbench.validate'
_BENCHMARK = 'aiida.workflows:insbench.benchmark'
_NAMESPACE = 'potentials__'
#: Frames on which errors are told: the fewer a training saw of them, the better.
_LEARNT, _CHOOSING, _HELD_OUT = 'training', 'validation', 'held out'
_PREFERENCE = (_LEARNT, _CHOOSING, _HELD_OUT)


@dataclass(frozen=True)
class PotentialScore:
    """A potential: what it learnt, and what is known of its worth.

    Parameters
    ----------
    learnt : tuple of float
        Target pressures of its frames and of those of its parents, GPa; see `Learnt`.
    parent : int or None
        Potential it was fine-tuned from.
    force_rmse : float or None
        meV/Å, on frames that no training saw, if there are such; the newest.
    force_rmse_on : str
        ``held out``, ``validation`` or ``training``.
    passed : bool or None
        Of the newest `insbench.validate`.
    score, score_error : float or None
        Mean cost in the newest `insbench.benchmark` (0 the same, 1 featureless) and its error.
    rank : int or None
        Among ``n_ranked`` potentials of that ``benchmark``.
    """

    pk: int
    label: str
    elements: str
    n_frames: int
    learnt: tuple[float, ...]
    untold: tuple[str, ...]
    parent: int | None
    force_rmse: float | None
    force_rmse_on: str
    passed: bool | None
    score: float | None
    score_error: float | None
    rank: int | None
    n_ranked: int | None
    benchmark: int | None

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def potential_scores(*, sort: Literal['pk', 'force', 'score'] = 'pk') -> list[PotentialScore]:
    """Every potential of the profile.

    Parameters
    ----------
    sort : {'pk', 'force', 'score'}
        The oldest first, or the smallest error or cost first; those without one come last.
    """
    query = QueryBuilder().append(PotentialData, project=['id', 'label', 'attributes.elements'])
    found = query.all()
    trainings = all_trainings()
    learnt, verdicts, places = learnt_by(trainings), _verdicts(), _places()
    errors = _force_errors(trainings, learnt)
    rows = [
        _row(
            pk,
            label=label,
            elements=elements,
            learnt=learnt[pk],
            error=errors.get(pk),
            passed=verdicts.get(pk),
            place=places.get(pk, {}),
        )
        for pk, label, elements in found
    ]
    key = {'force': 'force_rmse', 'score': 'score'}.get(sort, 'pk')
    return sorted(rows, key=lambda row: (getattr(row, key) is None, getattr(row, key) or 0, row.pk))


def _row(
    pk: int,
    *,
    label: str,
    elements: list[str],
    learnt: Learnt,
    error: tuple[float, str] | None,
    passed: bool | None,
    place: Mapping[str, Any],
) -> PotentialScore:
    return PotentialScore(
        pk=pk,
        label=label,
        elements=' '.join(elements) if len(elements) <= 5 else f'{len(elements)} elements',
        n_frames=learnt.n_frames,
        learnt=learnt.pressures,
        untold=learnt.untold,
        parent=learnt.parents[0] if learnt.parents else None,
        force_rmse=error[0] if error else None,
        force_rmse_on=error[1] if error else '',
        passed=passed,
        score=place.get('mean'),
        score_error=place.get('error'),
        rank=place.get('rank'),
        n_ranked=place.get('n_ranked'),
        benchmark=place.get('benchmark'),
    )


def _force_errors(
    trainings: Mapping[int, Training], learnt: Mapping[int, Learnt]
) -> dict[int, tuple[float, str]]:
    """Force error of each potential and on what frames: the best of these, then the newest.

    Frames are told by their dataset; another one that shares some of them counts as held out.
    """
    judged = _named_potentials(CalcJobNode, _EVALUATE)
    if not judged:
        return {}
    errors = _tables({name for _, _, name in judged})
    datasets = _evaluated()
    best: dict[int, tuple[tuple[int, int], float, str]] = {}
    for job, potential, name in judged:
        value = errors.get(job, {}).get(name)
        if value is None:
            continue
        family = (potential, *learnt[potential].parents)
        role = _role_of(datasets.get(job), [trainings[one] for one in family])
        rank = (_PREFERENCE.index(role), job)
        if potential not in best or rank > best[potential][0]:
            best[potential] = (rank, float(value), role)
    return {pk: (value, role) for pk, (_, value, role) in best.items()}


def _role_of(dataset: int | None, trainings: Iterable[Training]) -> str:
    found = {
        label
        for training in trainings
        for label, frames in training.frames.items()
        if frames['id'] == dataset
    }
    if found - {_CHOOSING}:
        return _LEARNT
    return _CHOOSING if found else _HELD_OUT


def _named_potentials(kind: type[ProcessNode], process_type: str) -> list[tuple[int, int, str]]:
    """Process, potential, and the name it went by."""
    query = QueryBuilder()
    query.append(kind, filters={'process_type': process_type}, tag='process', project='id')
    query.append(
        PotentialData,
        with_outgoing='process',
        edge_tag='as',
        edge_project='label',
        tag='potential',
        project='id',
    )
    return [
        (row['process']['id'], row['potential']['id'], row['as']['label'].removeprefix(_NAMESPACE))
        for row in query.dict()
    ]


def _tables(names: Iterable[str]) -> dict[int, dict[str, float | None]]:
    """Force errors by evaluation and name; only they are read of the tables."""
    wanted = sorted(names)
    query = QueryBuilder()
    query.append(CalcJobNode, filters={'process_type': _EVALUATE}, tag='job', project='id')
    query.append(
        Dict,
        with_incoming='job',
        edge_filters=labelled('output_parameters'),
        project=[f'attributes.potentials.{name}.rmse_forces_mev_a' for name in wanted],
    )
    return {pk: dict(zip(wanted, values, strict=True)) for pk, *values in query.all()}


def _evaluated() -> dict[int, int]:
    query = QueryBuilder()
    query.append(CalcJobNode, filters={'process_type': _EVALUATE}, tag='job', project='id')
    query.append(
        DatasetData,
        with_outgoing='job',
        edge_filters=labelled('dataset'),
        project='id',
    )
    return dict(query.all())


def _verdicts() -> dict[int, bool]:
    """Whether the newest validation of each potential was passed."""
    query = QueryBuilder()
    query.append(WorkChainNode, filters={'process_type': _VALIDATE}, tag='chain', project='id')
    query.append(
        PotentialData,
        with_outgoing='chain',
        edge_filters=labelled('potential'),
        project='id',
    )
    query.append(
        Dict,
        with_incoming='chain',
        edge_filters=labelled('verdict'),
        project='attributes.passed',
    )
    return {potential: bool(passed) for _, potential, passed in sorted(query.all())}


def _places() -> dict[int, dict[str, Any]]:
    """Place of each potential in the newest benchmark that ranked it.

    Work chain `insbench.benchmark` takes ``potentials`` by name, and returns ``ranking``, whose
    ``ranked`` is a list of ``name``, ``rank``, ``mean`` and ``error``.
    """
    query = QueryBuilder()
    query.append(WorkChainNode, filters={'process_type': _BENCHMARK}, tag='chain', project='id')
    query.append(
        Dict,
        with_incoming='chain',
        edge_filters=labelled('ranking'),
        project='attributes.ranked',
    )
    competitors = {
        (chain, name): potential
        for chain, potential, name in _named_potentials(WorkChainNode, _BENCHMARK)
    }
    found: dict[int, dict[str, Any]] = {}
    for chain, ranked in sorted(query.all(), key=lambda row: row[0]):
        for one in ranked or ():
            potential = competitors.get((chain, one['name']))
            if potential is not None:
                place = {name: one.get(name) for name in ('mean', 'error', 'rank')}
                found[potential] = {**place, 'n_ranked': len(ranked), 'benchmark': chain}
    return found
