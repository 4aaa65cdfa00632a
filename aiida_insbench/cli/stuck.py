"""Processes nobody works on: those that are paused, and those whose message the broker has lost.

Submitting a process stores it and sends the broker a message that tells a worker to begin. A
worker or broker that is killed in between leaves a process that stays ``created`` for ever, and
whoever called it waits. The messages of the ZeroMQ broker are files, so that those without one are
known; RabbitMQ shows its messages only while no worker runs.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

#: A message may be under way for so long, in seconds, before it counts as lost.
UNDER_WAY = 20
#: The same where the broker cannot be asked.
UNHEARD_OF = 180
#: A message that a stopped worker held is back after so long, in seconds.
COMES_BACK = 2.0
#: So many processes are named one by one.
NAMED = 5


def lost_processes() -> tuple[int, ...]:
    """Processes that were submitted and that no worker will ever begin, by their pk."""
    folder = _task_folder()
    waiting = _created(older_than=UNHEARD_OF if folder is None else UNDER_WAY)
    if not waiting or folder is None:
        return waiting
    for _ in range(2):  # a message that moves while its file is read is seen the second time
        told = set(_told(folder))
        waiting = tuple(pk for pk in waiting if pk not in told)
    return waiting


def revive_lost(*, all_active: bool = False) -> tuple[int, ...]:
    """Send the lost messages again; the daemon must be stopped. Return the pks of the processes.

    Lost are those of processes that have not begun, and of processes under way whose caller has a
    message: it is the daemon's, and so are they. Others under way may be run by a program of the
    user's own, without messages; they count with `all_active` only, for a daemon that has lost its
    database and with it what it held.

    ``verdi process repair`` does so too, but the ZeroMQ broker then forgets the message as soon as
    a worker has begun, so that the next kill of the worker would lose the process; and on
    PostgreSQL it ends the connections of other programs.
    """
    from aiida.manage import get_manager

    broker = get_manager().get_broker()
    if broker is None or not (_created(older_than=0) or _under_way()):
        return ()
    lost = _without_message(_messages(broker), all_active=all_active)
    folder = _task_folder()
    for pk in lost:
        if folder is not None:
            _push(folder, pk)
        else:
            get_manager().get_process_controller().continue_process(pk)
    return lost


def _messages(broker: Any) -> set[int]:
    """Processes that the broker has a message of.

    Asked twice: messages that a worker held come back to RabbitMQ when its connection has closed.
    """
    from aiida.engine.processes.control import get_process_tasks

    found = set(get_process_tasks(broker))
    time.sleep(COMES_BACK)
    return found | set(get_process_tasks(broker))


def _without_message(told: set[int], *, all_active: bool) -> tuple[int, ...]:
    lost = [pk for pk in _created(older_than=0) if pk not in told]
    known = told | set(lost)
    for pk, caller in _under_way():
        if pk not in known and (all_active or caller in known):
            lost.append(pk)
            known.add(pk)
    return tuple(lost)


def _under_way() -> list[tuple[int, int | None]]:
    """Processes for the daemon that have begun and not ended, with their caller, by pk."""
    from aiida.orm import CalcJobNode, QueryBuilder, WorkChainNode

    query = QueryBuilder().append(
        (CalcJobNode, WorkChainNode),
        filters={'attributes.process_state': {'in': ['running', 'waiting']}},
    )
    nodes = sorted(query.all(flat=True), key=lambda node: node.pk)
    return [(node.pk, node.caller.pk if node.caller else None) for node in nodes]


def paused_processes(process: Any = None) -> list[str]:
    """Say why each paused process is paused and how it goes on: those below `process`, or all."""
    from aiida.orm import ProcessNode, QueryBuilder

    query = QueryBuilder().append(
        ProcessNode,
        filters={
            'attributes.paused': True,
            'attributes.process_state': {'in': ['created', 'running', 'waiting']},
        },
    )
    query.order_by({ProcessNode: 'id'})
    nodes = query.all(flat=True)
    if process is not None:
        nodes = [node for node in nodes if process.pk in _line_of_callers(node)]
    lines = [
        f'{node.process_label}<{node.pk}> is paused: {_reason(node)}. '
        f'`verdi process report {node.pk}` says more; once the cause is gone: '
        f'`verdi process play {node.pk}`.'
        for node in nodes[:NAMED]
    ]
    if len(nodes) > NAMED:
        lines.append(
            f'{len(nodes) - NAMED} more processes are paused: `verdi process list --paused`; '
            'all go on by `verdi process play --all`.'
        )
    return lines


def _reason(node: Any) -> str:
    return str(node.process_status or 'nobody said why').rstrip('.')


def _line_of_callers(node: Any) -> Iterator[int]:
    while node is not None:
        yield node.pk
        node = node.caller


def _created(*, older_than: float) -> tuple[int, ...]:
    """Processes for the daemon that have not begun, by pk; functions run where they are called."""
    from aiida.orm import CalcJobNode, QueryBuilder, WorkChainNode

    before = datetime.now(tz=UTC) - timedelta(seconds=older_than)
    query = QueryBuilder().append(
        (CalcJobNode, WorkChainNode),
        filters={'attributes.process_state': 'created', 'mtime': {'<=': before}},
        project='id',
    )
    return tuple(sorted(query.all(flat=True)))


def _task_folder() -> Path | None:
    """Where the ZeroMQ broker keeps its messages; None with another broker."""
    from aiida.brokers.zeromq.service import ZeromqBrokerService
    from aiida.manage import get_config, get_manager

    profile = get_manager().get_profile()
    if profile is None or profile.process_control_backend != 'core.zeromq':
        return None
    paths = get_config().filepaths(profile)
    return ZeromqBrokerService.FilepathLayout(paths['broker_service']['dir']).storage_path / 'tasks'


def _told(folder: Path) -> Iterator[int]:
    """Processes that the broker has a message of, in its queue or with a worker."""
    for path in sorted(folder.glob('*/*.json')):
        try:
            yield json.loads(path.read_text())['body']['args']['pid']
        except (OSError, ValueError, KeyError, TypeError):
            continue  # gone meanwhile, or of another kind


def _push(folder: Path, pk: int) -> None:
    from aiida.brokers.zeromq.queue import PersistentQueue
    from plumpy.process_comms import create_continue_body

    body = create_continue_body(pid=pk, nowait=False)
    PersistentQueue(folder).push(uuid.uuid4().hex, {'body': body, 'no_reply': True})
