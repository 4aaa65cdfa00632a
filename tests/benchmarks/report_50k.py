"""A campaign's report and status before and after its profile has grown: ``report_50k.py DEMO``.

DEMO is the folder of a finished demo (``aiida-insbench demo run --folder DEMO``); its profile keeps
the synthetic nodes. Prints JSON: seconds of each command in a process that has the profile loaded,
best of three, before and after.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

_REPEATS = 3


def main() -> int:
    """Time, fill, time again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('demo', type=Path)
    parser.add_argument('--nodes', type=int, default=50_000)
    options = parser.parse_args()
    os.environ['AIIDA_PATH'] = str(options.demo.resolve() / 'aiida')
    from aiida import load_profile

    load_profile()
    pk = finished_campaign()
    before = seconds(pk)
    grown = fill(options.nodes)
    after = seconds(pk)
    record = {'before': before, 'after': after, **grown, 'load': os.getloadavg()[0]}
    sys.stdout.write(json.dumps(record) + '\n')
    return 0


def finished_campaign() -> int:
    """The newest one that ended well."""
    from aiida.orm import QueryBuilder, WorkChainNode

    query = QueryBuilder().append(
        WorkChainNode,
        filters={'process_type': {'like': '%insbench.campaign'}, 'attributes.exit_status': 0},
        project='id',
    )
    found: list[int] = query.all(flat=True)
    if not found:
        raise SystemExit('There is no campaign that ended well.')
    return max(found)


def seconds(pk: int) -> dict[str, float]:
    """Best of a few calls of each command."""
    from click.testing import CliRunner

    from aiida_insbench.cli import cmd_root

    found = {}
    for name in ('report', 'status'):
        spent = []
        for _ in range(_REPEATS):
            with tempfile.TemporaryDirectory() as folder:
                words = [name, str(pk), *(['--folder', folder] if name == 'report' else [])]
                started = time.perf_counter()
                done = CliRunner().invoke(cmd_root, words)
                spent.append(time.perf_counter() - started)
                if name == 'report' and done.exit_code != 0:
                    raise SystemExit(done.output)
        found[name] = round(min(spent), 3)
    return found


def fill(n_nodes: int) -> dict[str, Any]:
    """Store synthetic campaigns until so many nodes have joined."""
    from aiida.manage import get_manager
    from aiida.orm import User
    from synthetic_campaigns import PRESSURES, Campaigns
    from synthetic_graph import Graph

    backend = get_manager().get_profile_storage()
    graph = Graph(backend, user=User.collection.get_default().pk)
    campaigns = Campaigns(graph, backend.get_repository())
    while graph.n_nodes < n_nodes:
        campaigns.campaign(n_frames=40, n_rounds=2, learnt=PRESSURES[:1])
    graph.store()
    return {'nodes': graph.n_nodes, 'links': graph.n_links}


if __name__ == '__main__':
    sys.exit(main())
