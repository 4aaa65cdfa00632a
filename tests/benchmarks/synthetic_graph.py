"""Rows of nodes and links for a bulk insert: what the engine would leave, without running it."""

from __future__ import annotations

import random
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from aiida.common.links import LinkType
from aiida.orm import (
    CalcFunctionNode,
    CalcJobNode,
    Dict,
    FolderData,
    Node,
    QueryBuilder,
    RemoteData,
    WorkChainNode,
)
from aiida.orm.entities import EntityTypes

_BATCH = 5000
_BEGIN = datetime(2026, 1, 1, tzinfo=UTC)


class Graph:
    """Nodes and links to be stored all at once.

    Parameters
    ----------
    backend : StorageBackend
        Of the loaded profile.
    user : int
        Identifier of the user to whom the nodes belong.
    seed : int
        Of the identities of nodes.
    """

    def __init__(self, backend: Any, *, user: int, seed: int = 0) -> None:
        self._backend, self._user = backend, user
        self._random = random.Random(seed)  # noqa: S311 - names, no secrets
        self._nodes: list[dict[str, Any]] = []
        self._links: list[tuple[str, str, str, str]] = []

    @property
    def n_nodes(self) -> int:
        """Number of nodes so far."""
        return len(self._nodes)

    @property
    def n_links(self) -> int:
        """Number of links so far."""
        return len(self._links)

    def node(
        self,
        kind: type[Node],
        attributes: Mapping[str, Any] | None = None,
        *,
        process_type: str | None = None,
        extras: Mapping[str, Any] | None = None,
        files: Mapping[str, str] | None = None,
        label: str = '',
    ) -> str:
        """Add a node; `files` are keys of the repository by file name. Returns its UUID."""
        identity = uuid.UUID(int=self._random.getrandbits(128), version=4)
        moment = _BEGIN + timedelta(seconds=len(self._nodes))
        content = {'o': {name: {'k': key} for name, key in (files or {}).items()}}
        self._nodes.append(
            {
                'uuid': str(identity),
                'node_type': kind.class_node_type,
                'process_type': process_type,
                'label': label,
                'description': '',
                'ctime': moment,
                'mtime': moment,
                'attributes': dict(attributes or {}),
                'extras': {'_aiida_hash': identity.hex * 2, **(extras or {})},
                'repository_metadata': content if files else {},
                'dbcomputer_id': None,
                'user_id': self._user,
            }
        )
        return str(identity)

    def link(self, source: str, target: str, kind: LinkType, label: str) -> None:
        """Add a link."""
        self._links.append((source, target, kind.value, label))

    def job(
        self,
        process_type: str,
        *,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        caller: str,
        results: Mapping[str, Any] | None = None,
        ranks: int = 1,
        threads: int = 1,
        cached_from: str = '',
    ) -> str:
        """Add a finished CalcJob below a work chain of restarts; returns `output_parameters`."""
        base = self.chain(
            f'{process_type.replace("calculations", "workflows")}.base', caller=caller
        )
        node = self.node(
            CalcJobNode,
            {
                'process_label': process_type.rpartition(':')[2],
                'process_state': 'finished',
                'exit_status': 0,
                'resources': {'num_machines': 1, 'num_mpiprocs_per_machine': ranks},
                'environment_variables': {'OMP_NUM_THREADS': str(threads)},
                'last_job_info': {'wallclock_time_seconds': 10, 'job_id': '1'},
                'scheduler_stdout': '_scheduler-stdout.txt',
                'retrieve_list': [f'file_{number}' for number in range(10)],
            },
            process_type=process_type,
            extras={'_aiida_cached_from': cached_from} if cached_from else None,
        )
        self.link(base, node, LinkType.CALL_CALC, 'iteration_01')
        self._of_process(node, inputs, LinkType.INPUT_CALC)
        parameters = self.node(Dict, results)
        made = {
            'output_parameters': parameters,
            'remote_folder': self.node(RemoteData, {'remote_path': '/scratch/run'}),
            'retrieved': self.node(FolderData),
            **outputs,
        }
        for label, output in made.items():
            self.link(node, output, LinkType.CREATE, label)
        return parameters

    def function(
        self,
        process_type: str,
        *,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        caller: str,
    ) -> None:
        """Add a calcfunction."""
        node = self.node(
            CalcFunctionNode,
            {'process_label': process_type.rpartition('.')[2], 'process_state': 'finished'},
            process_type=process_type,
        )
        if caller:
            self.link(caller, node, LinkType.CALL_CALC, 'CALL')
        self._of_process(node, inputs, LinkType.INPUT_CALC)
        for label, output in outputs.items():
            self.link(node, output, LinkType.CREATE, label)

    def chain(
        self,
        process_type: str,
        *,
        caller: str = '',
        label: str = 'CALL',
        inputs: Mapping[str, str] | None = None,
    ) -> str:
        """Add a work chain; its outputs are `returns`."""
        node = self.node(
            WorkChainNode,
            {'process_label': process_type.rpartition('.')[2], 'process_state': 'finished'},
            process_type=process_type,
        )
        if caller:
            self.link(caller, node, LinkType.CALL_WORK, label)
        self._of_process(node, inputs or {}, LinkType.INPUT_WORK)
        return node

    def returns(self, chain: str, outputs: Mapping[str, str]) -> None:
        """Add outputs of a work chain."""
        for label, output in outputs.items():
            self.link(chain, output, LinkType.RETURN, label)

    def store(self) -> None:
        """Insert everything in a few statements."""
        with self._backend.transaction():
            for rows in _batches(self._nodes):
                self._backend.bulk_insert(EntityTypes.NODE, rows)
        found = QueryBuilder().append(Node, project=['uuid', 'id']).all()
        pks = {str(identity): pk for identity, pk in found}
        links = [
            {'input_id': pks[source], 'output_id': pks[target], 'type': kind, 'label': label}
            for source, target, kind, label in self._links
        ]
        with self._backend.transaction():
            for rows in _batches(links):
                self._backend.bulk_insert(EntityTypes.LINK, rows)

    def _of_process(self, node: str, inputs: Mapping[str, str], kind: LinkType) -> None:
        for label, source in inputs.items():
            self.link(source, node, kind, label)


def _batches(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    return [rows[begin : begin + _BATCH] for begin in range(0, len(rows), _BATCH)]
