"""Learning curve of frames rattled at random against targeted and selected ones, on MgH2.

The stored potential (`data/mgh2_potential`) labels: no DFT is needed and labels cost nothing. Every
potential is trained from scratch with the loss of the protocol `fast` and its model, of a reach of
4.5 Å, for the same number of steps, its epoch chosen on the same validation frames, which are not
counted.

Strategies: `random`, strain and rattle at the settings of `fast`; `targeted`, `SEEDS_KNOWN` of
these, which train a first potential, and beside them frames along its modes at the target
pressures, chosen by `insbench-job select` from `POOL`. For comparison: `unselected`, the same but
taken from the pool at random; `rattled-selected`, chosen by SOAP from a pool of rattled frames;
`random-wide`, rattled as far as atoms go at 300 K, which the settings of `fast` do not.

Tests: Langevin dynamics by the labelling potential at the highest pressure, at 300 K and at 20 K,
which no sampling method had a part in.

    python selection_curve.py FOLDER [STRATEGY/FRAMES/SEED ...]    # FOLDER/curve.json, gone on from
    python selection_curve.py FOLDER figures           # what it says
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from mgh2_frames import DIAGONAL, LONG, START, UNIT, WIDE, run_stage

from aiida_insbench.science.frames import (
    ENERGY_KEY,
    FORCES_KEY,
    STRESS_KEY,
    read_frames,
    write_frames,
)
from aiida_insbench.science.parity import labels, predict
from aiida_insbench.science.potentials import calculator, read_potential
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.cells import build_supercell
from aiida_insbench.science.structures import atoms_to_dict

HERE = Path(__file__).parent
LABELLER = HERE / 'data' / 'mgh2_potential'
_PROTOCOLS = yaml.safe_load(
    (HERE.parents[1] / 'aiida_insbench/workflows/protocols/campaign.yaml').read_text('utf-8')
)
PROTOCOL = _PROTOCOLS['default_inputs']
PROTOCOL_FAST = _PROTOCOLS['protocols']['fast']
PRESSURES = [0.0, 1.0, 2.0, 3.0]
CELLS = (UNIT, LONG, WIDE, DIAGONAL)
SIZES = (8, 16, 32, 64)
SEEDS = (1, 2)
STEPS = int(os.environ.get('STEPS', '2400'))
#: Rattled frames that train the first potential; counted in the targeted ones.
SEEDS_KNOWN = 6
#: Temperature (K) and frames of the targeted pools.
POOL = {'cool': (60.0, 120), 'warm': (300.0, 120)}
#: Temperature (K), supercell and femtoseconds between frames of the test frames.
TESTS = {'warm': (300.0, np.diag([2, 2, 2]), 100), 'cold': (20.0, DIAGONAL, 40)}
TEST_FRAMES = 15
_LAST_RATE = 0.05  # of the first
_SETTINGS = PROTOCOL['first_round']['settings']
RATTLE = {
    **_SETTINGS,
    'rattle': {'Mg': _SETTINGS['rattle']['default'], 'H': _SETTINGS['rattle']['H']},
}
#: Amplitudes (Å) up to those of the test at 300 K, rms in each direction: 0.10 of Mg, 0.15 of H.
WIDE_RATTLE = {**RATTLE, 'rattle': {'Mg': [0.01, 0.1], 'H': [0.02, 0.15]}}


class Curve:
    """All frames and trainings of one folder; what is there is not done again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / 'curve.json'
        self.found: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.labeller = calculator(read_potential(LABELLER))
        self.crystal = relax(atoms=START, calculator=self.labeller, pressure=0.0).atoms

    def label(self, frames: list[Atoms]) -> list[Atoms]:
        """Give frames the labels of the stored potential."""
        for frame in frames:
            atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=True)
            atoms.calc = self.labeller
            frame.info[ENERGY_KEY] = float(atoms.get_potential_energy())
            frame.info[STRESS_KEY] = atoms.get_stress()
            frame.arrays[FORCES_KEY] = atoms.get_forces()
        return frames

    def sample(self, name: str, count: int, seed: int, **method: Any) -> list[Atoms]:
        """Draw unlabelled frames in the cells and shares of the protocol `fast`."""
        place = self.folder / name
        if not (place / 'result.json').exists():
            place.mkdir(exist_ok=True)
            potential = method.pop('potential', None)
            if potential is not None:
                method['potential'] = copy_potential(potential, place / 'potential')
            shares = [cell['share'] for cell in PROTOCOL['first_round']['cells']]
            job = {
                'prefix': name.replace('-', '_'),
                'structure': atoms_to_dict(self.crystal),
                'pressures': PRESSURES,
                'cells': [
                    {'supercell_matrix': matrix, 'count': number}
                    for matrix, number in zip(CELLS, split(count, shares), strict=True)
                ],
                'seed': seed,
                **method,
            }
            run_stage('sample', place, job)
        return read(place / 'frames.extxyz')

    def rattled(
        self, name: str, count: int, seed: int, settings: dict[str, Any] | None = None
    ) -> list[Atoms]:
        """Strain and rattle."""
        return self.sample(name, count, seed, method='strain-rattle', settings=settings or RATTLE)

    def frames(self, strategy: str, size: int, seed: int) -> list[Atoms]:
        """Frames a strategy would label."""
        if strategy == 'random':
            return self.rattled(f'random-{size}-{seed}', size, 100 * seed + size)
        if strategy == 'random-wide':
            return self.rattled(f'{strategy}-{size}-{seed}', size, 100 * seed + size, WIDE_RATTLE)
        if strategy == 'rattled-selected':
            pool = {'rattled': self.rattled(f'pool-rattled-{seed}', 240, 900 + seed)}
            return self.select(f'{strategy}-{size}-{seed}', pool, [], size, seed)
        known = self.rattled(f'first-{seed}', SEEDS_KNOWN, 500 + seed)
        first = self.train(f'train-first-{seed}', known, seed)
        pools = {
            name: self.sample(
                f'pool-{name}-{seed}',
                count,
                600 + seed,
                method='equal-energy',
                potential=first,
                settings={'temperature': kelvin, 'frequency_floor': 80.0, 'strain': 0.004},
            )
            for name, (kelvin, count) in POOL.items()
        }
        if strategy == 'targeted':
            name = f'{strategy}-{size}-{seed}'
            chosen = self.select(name, pools, known, size - len(known), seed, potential=first)
        else:
            everything = [frame for frames in pools.values() for frame in frames]
            order = np.random.default_rng(seed).permutation(len(everything))
            chosen = [everything[i] for i in order[: size - len(known)]]
        return [*known, *chosen]

    def select(
        self,
        name: str,
        pools: dict[str, list[Atoms]],
        known: list[Atoms],
        count: int,
        seed: int,
        potential: Path | None = None,
    ) -> list[Atoms]:
        """Choose frames by ``insbench-job select``."""
        place = self.folder / name
        if not (place / 'result.json').exists():
            place.mkdir(exist_ok=True)
            for pool, frames in pools.items():
                (place / f'{pool}.extxyz').write_text(write_frames(frames), 'utf-8')
            if known:
                (place / 'known.extxyz').write_text(write_frames(known), 'utf-8')
            job: dict[str, Any] = {
                'method': 'farthest-point',
                'pools': {pool: f'{pool}.extxyz' for pool in pools},
                'known': 'known.extxyz' if known else None,
                'count': count,
                'seed': seed,
                'descriptors': 'soap',
            }
            if potential is not None:
                prefix = copy_potential(potential, place / 'potential')
                job |= {'descriptors': 'mace', 'potentials': {'first': prefix}}
            run_stage('select', place, job)
        return read(place / 'frames.extxyz')

    def train(self, name: str, frames: list[Atoms], seed: int) -> Path:
        """Train from scratch; return the prefix of the potential."""
        place = self.folder / name
        if not (place / 'result.json').exists():
            place.mkdir(exist_ok=True)
            validation = self.label(self.rattled('validation', 4, 800))
            (place / 'training.extxyz').write_text(write_frames(self.label(frames)), 'utf-8')
            (place / 'validation.extxyz').write_text(write_frames(validation), 'utf-8')
            epochs = round(STEPS / len(frames))
            base = {k: PROTOCOL['base_training'][k] for k in ('learning_rate', 'e0s')}
            settings = {
                **PROTOCOL['training'],
                **base,
                'model': {**PROTOCOL['training']['model'], 'r_max': 4.5},
                'max_epochs': epochs,
                'gamma': _LAST_RATE ** (1 / epochs),
                'seed': seed,
            }
            job = {
                'dataset': 'training.extxyz',
                'validation': 'validation.extxyz',
                'settings': settings,
            }
            run_stage('train', place, job)
        return place / 'trained'

    def test_frames(self, name: str) -> list[Atoms]:
        """Labelled frames of dynamics at the highest pressure."""
        path = self.folder / f'test-{name}.extxyz'
        if not path.exists():
            cell = relax(atoms=self.crystal, calculator=self.labeller, pressure=PRESSURES[-1]).atoms
            kelvin, matrix, apart = TESTS[name]
            atoms = build_supercell(atoms=cell, supercell_matrix=matrix)
            atoms.calc = self.labeller
            rng = np.random.default_rng(7)
            MaxwellBoltzmannDistribution(atoms, temperature_K=kelvin, rng=rng)
            motion = Langevin(
                atoms, units.fs, temperature_K=kelvin, friction=0.02 / units.fs, rng=rng
            )
            frames: list[Atoms] = []
            for index in range(TEST_FRAMES):
                motion.run(apart if index else 3 * apart)
                frame = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
                frame.info = {
                    'frame_id': f'{name}_{index}',
                    'target_pressure': PRESSURES[-1],
                    'supercell_matrix': np.array(matrix),
                }
                frames.append(frame)
            path.write_text(write_frames(self.label(frames)), 'utf-8')
        return read(path)

    def judge(self, prefix: Path) -> dict[str, float]:
        """Force errors on the test frames, meV/Å."""
        potential = calculator(read_potential(prefix))
        found = {}
        for name in TESTS:
            frames = self.test_frames(name)
            missed = predict(frames, calculator=potential).forces - labels(frames).forces
            found[name] = round(1000 * float(np.sqrt(np.mean(missed**2))), 3)
        return found

    def follow(self, tasks: list[str]) -> None:
        """Train and judge whatever of STRATEGY/FRAMES/SEED is missing."""
        for key in tasks:
            strategy, size, seed = key.split('/')
            if key in self.found:
                continue
            frames = self.frames(strategy, int(size), int(seed))
            prefix = self.train(f'train-{strategy}-{size}-{seed}', frames, int(seed))
            self.found[key] = self.judge(prefix)
            self.file.write_text(json.dumps(self.found, indent=1), 'utf-8')
            sys.stdout.write(f'{key}: {self.found[key]}\n')
            sys.stdout.flush()


def split(count: int, shares: list[float]) -> list[int]:
    """Deal `count` by shares, the largest remainders first."""
    exact = [count * share / sum(shares) for share in shares]
    numbers = [int(value) for value in exact]
    order = sorted(range(len(shares)), key=lambda i: (numbers[i] - exact[i], i))
    for index in order[: count - sum(numbers)]:
        numbers[index] += 1
    return numbers


def copy_potential(source: Path, target: Path) -> str:
    """Copy the two files of a potential; return the prefix for a job file."""
    for suffix in ('.json', '.safetensors'):
        shutil.copy(source.with_suffix(suffix), target.with_suffix(suffix))
    return target.name


def read(path: Path) -> list[Atoms]:
    """Read a file of frames."""
    return read_frames(path.read_text(encoding='utf-8'), name=path.name)


def mean_curve(
    found: dict[str, Any], strategy: str, test: str
) -> tuple[list[int], list[float], list[list[float]]]:
    """Sizes, geometric means over the seeds, and the errors of each seed."""
    by_size: dict[int, list[float]] = {}
    for key, errors in found.items():
        name, size, _ = key.split('/')
        if name == strategy:
            by_size.setdefault(int(size), []).append(errors[test])
    sizes = sorted(by_size)
    return (
        sizes,
        [float(np.exp(np.mean(np.log(by_size[s])))) for s in sizes],
        [by_size[s] for s in sizes],
    )


def frames_needed(sizes: list[int], errors: list[float], target: float) -> float | None:
    """Frames at which the error first falls to `target`, by lines in log N and log error."""
    best = np.minimum.accumulate(errors)
    if target > best[0] or target < best[-1]:
        return None
    index = int(np.argmax(best <= target))
    if index == 0:
        return float(sizes[0])
    low, high = np.log(best[index - 1]), np.log(best[index])
    share = (low - np.log(target)) / (low - high)
    return float(np.exp((1 - share) * np.log(sizes[index - 1]) + share * np.log(sizes[index])))


def frames_saved(found: dict[str, Any], test: str, other: str = 'targeted') -> list[dict[str, Any]]:
    """Rattled frames per frame of another strategy at the same error.

    One row for each number of the other's frames: its error (meV/Å), the rattled frames that reach
    it, and the ratio; `more` says that not even the most rattled frames that were tried do, so that
    the ratio is a lower bound.
    """
    sizes, errors, _ = mean_curve(found, 'random', test)
    rows = []
    for size, error, _ in zip(*mean_curve(found, other, test), strict=True):
        more = error < min(errors)
        needed = float(sizes[-1]) if more else frames_needed(sizes, errors, error) or sizes[0]
        row = {other: size, 'rmse_forces_mev_a': error, 'random': round(needed, 1), 'more': more}
        rows.append({**row, 'ratio': round(needed / size, 2)})
    return rows


def main() -> None:
    """Follow strategies, or say what was found."""
    folder, words = Path(sys.argv[1]).resolve(), sys.argv[2:]
    if words == ['figures']:
        found = json.loads((folder / 'curve.json').read_text('utf-8'))
        saved = {test: frames_saved(found, test) for test in TESTS}
        sys.stdout.write(json.dumps(saved, indent=1) + '\n')
        return
    tasks = [
        f'{strategy}/{size}/{seed}'
        for seed in SEEDS
        for size in SIZES
        for strategy in ('random', 'targeted')
    ]
    Curve(folder).follow(words or tasks)


if __name__ == '__main__':
    main()
