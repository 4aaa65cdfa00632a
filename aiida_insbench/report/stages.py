"""Progress of a campaign, stage by stage, read from the graph and from the jobs' own logs."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

STAGES = {
    'relaxation': 'DFT relaxation',
    'reference': 'DFT reference',
    'first_round': 'First round of data',
    'base_training': 'Training',
    'base_phonons': 'Phonons, base',
    'second_round': 'Second round of data',
    'fine_tuning': 'Fine-tuning',
    'finetuned_phonons': 'Phonons, fine-tuned',
    'evaluation': 'Errors on held-out frames',
    'spectra': 'INS spectra',
    'analysis': 'Mode shifts',
}


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
        """Stages in the order they are planned."""
        from aiida.common.links import LinkType

        links = self._campaign.base.links.get_outgoing(link_type=LinkType.CALL_WORK).all()
        called = {link.link_label: link.node for link in links}
        stages = []
        for key, name in STAGES.items():
            if key in self._ended:
                stages.append(self._ended[key])
                continue
            stage = _read_stage(name, called.get(key))
            if stage.state in ('done', 'failed'):
                self._ended[key] = stage
            stages.append(stage)
        return stages


def _read_stage(name: str, node: Any) -> Stage:
    if node is None:
        return Stage(name, 'waiting', '', None, 0.0)
    jobs = _jobs(node)
    done = [job for job in jobs if job.is_terminated]
    ended = node.mtime if node.is_terminated else datetime.now(tz=UTC)
    seconds = (ended - node.ctime).total_seconds()
    if node.is_terminated:
        state = 'done' if node.is_finished_ok else 'failed'
        cached = sum(1 for job in jobs if job.base.caching.is_created_from_cache)
        detail = f'{len(jobs)} jobs' + (f', {cached} from cache' if cached else '')
        if state == 'failed':
            detail = f'[{node.exit_status}] {node.exit_message or node.process_state.value}'
        return Stage(name, state, detail, node.pk, seconds)
    detail = f'{len(done)}/{len(jobs)} jobs'
    running = [job for job in jobs if not job.is_terminated]
    messages = [text for job in running if (text := _last_message(job))]
    if messages:
        detail += f', {messages[-1]}'
    return Stage(name, 'running', detail, node.pk, seconds)


def _jobs(node: Any) -> list[Any]:
    from aiida.orm import CalcJobNode

    return [child for child in node.called_descendants if isinstance(child, CalcJobNode)]


def _last_message(job: Any) -> str:
    from aiida_insbench.jobs.progress import PROGRESS_FILE, read_progress

    folder = job.get_remote_workdir()
    if not folder or job.computer.transport_type != 'core.local':
        return ''
    path = Path(folder) / PROGRESS_FILE
    if not path.is_file():
        return ''
    lines = read_progress(path.read_text(encoding='utf-8')[-4000:])
    if not lines:
        return ''
    last = lines[-1]
    total = f' {last["step"]}/{last["total"]}' if last['total'] else ''
    numbers = ' '.join(f'{key}={value:.4g}' for key, value in list(last['values'].items())[:4])
    return f'{last["message"]}{total} {numbers}'.strip()


def format_stages(stages: list[Stage]) -> str:
    """Table of the stages, one a line."""
    signs = {'waiting': ' ', 'running': '>', 'done': '+', 'failed': '!'}
    width = max(len(stage.name) for stage in stages)
    return '\n'.join(
        f' {signs[stage.state]} {stage.name:<{width}}  {stage.state:<8} '
        f'{f"{stage.seconds:5.0f} s" if stage.pk else "":>8}  {stage.detail}'.rstrip()
        for stage in stages
    )
