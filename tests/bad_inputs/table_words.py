"""Bad campaigns, overrides, profiles, nodes, job files of every stage, and files of phonons."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from typing import Any

import job_seeds
import numpy as np
import seeds
import yaml
from bad_input import JOB, BadInput, Place
from table_files import CIF, HARM

_CAMPAIGNS, _OVERRIDES, _NODES = 'Campaigns', 'Protocols and overrides', 'Words on the command line'
_JOBS, _PHONONS = 'Jobs', 'Force constants and instruments'

_BOMB = 'a: &a [x, x, x, x, x, x, x, x, x, x]\n' + ''.join(
    f'{chr(98 + n)}: &{chr(98 + n)} [{", ".join([f"*{chr(97 + n)}"] * 10)}]\n' for n in range(9)
)
_PROGRAM = '!!python/object/apply:os.mkdir [harmed]'


def _campaign(given: str, says: str, text: str | None = None, **changes: Any) -> BadInput:
    def words(place: Place) -> list[object]:
        entries = {
            'structure': str(place.nodes['cif']),
            'pressures': [0, 1],
            'pseudo_family': place.nodes['family'],
            'codes': {'pw': place.nodes['pw'], 'job': place.nodes['code']},
            'protocol': 'fast',
            **changes,
        }
        content = yaml.safe_dump(_filled(entries, place)) if text is None else text
        return ['launch', 'campaign', '--config', place.file('c.yaml', content), '--dry-run']

    return BadInput(_CAMPAIGNS, given, 'launch campaign', says, words)


def _filled(value: Any, place: Place) -> Any:
    """Values with nodes and files put in where a function stands for them."""
    if isinstance(value, dict):
        return {key: _filled(one, place) for key, one in value.items()}
    return value(place) if callable(value) else value


def _node(name: str) -> Callable[[Place], str]:
    return lambda place: str(place.nodes[name])


def _cif(content: str) -> Callable[[Place], str]:
    return lambda place: str(place.file('other.cif', content))


def _overrides(given: str, content: str, says: str) -> BadInput:
    def words(place: Place) -> list[object]:
        return [
            'launch', 'phonons', '--potential', place.nodes['potential'], '--code',
            place.nodes['code'], '--structure', place.nodes['cif'], '--pressures', '0',
            '--overrides', place.file('o.yaml', content), '--dry-run',
        ]  # fmt: skip

    return BadInput(_OVERRIDES, given, 'launch phonons --overrides', says, words)


def _said(given: str, says: str, *words: object) -> BadInput:
    """Words of a command; a name with @ stands for a node."""

    def filled(place: Place) -> list[object]:
        return [place.nodes[str(one)[1:]] if str(one)[:1] == '@' else one for one in words]

    through = ' '.join(str(one) for one in words[:2])
    return BadInput(_NODES, given, through, says, filled)


def _job(stage: str, given: str, says: str, seed: int = 0, **changes: Any) -> BadInput:
    """A sound job with entries changed; ``settings__x`` is an entry of the settings."""

    def words(place: Place) -> list[object]:
        files = getattr(job_seeds, stage)()[seed].files
        content = json.loads(files['job.json'])
        for name, data in files.items():
            place.file(name, data)
        for key, value in changes.items():
            holder, _, last = key.rpartition('__')
            (content[holder] if holder else content)[last] = value
        return [stage, place.job(content)]

    return BadInput(_JOBS, given, f'insbench-job {stage}', says, words, program=JOB)


def _bare_job(stage: str, given: str, content: Any, says: str) -> BadInput:
    return BadInput(
        _JOBS, given, f'insbench-job {stage}', says, lambda place: [stage, place.job(content)], JOB
    )


def _pickled_arrays(place: Place) -> list[object]:
    """Forces as an array of objects, which numpy would unpickle."""
    files = job_seeds.fit()[0].files
    for name, data in files.items():
        place.file(name, data)
    memory = io.BytesIO()
    np.savez(
        memory, forces=np.array([HARM, None], dtype=object), displacements=[], displaced_atoms=[]
    )
    place.file('forces.npz', memory.getvalue())
    return ['fit', place.folder / 'job.json']


def _ins(given: str, says: str, name: str, content: str | bytes, *more: object) -> BadInput:
    def words(place: Place) -> list[object]:
        return ['ins', '--force-constants', place.file(name, content), '--mesh', 1, 1, 1, *more]

    return BadInput(_PHONONS, given, 'insbench-job ins', says, words, program=JOB)


def _instrument(given: str, says: str, content: str) -> BadInput:
    def words(place: Place) -> list[object]:
        sound = seeds.phonons()[0].files['phonopy.yaml']
        return [
            'ins', '--force-constants', place.file('phonopy.yaml', sound), '--mesh', 1, 1, 1,
            '--instrument', place.file('mine.yaml', content),
        ]  # fmt: skip

    return BadInput(_PHONONS, given, 'insbench-job ins', says, words, program=JOB)


def _phonopy(change: Callable[[str], str]) -> bytes:
    return change(seeds.phonons()[0].files['phonopy.yaml'].decode()).encode()


_PLAIN = CIF.format(occupancy=1.0, second=0.7)
ROWS = (
    _campaign('no YAML', 'c.yaml cannot be read', text='pressures: [0, 1\n'),
    _campaign('a list', 'must hold names and values', text='- 1\n'),
    _campaign('YAML that runs a program', 'c.yaml cannot be read', text=f'structure: {_PROGRAM}\n'),
    _campaign(
        'YAML whose references stand for billions of values',
        'references stand for more than 1000000 values',
        text=_BOMB,
    ),
    _campaign('a name that there is not', '`pressure`: Extra inputs are not permitted', pressure=1),
    _campaign(
        'sites occupied in part',
        'has sites that are occupied in part',
        structure=_cif(CIF.format(occupancy=0.5, second=0.7)),
    ),
    _campaign('missing hydrogens', 'Hydrogens are missing', structure=_cif(_PLAIN), formula='MgH4'),
    _campaign(
        'more molecules than the cell holds',
        '3 Mg expected, 2 there',
        formula='MgH2',
        formula_units=3,
    ),
    _campaign('no formula', "`formula`: 'MgX7' is no chemical formula", formula='MgX7'),
    _campaign('thresholds below zero', 'tolerance_shift', stopping={'tolerance_shift': -1}),
    _campaign(
        'more rounds at least than at most',
        'least_rounds',
        stopping={'least_rounds': 5, 'most_rounds': 2},
    ),
    _campaign('a budget of nothing', 'most_frames', stopping={'most_frames': 0}),
    _campaign('a budget too small for one round', 'most_frames', stopping={'most_frames': 5}),
    _campaign('no measured spectrum of this name', '`measured.a`', measured={'a': 'none-such'}),
    _campaign(
        'a spectrum measured beyond the pressures', 'is at 1.5', measured={'a': _node('spectrum')}
    ),
    _campaign('blind, but not measured', 'b is not among `measured`', blind=['b']),
    _campaign(
        'a start potential that lacks an element', '`start` knows no H', start=_node('magnesium')
    ),
    _campaign('a pressure twice', '`pressures`', pressures=[0, 1, 1.0002]),
    _campaign('no pressure', '`pressures`', pressures=[]),
    _campaign('no such family', '`pseudo_family`', pseudo_family='no-family'),
    _campaign('no such code', '`codes`', codes={'pw': 'pw@nowhere', 'job': 'x@nowhere'}),
    _campaign('no such protocol', '`protocol`', protocol='quick'),
    _campaign('a committee of none', '`committee`', committee=0),
    _overrides('no YAML', 'a: [', 'o.yaml cannot be read as YAML'),
    _overrides('a list', '- 1', 'must hold names and values'),
    _overrides('YAML that runs a program', f'a: {_PROGRAM}', 'o.yaml cannot be read as YAML'),
    _said('no such protocol', 'is not one of', 'launch', 'phonons', '--protocol', 'quick'),
    _said(
        'a profile name that leads out of its folder',
        "`--name` is '../x'",
        'setup',
        'profile',
        '--name',
        '../x',
        '--dry-run',
    ),
    _said(
        'a profile name with a space',
        "`--name` is 'a b'",
        'setup',
        'profile',
        '--name',
        'a b',
        '--dry-run',
    ),
    _said('a node of another kind', 'is no campaign', 'campaign', 'stop', '@phonons'),
    _said('no such node', 'no Node found', 'phonons', 'modes', '987654'),
    _said('a node without force constants', 'force constants', 'phonons', 'modes', '@potential'),
    _said(
        'a q-point in words',
        'is no q-point',
        'phonons',
        'modes',
        '@phonons',
        '--qpoint',
        'x',
        'y',
        'z',
    ),
    _said(
        'cutoffs that are no pairs',
        '`--cutoffs` is',
        'dataset',
        'converge',
        '@cif',
        '--cutoffs',
        '40,60',
        '--pseudo-family',
        '@family',
        '--codes',
        '@pw',
        '@code',
    ),
    _said(
        'a picture of no known kind', '.exe', 'spectrum', 'plot', '@spectrum', '--output', 'x.exe'
    ),
    _said(
        'an output where there is no folder',
        'nowhere/x.csv',
        'spectrum',
        'export',
        '@simulated',
        'nowhere/x.csv',
    ),
    _bare_job('sample', 'no JSON', '{"schema": 1,', 'job.json is no JSON'),
    _bare_job('select', 'a list', [1], 'job.json holds no JSON object'),
    _bare_job('fit', 'of another stage', {'schema': 1, 'stage': 'ins'}, "is for stage 'ins'"),
    _bare_job('md', 'of a later version', {'schema': 99, 'stage': 'md'}, 'schema 99'),
    _bare_job(
        'train',
        'without frames',
        {'schema': 1, 'stage': 'train', 'settings': {}},
        'The job file lacks dataset, validation',
    ),
    _job('sample', 'a method that there is not', "`method` is 'guess'; known are", method='guess'),
    _job(
        'sample',
        'a crystal without positions',
        '`structure` lacks positions',
        structure={'symbols': ['Mg'], 'cell': [[4, 0, 0], [0, 4, 0], [0, 0, 4]]},
    ),
    _job('select', 'more frames than there are', 'Ask for', count=50),
    _job(
        'fit',
        'a supercell of a billion cells',
        'makes more than 100000 cells',
        crystals__p_0000={
            **json.loads(job_seeds.fit()[0].files['job.json'])['crystals']['p_0000'],
            'supercell_matrix': [[1000, 0, 0], [0, 1000, 0], [0, 0, 1000]],
        },
    ),
    BadInput(
        _JOBS,
        'pickled objects among arrays',
        'insbench-job fit',
        'cannot be read from forces.npz: Object arrays cannot be loaded',
        _pickled_arrays,
        JOB,
    ),
    _job('evaluate', 'no such file', 'nothing.xyz', dataset='nothing.xyz'),
    _job('phonons', 'pressures in words', '`pressures[0]` is', pressures=['one']),
    _job('phonons', 'a device that there is not', 'device', settings__device='tpu'),
    _job(
        'md',
        'an ensemble that there is not',
        '`settings.ensembles` is',
        settings__ensembles=['nph'],
    ),
    _job(
        'validate',
        'limits that contradict',
        'Even the training frames would count',
        limits={'spread_factor': 0.5, 'extrapolation': 0.001},
    ),
    _job(
        'ins',
        'an instrument that there is not',
        "There is no instrument 'TOSKA'",
        instrument='TOSKA',
    ),
    _job(
        'ins',
        'a file that leads out of the folder',
        'must be a file name',
        force_constants={'p_0000': '../../x.yaml'},
    ),
    _job('analyse', 'nothing to analyse', 'there is nothing to analyse', phonons={}),
    _ins(
        'a phonopy file that runs a program',
        'p.yaml cannot be read',
        'p.yaml',
        f'phonopy: {_PROGRAM}\n',
    ),
    _ins(
        'no force constants',
        'holds neither force constants nor forces',
        'p.yaml',
        _phonopy(lambda text: text.replace('\nforce_constants:', '\nother:')),
    ),
    _ins(
        'a supercell matrix of another crystal',
        'the supercell matrix makes 108000 atoms, the file holds 12',
        'p.yaml',
        _phonopy(lambda text: re.sub(r'(?<=supercell_matrix:\n)- \[ +1', '- [ 9000', text)),
    ),
    _ins('CASTEP, cut', 'cannot be read', 'x.castep_bin', b'\0\0\0\1'),
    _ins('JSON of something else', 'holds nothing of Euphonic', 'x.json', '{}'),
    _instrument(
        'an instrument without banks', 'is not of the form', 'geometry: indirect\ncitation: x\n'
    ),
    _instrument('an instrument that runs a program', 'cannot be read', f'geometry: {_PROGRAM}\n'),
)
