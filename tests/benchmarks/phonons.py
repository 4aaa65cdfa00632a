"""How fast phonons under pressure are beside other programs; what a job costs beside its forces.

Three programs relax a crystal at 0, 1 and 2 GPa and compute its phonons, with one potential, on one
core, in turn in one run: `insbench.phonons` and aiida-phonopy's `PhonopyAseWorkChain` through one
AiiDA (`phonons_in_aiida.py`), and the command line of janus-core, which needs an environment of its
own: name its program in ``--janus`` (``pip install torch==2.13.0``, then
``janus-core[mace]==0.9.8``). Optical frequencies at Γ must agree to `AGREE`, or the run ends.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from phonons_in_aiida import optical_frequencies

from aiida_insbench.jobs.model_files import export_potential
from aiida_insbench.science.potentials import read_potential
from aiida_insbench.science.pressure import pressure_label
from aiida_insbench.science.structures import atoms_to_dict

POTENTIAL = Path(__file__).parent / 'data' / 'mgh2_potential.json'
PRESSURES = [0.0, 1.0, 2.0]
#: The mode of MgH2 that goes red moves by 0.04 cm⁻¹ in 0.001 GPa; at 1e-4 eV/Å soft modes of
#: benzene still differed by 0.1 cm⁻¹ between two relaxations.
SETTINGS = {'fmax': 3e-5, 'stress_tolerance': 1e-3, 'displacement': 0.01}
AGREE = 0.05  # cm⁻¹
THREADS = 1
_BENZENE_FRAMES, _BENZENE_EPOCHS = 80, 12
_LARGE = (2, 2, 2)


@dataclass(frozen=True)
class Case:
    """A crystal, its potential, its supercell, and what is promised."""

    name: str
    atoms: Atoms
    supercell: tuple[int, int, int]
    potential: Path
    goals: dict[str, float]
    rounds: int

    @property
    def size(self) -> int:
        """Atoms in the supercell."""
        return len(self.atoms) * int(np.prod(self.supercell))


def phonons_figures(
    work: Path,
    data: Path,
    *,
    janus: str = '',
    potential: Path | None = None,
    only: str | None = None,
) -> Iterator[dict[str, Any]]:
    """Figures one by one; those that need a potential, data or janus only where they are.

    Parameters
    ----------
    work : Path
        A potential of benzene that is there is not trained again.
    data : Path
        The folder of shared data.
    janus : str
        The program, or nothing.
    potential : Path, optional
        Of MgH2: ``.json`` beside ``.safetensors``; by default `POTENTIAL`.
    only : str, optional
        ``mgh2``, ``benzene``, ``overhead`` or ``truth``.
    """
    cases = list(_cases(work.resolve(), data, potential or POTENTIAL, only))
    compared = [case for case in cases if only in (None, case.name)]
    if compared:
        if not janus:
            _say('no comparison with janus: name its program in --janus')
        with _aiida(work.resolve() / 'aiida') as environment:
            for case in compared:
                yield from speed_figures(case, work.resolve() / case.name, environment, janus)
    for case in cases:
        if case.name == 'benzene' and only in (None, 'overhead'):
            yield from overhead_figures(case, work.resolve() / 'overhead')
    if POTENTIAL.is_file() and only in (None, 'truth'):
        from phonons_truth import truth_figures

        (work / 'truth').mkdir(exist_ok=True)
        yield from truth_figures(work.resolve() / 'truth')


def _cases(work: Path, data: Path, potential: Path, only: str | None) -> Iterator[Case]:
    from aiida_insbench.cli.demo_run import magnesium_hydride

    if potential.is_file():
        goals = {'phonopyase': 8.0, 'janus': 3.0}
        prefix = potential.resolve().with_suffix('')
        yield Case('mgh2', magnesium_hydride(), (2, 2, 3), prefix, goals, rounds=3)
    else:
        _say(f'no speed of MgH2: there is no {potential}')
    if not (data / 'training').is_dir():
        _say(f'no benzene: there is no {data / "training"}')
    elif only not in ('mgh2', 'truth'):
        from learning_curve import _relaxed_crystal

        prefix = benzene_potential(data, work / 'benzene_potential')
        goals = {'phonopyase': 10.0, 'janus': 1.3}
        yield Case('benzene', _relaxed_crystal(data), (1, 1, 1), prefix, goals, rounds=1)


def benzene_potential(data: Path, folder: Path) -> Path:
    """Train a small potential of crystalline benzene unless it is there; return its prefix."""
    from learning_curve import _read, _train

    frames = _read(data, '06_benzene', 'b')
    order = np.random.default_rng(1).permutation(len(frames))
    chosen = [frames[index] for index in order]
    folder.mkdir(parents=True, exist_ok=True)
    return _train(folder, chosen[:10], chosen[10 : 10 + _BENZENE_FRAMES], epochs=_BENZENE_EPOCHS)


def speed_figures(
    case: Case, folder: Path, environment: dict[str, str], janus: str
) -> Iterator[dict[str, Any]]:
    """Ours beside PhonopyAse, and beside janus where it is, in turn."""
    folder.mkdir(parents=True, exist_ok=True)
    model = folder / 'potential.model'
    export_potential(read_potential(case.potential), model, dtype='float64')
    # not counted: the daemon imports what both need
    first = _ours(case, folder, environment)
    _phonopy_ase(case, folder, environment, model, first, pressures=PRESSURES[:1])
    ours: list[dict[str, Any]] = []
    theirs: dict[str, list[dict[str, Any]]] = {'phonopyase': [], 'janus': []}
    for number in range(case.rounds):
        ours.append(_ours(case, folder, environment))
        theirs['phonopyase'].append(_phonopy_ase(case, folder, environment, model, ours[-1]))
        ours.append(_ours(case, folder, environment))
        if janus:
            theirs['janus'].append(_janus(case, folder / f'janus_{number}', janus, model))
        _say(f'{case.name}: ours {_seconds(ours)}; '
             + '; '.join(f'{name} {_seconds(runs)}' for name, runs in theirs.items()))  # fmt: skip
    for name, runs in theirs.items():
        if runs:
            yield _speed_figure(case, name, ours, runs)


def _speed_figure(
    case: Case, name: str, ours: list[dict[str, Any]], theirs: list[dict[str, Any]]
) -> dict[str, Any]:
    apart = max(_largest_difference(ours[0], run, f'{case.name}, {name}') for run in theirs)
    mean, other = (float(np.mean([run['seconds'] for run in runs])) for runs in (ours, theirs))
    what = {
        'phonopyase': 'PhonopyAseWorkChain of aiida-phonopy 1.8.0 with its defaults, one job of '
        f'{theirs[0].get("jobs")} after the other, phonons alone of the structures ours relaxed',
        'janus': 'janus geomopt and phonons 0.9.8 at each pressure, from the structure before, '
        'tracker off',
    }[name]
    return _figure(
        f'phonons.speedup_vs_{name}_{case.name}',
        other / mean,
        '1',
        case.goals[name],
        'higher',
        f'{case.size} atoms in the supercell, 0, 1, 2 GPa, MACE on {THREADS} thread: {what} '
        f'({_seconds(theirs)} s), over insbench.phonons, relaxation and phonons in one job '
        f'({_seconds(ours)} s, in the job {np.mean([run["job_seconds"] for run in ours]):.1f} s), '
        'from submission to end, daemon running, polled every 2 s; in turn; optical frequencies '
        f'at Γ within {apart:.3f} cm⁻¹',
    )


def _seconds(runs: list[dict[str, Any]]) -> str:
    return ', '.join(f'{run["seconds"]:.1f}' for run in runs)


def _largest_difference(ours: dict[str, Any], theirs: dict[str, Any], what: str) -> float:
    """Largest difference of frequencies in cm⁻¹; too large a one ends the run."""
    largest = max(
        float(np.abs(np.subtract(ours['frequencies'][label], found)).max())
        for label, found in theirs['frequencies'].items()
    )
    if not largest <= AGREE:
        raise SystemExit(
            f'{what}: optical frequencies at Γ differ by {largest:.3f} cm⁻¹; allowed are {AGREE}.'
        )
    return largest


# --- AiiDA ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def _aiida(folder: Path) -> Iterator[dict[str, str]]:
    """Give the environment of a new profile with a daemon."""
    (folder / '.aiida').mkdir(parents=True)
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith('AIIDA')},
        'AIIDA_PATH': str(folder),
        'PYTHONWARNINGS': 'ignore',
        'OMP_NUM_THREADS': str(THREADS),
        'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}',
    }
    _in_aiida('start', folder, environment)
    try:
        yield environment
    finally:
        _in_aiida('stop', folder, environment)


def _in_aiida(action: str, folder: Path, environment: dict[str, str]) -> None:
    program = Path(__file__).with_name('phonons_in_aiida.py')
    _run([sys.executable, str(program), action, str(folder)], folder, environment)


def _plan(folder: Path, name: str, **entries: Any) -> Path:
    place = folder / name
    place.mkdir(parents=True, exist_ok=True)
    (place / 'plan.json').write_text(json.dumps({'threads': THREADS, **entries}), 'utf-8')
    return place


def _ours(case: Case, folder: Path, environment: dict[str, str]) -> dict[str, Any]:
    place = _plan(
        folder,
        'ours',
        potential=str(case.potential),
        structure=atoms_to_dict(case.atoms),
        pressures=PRESSURES,
        supercell_matrix=np.diag(case.supercell).tolist(),
        settings=SETTINGS,
    )
    _in_aiida('ours', place, environment)
    return _read(place / 'ours.json')


def _phonopy_ase(
    case: Case,
    folder: Path,
    environment: dict[str, str],
    model: Path,
    ours: dict[str, Any],
    *,
    pressures: list[float] = PRESSURES,
) -> dict[str, Any]:
    seconds, jobs, frequencies = 0.0, 0, {}
    for label in map(pressure_label, pressures):
        place = _plan(
            folder,
            f'phonopy_ase_{label}',
            model=str(model),
            relaxed=ours['structures'][label],
            supercell_matrix=np.diag(case.supercell).tolist(),
        )
        _in_aiida('phonopy_ase', place, environment)
        answer = _read(place / 'phonopy_ase.json')
        seconds += answer['seconds']
        jobs += answer['jobs']
        frequencies[label] = answer['frequencies']
    return {'seconds': seconds, 'jobs': jobs, 'frequencies': frequencies}


# --- janus ----------------------------------------------------------------------------------------


def _janus(case: Case, folder: Path, program: str, model: Path) -> dict[str, Any]:
    """Relax and compute phonons at each pressure by janus, from the structure before."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {'OMP_NUM_THREADS': str(THREADS), 'PYTHONWARNINGS': 'ignore'}
    environment |= {name: os.environ[name] for name in ('PATH', 'HOME') if name in os.environ}
    start = folder / 'start.extxyz'
    ase.io.write(start, case.atoms)
    masses = case.atoms.get_masses() if case.atoms.has('masses') else None
    seconds, frequencies = 0.0, {}
    for pressure in PRESSURES:
        label = pressure_label(pressure)
        same = ['--arch', 'mace', '--model', str(model), '--no-tracker', '--file-prefix', label]
        relax = ['--struct', str(start), '--opt-cell-fully', '--pressure', str(pressure)]
        relax += ['--fmax', str(SETTINGS['fmax']), '--fix-symmetry']
        start = folder / f'{label}-opt.extxyz'
        phonons = ['--struct', str(start), '--supercell', ' '.join(map(str, case.supercell))]
        phonons += ['--displacement', str(SETTINGS['displacement']), '--symmetrize']
        started = time.monotonic()
        _run([program, 'geomopt', *same, *relax], folder, environment)
        _run([program, 'phonons', *same, *phonons, '--no-progress-bar'], folder, environment)
        seconds += time.monotonic() - started
        frequencies[label] = _frequencies_of_janus(folder, label, masses)
    return {'seconds': seconds, 'frequencies': frequencies}


def _frequencies_of_janus(folder: Path, label: str, masses: Any) -> list[float]:
    """Frequencies of its force constants with phonopy's masses: its own are those of ASE."""
    import phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    phonon = phonopy.load(
        folder / f'{label}-phonopy.yml',
        force_constants_filename=folder / f'{label}-force_constants.hdf5',
        primitive_matrix='P',
        produce_fc=False,
    )
    unit = phonon.primitive
    if masses is None:
        masses = PhonopyAtoms(symbols=unit.symbols, cell=unit.cell, positions=unit.positions).masses
    phonon.masses = masses
    return optical_frequencies(phonon)


# --- one job --------------------------------------------------------------------------------------


def overhead_figures(case: Case, folder: Path) -> Iterator[dict[str, Any]]:
    """The job's process beside the very force calls it makes, and its memory."""
    folder.mkdir(parents=True, exist_ok=True)
    job = {
        'schema': 1,
        'stage': 'phonons',
        'potential': str(case.potential),
        'structure': atoms_to_dict(case.atoms),
        'pressures': PRESSURES,
        'supercell_matrix': np.diag(_LARGE).tolist(),
        'settings': SETTINGS,
    }
    (folder / 'job.json').write_text(json.dumps(job), encoding='utf-8')
    environment = {**os.environ, 'OMP_NUM_THREADS': str(THREADS), 'PYTHONWARNINGS': 'ignore'}
    calls = [sys.executable, str(Path(__file__).with_name('phonons_calls.py'))]
    _run([*calls, 'record', str(folder)], folder, environment)
    job_program = [sys.executable, '-m', 'aiida_insbench.jobs', 'phonons', 'job.json']
    jobs, loops, inside, bare = [], [], 0.0, 0.0
    for _ in range(2):
        jobs.append(_run(job_program, folder, environment))
        loops.append(_run([*calls, 'bare', str(folder)], folder, environment))
        inside += _read(folder / 'result.json')['seconds']
        bare += _read(folder / 'bare.json')['seconds']
    count = _read(folder / 'bare.json')['calls']
    atoms = len(case.atoms) * int(np.prod(_LARGE))
    seconds, loop_s = (sum(run.seconds for run in runs) for runs in (jobs, loops))
    cpu, loop_cpu = (sum(run.cpu for run in runs) for runs in (jobs, loops))
    yield _figure(
        'phonons.overhead_ratio',
        seconds / loop_s,
        '1',
        1.1,
        'lower',
        f'benzene, {atoms} atoms in the supercell, 0, 1, 2 GPa: process of insbench-job phonons '
        f'({seconds:.1f} s, {cpu:.1f} s of CPU) over a process that does its {count} force calls '
        f'with the same calculator ({loop_s:.1f} s, {loop_cpu:.1f} s of CPU), starting Python and '
        'loading the potential included in both, as no force can be had without; in the job '
        f'{inside:.1f} s, in the calls alone {bare:.1f} s; two runs each in turn, {THREADS} thread',
    )
    yield _figure(
        'phonons.peak_memory_gb',
        max(run.peak_gib for run in jobs),
        'GiB',
        4,
        'lower',
        f'benzene, {atoms} atoms in the supercell, MACE of 32 channels and 5 Å: peak resident '
        'memory of insbench-job phonons',
    )


@dataclass(frozen=True)
class Usage:
    """What a process took: wall time, CPU time, peak resident memory."""

    seconds: float
    cpu: float
    peak_gib: float


def _run(words: list[str], folder: Path, environment: dict[str, str]) -> Usage:
    """Run a program, its output in ``FOLDER/log``."""
    started = time.monotonic()
    with (folder / 'log').open('w') as log:
        child = subprocess.Popen(
            words, cwd=folder, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    seconds = time.monotonic() - started
    if child.returncode != 0:
        text = (folder / 'log').read_text(encoding='utf-8', errors='replace')
        raise SystemExit(f'{" ".join(words)} ended with {child.returncode}:\n{text[-2000:]}')
    return Usage(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss / 2**20)


def _read(path: Path) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
    return answer


def _figure(
    name: str, value: float, unit: str, goal: float, better: str, how: str
) -> dict[str, Any]:
    return {
        'name': name,
        'value': float(f'{value:.4g}'),
        'unit': unit,
        'goal': goal,
        'better': better,
        'how': how,
    }


def _say(line: str) -> None:
    sys.stdout.write(f'{line}\n')
    sys.stdout.flush()
