"""Which processes under way have lost their message, and which may be somebody else's."""

import pytest
from aiida.orm import CalcJobNode, WorkChainNode
from aiida.tools import delete_nodes

from aiida_insbench.cli import stuck


@pytest.fixture
def family(aiida_profile, aiida_localhost):
    """A chain with a job, one nobody called, one that has ended, one that has not begun."""
    from aiida.common import LinkType

    def chain(state):
        node = WorkChainNode()
        node.set_process_state(state)
        return node.store()

    caller = chain('waiting')
    job = CalcJobNode(computer=aiida_localhost)
    job.set_process_state('waiting')
    job.base.links.add_incoming(caller, LinkType.CALL_CALC, 'job')
    job.store()
    made = {
        'caller': caller.pk, 'job': job.pk, 'alone': chain('running').pk,
        'ended': chain('finished').pk, 'new': chain('created').pk,
    }  # fmt: skip
    yield made
    delete_nodes(list(made.values()), dry_run=False)


def lost(family, told, **options):
    pks = {pk: name for name, pk in family.items()}
    found = stuck._without_message({family[name] for name in told}, **options)
    return sorted(pks[pk] for pk in found if pk in pks)


def test_job_of_a_chain_of_the_daemon(family):
    assert lost(family, ['caller', 'new'], all_active=False) == ['job']
    assert lost(family, ['caller', 'job', 'new'], all_active=False) == []


def test_what_has_not_begun_is_always_the_daemons(family):
    assert lost(family, [], all_active=False) == ['new']


def test_daemon_that_lost_its_database_held_them_all(family):
    assert lost(family, [], all_active=True) == ['alone', 'caller', 'job', 'new']
