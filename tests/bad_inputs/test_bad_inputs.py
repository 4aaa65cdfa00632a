"""Every row of the table: the stated message, a code that is not 0, nothing left behind."""

import collections
import contextlib
import io

import ase.io
import numpy as np
import pytest
from aiida.orm import Group, Node, QueryBuilder
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from bad_input import JOB, Place
from click.testing import CliRunner
from fake_nodes import code, crystal, potential, pseudo, pw_code, workchain
from table import ROWS, as_markdown

from aiida_insbench.cli import cmd_root
from aiida_insbench.data import SpectrumData
from aiida_insbench.jobs.program import main as run_job
from aiida_insbench.workflows.phonons import PhononsWorkChain

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]
#: What a job leaves: why it failed, and how far it came.
_OF_JOBS = {'error.json', 'progress.jsonl'}


@pytest.fixture(scope='module')
def nodes(tmp_path_factory):
    """Sound nodes and files that rows name; made once."""
    path = tmp_path_factory.mktemp('sound') / 'mgh2.cif'
    ase.io.write(path, crystal())
    family = CutoffsPseudoPotentialFamily(label='bad-inputs').store()
    family.add_nodes([pseudo('Mg'), pseudo('H')])
    cutoffs = {element: {'cutoff_wfc': 25.0, 'cutoff_rho': 80.0} for element in ('Mg', 'H')}
    family.set_cutoffs(cutoffs, 'normal', unit='Ry')
    energies = np.arange(20.0, 1000.0, 20.0)
    conditions = {'sample': 'MgH2', 'instrument': 'TOSCA', 'temperature': 10.0}
    conditions |= {'pressure': 1.5, 'pressure_error': 0.05}
    measured, simulated = (
        SpectrumData(
            energy_transfer=energies,
            total=np.exp(-(((energies - 400) / 50) ** 2)),
            origin=origin,
            sample='MgH2',
            instrument='TOSCA',
            temperature=10.0,
            pressure=1.5,
            details={'conditions': conditions} if origin == 'measured' else {},
        )
        for origin in ('measured', 'simulated')
    )
    return {
        'cif': path,
        'family': family.label,
        'code': code().full_label,
        'pw': pw_code().full_label,
        'potential': potential().store().uuid,
        'magnesium': potential(elements=('Mg',)).store().uuid,
        'spectrum': measured.store().uuid,
        'simulated': simulated.store().uuid,
        'phonons': workchain(PhononsWorkChain, 400, message='it failed').pk,
    }


def stored():
    """What the profile holds."""
    return {
        (kind.__name__, pk)
        for kind in (Node, Group)
        for pk in QueryBuilder().append(kind, project='id').all(flat=True)
    }


def files(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob('*') if path.is_file()}


def run(row, words):
    """Exit code, and all that the user is shown."""
    if row.program == JOB:
        shown = io.StringIO()
        with contextlib.redirect_stderr(shown), contextlib.redirect_stdout(shown):
            return run_job([str(word) for word in words]), shown.getvalue()
    done = CliRunner().invoke(cmd_root, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output


@pytest.mark.parametrize('row', ROWS, ids=lambda row: row.name)
def test_bad_input(row, nodes, tmp_path, monkeypatch):
    folder = tmp_path / 'here'
    folder.mkdir()
    monkeypatch.chdir(folder)
    words = row.words(Place(folder, nodes))
    before, given = stored(), files(tmp_path)
    exit_code, shown = run(row, words)
    text = ' '.join(shown.split())
    assert exit_code != 0, text
    assert row.says in text
    assert 'Traceback' not in text
    assert len(text) < 3000
    assert stored() == before
    left = files(tmp_path) - given
    assert left <= ({f'here/{name}' for name in _OF_JOBS} if row.program == JOB else set())
    assert not (folder / 'harmed').exists()


def test_the_table_is_as_long_as_promised():
    """60 rows or more, no two alike, and every group of readers is in it."""
    assert len(ROWS) >= 60
    names = collections.Counter((row.through, row.given) for row in ROWS)
    assert max(names.values()) == 1
    assert len({row.group for row in ROWS}) >= 8


def test_the_documentation_shows_the_table(repository):
    page = repository / 'docs' / 'topics' / 'bad_inputs.md'
    assert page.read_text(encoding='utf-8') == as_markdown()
