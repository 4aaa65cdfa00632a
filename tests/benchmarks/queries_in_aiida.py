"""Queries on a synthetic profile: ``queries_in_aiida.py STORAGE FOLDER [--nodes N]``.

STORAGE is ``sqlite`` or a JSON object with AiiDA's configuration of a PostgreSQL database. FOLDER
becomes ``AIIDA_PATH``. Prints JSON: size of the profile, seconds of its making, and by command the
seconds of the first call and the best of three more, in a process that has its profile loaded.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

_REPEATS = 3
_PROFILE = 'bench'


def main() -> int:
    """Make the profile, time the commands, print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('storage')
    parser.add_argument('folder', type=Path)
    parser.add_argument('--nodes', type=int, default=50_000)
    options = parser.parse_args()
    os.environ['AIIDA_PATH'] = str(options.folder)
    (options.folder / '.aiida').mkdir(parents=True, exist_ok=True)
    make_profile(options.storage, options.folder)
    started = time.monotonic()
    sizes, targets = fill(options.storage, options.nodes)
    record = {
        **sizes,
        'making_s': round(time.monotonic() - started, 1),
        'load': os.getloadavg()[0],
        'seconds': time_commands(targets),
    }
    sys.stdout.write(json.dumps(record) + '\n')
    return 0


def make_profile(storage: str, folder: Path) -> None:
    """Make and load a profile without broker."""
    from aiida import load_profile
    from aiida.manage.configuration import create_profile, get_config

    if storage == 'sqlite':
        backend, settings = 'core.sqlite_dos', {'filepath': str(folder / 'storage')}
    else:
        backend, settings = 'core.psql_dos', json.loads(storage)
    config = get_config(create=True)
    create_profile(
        config,
        storage_backend=backend,
        storage_config=settings,
        name=_PROFILE,
        email='bench@localhost',
        is_test_profile=True,
    )
    config.set_default_profile(_PROFILE)
    config.store()
    load_profile(_PROFILE)


def fill(storage: str, n_nodes: int) -> tuple[dict[str, int], dict[str, str]]:
    """Store campaigns until there are that many nodes; UUIDs of what is asked about.

    The first campaign has ten rounds of labelling, as an active loop has: paths through it are
    many. Half of the others learn at 0 GPa only.
    """
    from aiida.manage import get_manager
    from aiida.orm import User
    from synthetic_campaigns import PRESSURES, Campaigns
    from synthetic_graph import Graph

    backend = get_manager().get_profile_storage()
    graph = Graph(backend, user=User.collection.get_default().pk)
    campaigns = Campaigns(graph, backend.get_repository())
    targets = campaigns.campaign(n_frames=40, n_rounds=10, learnt=PRESSURES[:3])
    n_campaigns = 1
    while graph.n_nodes < n_nodes:
        learnt = PRESSURES[:1] if n_campaigns % 2 else PRESSURES[:3]
        campaigns.campaign(n_frames=40, n_rounds=2, learnt=learnt)
        campaigns.measured(n_campaigns)
        n_campaigns += 1
    graph.store()
    if storage != 'sqlite':
        _gather_statistics(backend)
    return {'nodes': graph.n_nodes, 'links': graph.n_links, 'campaigns': n_campaigns}, targets


def _gather_statistics(backend: Any) -> None:
    """What PostgreSQL's own housekeeping does a minute after tables have grown."""
    from sqlalchemy import text

    with backend.transaction() as session:
        session.execute(text('ANALYZE'))


def time_commands(targets: dict[str, str]) -> dict[str, dict[str, float]]:
    """Seconds of each command: the first call, and the best of those that follow."""
    from aiida.orm import load_node
    from click.testing import CliRunner

    from aiida_insbench.cli import cmd_root

    pks = {name: str(load_node(identity).pk) for name, identity in targets.items()}
    commands = {
        'lineage': ['lineage', pks['spectrum']],
        'lineage, all rows': ['lineage', pks['spectrum'], '--limit', '0'],
        'frames': ['frames', pks['dataset'], '--limit', '0'],
        'cost of a spectrum': ['cost', pks['spectrum']],
        'cost of a campaign': ['cost', pks['campaign']],
        'spectra': ['spectra', '--pressure-above', '0'],
        'spectra, all rows': ['spectra', '--pressure-above', '0', '--limit', '0'],
        'potentials': ['potentials', '--sort', 'score'],
        'potentials, all rows': ['potentials', '--limit', '0', '--format', 'json'],
        'measured': ['measured'],
    }
    found = {}
    for name, words in commands.items():
        spent = []
        for _ in range(1 + _REPEATS):
            started = time.perf_counter()
            done = CliRunner().invoke(cmd_root, ['query', *words])
            spent.append(time.perf_counter() - started)
            _check(done, words)
        found[name] = {'first': round(spent[0], 3), 'best': round(min(spent[1:]), 3)}
    return found


def _check(done: Any, words: list[str]) -> None:
    if done.exit_code != 0 or not done.output.strip():
        raise SystemExit(f'query {" ".join(words)} failed: {done.output}') from done.exception


if __name__ == '__main__':
    sys.exit(main())
