"""Many small benchmarks through the daemon at once: do all finish, does its memory stay flat?

    source .services/env.sh
    python tests/production/soak.py FOLDER [--cells 200] [--sqlite] [--slots 200] [--workers 2]

A cell is one potential at one pressure against DFT's spectrum there; EMT's copper stands for DFT,
Lennard-Jones potentials compete, no two alike. The data go to PostgreSQL, the messages through
RabbitMQ, the jobs to Slurm; with `--sqlite`, to SQLite, ZeroMQ and slots of this machine. As many
benchmarks are submitted as the daemon's slots hold with all their children, so that no parent
starves them. Prints one line of JSON; the profile is removed unless `--keep` is given.
"""

import argparse
import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

BIN = Path(sys.executable).parent
PROFILE = 'soak'
CELLS_EACH = 8


def command(*words):
    """Run a command of this environment, or stop with what it said."""
    done = subprocess.run([str(BIN / words[0]), *map(str, words[1:])], check=False,
                          capture_output=True, text=True)  # fmt: skip
    if done.returncode:
        raise SystemExit(f'{" ".join(map(str, words))} failed:\n{done.stdout}{done.stderr}')


def prepare(folder, *, sqlite, slots):
    """Profile, computer and code by the commands that users have; the code."""
    (folder / '.aiida').mkdir(parents=True, exist_ok=True)
    os.environ['AIIDA_PATH'] = str(folder)
    os.environ['PATH'] = f'{BIN}:{os.environ["PATH"]}'
    setup = ('aiida-insbench', 'setup')
    command(*setup, 'profile', '--name', PROFILE, *([] if sqlite else ['--postgres']))
    if sqlite:
        command(*setup, 'computer', 'soak', '--work', folder / 'work')
    else:
        command(*setup, 'computer', 'soak', '--slurm', '--work', folder / 'work', '--poll', '2')
    command(*setup, 'codes', '--computer', 'soak', '--only', 'insbench-job')
    command('verdi', '-p', PROFILE, 'config', 'set', 'daemon.worker_process_slots', slots)


def main():
    """Prepare, run, measure, clean."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').splitlines()[0])
    parser.add_argument('folder', type=Path)
    parser.add_argument('--cells', type=int, default=200)
    parser.add_argument('--sqlite', action='store_true')
    parser.add_argument('--slots', type=int, default=200)
    parser.add_argument('--workers', type=int, default=2)
    parser.add_argument('--minutes', type=float, default=60.0, help='after which it gives up')
    parser.add_argument('--keep', action='store_true')
    chosen = parser.parse_args()
    if chosen.cells % CELLS_EACH:
        parser.error(f'--cells must be a multiple of {CELLS_EACH}.')
    folder = chosen.folder.resolve()
    prepare(folder, sqlite=chosen.sqlite, slots=chosen.slots)
    # Only now: AiiDA reads its folder when it is imported.
    from aiida import load_profile
    from aiida.manage import get_manager

    load_profile(PROFILE)
    from soak_run import Soak

    soak = Soak(chosen.cells // CELLS_EACH, chosen.workers, 60 * chosen.minutes)
    try:
        found = soak.run()
    finally:
        with contextlib.suppress(SystemExit):
            command('verdi', '-p', PROFILE, 'daemon', 'stop')
    found |= {'storage': 'SQLite + ZeroMQ' if chosen.sqlite else 'PostgreSQL + RabbitMQ + Slurm'}
    sys.stdout.write(json.dumps(found) + '\n')
    get_manager().unload_profile()
    if not chosen.keep:
        command('aiida-insbench', 'setup', 'profile', '--name', PROFILE, '--undo', '--yes')
    return 0 if found['cells_finished'] == chosen.cells else 1


if __name__ == '__main__':
    sys.exit(main())
