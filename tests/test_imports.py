"""What is imported where: start-up stays fast, science and jobs need no AiiDA."""

import importlib.util
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ('torch', 'mace', 'e3nn', 'phonopy', 'euphonic', 'matplotlib', 'symfc', 'spglib')
LIGHT_MODULES = (
    'aiida_insbench.science.errors',
    'aiida_insbench.science.pressure',
    'aiida_insbench.science.structures',
    'aiida_insbench.science.frames',
    'aiida_insbench.jobs.program',
)
SCIENCE_AND_JOBS = sorted(
    '.'.join(path.relative_to(folder.parents[1]).with_suffix('').parts).removesuffix('.__init__')
    for folder in (
        Path(importlib.util.find_spec('aiida_insbench').origin).parent / name
        for name in ('science', 'jobs')
    )
    for path in folder.rglob('*.py')
    if path.name not in ('__main__.py', 'mace_training.py')  # programs
)


def modules_after(code):
    """Top-level modules loaded after running `code` in a fresh interpreter."""
    report = "import sys; print(); print(__import__('json').dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, '-c', f'{code}\n{report}'], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {name.partition('.')[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_help_of_the_commands_is_light():
    code = "from aiida_insbench.cli import cmd_root; cmd_root(['--help'], standalone_mode=False)"
    assert modules_after(code).isdisjoint(HEAVY)


@pytest.mark.parametrize('name', LIGHT_MODULES)
def test_light_modules_are_light(name):
    assert modules_after(f'import {name}').isdisjoint({'aiida', 'click', *HEAVY})


def test_science_and_jobs_need_no_aiida_and_no_torch():
    """The compute node has no AiiDA; torch and mace load where they are used."""
    code = '\n'.join(f'import {name}' for name in SCIENCE_AND_JOBS)
    assert modules_after(code).isdisjoint({'aiida', 'click', 'torch', 'mace', 'e3nn'})


def test_import_contracts_hold(repository):
    program = shutil.which('lint-imports') or Path(sys.executable).with_name('lint-imports')
    if not Path(program).exists():
        pytest.skip('import-linter is not installed')
    done = subprocess.run(
        [str(program)], cwd=repository, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
