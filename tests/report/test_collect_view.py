"""The picture of modes is drawn from the force constants that a campaign analysed."""

import pytest
from spring_nodes import campaign_of, phonon_job, spring_node

from aiida_insbench.queries import force_constants_of
from aiida_insbench.report import mode_view
from aiida_insbench.report.collect import _mode_view

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]
SETTINGS = {'degeneracy': 1.5, 'flat': 1.0, 'symprec': 1e-3, 'temperature': 300.0}


def test_of_the_last_potential_at_the_first_and_the_last_pressure():
    (_, base), (_, tuned) = phonon_job(scale=1.3), phonon_job()
    campaign = campaign_of({'round_1': base, 'round_2': tuned})
    assert set(force_constants_of(campaign)) == {'round_1', 'round_2'}
    view = _mode_view(campaign, SETTINGS)
    assert (view['potential'], view['key']) == ('round 2', 'round_2')
    assert [state['gpa'] for state in view['pressures']] == [0.0, 2.0]
    assert view['modes'][view['default']]['direction'] == 'red'
    lone = _mode_view(campaign_of({'round_1': base}), SETTINGS)
    assert (lone['potential'], lone['key']) == ('round 1', 'round_1')
    assert lone['modes'][0]['frequencies'][0] > 1.1 * view['modes'][0]['frequencies'][0]


def test_modes_that_cannot_be_followed_leave_a_reason():
    nodes = {'p_0000': spring_node(0), 'p_1000': spring_node(1, metal='Zn')}
    view = _mode_view(campaign_of({'round_1': nodes}), SETTINGS)
    assert 'not one substance' in view['reason']


def test_large_cells_are_left_out(monkeypatch):
    monkeypatch.setattr(mode_view, 'MAX_ATOMS', 5)
    view = _mode_view(campaign_of({'round_1': {'p_0000': spring_node(0)}}), {})
    assert view == {'reason': 'The cell has 6 atoms; up to 5 are drawn here.'}
