"""What all tests share: an AiiDA of their own, data kept outside the repository, hypothesis."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# Importing aiida makes a configuration folder. This comes before any such import, so that nobody's
# own profiles are touched.
_AIIDA_PATH = tempfile.mkdtemp(prefix='aiida-insbench-tests-')
(Path(_AIIDA_PATH) / '.aiida').mkdir()  # made by aiida itself it would be a warning
os.environ['AIIDA_PATH'] = _AIIDA_PATH
atexit.register(shutil.rmtree, _AIIDA_PATH, ignore_errors=True)

pytest_plugins = ['aiida.tools.pytest_fixtures']

# The same examples every time; no deadline, as machines that share their cores are slow at times.
settings.register_profile('insbench', deadline=None, derandomize=True)
settings.load_profile('insbench')

_REPOSITORY = Path(__file__).resolve().parents[1]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the files that run programs for minutes, so that none is left alone at the end.

    Files are handed out whole and in this order (`--dist loadfile --no-loadscope-reorder`).
    """
    real: dict[Path, int] = {}
    for item in items:
        real[item.path] = real.get(item.path, 0) + (item.get_closest_marker('real') is not None)
    items.sort(key=lambda item: (item.path.parent.name != 'campaign', -real[item.path]))


@pytest.fixture(scope='session')
def repository() -> Path:
    """Root of the repository."""
    return _REPOSITORY


@pytest.fixture(scope='session')
def shared_data() -> Path:
    """Folder of measured spectra, structures and pseudopotentials, which the project only reads."""
    default = _REPOSITORY.parent / 'shared' / 'data'
    folder = Path(os.environ.get('INSBENCH_SHARED_DATA', default))
    if not folder.is_dir():
        pytest.skip(f'there is no folder {folder}; name it in INSBENCH_SHARED_DATA')
    return folder
