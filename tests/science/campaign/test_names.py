"""Names of rounds and members are put in order by their numbers."""

from __future__ import annotations

import pytest

from aiida_insbench.science.campaign.names import in_order, leader_of, number_of


def test_ten_comes_after_nine():
    assert in_order(['round_10', 'round_9', 'round_1']) == ['round_1', 'round_9', 'round_10']


def test_the_smallest_seed_leads():
    assert leader_of(['seed_11', 'seed_2', 'seed_3']) == 'seed_2'


def test_a_name_without_a_number():
    with pytest.raises(ValueError, match='leader'):
        number_of('round_leader')
