"""Codes for real jobs on this machine, shared by the tests that run them in this process."""

import shutil

import pytest
from aiida.common.exceptions import NotExistent

from aiida_insbench.cli.site import find_job_program, prepare_computer


@pytest.fixture(scope='module')
def job_code(tmp_path_factory):
    """Made once, loaded anew by each module: a command tested in between may open the profile anew.

    A node of the storage before could not be linked to those of the storage after.
    """
    computer = prepare_computer(tmp_path_factory.mktemp('work'), label='real', slots=2)
    return _code(computer, 'insbench-job-real', find_job_program(), 'insbench.train')


@pytest.fixture(scope='module')
def pw(job_code):
    """pw.x; tests that take it are skipped where it is not installed."""
    return _code(job_code.computer, 'pw-real', shutil.which('pw.x'), 'quantumespresso.pw')


def _code(computer, label, program, plugin):
    from aiida.orm import InstalledCode, load_code

    try:
        return load_code(f'{label}@{computer.label}')
    except NotExistent:
        return InstalledCode(
            label=label,
            computer=computer,
            filepath_executable=program,
            default_calc_job_plugin=plugin,
        ).store()
