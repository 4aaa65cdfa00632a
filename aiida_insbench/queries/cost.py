"""Core-hours behind a node or a process, by program and stage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiida.orm import CalcJobNode, Dict, Node, QueryBuilder, WorkChainNode

from aiida_insbench.queries.graph import behind, labelled, these

_INSBENCH = 'insbench.'
_ESPRESSO = 'quantumespresso.'
#: Of a job, in the order in which it is asked for.
_OF_JOBS = (
    'id',
    'process_type',
    'attributes.resources',
    'attributes.environment_variables.OMP_NUM_THREADS',
    'attributes.last_job_info.wallclock_time_seconds',
    'extras._aiida_cached_from',
)


@dataclass(frozen=True)
class CostRow:
    """Jobs of one program for one stage.

    Parameters
    ----------
    program, stage : str
        Such as ``pw.x`` for ``relax``, ``insbench-job`` for ``train``.
    n_jobs : int
        All of them.
    n_cached : int
        Of these, taken from the cache: they cost nothing.
    n_untimed : int
        Of these, without a time on record: what they cost is missing.
    n_polled : int
        Of these, timed by the scheduler's last answer only, since they left no result: it may be
        less than they took.
    core_hours : float
        Of those that ran.
    saved_core_hours : float
        What those from the cache had cost once.
    """

    program: str
    stage: str
    n_jobs: int
    n_cached: int
    n_untimed: int
    n_polled: int
    core_hours: float
    saved_core_hours: float


@dataclass(frozen=True)
class Cost:
    """Core-hours behind a node, and what of them is not known."""

    rows: tuple[CostRow, ...]

    def total(self, name: str) -> float:
        """Sum of one column."""
        return float(sum(getattr(row, name) for row in self.rows))

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        names = tuple(CostRow.__dataclass_fields__)[2:]
        totals = {
            name: self.total(name) if name.endswith('hours') else int(self.total(name))
            for name in names
        }
        return {'total': totals, 'rows': [asdict(row) for row in self.rows]}


@dataclass(frozen=True)
class _Job:
    program: str
    stage: str
    core_seconds: float | None
    cached: bool
    polled: bool


def cost_behind(node: Node) -> Cost:
    """Core-hours of every job behind a node.

    Of data: the jobs that it was made of. Of a process: itself, all that it called, failed tries
    included, and what made its inputs. A job that two ways lead to counts once. Core-hours are wall
    time × MPI ranks × ``OMP_NUM_THREADS`` (1 if not set).

    Parameters
    ----------
    node : Node
        For example a spectrum, a verdict, a campaign.
    """
    return cost_of_jobs({node.pk, *behind(node)})


def cost_of_jobs(pks: Iterable[int]) -> Cost:
    """Core-hours of those of some nodes that are jobs."""
    groups: dict[tuple[str, str], list[_Job]] = {}
    for job in _jobs(sorted(pks)):
        groups.setdefault((job.program, job.stage), []).append(job)
    rows = [_row(*key, jobs) for key, jobs in groups.items()]
    return Cost(tuple(sorted(rows, key=lambda row: (-row.core_hours, row.program, row.stage))))


def cores_of(resources: Mapping[str, Any] | None, threads: object = None) -> int:
    """Cores that a job held: MPI ranks × threads, or whole machines' cores where these are said.

    Parameters
    ----------
    resources : mapping
        As of AiiDA's option of that name.
    threads : str or int, optional
        ``OMP_NUM_THREADS``.
    """
    given = dict(resources or {})
    machines = int(given.get('num_machines') or 1)
    ranks = int(
        given.get('tot_num_mpiprocs') or machines * int(given.get('num_mpiprocs_per_machine') or 1)
    )
    first = str(threads or '').partition(',')[0].strip()
    each = int(first) if first.isdigit() and int(first) > 0 else 1
    held = int(given.get('num_cores_per_mpiproc') or 1)
    return max(ranks * max(each, held), machines * int(given.get('num_cores_per_machine') or 0))


def _row(program: str, stage: str, jobs: list[_Job]) -> CostRow:
    ran = [job for job in jobs if not job.cached]
    return CostRow(
        program=program,
        stage=stage,
        n_jobs=len(jobs),
        n_cached=len(jobs) - len(ran),
        n_untimed=sum(job.core_seconds is None for job in ran),
        n_polled=sum(job.polled for job in ran),
        core_hours=sum(job.core_seconds or 0.0 for job in ran) / 3600,
        saved_core_hours=sum(job.core_seconds or 0.0 for job in jobs if job.cached) / 3600,
    )


def _jobs(pks: list[int]) -> list[_Job]:
    if not pks:
        return []
    query = QueryBuilder().append(CalcJobNode, filters=these(pks), project=list(_OF_JOBS))
    found = query.all()
    names = [row[0] for row in found]
    seconds, stages = seconds_of(names), _stages(names)
    jobs = []
    for pk, process_type, resources, threads, polled, cached_from in found:
        program, stage = _program(process_type or '')
        wall = seconds.get(pk, polled)
        jobs.append(
            _Job(
                program=program,
                stage=stage or stages.get(pk, ''),
                core_seconds=None if wall is None else float(wall) * cores_of(resources, threads),
                cached=cached_from is not None,
                polled=pk not in seconds and polled is not None,
            )
        )
    return jobs


def _program(process_type: str) -> tuple[str, str]:
    """Program, and stage if the program has one."""
    name = process_type.rpartition(':')[2]
    if name.startswith(_INSBENCH):
        return 'insbench-job', name.removeprefix(_INSBENCH)
    if name.startswith(_ESPRESSO):
        return f'{name.removeprefix(_ESPRESSO)}.x', ''
    return name.rpartition('.')[2] or 'unknown', ''


def seconds_of(pks: list[int]) -> dict[int, float]:
    """Wall times that jobs put out themselves: pw.x's own, and those of ``insbench-job``."""
    query = QueryBuilder()
    query.append(CalcJobNode, filters=these(pks), tag='job', project='id')
    query.append(
        Dict,
        with_incoming='job',
        edge_filters=labelled('output_parameters'),
        project=['attributes.wall_time_seconds', 'attributes.job.seconds'],
    )
    times = {pk: espresso if espresso is not None else own for pk, espresso, own in query.all()}
    return {pk: float(value) for pk, value in times.items() if value is not None}


def _stages(pks: list[int]) -> dict[int, str]:
    """What a job was part of: the work chain that called its restarts, or else the restarts."""
    query = QueryBuilder()
    query.append(CalcJobNode, filters=these(pks), tag='job', project='id')
    query.append(
        WorkChainNode,
        with_outgoing='job',
        tag='caller',
        project='process_type',
    )
    query.append(
        WorkChainNode,
        with_outgoing='caller',
        project='process_type',
        outerjoin=True,
    )
    return {
        pk: (callers_caller or caller or '').rpartition(':')[2].removeprefix(_INSBENCH)
        for pk, caller, callers_caller in query.all()
    }
