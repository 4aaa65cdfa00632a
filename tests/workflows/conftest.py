"""A code for real jobs on this machine, shared by the tests that run them in this process."""

import pytest
from aiida.common.exceptions import NotExistent

from aiida_insbench.cli.site import find_job_program, prepare_computer


@pytest.fixture(scope='module')
def job_code(tmp_path_factory):
    """Made once, loaded anew by each module: a command tested in between may open the profile anew.

    A node of the storage before could not be linked to those of the storage after.
    """
    from aiida.orm import InstalledCode, load_code

    computer = prepare_computer(tmp_path_factory.mktemp('work'), label='real', slots=2)
    try:
        return load_code(f'insbench-job-real@{computer.label}')
    except NotExistent:
        return InstalledCode(
            label='insbench-job-real',
            computer=computer,
            filepath_executable=find_job_program(),
            default_calc_job_plugin='insbench.train',
        ).store()
