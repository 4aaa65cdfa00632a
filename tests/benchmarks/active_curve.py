"""Frames that a campaign needs until its spectra agree, against frames rattled at random, by DFT.

The demo's crystal (MgH2, labels by pw.x). Both strategies begin with the same `FIRST` frames,
strained and rattled as in the first round of the protocol `fast`. `random` goes on with such
frames; `active` adds `STEP` at a time along the modes on which the committee disagrees. At every
size a committee of two is trained from scratch for the same number of steps, and asked for its
spectra at `PRESSURES`. `apart` is what a campaign looks at, the distance of its members' spectra;
`off` that of the first from the spectrum of the stored potential, which is within 3 cm⁻¹ of DFT.

    python active_curve.py FOLDER [SEED ...]     # FOLDER/curve.json, gone on from
    python active_curve.py FOLDER figures        # frames at the tolerances, and their ratio
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from mgh2_dft import label
from mgh2_frames import DIAGONAL, LONG, START, UNIT, WIDE, run_stage
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from selection_curve import LABELLER, PROTOCOL, PROTOCOL_FAST, RATTLE, frames_needed, split

from aiida_insbench.science.campaign.spread import spectrum_distance
from aiida_insbench.science.frames import read_frames, write_frames
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.science.scoring.spectra import Simulation
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

PRESSURES = [0.0, 1.0, 2.0]
FIRST, STEP, LARGEST = 12, 6, 18
RANDOM = (12, 48)
SEEDS = (1, 2, 3)
#: cm⁻¹, that of the protocol `fast`.
TOLERANCE = PROTOCOL_FAST['stopping']['tolerance_shift']
STEPS = 1600
_CELLS = (UNIT, LONG, WIDE, DIAGONAL)
_LAST_RATE = 0.05  # of the first
_MESH = (9, 9, 13)


class Curve:
    """All frames, trainings and spectra of one folder; what is there is not done again."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.file = folder, folder / 'curve.json'
        self.found: dict[str, Any] = json.loads(self.file.read_text()) if self.file.exists() else {}
        self.truth = self.spectra(LABELLER, 'truth')

    def follow(self, seed: int) -> None:
        """Both strategies from one seed."""
        rattled = self.labelled(f'rattled-{seed}', self.rattled(seed, max(RANDOM)))
        for size in RANDOM:
            self.judge('random', size, seed, rattled[:size])
        active = rattled[:FIRST]
        for size in range(FIRST, LARGEST + 1, STEP):
            if size > FIRST:
                before = (
                    f'active-{size - STEP}-{seed}'
                    if size - STEP > FIRST
                    else (f'random-{FIRST}-{seed}')
                )
                name = f'disputed-{size}-{seed}'
                active = [*active, *self.labelled(name, self.disputed(name, before, seed))]
                self.judge('active', size, seed, active)

    def judge(self, strategy: str, size: int, seed: int, frames: list[Atoms]) -> None:
        """Train a committee and compare its spectra."""
        key = f'{strategy}/{size}/{seed}'
        if key in self.found:
            return
        name = f'{strategy}-{size}-{seed}'
        members = (2 * seed, 2 * seed + 1)
        with ThreadPoolExecutor(2) as pair:
            list(pair.map(lambda one: self.train(f'{name}-{one}', frames, seed=one), members))
            spectra = list(
                pair.map(
                    lambda one: self.spectra(
                        self.folder / f'{name}-{one}' / 'trained', f'{name}-{one}'
                    ),
                    members,
                )
            )
        self.found[key] = {'apart': distances(*spectra), 'off': distances(spectra[0], self.truth)}
        self.file.write_text(json.dumps(self.found, indent=1), 'utf-8')
        sys.stdout.write(f'{key}: {self.found[key]}\n')
        sys.stdout.flush()

    def rattled(self, seed: int, count: int) -> list[Atoms]:
        """Frames of a first round, in an order in which any first part has all cells."""
        frames = self.sample(
            f'sample-rattled-{seed}', 'r', count, seed, method='strain-rattle', settings=RATTLE
        )
        order = np.random.default_rng(seed).permutation(len(frames))
        return [frames[index] for index in order]

    def disputed(self, name: str, before: str, seed: int) -> list[Atoms]:
        """Frames along the modes on which the committee before disagrees."""
        place = self.folder / f'sample-{name}'
        place.mkdir(exist_ok=True)
        prefixes = {}
        for member in (2 * seed, 2 * seed + 1):
            source = self.folder / f'{before}-{member}' / 'trained'
            for suffix in ('.json', '.safetensors'):
                shutil.copy(source.with_suffix(suffix), place / f'member_{member}{suffix}')
            prefixes[f'seed_{member}'] = f'member_{member}'
        later = PROTOCOL['later_rounds']
        return self.sample(
            f'sample-{name}', name.replace('-', '_'), STEP, seed,
            method='disputed-modes', potentials=prefixes, settings=later['settings'],
            pressures=[*PRESSURES, 1.5 * PRESSURES[-1]],
        )  # fmt: skip

    def sample(self, folder: str, prefix: str, count: int, seed: int, **job: Any) -> list[Atoms]:
        """Draw frames in the cells and shares of the first round."""
        place = self.folder / folder
        if not (place / 'result.json').exists():
            shares = [cell['share'] for cell in PROTOCOL['first_round']['cells']]
            numbers = split(count, shares)
            cells = [
                {'supercell_matrix': matrix, 'count': number}
                for matrix, number in zip(_CELLS, numbers, strict=True)
                if number
            ]
            given = {'prefix': prefix, 'structure': atoms_to_dict(START), 'cells': cells}
            run_stage('sample', place, {'pressures': PRESSURES, 'seed': seed, **given, **job})
        return read(place / 'frames.extxyz')

    def labelled(self, name: str, frames: list[Atoms]) -> list[Atoms]:
        """Labels of pw.x."""
        path = self.folder / f'{name}.extxyz'
        if not path.exists():
            path.write_text(write_frames(label(frames)), 'utf-8')
        return read(path)

    def train(self, name: str, frames: list[Atoms], *, seed: int) -> Path:
        """Train from scratch; every seventh frame chooses the epoch."""
        place = self.folder / name
        if not (place / 'result.json').exists():
            place.mkdir(exist_ok=True)
            (place / 'validation.extxyz').write_text(write_frames(frames[3::7]), 'utf-8')
            learned = [frame for index, frame in enumerate(frames) if index % 7 != 3]
            (place / 'training.extxyz').write_text(write_frames(learned), 'utf-8')
            epochs = round(STEPS / len(learned))
            base = {k: PROTOCOL['base_training'][k] for k in ('learning_rate', 'e0s')}
            settings = {
                **PROTOCOL['training'],
                **base,
                'max_epochs': epochs,
                'gamma': _LAST_RATE ** (1 / epochs),
                'seed': seed,
            }
            job = {'dataset': 'training.extxyz', 'validation': 'validation.extxyz'}
            run_stage('train', place, {**job, 'settings': settings})
        return place / 'trained'

    def spectra(self, potential: Path, name: str) -> dict[str, Simulation]:
        """TOSCA at 10 K, at the pressures at which the crystal is stable."""
        place = self.folder / f'phonons-{name}'
        place.mkdir(exist_ok=True)
        if not (place / 'result.json').exists():
            for suffix in ('.json', '.safetensors'):
                shutil.copy(potential.with_suffix(suffix), place / f'potential{suffix}')
            job = {
                'potential': 'potential',
                'structure': atoms_to_dict(START),
                'pressures': PRESSURES,
                'supercell_matrix': np.diag([2, 2, 3]).tolist(),
                'settings': {'mesh': [8, 8, 8], 'fmax': 1e-4},
            }
            try:
                run_stage('phonons', place, job)
            except subprocess.CalledProcessError as exc:
                sys.stdout.write(f'{name}: {exc}\n')
        return {
            label: found
            for label in pressure_labels(PRESSURES)
            if (found := spectrum(place, label)) is not None
        }


def spectrum(place: Path, label: str) -> Simulation | None:
    """One spectrum, or None where there are no modes or they are imaginary."""
    if not (place / f'{label}.npz').exists():
        return None
    path = phonopy_file(place, label)
    try:
        result = powder_spectrum(
            read_modes(path, mesh=_MESH),
            instrument=get_instrument('TOSCA'),
            temperature=10.0,
            energy_range=(20.0, 2000.0),
            bin_width=2.0,
            options=PowderOptions(),
        )
    except ValueError as exc:
        sys.stdout.write(f'{place.name} {label}: {exc}\n')
        return None
    return Simulation(result.spectrum.energy_transfer, result.spectrum.total)


def phonopy_file(place: Path, label: str) -> Path:
    """Force constants of a pressure in a file of phonopy."""
    path = place / f'{label}.yaml'
    record = json.loads((place / f'{label}.json').read_text(encoding='utf-8'))
    with np.load(place / f'{label}.npz') as arrays:
        atoms = atoms_from_dict(record['structure'])
        cell = PhonopyAtoms(
            symbols=atoms.get_chemical_symbols(),
            cell=atoms.cell.array,
            scaled_positions=atoms.get_scaled_positions(),
        )
        phonon = Phonopy(
            cell,
            supercell_matrix=arrays['supercell_matrix'],
            primitive_matrix=arrays['primitive_matrix'],
        )
        phonon.force_constants = arrays['force_constants']
    phonon.save(path, settings={'force_constants': True})
    return path


def distances(
    first: dict[str, Simulation], second: dict[str, Simulation]
) -> dict[str, float | None]:
    """cm⁻¹ at each pressure; None where one has no spectrum."""
    return {
        label: round(spectrum_distance(first[label], second[label])[0], 3)
        if label in first and label in second
        else None
        for label in pressure_labels(PRESSURES)
    }


def read(path: Path) -> list[Atoms]:
    """Read a file of frames."""
    return read_frames(path.read_text(encoding='utf-8'), name=path.name)


def mean_distance(
    found: dict[str, Any], strategy: str, kind: str, worst: float = 100.0
) -> tuple[list[int], list[float]]:
    """Sizes that all seeds have, and means over seeds of the largest distance over pressures."""
    by_size: dict[int, list[float]] = {}
    seeds = {key.split('/')[2] for key in found}
    for key, one in found.items():
        name, size, _ = key.split('/')
        if name == strategy or (strategy == 'active' and int(size) == FIRST):
            values = [worst if value is None else value for value in one[kind].values()]
            by_size.setdefault(int(size), []).append(max(values))
    sizes = sorted(size for size, values in by_size.items() if len(values) == len(seeds))
    return sizes, [float(np.mean(by_size[size])) for size in sizes]


def figures(found: dict[str, Any], tolerance: float = TOLERANCE) -> dict[str, Any]:
    """Frames each strategy needs until members' spectra are `tolerance` (cm⁻¹) apart at most.

    Returns
    -------
    dict
        ``tolerance_cm1``; ``frames`` by strategy (None if `active` never is so near); ``more``:
        whether not even the most random frames are, so that ``ratio`` is a lower bound; ``curves``
        of both kinds.
    """
    curves = {one: mean_distance(found, one, 'apart') for one in ('random', 'active')}
    needed = {one: frames_needed(*curve, tolerance) for one, curve in curves.items()}
    for one, (sizes, errors) in curves.items():
        if errors[0] <= tolerance:
            needed[one] = float(sizes[0])
    more = min(curves['random'][1]) > tolerance
    if more:
        needed['random'] = float(curves['random'][0][-1])
    known = needed['random'] is not None and needed['active'] is not None
    return {
        'tolerance_cm1': tolerance,
        'frames': {
            one: None if value is None else round(value, 1) for one, value in needed.items()
        },
        'more': more,
        'ratio': needed['random'] / needed['active'] if known else None,
        'curves': {
            kind: {
                one: list(zip(*mean_distance(found, one, kind), strict=True))
                for one in ('random', 'active')
            }
            for kind in ('apart', 'off')
        },
    }


if __name__ == '__main__':
    curve = Curve(Path(sys.argv[1]).resolve())
    if sys.argv[2:] == ['figures']:
        sys.stdout.write(json.dumps(figures(curve.found), indent=1) + '\n')
    else:
        for one in map(int, sys.argv[2:] or SEEDS):
            curve.follow(one)
