"""Mutated files through every reader: a clear error or a result, in little time and memory.

``python tests/bad_inputs/fuzz.py READER … --cases 500`` runs in a process of its own, since a
crash of a library would end it, and prints one line of JSON a reader. A case is made again by its
number: ``--only 123``; ``--keep DIR`` keeps the files of cases that went wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))
sys.path.insert(1, str(Path(__file__).resolve().parents[1]))

from mutations import mutated
from readers import READERS, Reader

from aiida_insbench.science.errors import InsbenchError

#: CPU seconds of one case, and bytes by which it may let the process grow.
SECONDS, MEMORY = 10.0, 1 << 30
#: Longest message a user should have to read.
LETTERS = 3000
FIRST_SEED = 1


class TooLongError(BaseException):
    """Raised by the timer; no reader catches it."""


@dataclass
class Outcome:
    """What became of the cases of one reader."""

    reader: str
    cases: int = 0
    read: int = 0
    refused: int = 0
    slowest: float = 0.0
    faults: list[dict[str, Any]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """As plain values."""
        return {**vars(self), 'slowest': round(self.slowest, 2)}


def fuzz(
    reader: Reader, *, cases: range, folder: Path, keep: Path | None = None, seed: int = FIRST_SEED
) -> Outcome:
    """Run the cases of these numbers in a folder."""
    outcome = Outcome(reader.name)
    seeds = reader.seeds()
    for number in cases:
        rng = seeded(f'{seed}:{reader.name}:{number}')
        given = rng.choice(seeds)
        data = mutated(rng, given.files[given.target], reader.mutations)
        place = _laid_out(folder, {**given.files, given.target: data})
        (folder / 'case.json').write_text(json.dumps({'reader': reader.name, 'number': number}))
        kind, detail, seconds = run_case(reader, place, given.target)
        outcome.cases += 1
        outcome.slowest = max(outcome.slowest, seconds)
        if kind == 'read':
            outcome.read += 1
        elif kind == 'refused':
            outcome.refused += 1
        else:
            outcome.faults.append({'number': number, 'kind': kind, 'detail': detail})
            if keep is not None:
                shutil.copytree(place, keep / f'{reader.name}_{number}', dirs_exist_ok=True)
    return outcome


def seeded(words: str) -> random.Random:
    """Random numbers that are the same each time."""
    return random.Random(words)  # noqa: S311 - nothing is secret


def _laid_out(folder: Path, files: dict[str, bytes]) -> Path:
    place = folder / 'case'
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name, data in files.items():
        (place / name).write_bytes(data)
    return place


def run_case(reader: Reader, place: Path, target: str) -> tuple[str, str, float]:
    """``read``, ``refused`` or what went wrong; a detail; CPU seconds."""
    started = time.process_time()
    try:
        with _limited(), _quiet():
            reader.read(place, target)
        kind, detail = 'read', ''
    except InsbenchError as exc:
        kind, detail = _judge(exc)
    except TooLongError:
        kind, detail = 'too long', ''.join(traceback.format_exc(limit=-4))
    except MemoryError:
        kind, detail = 'too much memory', ''.join(traceback.format_exc(limit=-4))
    except BaseException as exc:  # noqa: BLE001 - whatever it is, it is no clear error
        kind, detail = type(exc).__name__, ''.join(traceback.format_exc(limit=-4))
    return kind, detail, time.process_time() - started


def _judge(exc: InsbenchError) -> tuple[str, str]:
    text = str(exc)
    chain = [exc.__cause__, exc.__context__]
    if any(isinstance(one, MemoryError) for one in chain):
        return 'too much memory', text[:300]
    if len(text) < 10:
        return 'vague message', text
    if len(text) > LETTERS:
        return 'endless message', text[:300]
    return 'refused', text


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    """Bound CPU time and memory; both end with an exception."""
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    in_use = int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()
    before = signal.signal(signal.SIGPROF, _too_long)
    resource.setrlimit(resource.RLIMIT_AS, (in_use + MEMORY, hard))
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def _too_long(_number: int, _frame: object) -> None:
    raise TooLongError


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    streams = io.StringIO()
    with (
        contextlib.redirect_stdout(streams),
        contextlib.redirect_stderr(streams),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        yield


def main(arguments: list[str] | None = None) -> int:
    """Run readers by name, or all; 1 if anything went wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('readers', nargs='*', help=f'of {", ".join(READERS)}; default all')
    parser.add_argument('--cases', type=int, default=100, help='of each reader')
    parser.add_argument('--first', type=int, default=0, help='number of the first case')
    parser.add_argument('--only', type=int, help='this case alone')
    parser.add_argument('--seed', type=int, default=FIRST_SEED)
    parser.add_argument('--keep', type=Path, help='folder for files of cases that went wrong')
    options = parser.parse_args(arguments)
    numbers = range(options.first, options.first + options.cases)
    if options.only is not None:
        numbers = range(options.only, options.only + 1)
    wrong = False
    for name in options.readers or READERS:
        with tempfile.TemporaryDirectory(prefix='insbench-fuzz-') as folder:
            outcome = fuzz(
                READERS[name],
                cases=numbers,
                folder=Path(folder),
                keep=options.keep,
                seed=options.seed,
            )
        wrong |= bool(outcome.faults)
        sys.stdout.write(json.dumps(outcome.as_dict()) + '\n')
        sys.stdout.flush()
    return int(wrong)


if __name__ == '__main__':
    sys.exit(main())
