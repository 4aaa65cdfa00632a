"""The installation of a compute node, as docs/howto/cluster.md tells it: no AiiDA, real numbers."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

CHECKS = ('packages', 'threads', 'GPU', 'AiiDA', 'phonons', 'ins', 'train', 'evaluate')


@pytest.fixture(scope='module')
def node(repository):
    """Folder ``bin`` of an environment with what a job needs, made from a copy of the checkout."""
    torch = re.search(r'^TORCH_VERSION := (\S+)$', (repository / 'Makefile').read_text(), re.M)[1]
    # the environment takes 2 GB, which a /tmp in memory may not have
    large = Path('/var/tmp')  # noqa: S108
    with tempfile.TemporaryDirectory(dir=large if large.is_dir() else None) as name:
        # pip builds in the folder it is given: the checkout would get build/ and another egg-info
        checkout = Path(name) / 'checkout'
        checkout.mkdir()
        for file in ('pyproject.toml', 'README.md', 'LICENSE', 'requirements-job.txt'):
            shutil.copy(repository / file, checkout)
        shutil.copytree(repository / 'aiida_insbench', checkout / 'aiida_insbench')
        environment = Path(name) / 'venv'
        subprocess.run([sys.executable, '-m', 'venv', str(environment)], check=True)
        pip = [str(environment / 'bin' / 'pip'), 'install', '--quiet']
        index = os.environ.get('TORCH_INDEX_URL')
        for words in (
            [*(('--index-url', index) if index else ()), f'torch=={torch}'],
            ['-r', 'requirements-job.txt'],
            ['--no-deps', '.'],
        ):
            subprocess.run([*pip, *words], check=True, cwd=checkout)
        yield environment / 'bin'


def run(program, *words, folder):
    """Run a program of that environment where neither this checkout nor its packages are seen."""
    environment = {name: os.environ[name] for name in ('HOME', 'LANG') if name in os.environ}
    environment |= {'PATH': f'{program.parent}:/usr/bin:/bin', 'OMP_NUM_THREADS': '1'}
    return subprocess.run(
        [str(program), *words],
        check=False,
        capture_output=True,
        text=True,
        cwd=folder,
        env=environment,
        timeout=600,
    )


@pytest.mark.parametrize('module', ['aiida', 'aiida_quantumespresso', 'click', 'pgsu'])
def test_environment_has_no_aiida(node, tmp_path, module):
    done = run(node / 'python', '-c', f'import {module}', folder=tmp_path)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"ModuleNotFoundError: No module named '{module}'"


def test_self_test_passes_there(node, tmp_path):
    where = 'import aiida_insbench; print(aiida_insbench.__file__)'
    assert str(node.parent) in run(node / 'python', '-c', where, folder=tmp_path).stdout
    done = run(node / 'insbench-job', '--self-test', folder=tmp_path)
    said = done.stdout + done.stderr
    assert done.returncode == 0, said
    lines = done.stdout.splitlines()
    for name in CHECKS:
        assert any(line.startswith(f'ok    {name}: ') for line in lines), said
    assert 'ok    AiiDA: not installed' in done.stdout
    assert lines[-1].startswith('faults: none found')
