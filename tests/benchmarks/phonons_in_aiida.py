"""Phonons by two WorkChains in an AiiDA of their own: ``phonons_in_aiida.py ACTION FOLDER``.

``AIIDA_PATH`` is a folder of the benchmark. Actions: ``start`` makes the profile (SQLite, ZeroMQ
broker), computer, codes and a daemon of one worker; ``ours`` runs `insbench.phonons`,
``phonopy_ase`` aiida-phonopy's `PhonopyAseWorkChain`, both on that computer; ``stop`` ends the
daemon. The last two read ``plan.json`` in FOLDER and leave their answer in ``ours.json`` or
``phonopy_ase.json``; seconds are those from submission to the end of the WorkChain.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

PROFILE = 'bench'
_LOOK_SECONDS = 0.1


def start(folder: Path) -> None:
    """Make profile, computer, codes and daemon."""
    from aiida import load_profile
    from aiida.orm import InstalledCode

    from aiida_insbench.cli.health import ensure_daemon, run_verdi
    from aiida_insbench.cli.site import find_job_program, prepare_computer

    run_verdi('presto', '--use-zeromq', '-n', '-p', PROFILE).check_returncode()
    load_profile(PROFILE)
    computer = prepare_computer(folder / 'work')
    for label, path, plugin in (
        ('insbench-job', find_job_program(), 'insbench.phonons'),
        ('python', sys.executable, 'pythonjob.pythonjob'),
    ):
        InstalledCode(
            label=label, computer=computer, filepath_executable=path, default_calc_job_plugin=plugin
        ).store()
    health = ensure_daemon(1)
    if health.faults:
        raise SystemExit(f'The daemon does not work: {" ".join(health.faults)}')


def stop(folder: Path) -> None:
    """End the daemon and remove the profile's files."""
    from aiida import load_profile

    from aiida_insbench.cli.health import stop_daemon

    load_profile(PROFILE)
    stop_daemon()
    shutil.rmtree(folder / 'work', ignore_errors=True)


def ours(folder: Path) -> None:
    """Relaxation and phonons at all pressures: one `insbench.phonons`."""
    from aiida.orm import Dict, List, StructureData

    from aiida_insbench.data import PotentialData
    from aiida_insbench.science.potentials import read_potential
    from aiida_insbench.science.structures import atoms_from_dict
    from aiida_insbench.workflows.phonons import PhononsWorkChain
    from aiida_insbench.workflows.protocols.options import job_metadata

    plan = _read(folder)
    node = PotentialData.from_potential(read_potential(Path(plan['potential'])))
    builder = PhononsWorkChain.get_builder()
    builder.phonons = {
        'code': _code('insbench-job'),
        'potential': node.same_in_store() or node,
        'structure': StructureData(ase=atoms_from_dict(plan['structure'])),
        'pressures': List(plan['pressures']),
        'supercell_matrix': List(plan['supercell_matrix']),
        'settings': Dict(plan['settings']),
        'metadata': job_metadata(plan['threads']),
    }
    seconds, chain = _run(builder)
    modes = chain.outputs.modes
    _write(
        folder,
        'ours',
        {
            'seconds': seconds,
            'job_seconds': chain.outputs.output_parameters['job']['seconds'],
            'steps': {label: modes[label]['relax_steps'] for label in modes},
            'structures': {label: chain.outputs.structure[label].uuid for label in modes},
            'frequencies': {label: _optical(modes[label]['gamma']) for label in modes},
        },
    )


def phonopy_ase(folder: Path) -> None:
    """Phonons of one relaxed structure: one `PhonopyAseWorkChain` with its defaults."""
    from aiida.orm import load_node
    from aiida_phonopy.workflows.ase import PhonopyAseWorkChain

    plan = _read(folder)
    model = plan['model']

    def calculator() -> Any:
        # a function and no instance: an unpickled MACECalculator has no implemented properties
        from mace.calculators import MACECalculator

        return MACECalculator(model, device='cpu', default_dtype='float64')

    inputs = PhonopyAseWorkChain.get_populated_builder(
        structure=load_node(plan['relaxed']),
        calculator=calculator,
        pythonjob_inputs={
            'code': _code('python'),
            'metadata': {'options': _job_options(plan['threads'])},
        },
        # rows of ours are the axes; theirs are phonopy's
        supercell_matrix=np.transpose(plan['supercell_matrix']).tolist(),
    )
    seconds, chain = _run(PhonopyAseWorkChain, **inputs)
    phonon = chain.outputs.phonopy_data.get_phonopy_instance()
    phonon.produce_force_constants()
    _write(
        folder,
        'phonopy_ase',
        {
            'seconds': seconds,
            'jobs': len(chain.outputs.supercells_forces),
            'frequencies': optical_frequencies(phonon),
        },
    )


def optical_frequencies(phonon: Any) -> list[float]:
    """Frequencies of a Phonopy object at Γ without the three acoustic ones, cm⁻¹, sorted."""
    from aiida_insbench.science.gamma_modes import gamma_modes

    modes = gamma_modes(phonon=phonon, irreps=False)
    return np.sort(np.delete(modes.frequencies, modes.acoustic)).tolist()


def _optical(gamma: dict[str, Any]) -> list[float]:
    return np.sort(np.delete(gamma['frequencies'], gamma['acoustic'])).tolist()


def _job_options(threads: int) -> dict[str, Any]:
    from aiida_insbench.workflows.protocols.options import job_metadata

    return job_metadata(threads)['options']


def _run(process: Any, **inputs: Any) -> tuple[float, Any]:
    """Submit and wait; seconds and the finished node."""
    from aiida.engine import submit

    started = time.monotonic()
    node = submit(process, **inputs)
    while not node.is_terminated:
        time.sleep(_LOOK_SECONDS)
    seconds = time.monotonic() - started
    if not node.is_finished_ok:
        raise SystemExit(f'{node.process_label} ended with {node.exit_status}: {node.exit_message}')
    return seconds, node


def _code(label: str) -> Any:
    from aiida.orm import load_code

    return load_code(f'{label}@insbench-local')


def _read(folder: Path) -> dict[str, Any]:
    plan: dict[str, Any] = json.loads((folder / 'plan.json').read_text(encoding='utf-8'))
    return plan


def _write(folder: Path, name: str, answer: dict[str, Any]) -> None:
    (folder / f'{name}.json').write_text(json.dumps(answer, indent=1), encoding='utf-8')


def main(action: str, folder: Path) -> None:
    """Do one action."""
    actions = {'start': start, 'stop': stop, 'ours': ours, 'phonopy_ase': phonopy_ase}
    if action not in ('start', 'stop'):
        from aiida import load_profile

        load_profile(PROFILE)
    actions[action](folder)


if __name__ == '__main__':
    if 'AIIDA_PATH' not in os.environ:
        raise SystemExit('AIIDA_PATH must name a folder of the benchmark.')
    main(sys.argv[1], Path(sys.argv[2]))
