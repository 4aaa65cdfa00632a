"""Frames of every sampling method through pw.x: aluminium, and a crystal of H2 molecules."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, List, Str, StructureData
from ase import Atoms
from ase.build import bulk

from aiida_insbench.cli.site import find_pseudos, prepare_pseudos
from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.queries import calculations_of_dataset
from aiida_insbench.science.frames import FORCES_KEY
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.dataset import DatasetWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed'),
    pytest.mark.filterwarnings('ignore'),
]

DOUBLE = np.diag([2, 1, 1]).tolist()
UNIT = np.eye(3, dtype=int).tolist()
SMEARED = {'SYSTEM': {'occupations': 'smearing', 'smearing': 'marzari-vanderbilt', 'degauss': 0.05}}
STRAIN = {'volume_range': [0.99, 1.01], 'strain': 0.005}


def labelled(pw, job_code, atoms, methods, pseudo, *, overrides, **inputs):
    """Round of data with these methods, one crystal, no relaxation and no selection."""
    builder = DatasetWorkChain.get_builder_from_protocol(
        pw,
        job_code,
        StructureData(ase=atoms),
        [0.0],
        pseudos=prepare_pseudos(find_pseudos([pseudo])),
        cutoffs=(12.0, 48.0),
        protocol='fast',
        overrides={
            'max_concurrent': 3,
            'minimum_success_fraction': 1.0,
            'dataset': {'frames': 1, 'pool_per_frame': 1, 'relax': False},
            **overrides,
        },
    )
    builder.methods = {prefix: Dict(entry) for prefix, entry in methods.items()}
    builder.validation_frames = Int(1)
    for name, value in inputs.items():
        builder[name] = value
    outputs, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    return outputs


def one(method, settings, *, cell=DOUBLE):
    return {
        'method': method,
        'settings': settings,
        'cells': [{'supercell_matrix': cell, 'count': 1}],
    }


def test_methods_of_atoms(pw, job_code):
    """Strain and rattle, modes, heat, a trajectory and a lone atom."""
    made = potential_from_ase('emt')
    potential = PotentialData(metadata_text=made.metadata.to_json(), weights=made.weights).store()
    aluminium = bulk('Al', a=4.0)
    drawn, node = run_get_node(
        SampleBaseWorkChain,
        sample={
            'code': job_code,
            'metadata': job_metadata(1),
            'method': Str('trajectory'),
            'prefix': Str('md'),
            'seed': Int(1),
            'cells': List([{'supercell_matrix': DOUBLE, 'count': 1}]),
            'pressures': List([0.0]),
            'settings': Dict({'stride': 1}),
            'trajectory': DatasetData(rattled(aluminium * (2, 1, 1), count=5)),
        },
    )
    assert node.is_finished_ok, node.exit_message
    outputs = labelled(
        pw,
        job_code,
        aluminium,
        {
            'rattled': one('strain-rattle', {**STRAIN, 'rattle': {'Al': [0.03, 0.05]}}),
            'modes': one(
                'equal-energy', {'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004}
            ),
            'heat': one('thermal', {'temperature': 300.0, 'strain': 0.004}),
            'atom': {'method': 'isolated-atoms', 'settings': {'box': 6.0}},
        },
        'Al.pz-vbc.UPF',
        overrides={'kpoints_mesh': [4, 4, 4], 'pw': SMEARED},
        potential=potential,
        pools={'md': drawn['pool']},
    )
    dataset = outputs['dataset']
    assert dataset.methods == {
        'strain-rattle': 1, 'equal-energy': 1, 'thermal': 1, 'trajectory': 1, 'isolated-atom': 1,
    }  # fmt: skip
    assert set(calculations_of_dataset(dataset)) == {
        frame.info['frame_id'] for frame in dataset.get_frames()
    }
    for frame in dataset.get_frames():
        largest = np.abs(frame.arrays[FORCES_KEY]).max()
        assert largest < 0.05 if frame.info.get('gas_phase') else 0.01 < largest < 5
    # the lone atom always teaches, whatever the seed
    assert 'isolated-atom' in outputs['training'].methods


def test_methods_of_molecules(pw, job_code):
    """Whole molecules moved and turned, and one of them alone in a box."""
    crystal = Atoms(
        'H4',
        cell=[3.6, 3.6, 5.4],
        positions=[[0, 0, 0], [0, 0, 0.76], [1.8, 1.8, 2.7], [1.8, 1.8, 3.46]],
        pbc=True,
    )
    outputs = labelled(
        pw,
        job_code,
        crystal,
        {
            'moved': one(
                'molecular-rattle',
                {**STRAIN, 'rattle': {'H': [0.01, 0.02]}, 'translation': 0.05, 'rotation': 5.0},
                cell=UNIT,
            ),
            'gas': {
                'method': 'gas-molecules',
                'settings': {'count': 1, 'vacuum': 4.0, 'rattle': {'H': [0.01, 0.02]}},
            },
        },
        'H.pz-vbc.UPF',
        overrides={'kpoints_mesh': [2, 2, 1]},
    )
    frames = {frame.info['method']: frame for frame in outputs['dataset'].get_frames()}
    assert set(frames) == {'molecular-rattle', 'gas-molecule'}
    moved, gas = frames['molecular-rattle'], frames['gas-molecule']
    assert len(gas) == 2
    # LDA bond of H2: 0.77 Å; neither frame may stand far from it
    for frame in (moved, gas):
        assert frame.get_distance(0, 1, mic=True) == pytest.approx(0.77, abs=0.06)
    per_molecule = (gas.info['REF_energy'], moved.info['REF_energy'] / 2)
    assert per_molecule[0] == pytest.approx(per_molecule[1], abs=1.0)


def rattled(atoms, *, count):
    """Frames one after another."""
    frames = []
    for index in range(count):
        frame = atoms.copy()
        frame.rattle(0.05, seed=index)
        frame.info = {'frame_id': f'run_{index:03d}', 'supercell_matrix': np.array(DOUBLE)}
        frames.append(frame)
    return frames
