"""The demo as its user runs it, in a folder and with an AiiDA of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SMALL = [
    '--frames', '10,6', '--epochs', '40,10', '--pressures', '0,1', '--reference', '0',
    '--rounds', '2',
]  # fmt: skip


def program(name: str = 'aiida-insbench') -> str:
    """Path of a program of this environment."""
    return str(Path(sys.executable).with_name(name))


def environment(folder: Path, *, own: bool = False) -> dict[str, str]:
    """Variables of a new user; with `own`, those that lead to the demo's own profile."""
    variables = {k: v for k, v in os.environ.items() if not k.startswith(('AIIDA', 'PYTEST'))}
    variables['PATH'] = f'{Path(sys.executable).parent}:{variables["PATH"]}'
    variables['AIIDA_PATH'] = str(folder / 'aiida' if own else folder.parent / 'elsewhere')
    return variables


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the demo in `folder`."""
    return command(folder, 'demo', 'run', '--folder', str(folder), *options)


def command(
    folder: Path, *words: str, name: str = 'aiida-insbench'
) -> subprocess.CompletedProcess[str]:
    """Run a program: `verdi` in the demo's own profile, others as a user would."""
    return subprocess.run(
        [program(name), *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder, own=name == 'verdi'),
        cwd=folder.parent,
        timeout=1500,
    )


def script(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the demo's own profile; it must end well."""
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', *words],
        capture_output=True,
        text=True,
        check=False,
        env=environment(folder, own=True),
        cwd=folder.parent,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done
