"""A code for real jobs on this machine, shared by the tests that run them in this process."""

import pytest

from aiida_insbench.cli.site import find_job_program, prepare_computer


@pytest.fixture(scope='session')
def job_code(tmp_path_factory):
    from aiida.orm import InstalledCode

    computer = prepare_computer(tmp_path_factory.mktemp('work'), label='real', slots=2)
    return InstalledCode(
        label='insbench-job-real',
        computer=computer,
        filepath_executable=find_job_program(),
        default_calc_job_plugin='insbench.train',
    ).store()
