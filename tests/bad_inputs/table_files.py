"""Bad datasets, potentials, structures, pressures and pseudopotentials."""

from __future__ import annotations

import gzip
import io
import json
import pickle
import tarfile
import zipfile
from collections.abc import Callable

import seeds
from bad_input import BadInput, Place

_DATASETS, _POTENTIALS, _STRUCTURES = 'Datasets', 'Potentials', 'Structures'
_PRESSURES, _PSEUDOS = 'Pressures', 'Pseudopotentials'


class Harm:
    """Unpickled it would make a file."""

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str, str]]:
        return (open, ('harmed', 'w'))


HARM = pickle.dumps(Harm())


def _frames(change: Callable[[str], str] = str) -> str:
    return change(seeds.frames()[0].files['frames.extxyz'].decode())


def _dataset(given: str, text: str | bytes, says: str, *more: object) -> BadInput:
    def words(place: Place) -> list[object]:
        said = more or ('--functional', 'PBE')
        return ['dataset', 'import', place.file('mine.xyz', text), *said]

    return BadInput(_DATASETS, given, 'dataset import', says, words)


def _forces_in_hartree() -> str:
    from ase import units
    from labelled_copper import copper, rewritten

    from aiida_insbench.science.frames import write_frames

    return write_frames(rewritten(copper(12), forces=units.Hartree / units.Bohr))


def _level(given: str, text: str, says: str) -> BadInput:
    def words(place: Place) -> list[object]:
        level = place.file('level.json', text)
        return ['dataset', 'import', place.file('mine.xyz', _frames()), '--level', level]

    return BadInput(_DATASETS, given, 'dataset import --level', says, words)


def _potential(
    given: str, says: str, *, target: str = 'mace.json', **changes: bytes | str | None
) -> BadInput:
    """A pair of files, one of them changed (None: missing)."""

    def words(place: Place) -> list[object]:
        files = dict(seeds.potentials()[0].files)
        for key, content in changes.items():
            name = f'mace.{key}'
            if content is None:
                files.pop(name)
            else:
                files[name] = content.encode() if isinstance(content, str) else content
        for name, content in files.items():
            place.file(name, content)
        return ['potential', 'import', place.folder / target]

    return BadInput(_POTENTIALS, given, 'potential import', says, words)


def _described(**changes: object) -> str:
    data = json.loads(seeds.potentials()[0].files['mace.json'])
    for key, value in changes.items():
        holder = data['hyperparameters'] if key in data['hyperparameters'] else data
        holder[key] = value
    return json.dumps(data)


def _model(given: str, says: str, *more: str) -> BadInput:
    def words(place: Place) -> list[object]:
        return ['potential', 'import', place.file('evil.model', HARM), *more]

    return BadInput(_POTENTIALS, given, 'potential import', says, words)


def _calculator(given: str, says: str, *words: object) -> BadInput:
    return BadInput(
        _POTENTIALS, given, 'potential calculator', says,
        lambda _place: ['potential', 'calculator', *words],
    )  # fmt: skip


def _phonons(place: Place, structure: object, pressures: str = '0') -> list[object]:
    return [
        'launch', 'phonons', '--potential', place.nodes['potential'], '--code',
        place.nodes['code'], '--structure', structure, '--pressures', pressures, '--dry-run',
    ]  # fmt: skip


def _structure(given: str, says: str, content: str | bytes | None, name: str = 'x.cif') -> BadInput:
    def words(place: Place) -> list[object]:
        path = place.folder / name if content is None else place.file(name, content)
        return _phonons(place, path)

    return BadInput(_STRUCTURES, given, 'launch phonons', says, words)


def _pressure(given: str, pressures: str, says: str) -> BadInput:
    return BadInput(
        _PRESSURES, given, 'launch phonons', says,
        lambda place: _phonons(place, place.nodes['cif'], pressures),
    )  # fmt: skip


CIF = """data_x
_cell_length_a 4.4
_cell_length_b 4.4
_cell_length_c 3.0
_cell_angle_alpha 90
_cell_angle_beta 90
_cell_angle_gamma 90
_symmetry_space_group_name_H-M 'P 1'
loop_
_atom_site_label
_atom_site_type_symbol
_atom_site_fract_x
_atom_site_fract_y
_atom_site_fract_z
_atom_site_occupancy
Mg1 Mg 0 0 0 1.0
H1 H 0.3 0.3 0 {occupancy}
H2 H {second} 0.7 0 1.0
"""
_XYZ = (
    '2\nLattice="4 0 0 0 4 0 0 0 4" pbc="{}" Properties=species:S:1:pos:R:3\nMg 0 0 0\n{} 2 2 2\n'
)


def _archive(given: str, says: str, content: Callable[[], bytes], name: str) -> BadInput:
    def words(place: Place) -> list[object]:
        return ['pseudos', 'install', place.file(name, content()), '--label', 'mine']

    return BadInput(_PSEUDOS, given, 'pseudos install', says, words)


def _pseudo_folder(given: str, says: str, files: dict[str, str]) -> BadInput:
    def words(place: Place) -> list[object]:
        folder = place.folder / 'family'
        folder.mkdir()
        for name, content in files.items():
            (folder / name).write_text(content)
        return ['pseudos', 'install', folder, '--label', 'mine']

    return BadInput(_PSEUDOS, given, 'pseudos install', says, words)


def _zip_that_leads_out() -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, 'w') as archive:
        archive.writestr('../../harmed.upf', 'x')
    return memory.getvalue()


def _tar_of(name: str, kind: bytes = tarfile.REGTYPE, link: str = '') -> bytes:
    memory = io.BytesIO()
    with tarfile.open(fileobj=memory, mode='w') as archive:
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, link
        archive.addfile(member, io.BytesIO(b''))
    return memory.getvalue()


_UPF = '<UPF version="2.0.1">\n<PP_HEADER\nelement="Mg"\nz_valence="2.0"/>\n</UPF>'

ROWS = (
    _dataset('no stress', _frames(lambda text: text.replace('REF_stress', 'other')), 'REF_stress'),
    _dataset(
        'NaN among the forces',
        _frames(lambda text: text.replace(text.split('\n')[3].split()[-1], 'nan', 1)),
        'not finite',
    ),
    _dataset('forces in Ha/bohr said to be eV/Å', _forces_in_hartree(), 'forces'),
    _dataset(
        'atoms on top of each other',
        _frames(
            lambda text: '\n'.join(
                [*text.split('\n')[:3], text.split('\n')[2], *text.split('\n')[4:]]
            )
        ),
        'are 0.000 Å apart. Are the positions in Å?',
    ),
    _dataset(
        'not periodic',
        _frames(lambda text: text.replace('pbc="T T T"', 'pbc="F F F"')),
        'is not periodic in three directions',
    ),
    _dataset('the file cut', _frames(lambda text: text[:400]), 'frame'),
    _dataset('no text', b'\xff\xfe\xfa\x00', 'mine.xyz is no text in UTF-8'),
    _dataset(
        'a unit that there is not',
        _frames(),
        'hectopascal',
        '--functional',
        'PBE',
        '--stress-unit',
        'hectopascal',
    ),
    _dataset(
        'no level of theory',
        _frames(),
        'Say what made the labels: --functional or --level',
        '--code',
        'VASP',
    ),
    _dataset(
        'an unknown element',
        _frames(lambda text: text.replace('\nCu ', '\nX  ', 1)),
        'unknown element (X)',
    ),
    _level('a level that is no JSON', '{', 'is no JSON'),
    _level('JSON nested without end', '[' * 100_000, 'is no JSON'),
    _model('a pickle, not trusted', 'opening it can run anything'),
    _model('a pickle that runs a program, trusted', 'evil.model', '--trust'),
    _potential(
        'the JSON cut', 'mace.json is no JSON', json=seeds.potentials()[0].files['mace.json'][:200]
    ),
    _potential(
        'the weights cut',
        'They were cut short, changed or belong to another potential',
        safetensors=seeds.potentials()[0].files['mace.safetensors'][:-8],
    ),
    _potential(
        'weights of another potential',
        'They were cut short, changed or belong',
        safetensors=seeds.potentials()[0].files['mace.safetensors'][:-8] + bytes(8),
    ),
    _potential('no weights', 'cannot be read', safetensors=None),
    _potential(
        'a class that is on no list',
        "`model_class` 'os.system' is not on the list",
        json=_described(model_class='os.system'),
    ),
    _potential(
        'irreps as large as the memory', 'hidden_irreps', json=_described(hidden_irreps='999999x0e')
    ),
    _potential('NaN as cutoff', 'mace.json', json=_described(cutoff=float('nan'))),
    _potential('neither a file nor a name', 'no-such-model', target='no-such-model'),
    _calculator('a calculator that is on no list', 'subprocess', 'subprocess'),
    _calculator('arguments that are no JSON', '--arguments is no JSON', 'emt', '--arguments', '{'),
    _structure('no such file', 'x.cif: no such file', None),
    _structure(
        'sites occupied in part',
        'has sites that are occupied in part',
        CIF.format(occupancy=0.5, second=0.7),
    ),
    _structure(
        'two atoms on top of each other',
        'Remove the duplicate or correct the coordinates',
        CIF.format(occupancy=1.0, second=0.3).replace('0.3 0.7 0', '0.3 0.3 0.01'),
    ),
    _structure(
        'a CIF without a cell',
        'x.cif',
        CIF.format(occupancy=1.0, second=0.7)
        .split('_symmetry')[0]
        .replace('_cell_length', '_other')
        + 'loop_'
        + CIF.split('loop_')[1].format(occupancy=1, second=0.7),
    ),
    _structure(
        'a molecule', 'is not periodic in three dimensions', _XYZ.format('F F F', 'H'), 'x.xyz'
    ),
    _structure('an empty file', 'cannot be read as a structure', '', 'x.cif'),
    _structure('a picture', 'cannot be read as a structure', b'\x89PNG\r\n\x1a\n', 'x.png'),
    _structure(
        'a pickled trajectory',
        'cannot be read as a structure',
        b'PickleTrajectory' + HARM,
        'x.traj',
    ),
    _structure('an SQLite database', 'db is no format that is read', b'SQLite format 3\0', 'x.db'),
    _structure('compressed', 'Decompress it first', gzip.compress(b'data_x'), 'x.cif.gz'),
    _structure(
        'a cell without volume',
        'without volume',
        _XYZ.format('T T T', 'H').replace('0 4"', '0 0"'),
        'x.xyz',
    ),
    _structure(
        'an element the potential does not know', 'knows no Au', _XYZ.format('T T T', 'Au'), 'x.xyz'
    ),
    _pressure('words', '0,one', "'one' is not a pressure"),
    _pressure('none', ',', 'The list of pressures is empty'),
    _pressure('NaN', '0,nan', "'nan' is not a pressure"),
    _pressure('two that are one', '1,1.0001', 'share the label p_1000'),
    _pressure('in Pa', '0,1e9', 'is no pressure of a crystal'),
    _archive(
        'an archive that leads out of its folder (zip)',
        "'../../harmed.upf' leads out of the folder",
        _zip_that_leads_out,
        'family.zip',
    ),
    _archive(
        'an archive that leads out of its folder (tar)',
        'leads out of the folder',
        lambda: _tar_of('/harmed/harmed.upf'),
        'family.tar',
    ),
    _archive(
        'a link in an archive',
        'is a link or a device',
        lambda: _tar_of('Mg.upf', tarfile.SYMTYPE, '/etc/passwd'),
        'family.tar',
    ),
    _archive('no archive', 'cannot be unpacked', lambda: b'no archive', 'family.tar.gz'),
    _pseudo_folder('no pseudopotential', 'No pseudopotential was found', {'readme.txt': 'x'}),
    _pseudo_folder('a file that is none', 'cannot be read as a pseudopotential', {'Mg.upf': 'x'}),
    _pseudo_folder(
        'two of one element', 'are both of Mg', {'Mg.upf': _UPF, 'Mg_2.upf': _UPF + '\n'}
    ),
    _pseudo_folder(
        'cutoffs that are no JSON', 'cutoffs.json is no JSON', {'Mg.upf': _UPF, 'cutoffs.json': '{'}
    ),
)
