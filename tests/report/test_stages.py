"""Stages of a campaign, and of work chains that are none."""

import pytest
from aiida.orm import WorkChainNode
from fake_nodes import workchain

from aiida_insbench.report.stages import STAGES, CampaignWatch, format_stages
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
    workchain(PhononsWorkChain, caller=campaign, label='base_phonons')
    stages = CampaignWatch(campaign).stages()
    assert [stage.name for stage in stages] == list(STAGES.values())
    assert {stage.name for stage in stages if stage.state == 'done'} == {'Phonons, base'}


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
