"""A profile on PostgreSQL and RabbitMQ that really run: made, used, undone, and what goes wrong."""

import json
import time

import pytest

pytestmark = pytest.mark.full

EVERYTHING = 'SELECT datname FROM pg_database UNION ALL SELECT rolname FROM pg_roles ORDER BY 1'
WORDS = ('setup', 'profile', '--name', 'trial')


def stored(run, tmp_path, expression='Int(7).store().pk'):
    script = tmp_path / 'store.py'
    script.write_text(f'from aiida.orm import Int, load_node, QueryBuilder\nprint({expression})')
    code, said = run('verdi', '-p', 'trial', 'run', script)
    assert code == 0, said
    return said


def test_made_used_and_undone(run, sql, queues, tmp_path):
    before, queues_before = sql(EVERYTHING), queues()
    code, said = run('aiida-insbench', *WORDS, '--postgres', '--dry-run')
    assert code == 0
    assert 'RabbitMQ at 127.0.0.1:' in said
    assert sql(EVERYTHING) == before

    code, said = run('aiida-insbench', *WORDS, '--postgres')
    assert code == 0, said
    assert 'messages by RabbitMQ' in said
    assert sql(EVERYTHING) == sorted([*before, 'aiida-trial', 'aiida-trial'])
    assert 'is there' in run('aiida-insbench', *WORDS, '--postgres')[1]
    code, said = run('verdi', '-p', 'trial', 'status')
    assert 'RabbitMQ v' in said
    assert 'value: 7' in stored(run, tmp_path, 'load_node(Int(7).store().pk)')
    assert run('verdi', '-p', 'trial', 'daemon', 'start', '1')[0] == 0
    uuid = json.loads((tmp_path / '.aiida' / 'insbench' / 'trial.json').read_text())['uuid']
    made = {f'aiida-{uuid}.process.queue', f'aiida-{uuid}.tasks'}
    deadline = time.monotonic() + 60
    while not made <= set(queues()) and time.monotonic() < deadline:
        time.sleep(1)
    assert made <= set(queues())

    code, said = run('aiida-insbench', *WORDS, '--undo', '--yes', '--postgres-password', 'bad')
    assert code == 1
    assert 'password is wrong' in said
    code, said = run('aiida-insbench', *WORDS, '--undo', '--yes')
    assert code == 0, said
    assert sql(EVERYTHING) == before
    # what awaits an answer expires within a minute
    assert [name for name in queues() if '-reply-' not in name] == queues_before
    assert not (tmp_path / '.aiida' / 'repository' / 'trial').exists()


def test_without_rabbitmq_zeromq_is_taken_and_said(run):
    code, said = run(
        'aiida-insbench', 'setup', 'profile', '--postgres', '--dry-run', AIIDA_BROKER_PORT='9'
    )
    assert code == 0
    assert 'ZeroMQ, as no RabbitMQ answers' in said


def test_a_role_of_another_is_left_alone(run, sql, tmp_path):
    assert run('aiida-insbench', *WORDS, '--postgres')[0] == 0
    elsewhere = tmp_path / 'elsewhere'
    (elsewhere / '.aiida').mkdir(parents=True)
    for words in (['--postgres'], ['--postgres', '--dry-run']):
        code, said = run('aiida-insbench', *WORDS, *words, AIIDA_PATH=str(elsewhere))
        assert code == 1
        assert 'has a role aiida-trial already, which this command did not make here' in said
        assert f'trial of {tmp_path / ".aiida"} on' in said
    code, said = run(
        'aiida-insbench', *WORDS, '--postgres', '--undo', '--yes', AIIDA_PATH=str(elsewhere)
    )
    assert said == 'There is no profile trial.\n'
    assert 'aiida-trial' in sql(EVERYTHING)
    assert run('aiida-insbench', *WORDS, '--undo', '--yes')[0] == 0
    assert 'aiida-trial' not in sql(EVERYTHING)


@pytest.fixture
def deleted(run, sql, tmp_path):
    """A profile with a node that was deleted by AiiDA's own command, its data kept."""
    before = sql(EVERYTHING)
    assert run('aiida-insbench', *WORDS, '--postgres')[0] == 0
    stored(run, tmp_path)
    code, said = run('verdi', 'profile', 'delete', '--force', '--keep-data', 'trial')
    assert code == 0, said
    return before


def test_what_verdi_leaves_is_taken_again_with_its_data(run, sql, deleted, tmp_path):
    code, said = run('aiida-insbench', *WORDS)
    assert code == 1
    assert 'A profile trial that is gone had its data on PostgreSQL at localhost:' in said
    assert 'is there again' in run('aiida-insbench', *WORDS, '--postgres', '--dry-run')[1]
    code, said = run('aiida-insbench', *WORDS, '--postgres')
    assert code == 0, said
    assert 'what is in them is there again' in said
    assert '[7]' in stored(run, tmp_path, 'QueryBuilder().append(Int, project="attributes.value")'
                           '.all(flat=True)')  # fmt: skip
    assert run('aiida-insbench', *WORDS, '--undo', '--yes')[0] == 0
    assert sql(EVERYTHING) == deleted


def test_what_verdi_leaves_can_be_undone(run, sql, deleted, tmp_path):
    repository = tmp_path / '.aiida' / 'repository' / 'trial'
    assert repository.exists()
    code, said = run('aiida-insbench', *WORDS, '--undo', '--dry-run')
    assert 'role and database aiida-trial on localhost:' in said
    assert str(repository) in said
    code, said = run('aiida-insbench', *WORDS, '--undo', '--yes')
    assert code == 0, said
    assert sql(EVERYTHING) == deleted
    assert not repository.exists()
    assert run('aiida-insbench', *WORDS, '--undo', '--yes')[1] == 'There is no profile trial.\n'


def test_data_without_its_files_is_named_and_can_be_undone(run, sql, deleted, tmp_path):
    """The database says which repository belongs to it: AiiDA does not take another."""
    repository = tmp_path / '.aiida' / 'repository' / 'trial'
    repository.rename(tmp_path / 'away')
    code, said = run('aiida-insbench', *WORDS, '--postgres')
    assert code == 1
    assert 'are left of an earlier profile trial. If you do not need their data, --undo' in said
    assert 'aiida-trial' in sql(EVERYTHING)
    assert not repository.exists()
    assert run('aiida-insbench', *WORDS, '--undo', '--yes')[0] == 0
    assert sql(EVERYTHING) == deleted


def test_record_lost_the_mark_on_the_role_is_enough(run, sql, deleted, tmp_path):
    (tmp_path / '.aiida' / 'insbench' / 'trial.json').unlink()
    code, said = run('aiida-insbench', *WORDS, '--undo', '--yes', '--postgres')
    assert code == 0, said
    assert 'Removed role and database aiida-trial' in said
    assert sql(EVERYTHING) == deleted


def test_a_profile_half_made_leaves_nothing(run, sql, tmp_path):
    """AiiDA cannot make its repository where a file is in the way: after role and database."""
    before = sql(EVERYTHING)
    in_the_way = tmp_path / '.aiida' / 'repository'
    in_the_way.write_text('')
    code, said = run('aiida-insbench', *WORDS, '--postgres')
    assert code == 1
    assert 'AiiDA could not make the profile trial' in said
    assert sql(EVERYTHING) == before
    assert 'trial' not in run('verdi', 'profile', 'list')[1]
    assert not (tmp_path / '.aiida' / 'insbench' / 'trial.json').exists()
    in_the_way.unlink()
    assert run('aiida-insbench', *WORDS, '--postgres')[0] == 0
    assert run('aiida-insbench', *WORDS, '--undo', '--yes')[0] == 0


@pytest.fixture
def weak(sql):
    """A user that may do nothing but connect."""
    sql("CREATE USER weak PASSWORD 'weak'")
    yield ('--postgres-username', 'weak', '--postgres-password', 'weak')
    sql('DROP USER weak')


def test_a_user_who_is_no_superuser(run, sql, weak):
    before = sql(EVERYTHING)
    for words in ([], ['--dry-run']):
        code, said = run('aiida-insbench', *WORDS, '--postgres', *weak, *words)
        assert code == 1
        assert 'weak may not make roles and databases on localhost:' in said
        assert 'Give a superuser: --postgres-username' in said
    assert sql(EVERYTHING) == before


def test_a_user_who_may_make_roles_and_databases_is_enough(run, sql, weak):
    before = sql(EVERYTHING)
    sql('ALTER USER weak CREATEDB CREATEROLE')
    code, said = run('aiida-insbench', *WORDS, '--postgres', *weak)
    assert code == 0, said
    code, said = run('aiida-insbench', *WORDS, '--undo', '--yes', *weak)
    assert code == 0, said
    assert sql(EVERYTHING) == before
