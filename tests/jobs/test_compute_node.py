"""A compute node without AiiDA and MACE: a potential of SevenNet in an environment of its own.

SevenNet wants another e3nn than MACE, and Euphonic is of version 2 here.
"""

import json
import os
import subprocess
import sys

import pytest
from ase.build import bulk

from aiida_insbench.science.potentials import potential_from_ase, write_potential
from aiida_insbench.science.structures import atoms_to_dict

pytestmark = pytest.mark.full

PACKAGES = ('sevenn==0.13.0', 'phonopy~=4.10', 'symfc~=1.8', 'safetensors', 'euphonic>=2,<3')


@pytest.fixture(scope='module')
def elsewhere(tmp_path_factory):
    """Python of a new environment."""
    folder = tmp_path_factory.mktemp('node') / 'venv'
    subprocess.run([sys.executable, '-m', 'venv', str(folder)], check=True)
    python = str(folder / 'bin' / 'python')
    for packages in (('torch==2.13.0',), ('torch==2.13.0', *PACKAGES)):
        subprocess.run([python, '-m', 'pip', 'install', '--quiet', *packages], check=True)
    return python


def test_phonons_where_aiida_is_not_installed(elsewhere, tmp_path, repository):
    write_potential(potential_from_ase('sevenn', package_version='0.13.0'), tmp_path / 'potential')
    job = {
        'schema': 1,
        'stage': 'phonons',
        'potential': 'potential',
        'structure': atoms_to_dict(bulk('MgO', 'rocksalt', a=4.21)),
        'pressures': [0.0, 5.0],
        'supercell_matrix': [[2, 0, 0], [0, 2, 0], [0, 0, 2]],
        'settings': {'fmax': 1e-3, 'stress_tolerance': 0.05, 'mesh': [4, 4, 4]},
    }
    (tmp_path / 'job.json').write_text(json.dumps(job))
    program = (
        'import sys; from aiida_insbench.jobs.program import main; '
        "code = main(['phonons', 'job.json']); assert 'aiida' not in sys.modules; sys.exit(code)"
    )
    environment = {**os.environ, 'PYTHONPATH': str(repository)}
    subprocess.run([elsewhere, '-c', program], cwd=tmp_path, env=environment, check=True)
    result = json.loads((tmp_path / 'result.json').read_text())
    assert result['versions']['sevenn'] == '0.13.0'
    assert result['versions']['euphonic'].startswith('2.')
    highest = [
        max(json.loads((tmp_path / f'{label}.json').read_text())['gamma']['frequencies'])
        for label in ('p_0000', 'p_5000')
    ]
    assert 250 < highest[0] < highest[1] < 450
