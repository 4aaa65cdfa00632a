"""Nodes as the engine would leave them, made by hand: no daemon, no pw.x, no MACE."""

import hashlib
import io
import json
from collections.abc import Mapping

import numpy as np
import safetensors.numpy
from aiida.common import LinkType
from aiida.engine import ProcessState
from aiida.engine.utils import instantiate_process
from aiida.manage import get_manager
from aiida.orm import (
    CalcJobNode,
    Computer,
    FolderData,
    InstalledCode,
    QueryBuilder,
    StructureData,
    User,
    WorkChainNode,
)
from aiida_phonopy.data import ForceConstantsData
from aiida_pseudo.data.pseudo import UpfData
from ase import Atoms
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms
from small_mace import HYPERPARAMETERS

from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.science.potentials import PotentialMetadata, tensors_of_weights

LEVEL = {'code': 'Quantum ESPRESSO pw.x', 'version': '6.7', 'parameters': {}}
JOB = {'versions': {'numpy': '2.0'}, 'seconds': 1.5}


def crystal(*, a=4.44):
    """MgH2, rutile."""
    u = 0.304
    scaled = [
        [0, 0, 0],
        [0.5, 0.5, 0.5],
        [u, u, 0],
        [-u, -u, 0],
        [0.5 + u, 0.5 - u, 0.5],
        [0.5 - u, 0.5 + u, 0.5],
    ]
    return Atoms('Mg2H4', cell=[a, a, 2.98], scaled_positions=scaled, pbc=True)


def structure(**options):
    return StructureData(ase=crystal(**options))


def frames(count, *, prefix='r1', labelled=True, seed=0):
    """Shaken unit cells; the labels are random numbers."""
    rng = np.random.default_rng(seed)
    made = []
    for index in range(count):
        atoms = crystal()
        atoms.positions += rng.normal(0, 0.02, (len(atoms), 3))
        atoms.info |= {
            'frame_id': f'{prefix}_{index:03d}',
            'method': 'strain-rattle',
            'target_pressure': float(index % 2),
            'seed': seed,
            'supercell_matrix': np.eye(3, dtype=int),
        }
        if labelled:
            atoms.info |= {'REF_energy': -10 - rng.random(), 'REF_stress': rng.normal(size=6)}
            atoms.arrays['REF_forces'] = rng.normal(size=(len(atoms), 3))
        made.append(atoms)
    return made


def dataset(count=3, *, labelled=True, **options):
    return DatasetData(
        frames(count, labelled=labelled, **options), dft_level=LEVEL if labelled else None
    )


def potential_files(*, elements=('H', 'Mg'), scale=1.0, **changes):
    """Text and bytes of a well-formed pair of files whose tensors make no model."""
    weights = safetensors.numpy.save({'a': scale * np.arange(6.0).reshape(2, 3)})
    entries = {
        'flavour': 'mace',
        'model_class': 'ScaleShiftMACE',
        'hyperparameters': HYPERPARAMETERS,
        'elements': elements,
        'cutoff': 3.5,
        'heads': ('Default',),
        'isolated_atom_energies': {'Default': dict.fromkeys(elements, -1.5)},
        'dtype': 'float64',
        'weights_sha256': hashlib.sha256(weights).hexdigest(),
        'weights_size': len(weights),
        'tensors': tensors_of_weights(weights),
        'provenance': {'dft_level': LEVEL},
        'versions': {'mace-torch': '0.3.16'},
    }
    return PotentialMetadata(**{**entries, **changes}).to_json(), weights


def potential(**options):
    text, weights = potential_files(**options)
    return PotentialData(metadata_text=text, weights=weights)


def phonons_of(atoms, matrix, *, seed=0):
    """Phonopy's object with random force constants; `matrix` has its axes in rows."""
    cell = PhonopyAtoms(
        symbols=atoms.get_chemical_symbols(),
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
    )
    phonon = Phonopy(cell, supercell_matrix=np.transpose(matrix), primitive_matrix=np.eye(3))
    count = len(phonon.supercell)
    random = np.random.default_rng(seed).normal(size=(count, count, 3, 3))
    phonon.force_constants = random + random.transpose(1, 0, 3, 2)
    return phonon


def force_constants(*, matrix=((1, 1, 0), (0, 1, 0), (0, 0, 2)), seed=0):
    phonon = phonons_of(crystal(), matrix, seed=seed)
    node = ForceConstantsData(
        structure=structure(),
        supercell_matrix=phonon.supercell_matrix.tolist(),
        primitive_matrix=np.eye(3).tolist(),
    )
    node.set_force_constants(phonon.force_constants)
    return node


def pseudo(element):
    """As much of a pseudopotential as aiida-pseudo reads."""
    text = f'<UPF version="2.0.1">\n<PP_HEADER\nelement="{element}"\nz_valence="2.0"/>\n</UPF>'
    node = UpfData.get_or_create(io.BytesIO(text.encode()), filename=f'{element}.upf')
    return node if node.is_stored else node.store()


def computer():
    found = QueryBuilder().append(Computer, filters={'label': 'fake'}).first(flat=True)
    if found is not None:
        return found
    made = Computer(
        label='fake',
        hostname='localhost',
        workdir='/nowhere',
        transport_type='core.local',
        scheduler_type='core.direct',
    ).store()
    made.set_default_mpiprocs_per_machine(1)
    made.configure(user=User.collection.get_default())
    return made


def code(label='insbench-job', plugin='insbench.phonons'):
    found = QueryBuilder().append(InstalledCode, filters={'label': label}).first(flat=True)
    return (
        found
        or InstalledCode(
            label=label,
            computer=computer(),
            filepath_executable=f'/nowhere/{label}',
            default_calc_job_plugin=plugin,
        ).store()
    )


def pw_code():
    return code('pw', 'quantumespresso.pw')


def process(process_class, inputs):
    """A process with its inputs, validated, that has not run."""
    return instantiate_process(get_manager().get_runner(), process_class, **inputs)


def retrieved(files):
    """Folder of a finished job; dictionaries become JSON, phonons and arrays NPZ."""
    folder = FolderData()
    for name, content in files.items():
        raw = json.dumps(content).encode() if isinstance(content, dict) else content
        folder.base.repository.put_object_from_filelike(io.BytesIO(raw), name)
    return folder


def npz(**arrays):
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def _flat(nodes, prefix=''):
    for key, value in nodes.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f'{prefix}{key}__')
        else:
            yield f'{prefix}{key}', value


def _ended(node, links, process_class, *, exit_status, message, inputs, outputs):
    link_in, link_out = links
    for label, value in _flat(inputs or {}):
        node.base.links.add_incoming(value.store(), link_in, label)
    node.store()
    for label, value in _flat(outputs or {}):
        if link_out is LinkType.CREATE:
            value.base.links.add_incoming(node, link_out, label)
            value.store()
        else:
            value.store().base.links.add_incoming(node, link_out, label)
    node.set_process_label(process_class.__name__)
    node.set_process_state(ProcessState.FINISHED)
    node.set_exit_status(exit_status)
    if message:
        node.set_exit_message(message)
    return node


def job(
    process_class,
    exit_status=0,
    *,
    message='',
    inputs=None,
    outputs=None,
    caller=None,
    options=None,
):
    """A CalcJob that has ended."""
    node = CalcJobNode(computer=computer(), process_type=process_class.build_process_type())
    resources = {'num_machines': 1, 'num_mpiprocs_per_machine': 1}
    node.set_options({'resources': resources, **(options or {})})
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_CALC, 'iteration_01')
    return _ended(
        node,
        (LinkType.INPUT_CALC, LinkType.CREATE),
        process_class,
        exit_status=exit_status,
        message=message,
        inputs=inputs,
        outputs=outputs,
    )


def workchain(
    process_class, exit_status=0, *, message='', inputs=None, outputs=None, caller=None, label=''
):
    """A WorkChain that has ended; `label` is that of its call by `caller`."""
    node = WorkChainNode(process_type=process_class.build_process_type())
    if caller is not None:
        node.base.links.add_incoming(caller, LinkType.CALL_WORK, label)
    return _ended(
        node,
        (LinkType.INPUT_WORK, LinkType.RETURN),
        process_class,
        exit_status=exit_status,
        message=message,
        inputs=inputs,
        outputs=outputs,
    )
