"""Stages of a campaign, and of work chains that are none."""

import pytest
from aiida.orm import WorkChainNode
from fake_nodes import workchain

from aiida_insbench.report.stages import CampaignWatch, format_stages
from aiida_insbench.workflows.campaign import CampaignWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.validate import ValidateWorkChain

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]


def running(process_class):
    node = WorkChainNode(process_type=process_class.build_process_type())
    node.set_process_label(process_class.__name__)
    return node.store()


def test_campaign_shows_what_it_plans():
    campaign = running(CampaignWorkChain)
    stages = CampaignWatch(campaign).stages()
    assert [stage.name for stage in stages] == [
        'DFT relaxation',
        'Round 1: data',
        'Round 1: training',
        'Round 1: phonons and spectra',
        'Errors on held-out frames',
        'Mode shifts',
    ]
    assert {stage.state for stage in stages} == {'waiting'}


def test_campaign_shows_its_rounds():
    campaign = running(CampaignWorkChain)
    for label in ('round_1_data', 'round_1_training', 'round_1', 'round_2_data'):
        workchain(PhononsWorkChain, caller=campaign, label=label)
    stages = CampaignWatch(campaign).stages()
    names = [stage.name for stage in stages]
    assert names[:4] == [
        'Round 1: data',
        'Round 1: training',
        'Round 1: phonons and spectra',
        'Round 2: data',
    ]
    assert names[4:6] == ['Round 2: training', 'Round 2: phonons and spectra']
    assert {stage.name for stage in stages if stage.state == 'done'} == set(names[:4])


def test_other_work_chains_show_what_they_called():
    validation = running(ValidateWorkChain)
    workchain(PhononsWorkChain, caller=validation, label='phonons')
    workchain(InsWorkChain, 411, message='unstable', caller=validation, label='harmonic_spectrum')
    stages = CampaignWatch(validation).stages()
    assert [(stage.name, stage.state) for stage in stages] == [
        ('phonons', 'done'),
        ('harmonic spectrum', 'failed'),
    ]
    assert '[411] unstable' in format_stages(stages)


def test_a_process_that_was_just_stored_has_no_stages():
    assert 'nothing has begun' in format_stages([])
