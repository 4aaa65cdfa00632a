"""Progress of a campaign, stage by stage, read from the graph and from the jobs' own logs."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

#: Of a campaign, save those of its rounds.
STAGES = {
    'relaxation': 'DFT relaxation',
    'reference': 'DFT reference',
    'evaluation': 'Errors on held-out frames',
    'validation': 'Molecular dynamics',
    'analysis': 'Mode shifts',
    'benchmark': 'Benchmark',
}
_LAST = ('evaluation', 'validation', 'analysis', 'benchmark')
_OF_ROUNDS = {
    '': 'phonons and spectra',
    '_dynamics': 'molecular dynamics for frames',
    '_data': 'data',
    '_training': 'training',
    '_calibration': 'errors foretold',
}
_CAMPAIGN = 'CampaignWorkChain'
_ROUND = re.compile(r'round_(\d+)((?:_[a-z]+)?)')
_ENDED = ('finished', 'excepted', 'killed')


@dataclass(frozen=True)
class Stage:
    """One stage of a campaign: name, ``waiting``, ``running``, ``done`` or ``failed``, detail."""

    name: str
    state: str
    detail: str
    pk: int | None
    seconds: float


class CampaignWatch:
    """Read the stages of a campaign again and again; ended ones are read once."""

    def __init__(self, campaign: Any) -> None:
        self._campaign = campaign
        self._ended: dict[str, Stage] = {}

    def stages(self) -> list[Stage]:
        """Stages in the order they are planned; of other processes, what was called so far."""
        from aiida.common.links import LinkType

        called_by = (LinkType.CALL_WORK, LinkType.CALL_CALC)
        links = self._campaign.base.links.get_outgoing(link_type=called_by).all()
        called = {link.link_label: link.node for link in links}
        planned = _planned(self._campaign, called)
        stages = []
        for key, name in planned.items():
            if key in self._ended:
                stages.append(self._ended[key])
                continue
            stage = _read_stage(name, called.get(key))
            if stage.state in ('done', 'failed'):
                self._ended[key] = stage
            stages.append(stage)
        return stages


def _planned(process: Any, called: dict[str, Any]) -> dict[str, str]:
    """What was called, and what of a campaign is sure to follow."""
    planned = _named(called)
    if process.process_label != _CAMPAIGN:
        return planned
    planned = {
        key: _name_in_campaign(key)
        for key in planned
        if key in STAGES or _ROUND.fullmatch(key)  # not what only takes a moment
    }
    if not called:
        planned = {'relaxation': STAGES['relaxation'], **_round_ahead(1)}
    elif not process.is_terminated and not set(called) & set(_LAST):
        planned |= {
            key: name
            for key, name in _round_ahead(_latest_round(called)).items()
            if key not in planned
        }
    asked = {'validation': 'validation' in process.inputs, 'benchmark': 'rules' in process.inputs}
    ahead = () if process.is_terminated else _LAST
    return planned | {
        key: STAGES[key] for key in ahead if key not in planned and asked.get(key, True)
    }


def _round_ahead(number: int) -> dict[str, str]:
    """Stages of a round that is certain, in their order."""
    return {
        f'round_{number}{part}': f'Round {number}: {_OF_ROUNDS[part]}'
        for part in ('_data', '_training', '')
    }


def _latest_round(called: dict[str, Any]) -> int:
    found = [int(match.group(1)) for key in called if (match := _ROUND.fullmatch(key))]
    return max(found, default=1)


def _name_in_campaign(key: str) -> str:
    match = _ROUND.fullmatch(key)
    if match is None:
        return STAGES[key]
    return f'Round {match.group(1)}: {_OF_ROUNDS.get(match.group(2), match.group(2))}'


def _named(called: dict[str, Any]) -> dict[str, str]:
    """Names of sub processes by their links, in the order they were called."""
    ordered = sorted(called.items(), key=lambda item: (item[1].ctime, item[1].pk))
    return {
        label: node.process_label if label.startswith('CALL') else label.replace('_', ' ')
        for label, node in ordered
    }


@dataclass(frozen=True)
class _Job:
    """What is shown of a calculation job."""

    ended: bool
    cached: bool
    folder: str | None


def _read_stage(name: str, node: Any) -> Stage:
    if node is None:
        return Stage(name, 'waiting', '', None, 0.0)
    jobs = _jobs(node)
    ended = node.mtime if node.is_terminated else datetime.now(tz=UTC)
    seconds = (ended - node.ctime).total_seconds()
    if node.is_terminated:
        state = 'done' if node.is_finished_ok else 'failed'
        cached = sum(job.cached for job in jobs)
        detail = f'{len(jobs)} jobs' + (f', {cached} from cache' if cached else '')
        if state == 'failed':
            detail = f'[{node.exit_status}] {node.exit_message or node.process_state.value}'
        return Stage(name, state, detail, node.pk, seconds)
    detail = f'{sum(job.ended for job in jobs)}/{len(jobs)} jobs'
    messages = [text for job in jobs if not job.ended and (text := _last_message(job.folder))]
    if messages:
        detail += f', {messages[-1]}'
    return Stage(name, 'running', detail, node.pk, seconds)


def _jobs(node: Any) -> list[_Job]:
    """Return the calculation jobs below a process, by one query for each level.

    `called_descendants` loads every node and asks for the links of each: with a hundred jobs that
    took as long as one of them.
    """
    from aiida.orm import CalcJobNode, ProcessNode, QueryBuilder

    jobs: list[_Job] = []
    callers = [node.pk]
    while callers:
        query = QueryBuilder()
        query.append(ProcessNode, filters={'id': {'in': callers}}, tag='caller')
        query.append(
            ProcessNode,
            with_incoming='caller',
            edge_filters={'type': {'in': ['call_work', 'call_calc']}},
            project=[
                'id',
                'node_type',
                'attributes.process_state',
                'attributes.remote_workdir',
                'extras._aiida_cached_from',
            ],
        )
        rows = query.all()
        callers = [row[0] for row in rows]
        jobs += [
            _Job(ended=state in _ENDED, cached=source is not None, folder=folder)
            for _, kind, state, folder, source in rows
            if kind == CalcJobNode.class_node_type
        ]
    return jobs


def _last_message(folder: str | None) -> str:
    from aiida_insbench.jobs.progress import PROGRESS_FILE, read_progress

    path = Path(folder or '', PROGRESS_FILE)
    if not folder or not path.is_file():  # on another machine, or not one of our jobs
        return ''
    lines = read_progress(path.read_text(encoding='utf-8')[-4000:])
    if not lines:
        return ''
    last = lines[-1]
    total = f' {last["step"]}/{last["total"]}' if last['total'] else ''
    numbers = ' '.join(f'{key}={value:.4g}' for key, value in list(last['values'].items())[:4])
    return f'{last["message"]}{total} {numbers}'.strip()


def format_stages(stages: list[Stage]) -> str:
    """Table of the stages, one a line; none of them has begun in a process that was just stored."""
    if not stages:
        return '   nothing has begun yet'
    signs = {'waiting': ' ', 'running': '>', 'done': '+', 'failed': '!'}
    width = max(len(stage.name) for stage in stages)
    return '\n'.join(
        f' {signs[stage.state]} {stage.name:<{width}}  {stage.state:<8} '
        f'{f"{stage.seconds:5.0f} s" if stage.pk else "":>8}  {stage.detail}'.rstrip()
        for stage in stages
    )
