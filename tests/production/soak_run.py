"""The running part of `soak.py`: needs a loaded profile."""

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from aiida.engine import submit
from aiida.orm import CalcJobNode, Log, ProcessNode, QueryBuilder, StructureData, load_code
from ase.build import bulk

from aiida_insbench.cli.daemon_processes import own_processes
from aiida_insbench.cli.health import ensure_daemon
from aiida_insbench.cli.slots import slots_needed, slots_there
from aiida_insbench.data import PotentialData
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain

PRESSURES = [0.0, 0.5, 1.0, 1.5]
OVERRIDES = {
    'phonons': {
        'mesh': [2, 2, 2], 'supercell_matrix': np.diag([2, 2, 2]).tolist(), 'strained': False,
    },
    'ins': {'energy_range': [0.0, 320.0], 'bin_width': 2.0, 'tolerance': None, 'max_order': 2},
    'broadening': {'resolution': [6.0]},
}  # fmt: skip
LOOK_SECONDS = 2.0
SAY_SECONDS = 60.0


@dataclass
class Soak:
    """Benchmarks submitted as slots allow, and the daemon's workers watched meanwhile.

    Attributes
    ----------
    count : int
        Benchmarks, of two potentials at four pressures each.
    workers : int
        Of the daemon.
    patience : float
        After so many seconds it gives up.
    memory : list of (float, float)
        Seconds since the start, and resident memory of all workers, MB.
    """

    count: int
    workers: int
    patience: float
    memory: list[tuple[float, float]] = field(default_factory=list)

    def run(self) -> dict:
        """Run all; return the figures."""
        health = ensure_daemon(self.workers)
        if health.faults:
            raise SystemExit(' '.join(health.faults))
        self.code = load_code('insbench-job@soak')
        self.crystal = StructureData(ase=bulk('Cu', cubic=True, a=3.6)).store()
        self.emt = _potential('emt', {})
        reference = self._reference()
        cpu_before, processes_before = _cpu_seconds(), _processes()
        self.began = time.monotonic()
        nodes, most = self._submit_all(reference)
        seconds = time.monotonic() - self.began
        figures = {
            'benchmarks_finished': sum(node.is_finished_ok for node in nodes),
            'cells_finished': sum(len(_cells(node)) for node in nodes),
            'seconds': round(seconds, 1),
            'most_benchmarks_alive': most,
            'slots': slots_there(self.workers),
        }
        processes = _processes() - processes_before
        return figures | {
            'cells_per_hour': round(3600 * figures['cells_finished'] / seconds),
            'processes': processes,
            'worker_cpu_seconds_per_process': round((_cpu_seconds() - cpu_before) / processes, 3),
            'job_seconds_of_their_own': round(sum(_job_seconds()), 1),
            'memory_mb_start': round(self.memory[0][1]),
            **self._memory_by_quarter(),
            'failures': [_failure(node) for node in nodes if not node.is_finished_ok][:3],
        }  # fmt: skip

    def _reference(self) -> dict:
        """Force constants that stand for DFT's."""
        builder = PhononsWorkChain.get_builder_from_protocol(
            self.code, self.emt, self.crystal, PRESSURES, protocol='fast', overrides=OVERRIDES
        )
        self.began = time.monotonic()
        node = submit(builder)
        self._wait(lambda: not node.is_terminated)
        if not node.is_finished_ok:
            raise SystemExit(f'No reference: {node.exit_message}')
        return dict(node.outputs.force_constants)

    def _builder(self, number: int, reference: dict) -> object:
        """One benchmark; its potentials are like no other's, so that nothing could be cached."""
        near = _potential('lj', {'epsilon': 0.15 + 1.0e-4 * number, 'sigma': 2.32})
        far = _potential('lj', {'epsilon': 0.13 + 1.0e-4 * number, 'sigma': 2.32})
        return BenchmarkWorkChain.get_builder_from_protocol(
            self.code, {'near': near, 'far': far}, self.crystal, PRESSURES, reference=reference,
            protocol='fast', overrides=OVERRIDES,
        )  # fmt: skip

    def _submit_all(self, reference: dict) -> tuple[list, int]:
        nodes, most = [], 0
        while len(nodes) < self.count or any(not node.is_terminated for node in nodes):
            alive = sum(not node.is_terminated for node in nodes)
            most = max(most, alive)
            if len(nodes) < self.count:
                builder = self._builder(len(nodes), reference)
                needed = slots_needed(builder._inputs(prune=True))
                if (alive + 1) * needed <= slots_there(self.workers):
                    nodes.append(submit(builder))
                    continue
            if not self._wait(None):
                break
        return nodes, most

    def _wait(self, going) -> bool:
        """Look once, or until it is no longer going; False when patience is at its end."""
        while True:
            now = time.monotonic() - self.began
            if not self.memory or now - self.memory[-1][0] > LOOK_SECONDS or now < 1:
                self._look(now)
            if now > self.patience:
                return False
            time.sleep(LOOK_SECONDS)
            if going is None or not going():
                return True

    def _look(self, now: float) -> None:
        memory = sum(process.memory_info().rss for process in own_processes('worker')) / 2**20
        if not self.memory or now // SAY_SECONDS > self.memory[-1][0] // SAY_SECONDS:
            sys.stderr.write(f'{now:6.0f} s: workers have {memory:.0f} MB\n')
        self.memory.append((now, memory))

    def _memory_by_quarter(self) -> dict[str, int]:
        """Means over quarters of the time: flat if the last is like the second."""
        series = np.array([value for _, value in self.memory])
        quarters = np.array_split(series, 4)
        names = [f'memory_mb_quarter_{number}' for number in (1, 2, 3, 4)]
        means = {
            name: round(float(part.mean()))
            for name, part in zip(names, quarters, strict=True)
            if part.size
        }
        return means | {'memory_mb_end': round(float(series[-1]))}


def _potential(name: str, arguments: dict) -> PotentialData:
    return PotentialData.from_potential(potential_from_ase(name, arguments)).store()


def _cells(node: ProcessNode) -> list[str]:
    """Scores of potentials at pressures that a benchmark has given."""
    if not node.is_finished_ok:
        return []
    return [
        f'{name}.{label}'
        for name, scores in node.outputs.scores.items()
        if name in ('near', 'far')
        for label in scores
    ]


def _failure(node: ProcessNode) -> str:
    """How a benchmark ended, and its last words."""
    words = [log.message for log in Log.collection.get_logs_for(node)][-1:]
    return ' '.join([
        f'{node.process_label}<{node.pk}> {node.process_state.value} [{node.exit_status}]',
        *(str(text)[-400:] for text in (node.exit_message, node.exception, *words) if text),
    ])  # fmt: skip


def _processes() -> int:
    return QueryBuilder().append(ProcessNode).count()


def _cpu_seconds() -> float:
    times = [process.cpu_times() for process in own_processes('worker')]
    return sum(one.user + one.system for one in times)


def _job_seconds() -> Iterator[float]:
    """What each job says it took, without the start of its interpreter."""
    for node in QueryBuilder().append(CalcJobNode).all(flat=True):
        if 'output_parameters' in node.outputs:
            yield float(node.outputs.output_parameters['job']['seconds'])
