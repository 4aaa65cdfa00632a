"""Kill parts of a running campaign at random moments; mend it as `status` says; compare its end.

A moment is a number of nodes in the profile's database, between those at submission (the pk of
what is submitted) and those at the end (of the undisturbed run), so that a slow or busy machine
changes nothing.
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import psutil

BIN = Path(sys.executable).parent
PATIENCE = 60.0
#: In every disturbed run kills come in this part of the campaign.
EARLIEST, LATEST = 0.05, 0.9
DAEMON = {'worker': 'worker', 'circus': 'start-circus', 'broker': 'broker'}
JOBS = ('pw.x', 'insbench-job')
#: What a worker or a job leaves behind mends itself; the others need one command.
NEEDS_A_COMMAND = ('circus', 'broker')


@dataclass
class Run:
    """A script that submits something and waits for its end, in a folder and profile of its own.

    Attributes
    ----------
    killed : list of (float, str)
        Seconds since the start, and what was killed then.
    said : list of str
        What `status` said and which command was run for it.
    """

    folder: Path
    script: Path
    words: tuple[str, ...] = ()
    killed: list[tuple[float, str]] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.folder / 'aiida' / '.aiida').mkdir(parents=True)
        self.environment = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(('AIIDA', 'PYTEST'))
        } | {'PATH': f'{BIN}:{os.environ["PATH"]}', 'AIIDA_PATH': str(self.folder / 'aiida')}
        self.log = self.folder / 'log'
        self.began = time.monotonic()
        with self.log.open('w') as log:
            self.process = subprocess.Popen(
                [sys.executable, '-W', 'ignore', str(self.script), str(self.folder), *self.words],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self.environment,
            )

    def lines(self) -> list[str]:
        """What the script has printed."""
        return self.log.read_text(errors='replace').splitlines()

    def pk(self) -> int:
        """Pk of what was submitted, waiting for it: the first line that is a number."""
        while True:
            ended = self.process.poll() is not None
            for line in self.lines():
                if line.isdigit():
                    return int(line)
            assert not ended, '\n'.join(self.lines())
            time.sleep(0.2)

    def outcome(self, seconds: float = 1500.0) -> dict:
        """Wait for the end; what the script found is its last line."""
        code = self.process.wait(timeout=seconds)
        assert code == 0, '\n'.join(self.lines()[-40:])
        return json.loads(self.lines()[-1])

    def nodes(self) -> int:
        """How many nodes the database holds."""
        found = list((self.folder / 'aiida').rglob('database.sqlite'))
        if not found:
            return 0
        try:
            connection = sqlite3.connect(f'file:{found[0]}?mode=ro', uri=True, timeout=10.0)
            try:
                return int(connection.execute('SELECT count(*) FROM db_dbnode').fetchone()[0])
            finally:
                connection.close()
        except sqlite3.OperationalError:  # it is being made
            return 0

    def processes(self, kind: str) -> list[psutil.Process]:
        """Processes of this run that `kind` means: ``worker``, ``pw.x``, ``job`` and so on."""
        return [process for process, its in self._own() if its == kind or (kind, its) in _WIDER]

    def _own(self) -> Iterator[tuple[psutil.Process, str]]:
        for process in psutil.process_iter(['cmdline', 'name', 'cwd']):
            words, cwd = process.info['cmdline'] or [], process.info['cwd'] or ''
            if process.info['name'] == 'pw.x' and cwd.startswith(str(self.folder)):
                yield process, 'pw.x'
            elif _is_job(process.info['name'], words) and cwd.startswith(str(self.folder)):
                yield process, 'insbench-job'
            elif kind := next((kind for kind, word in DAEMON.items() if word in words), None):
                with _gone():
                    if process.environ().get('AIIDA_PATH', '').startswith(str(self.folder)):
                        yield process, kind

    def wait_for_nodes(self, number: int) -> None:
        """Wait until the database holds so many nodes, or the script has ended."""
        while self.process.poll() is None and self.nodes() < number:
            time.sleep(0.2)

    def wait_for_file(self, name: str) -> Path:
        """Wait until a job has written a file of this name."""
        while self.process.poll() is None:
            if found := next((self.folder / 'work').rglob(name), None):
                return found
            time.sleep(0.01)
        raise AssertionError('\n'.join(self.lines()[-40:]))

    def kill(self, kind: str, rng: np.random.Generator) -> str | None:
        """SIGKILL one process of a kind, once there is one; None if none came before the end."""
        while self.process.poll() is None:
            victims = self.processes(kind)
            if victims:
                victim = victims[int(rng.integers(len(victims)))]
                with _gone():
                    name = _named(victim, kind)
                    victim.kill()
                    self.killed.append((round(time.monotonic() - self.began, 1), name))
                    return name
            time.sleep(0.05)
        return None

    def mend_as_told(self) -> None:
        """Ask `status` until it names a fault with its remedy; obey; then it must be content.

        Workers without their supervisor may come to the end meanwhile: then there is none to mend.
        """
        began = time.monotonic()
        while True:
            said = self.command('aiida-insbench', 'status', str(self.pk()))
            if found := re.search(r'(.*)Remedy: `([^`]+)`', said):
                break
            if re.search(rf'<{self.pk()}> finished', said):
                self.said.append(f'ended {time.monotonic() - began:.0f} s later')
                return
            assert time.monotonic() - began < PATIENCE, f'status sees no fault:\n{said}'
            time.sleep(1.0)
        if not self.said:
            doctor = self.command('aiida-insbench', 'doctor')
            assert found.group(2) in doctor, doctor
        self.command(*found.group(2).split())
        self.said.append(f'{found.group(1).strip()} -> {found.group(2)}')
        said = self.command('aiida-insbench', 'status', str(self.pk()))
        assert 'Remedy' not in said, said

    def command(self, *words: str) -> str:
        """Run a program in the profile of this run; what it printed."""
        done = subprocess.run(
            [str(BIN / words[0]), *words[1:]],
            check=False,
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.folder,
            timeout=300,
        )
        return done.stdout + done.stderr

    def end(self) -> None:
        """End all that is left of this run, and only that."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for kind in ('circus', 'worker', 'broker', 'job'):
            for process in self.processes(kind):
                with _gone():
                    process.kill()


_WIDER = {('job', name) for name in JOBS}


def _is_job(name: str, words: list[str]) -> bool:
    return name != 'bash' and any(Path(word).name == 'insbench-job' for word in words[:3])


def _named(process: psutil.Process, kind: str) -> str:
    """``pw.x`` or ``insbench-job train``; of the daemon the kind."""
    if kind in DAEMON:
        return kind
    words = process.cmdline()
    stage = next(
        (words[at + 1] for at, word in enumerate(words[:-1]) if word.endswith('insbench-job')), ''
    )
    return f'insbench-job {stage}' if stage else 'pw.x'


@contextmanager
def _gone() -> Iterator[None]:
    """What ends by itself meanwhile need not be killed."""
    with suppress(psutil.Error):
        yield


def moments(
    kinds: list[str], first: int, last: int, rng: np.random.Generator
) -> list[tuple[int, str]]:
    """Random moments for kills, in their order, at least a twentieth of the campaign apart."""
    room = LATEST - EARLIEST - 0.05 * (len(kinds) - 1)
    drawn = np.sort(rng.uniform(0.0, room, len(kinds))) + 0.05 * np.arange(len(kinds))
    parts = EARLIEST + drawn
    return [(int(first + p * (last - first)), kind) for p, kind in zip(parts, kinds, strict=True)]


def disturb(run: Run, kinds: list[str], *, nodes: int, seed: int) -> None:
    """Kill one process of each kind, in this order, and mend what does not mend itself."""
    rng = np.random.default_rng(seed)
    for moment, kind in moments(kinds, run.pk(), nodes, rng):
        run.wait_for_nodes(moment)
        time.sleep(float(rng.uniform(0.0, 1.0)))
        if run.kill(kind, rng) and kind in NEEDS_A_COMMAND:
            run.mend_as_told()
