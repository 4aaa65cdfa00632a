"""Speed of `aiida-insbench query` on 50 000 nodes, and of `aiida-insbench --help`."""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).parent / 'queries_in_aiida.py'
_SERVER = ('initdb', 'pg_ctl')
_PORT = 54329
_HELPS = 7
_ONE_THREAD = {**os.environ, 'OMP_NUM_THREADS': '1'}


def queries_figures(folder: Path) -> Iterator[dict[str, Any]]:
    """The slowest shipped query, and what the help takes beyond verdi's."""
    yield _query_figure(folder)
    yield _help_figure(folder)


def _query_figure(folder: Path) -> dict[str, Any]:
    records = {'SQLite': _measure('sqlite', folder / 'sqlite')}
    missing = [program for program in _SERVER if shutil.which(program) is None]
    if missing:
        remark = f'PostgreSQL left out: no {", ".join(missing)}'
    else:
        with postgres(folder / 'postgres') as settings:
            records['PostgreSQL'] = _measure(json.dumps(settings), folder / 'psql')
        remark = ''
    slowest = max(
        (spent['best'], command, storage)
        for storage, record in records.items()
        for command, spent in record['seconds'].items()
    )
    texts = [
        f'{storage}, {record["nodes"]} nodes and {record["links"]} links of '
        f'{record["campaigns"]} campaigns, one of ten rounds, made in {record["making_s"]:.0f} s, '
        f'load {record["load"]:.1f}, first and best: '
        + ', '.join(
            f'{command} {spent["first"]:.2f} {spent["best"]:.2f}'
            for command, spent in record['seconds'].items()
        )
        for storage, record in records.items()
    ]
    return {
        'name': 'benchmark.query_50k_s',
        'value': slowest[0],
        'unit': 's',
        'goal': 1,
        'better': 'lower',
        'how': f'slowest command of `aiida-insbench query` ({slowest[1]}, {slowest[2]}), best of 3 '
        f'in a process that has the profile loaded; {"; ".join(filter(None, [*texts, remark]))}',
    }


def _measure(storage: str, folder: Path) -> dict[str, Any]:
    folder.mkdir(parents=True)
    # it names its own AIIDA_PATH
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', str(SCRIPT), storage, str(folder)],
        check=False,
        capture_output=True,
        text=True,
        env=_ONE_THREAD,
    )
    if done.returncode != 0:
        raise SystemExit(f'The queries on {storage} failed:\n{done.stderr}')
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@contextmanager
def postgres(folder: Path) -> Iterator[dict[str, Any]]:
    """A PostgreSQL server of its own; AiiDA's configuration of a database on it."""
    # the server refuses to be root
    user = {'user': 'postgres', 'group': 'postgres', 'extra_groups': []} if _is_root() else {}
    cluster = folder / 'cluster'
    folder.mkdir(parents=True)
    if user:
        shutil.chown(folder, 'postgres', 'postgres')
        _let_through(folder.parent)
    options = f'-p {_PORT} -k {folder} -c listen_addresses=127.0.0.1'
    start = ['pg_ctl', '-D', str(cluster), '-l', str(folder / 'log'), '-o', options, '-w', 'start']
    stop = ['pg_ctl', '-D', str(cluster), '-m', 'fast', '-w', 'stop']
    initdb = ['initdb', '-D', str(cluster), '-A', 'trust', '-U', 'bench', '-E', 'UTF8']
    quiet = {'check': True, 'stdout': subprocess.DEVNULL, 'cwd': folder, **user}
    subprocess.run(initdb, **quiet)
    subprocess.run(start, **quiet)
    try:
        _make_database()
        yield {
            'database_engine': 'postgresql_psycopg',
            'database_hostname': '127.0.0.1',
            'database_port': _PORT,
            'database_username': 'bench',
            'database_password': '',
            'database_name': 'bench',
            'repository_uri': (folder / 'repository').as_uri(),
        }
    finally:
        subprocess.run(stop, **quiet)


def _is_root() -> bool:
    return os.geteuid() == 0


def _let_through(folder: Path) -> None:
    """Let others pass a folder of the benchmark's own, without reading it."""
    folder.chmod(folder.stat().st_mode | 0o011)


def _make_database() -> None:
    import psycopg

    with psycopg.connect(
        host='127.0.0.1', port=_PORT, user='bench', dbname='postgres', autocommit=True
    ) as connection:
        connection.execute(
            "CREATE DATABASE bench TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'"
        )


def _help_figure(folder: Path) -> dict[str, Any]:
    """Whole processes in turn, so that what else the machine does meets both."""
    path = folder / 'help'
    (path / '.aiida').mkdir(parents=True)
    programs = {
        name: [str(Path(sys.executable).parent / name), '--help']
        for name in ('aiida-insbench', 'verdi')
    }
    spent: dict[str, list[float]] = {name: [] for name in programs}
    for turn in range(1 + _HELPS):
        for name, words in programs.items():
            started = time.perf_counter()
            subprocess.run(
                words,
                check=True,
                stdout=subprocess.DEVNULL,
                env={**_ONE_THREAD, 'AIIDA_PATH': str(path)},
            )
            if turn:  # the first reads files from disk
                spent[name].append(time.perf_counter() - started)
    ours, verdi = (statistics.median(spent[name]) for name in programs)
    return {
        'name': 'benchmark.help_overhead_s',
        'value': round(ours - verdi, 3),
        'unit': 's',
        'goal': 0.5,
        'better': 'lower',
        'how': f'aiida-insbench --help ({ours:.2f} s) minus verdi --help ({verdi:.2f} s), medians '
        f'of {_HELPS} processes each in turn, load {os.getloadavg()[0]:.1f}',
    }
