"""Profiles made, found again and undone, without a server; with servers in tests/production."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = str(Path(sys.executable).with_name('aiida-insbench'))


@pytest.fixture
def setup_profile(tmp_path):
    """Run the command with an AiiDA of its own."""
    (tmp_path / '.aiida').mkdir()
    kept = {k: v for k, v in os.environ.items() if not k.startswith('INSBENCH_POSTGRES')}

    def run(*words, **variables):
        done = subprocess.run(
            [PROGRAM, 'setup', 'profile', *words],
            check=False,
            capture_output=True,
            text=True,
            env={**kept, 'AIIDA_PATH': str(tmp_path), **variables},
        )
        assert 'Traceback' not in done.stderr
        return done.returncode, done.stdout + done.stderr

    return run


def test_sqlite_made_once_and_undone(setup_profile, tmp_path):
    code, said = setup_profile('--dry-run')
    assert code == 0
    assert 'Would make the profile insbench: data in SQLite; messages by ZeroMQ' in said
    code, said = setup_profile()
    assert code == 0
    assert 'Made the profile insbench' in said
    assert 'is there' in setup_profile()[1]
    databases = list(tmp_path.rglob('database.sqlite'))
    assert len(databases) == 1
    assert 'Would remove' in setup_profile('--undo', '--dry-run')[1]
    assert 'Removed' not in setup_profile('--undo')[1]  # asked, no answer
    assert databases[0].exists()
    code, said = setup_profile('--undo', '--yes')
    assert (code, said.strip()) == (0, 'Removed the profile insbench.')
    assert not databases[0].exists()
    assert setup_profile('--undo', '--yes') == (0, 'There is no profile insbench.\n')


@pytest.mark.parametrize('name', ['', '1st', 'a"b', '../up', 'a b', 'x' * 51])
def test_no_name_for_a_profile(setup_profile, name):
    code, said = setup_profile('--name', name, '--dry-run')
    assert code == 1
    assert 'give a letter' in said


@pytest.mark.parametrize('dry', [['--dry-run'], []])
def test_no_server_there(setup_profile, tmp_path, dry):
    code, said = setup_profile(
        '--postgres', *dry, '--postgres-port', '9', '--postgres-password', 'hush'
    )
    assert code == 1
    assert 'No PostgreSQL answers at localhost:9' in said
    assert 'hush' not in said
    assert not (tmp_path / '.aiida' / 'insbench').exists()


def test_a_profile_made_otherwise_is_left_alone(setup_profile, tmp_path):
    setup_profile()
    (tmp_path / '.aiida' / 'insbench' / 'insbench.json').unlink()
    for words in ([], ['--undo', '--yes']):
        code, said = setup_profile(*words)
        assert code == 1
        assert 'not made by this command' in said
