"""Sound files of every kind, small, made here: what mutations start from."""

from __future__ import annotations

import functools
import io
import json
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml
from ase import Atoms
from ase.build import bulk

AXIS = np.arange(100.0, 3900.0, 160.0)
COUNTS = 5 + 3 * np.exp(-(((AXIS - 900) / 400) ** 2))


@dataclass(frozen=True)
class Seed:
    """Files of one case; `target` is the one that is changed."""

    files: Mapping[str, bytes]
    target: str


def one(name: str, content: str | bytes) -> Seed:
    """A single file."""
    return Seed({name: content.encode() if isinstance(content, str) else content}, name)


def table(separator: str = ' ', head: str = '# X (cm-1) , Y , E\n') -> str:
    """Columns of energy, intensity and error."""
    rows = (
        separator.join((f'{x:.3f}', f'{y:.5f}', '0.10')) for x, y in zip(AXIS, COUNTS, strict=True)
    )
    return head + '\n'.join(rows) + '\n'


@functools.cache
def spectra() -> tuple[Seed, ...]:
    """Measured spectra in all formats."""
    isis = 'n-hexane, 20 K\nC (CM-1)   COUNTS   ERROR\n' + table(head='')
    blocks = '# X (cm-1) , Y , E\n' + ''.join(f'{n}\n{table(head="")}' for n in range(3))
    jcamp = (
        '##TITLE=hexane\n##JCAMP-DX=4.24\n##DATA TYPE=INELASTIC NEUTRON SCATTERING\n'
        f'##XUNITS=1/CM\n##YUNITS=COUNTS\n##FIRSTX={AXIS[0]}\n##LASTX={AXIS[-1]}\n##NPOINTS={len(AXIS)}\n'
        '##XFACTOR=1\n##YFACTOR=0.001\n##XYDATA=(X++(Y..Y))\n'
        + ''.join(
            f'{AXIS[i]:.0f} ' + ' '.join(f'{1000 * y:.0f}' for y in COUNTS[i : i + 5]) + '\n'
            for i in range(0, len(AXIS), 5)
        )
        + '##END=\n'
    )
    packed = (
        jcamp.split('(Y..Y))\n')[0]
        + f'(Y..Y))\n{AXIS[0]:.0f} A00JJ%jX{"J" * (len(AXIS) - 10)}\n##END=\n'
    )
    points = (
        '##TITLE=hexane\n##JCAMP-DX=4.24\n##XUNITS=1/CM\n##XYPOINTS=(XY..XY)\n'
        + ''.join(f'{x}, {y}; ' for x, y in zip(AXIS, COUNTS, strict=True))
        + '\n##END=\n'
    )
    oclimax = (
        '# TASK, INSTR, TEMP, E_UNIT\n# 0, 0, 10, 0\n# deltaE,Total-backward,Total-forward,'
        'backward 0-1\n'
        + ''.join(f'{x},{y},{y * 1.1},0.5\n' for x, y in zip(AXIS, COUNTS, strict=True))
    )
    return (
        one('isis.dat', isis), one('mantid.txt', blocks), one('table.csv', table(', ')),
        one('table.xye', table()), one('semicolons.csv', table(';').replace('.', ',')),
        one('plain.jdx', jcamp), one('packed.jdx', packed), one('points.jdx', points),
        one('oclimax.csv', oclimax), one('ours.csv', ours()), one('mantid.nxs', nexus()),
        one('plain.nxs', nexus(plain=True)), one('compressed.nxs', nexus(compression='gzip')),
    )  # fmt: skip


def ours() -> str:
    """A spectrum as this package exports it."""
    from aiida_insbench.science.measured.conditions import check_conditions
    from aiida_insbench.science.measured.read import read_spectrum
    from aiida_insbench.science.measured.spectrum_csv import write_insbench

    spectrum = read_spectrum(table().encode(), name='table.xye')
    conditions = {'instrument': 'TOSCA', 'temperature': 10, 'pressure': 0, 'sample': 'hexane'}
    return write_insbench(spectrum, check_conditions(conditions))


def nexus(*, plain: bool = False, **storage: str) -> bytes:
    """A workspace as Mantid saves it, or plain NXdata."""
    import h5py

    memory = io.BytesIO()
    with h5py.File(memory, 'w') as file:
        if plain:
            entry = file.create_group('entry/data')
            entry.attrs['NX_class'] = 'NXdata'
            entry.attrs['signal'] = 'counts'
            entry.attrs['axes'] = ['energy']
            entry['counts'], entry['energy'] = COUNTS, AXIS
            entry['energy'].attrs['units'] = 'cm-1'
            return _closed(file, memory)
        entry = file.create_group('mantid_workspace_1')
        entry['title'] = np.array([b'n-hexane, 20 K'])
        group = entry.create_group('workspace')
        group.create_dataset('values', data=COUNTS[None], **storage)
        group.create_dataset('errors', data=COUNTS[None] / 10, **storage)
        group['axis1'] = np.append(AXIS, AXIS[-1] + 160)
        group['axis1'].attrs['units'] = np.bytes_('DeltaE_inWavenumber')
        group['axis1'].attrs['distribution'] = np.bytes_('1')
        group['axis2'] = [1.0]
        group['axis2'].attrs['units'] = 'spectraNumber'
        group['masked_bins'], group['masked_spectra'] = [0, 1], [[0, 0]]
        return _closed(file, memory)


def _closed(file: object, memory: io.BytesIO) -> bytes:
    file.close()  # type: ignore[attr-defined]
    return memory.getvalue()


@functools.cache
def band_shifts() -> tuple[Seed, ...]:
    """Tables of band shifts."""
    text = (
        '# temperature: 300 K\n# doi: 10.1063/1.479324\n'
        'omega0_cm1,domega_dp_cm1_per_gpa,sigma,technique,label\n'
        '253,4.2,0.3,INS,lattice\n453.5,-1.4,,Raman,TA\n1200,2.0,0.1,IR,bend\n'
    )
    return one('shifts.csv', text), one('shifts.txt', text.replace(',', '\t'))


@functools.cache
def conditions() -> tuple[Seed, ...]:
    """What a user says about a measurement."""
    given = {
        'instrument': 'MAPS', 'incident_energy': 500, 'temperature': 10.0, 'pressure': 1.5,
        'pressure_error': 0.1, 'sample': 'hexane', 'isotopes': {'H': {'2H': 0.98, '1H': 0.02}},
        'doi': '10.5286/ISIS.E.1', 'masks': [[10, 20, 'elastic line']], 'intensity': 'relative',
    }  # fmt: skip
    return (one('conditions.json', json.dumps(given)),)


@functools.cache
def frames() -> tuple[Seed, ...]:
    """Labelled frames as extended XYZ."""
    from labelled_copper import copper

    from aiida_insbench.science.frames import write_frames

    made = copper(3)
    for number, frame in enumerate(made):
        frame.info |= {'frame_id': f'r1_{number:03d}', 'method': 'strain-rattle', 'seed': 1,
                       'supercell_matrix': np.eye(3, dtype=int)}  # fmt: skip
    return (one('frames.extxyz', write_frames(made)),)


@functools.cache
def structures() -> tuple[Seed, ...]:
    """Crystals in several formats."""
    import ase.io

    salt = bulk('NaCl', 'rocksalt', a=5.64, cubic=True)
    found = []
    with tempfile.TemporaryDirectory() as folder:
        for name, form in (
            ('salt.cif', 'cif'), ('POSCAR', 'vasp'), ('salt.xyz', 'extxyz'), ('salt.xsf', 'xsf'),
            ('geometry.in', 'aims'), ('salt.pwi', 'espresso-in'), ('salt.res', 'res'),
            ('salt.gen', 'gen'), ('salt.pdb', 'proteindatabank'), ('salt.cube', 'cube'),
            ('salt.xsd', 'xsd'),
        ):  # fmt: skip
            path = Path(folder) / name
            more = {'pseudopotentials': {'Na': 'a', 'Cl': 'b'}} if form == 'espresso-in' else {}
            ase.io.write(path, salt, format=form, **more)
            found.append(one(name, path.read_bytes()))
    return tuple(found)


@functools.cache
def potentials() -> tuple[Seed, ...]:
    """Pairs of JSON and safetensors."""
    from aiida_insbench.science.potentials import potential_from_ase, write_potential

    text, weights = _pair()
    with tempfile.TemporaryDirectory() as folder:
        write_potential(potential_from_ase('emt', {}), Path(folder) / 'emt')
        emt = {path.name: path.read_bytes() for path in Path(folder).iterdir()}
    pair = {'mace.json': text.encode(), 'mace.safetensors': weights}
    return (
        Seed(pair, 'mace.json'), Seed(pair, 'mace.safetensors'), Seed(emt, 'emt.json'),
        Seed(emt, 'emt.safetensors'),
    )  # fmt: skip


def _pair() -> tuple[str, bytes]:
    import hashlib

    import safetensors.numpy
    from small_mace import HYPERPARAMETERS

    from aiida_insbench.science.potentials import PotentialMetadata, tensors_of_weights

    weights = safetensors.numpy.save({
        'a': np.arange(6.0).reshape(2, 3), 'b': np.arange(4, dtype=np.int64),
    })  # fmt: skip
    described = PotentialMetadata(
        flavour='mace', model_class='ScaleShiftMACE', hyperparameters=HYPERPARAMETERS,
        elements=('H', 'Mg'), cutoff=3.5, heads=('Default',),
        isolated_atom_energies={'Default': {'H': -13.0, 'Mg': -1.5}}, dtype='float64',
        weights_sha256=hashlib.sha256(weights).hexdigest(), weights_size=len(weights),
        tensors=tensors_of_weights(weights), provenance={'licence': 'MIT'}, versions={},
    )  # fmt: skip
    return described.to_json(), weights


@functools.cache
def phonons() -> tuple[Seed, ...]:
    """Force constants and modes in the formats that are read."""
    from euphonic import ForceConstants
    from lj_rutile import write_phonons

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = folder / write_phonons(folder, 'lj', scales={'p_0000': 1.0})['p_0000']
        constants = ForceConstants.from_phonopy(path=name, summary_name=path.name)
        constants.to_json_file(str(folder / 'constants.json'))
        modes = constants.calculate_qpoint_phonon_modes(np.array([[0, 0, 0], [0.5, 0, 0]]))
        modes.to_json_file(str(folder / 'modes.json'))
        read = {one.name: one.read_bytes() for one in folder.iterdir()}
    content = yaml.safe_load(read[path.name])
    bare = {key: value for key, value in content.items() if key != 'force_constants'}
    return (
        one('phonopy.yaml', read[path.name]), one('constants.json', read['constants.json']),
        one('modes.json', read['modes.json']), one('forces.yaml', _with_forces()),
        Seed({'phonopy.yaml': yaml.safe_dump(bare).encode(),
              'FORCE_CONSTANTS': _force_constants(content)}, 'FORCE_CONSTANTS'),
        one('modes.phonon', _castep_modes()),
    )  # fmt: skip


def _with_forces() -> bytes:
    from lj_rutile import forces_of, rutile
    from phonopy import Phonopy
    from phonopy.structure.atoms import PhonopyAtoms

    atoms = rutile()
    phonon = Phonopy(
        PhonopyAtoms(symbols=atoms.get_chemical_symbols(), cell=atoms.cell.array,
                     scaled_positions=atoms.get_scaled_positions()),
        supercell_matrix=np.eye(3, dtype=int), primitive_matrix=np.eye(3), log_level=0,
    )  # fmt: skip
    phonon.generate_displacements(distance=0.02)
    forces = []
    for cell in phonon.supercells_with_displacements:
        frame = Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
        frame.calc = forces_of()
        forces.append(frame.get_forces())
    phonon.forces = forces
    with tempfile.TemporaryDirectory() as folder:
        phonon.save(filename=str(Path(folder) / 'made.yaml'), settings={'force_sets': True})
        return (Path(folder) / 'made.yaml').read_bytes()


def _force_constants(content: Mapping[str, object]) -> bytes:
    from phonopy.file_IO import write_FORCE_CONSTANTS

    stored = content['force_constants']
    values = np.array(stored['elements'], dtype=float)  # type: ignore[index]
    shape = (*stored['shape'], 3, 3)  # type: ignore[index]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / 'FORCE_CONSTANTS'
        write_FORCE_CONSTANTS(values.reshape(shape), filename=str(path))
        return path.read_bytes()


def _castep_modes() -> str:
    """Two atoms at one q-point, laid out as CASTEP does."""
    rows = ''.join(f'{mode:>8}{100.0 * mode:>14.6f}{0.01:>14.7f}\n' for mode in range(1, 7))
    vectors = ''.join(
        f'{mode:>5}{atom:>5}' + '    0.40824829    0.00000000' * 3 + '\n'
        for mode in range(1, 7)
        for atom in (1, 2)
    )
    return (
        ' BEGIN header\n Number of ions         2\n Number of branches     6\n'
        ' Number of wavevectors  1\n Frequencies in         cm-1\n'
        ' IR intensities in      (D/A)**2/amu\n Raman activities in    A**4 amu**(-1)\n'
        ' Unit cell vectors (A)\n    2.820000    2.820000    0.000000\n'
        '    2.820000    0.000000    2.820000\n    0.000000    2.820000    2.820000\n'
        ' Fractional Co-ordinates\n'
        '     1     0.000000    0.000000    0.000000   Na        22.989770\n'
        '     2     0.500000    0.500000    0.500000   H          1.007940\n END header\n'
        '     q-pt=    1    0.000000  0.000000  0.000000      1.0000000000\n'
        f'{rows}                        Phonon Eigenvectors\n'
        'Mode Ion                X                                   Y'
        '                                   Z\n' + vectors
    )


@functools.cache
def instruments() -> tuple[Seed, ...]:
    """Descriptions of spectrometers."""
    from importlib import resources

    folder = resources.files('aiida_insbench.science.ins') / 'instruments'
    return tuple(
        one(f'{name}.yaml', (folder / f'{name}.yaml').read_bytes())
        for name in ('maps', 'tosca', 'vision')
    )


@functools.cache
def campaigns() -> tuple[Seed, ...]:
    """Files of campaigns."""
    from aiida_insbench.science.campaign.config import EXAMPLE

    return (one('campaign.yaml', EXAMPLE),)


@functools.cache
def cutoffs() -> tuple[Seed, ...]:
    """Recommended cutoffs of pseudopotentials."""
    sssp = {
        'Mg': {'filename': 'Mg.upf', 'md5': 'x', 'cutoff_wfc': 30.0, 'cutoff_rho': 240.0,
               'pseudopotential': 'GBRV'},
        'H': {'filename': 'H.upf', 'md5': 'y', 'cutoff_wfc': 60, 'cutoff_rho': 480},
    }  # fmt: skip
    toml = (
        '[cutoffs_normal]\nEcut = 30.0\nsupersampling = 2.0\n'
        '[cutoffs_high]\nEcut = 40.0\nsupersampling = 2.0\n'
    )
    return one('cutoffs.json', json.dumps(sssp)), one('Si.toml', toml)


@functools.cache
def archives() -> tuple[Seed, ...]:
    """Archives of pseudopotentials."""
    import tarfile
    import zipfile

    names = {'family/Mg.upf': b'<UPF version="2.0.1">\n</UPF>\n' * 20, 'family/a.json': b'{}'}
    zipped, tarred = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(zipped, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in names.items():
            archive.writestr(name, content)
    with tarfile.open(fileobj=tarred, mode='w:gz') as archive:
        for name, content in names.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return one('family.zip', zipped.getvalue()), one('family.tar.gz', tarred.getvalue())


@functools.cache
def lines() -> tuple[Seed, ...]:
    """What users type: pressures, meshes, cutoffs, a q-point."""
    texts = (
        ('pressures', '0,0.5,1.5'), ('pressures', '-1, 2e0, 3'), ('meshes', '2x2x3,4x4x6'),
        ('lists', '40:160,60:240'), ('qpoint', '1/2 0 0'), ('formula', 'C6H14'),
        ('formula', 'Mg H2'), ('label', 'p_1500'),
    )  # fmt: skip
    return tuple(one(name, text) for name, text in texts)


def job(make: Callable[[Path], dict[str, object]], *targets: str) -> tuple[Seed, ...]:
    """Folders of a job: its own file changed twice as often as each of the files beside it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        content = make(folder)
        (folder / 'job.json').write_text(json.dumps(content))
        files = {one.name: one.read_bytes() for one in folder.iterdir() if one.is_file()}
    chosen = [file for file in files if file.endswith(targets)] if targets else []
    return tuple(Seed(files, target) for target in ('job.json', 'job.json', *chosen))
