"""Jobs of the stage ``md``: copper of the effective-medium theory, for a picosecond."""

import json

import numpy as np
from ase.build import bulk

from aiida_insbench.jobs.md import run
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.potentials import potential_from_ase, write_potential
from aiida_insbench.science.structures import atoms_to_dict

SHORT = {
    'timestep': 4.0,
    'length': 0.8,
    'equilibration': 0.2,
    'frame_interval': 8.0,
    'chunk': 0.08,
    'resolution': 0.0,
}


def copper(a: float = 3.61) -> dict:
    return atoms_to_dict(bulk('Cu', a=a, cubic=True))


def write_job(folder, *, potential=('emt', {}), structures=None, cells=2, **settings):
    folder.mkdir(parents=True, exist_ok=True)
    write_potential(potential_from_ase(*potential), folder / 'potential')
    job = {
        'schema': 1,
        'stage': 'md',
        'potential': 'potential',
        'structures': structures or {'p_0000': copper()},
        'supercell_matrix': (cells * np.eye(3, dtype=int)).tolist(),
        'settings': {**SHORT, **settings},
    }
    (folder / 'job.json').write_text(json.dumps(job))
    return job


def go(folder, **given):
    job = write_job(folder, **given)
    return run(job, folder, Progress(folder, 'md'))


def record(folder, label):
    return json.loads((folder / f'run_{label}.json').read_text())


def arrays(folder, label):
    with np.load(folder / f'run_{label}.npz', allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def progress_lines(folder):
    text = (folder / 'progress.jsonl').read_text()
    return [json.loads(line) for line in text.splitlines()]


def same_numbers(folder, other, labels) -> None:
    """All that two jobs found is the same to the last bit; how fast, and from where, may differ."""
    for label in labels:
        found, expected = arrays(folder, label), arrays(other, label)
        assert set(found) == set(expected)
        for name, values in expected.items():
            assert np.array_equal(found[name], values, equal_nan=True), (label, name)
        told, wanted = record(folder, label), record(other, label)
        for name in set(wanted) - {'steps_per_second', 'resumed_at'}:
            assert told[name] == wanted[name], (label, name)
