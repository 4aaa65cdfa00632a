"""``launch campaign`` as far as a dry run goes, its file, ``campaign rounds`` and ``stop``."""

import json

import ase.io
import numpy as np
import pytest
import yaml
from aiida.orm import Dict, Int, List, WorkChainNode
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily
from click.testing import CliRunner
from fake_nodes import code, crystal, dataset, potential, pseudo, pw_code, workchain

from aiida_insbench.calculations.rounds import assess_round
from aiida_insbench.cli import cmd_root
from aiida_insbench.cli.slots import slots_fault, slots_needed
from aiida_insbench.data import SpectrumData
from aiida_insbench.science.campaign.config import EXAMPLE
from aiida_insbench.workflows.campaign import CampaignWorkChain
from aiida_insbench.workflows.campaign_data import next_number
from aiida_insbench.workflows.campaign_rounds import STOP

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]
FAMILY = 'campaign-family'


def run(*words):
    return CliRunner().invoke(cmd_root, [str(word) for word in words])


@pytest.fixture(scope='module', autouse=True)
def family():
    made = CutoffsPseudoPotentialFamily(label=FAMILY).store()
    made.add_nodes([pseudo('Mg').store(), pseudo('H').store()])
    cutoffs = {element: {'cutoff_wfc': 25.0, 'cutoff_rho': 80.0} for element in ('Mg', 'H')}
    made.set_cutoffs(cutoffs, 'normal', unit='Ry')


@pytest.fixture
def file(tmp_path):
    ase.io.write(tmp_path / 'mgh2.cif', crystal())

    def write(**changes):
        given = {
            'structure': 'mgh2.cif',
            'pressures': [0, 1],
            'pseudo_family': FAMILY,
            'codes': {'pw': pw_code().store().full_label, 'job': code().store().full_label},
            'protocol': 'fast',
            **changes,
        }
        path = tmp_path / 'campaign.yaml'
        path.write_text(yaml.safe_dump(given), encoding='utf-8')
        return path

    return write


class TestLaunch:
    def test_example(self):
        done = run('launch', 'campaign', '--example')
        assert done.exit_code == 0
        assert done.output == EXAMPLE

    def test_a_good_file(self, file):
        done = run('launch', 'campaign', '--config', file(), '--dry-run')
        assert done.exit_code == 0, done.output
        assert 'cutoffs 25 and 80 Ry' in done.output
        assert 'The campaign can be submitted.' in done.output

    def test_options_stand_over_the_file(self, file):
        done = run('launch', 'campaign', '--config', file(), '--pressures', '1,1', '--dry-run')
        assert done.exit_code != 0
        assert '`pressures`' in done.output

    def test_all_problems_at_once(self, file):
        path = file(
            formula='MgH2', formula_units=3, measured={'a': 'none-such'}, start='no-potential'
        )
        done = run('launch', 'campaign', '--config', path, '--dry-run')
        assert done.exit_code != 0
        for words in ('3 Mg expected, 2 there', '`measured.a`', '`start`'):
            assert words in done.output

    def test_missing_hydrogens(self, file, tmp_path):
        path = file(formula='MgH2')
        bare = crystal()
        del bare[[atom.index for atom in bare if atom.symbol == 'H'][:1]]
        ase.io.write(tmp_path / 'mgh2.cif', bare)
        done = run('launch', 'campaign', '--config', path, '--dry-run')
        assert 'Hydrogens are missing' in done.output

    def test_a_start_that_lacks_an_element(self, file):
        node = potential(elements=('Mg',)).store()
        done = run('launch', 'campaign', '--config', file(start=str(node.uuid)), '--dry-run')
        assert done.exit_code != 0
        assert '`start` knows no H' in done.output

    def test_a_budget_too_small(self, file):
        path = file(stopping={'most_frames': 5})
        done = run('launch', 'campaign', '--config', path, '--dry-run')
        assert 'most_frames' in done.output
        assert done.exit_code != 0


def spectrum(center, pressure=0.0):
    energies = np.arange(0.0, 1000.0, 2.0)
    return SpectrumData(
        energy_transfer=energies,
        total=np.exp(-0.5 * ((energies - center) / 10.0) ** 2),
        instrument='TOSCA',
        pressure=pressure,
    ).store()


def assessed(*centers, earlier=(), number=1, **rules):
    """A record of one round, from the centres of its members' only band."""
    members = [f'seed_{index}' for index in range(1, len(centers) + 1)]
    facts = {
        'number': number,
        'labels': ['p_0000'],
        'members': members,
        'n_frames': 20,
        'next_frames': 10,
        'core_hours': 0.5,
        'asked': False,
    }
    spectra = {
        f'{name}__at__p_0000': spectrum(center)
        for name, center in zip(members, centers, strict=True)
        if center is not None
    }
    return assess_round.run_get_node(
        rules=Dict(rules), facts=Dict(facts), earlier=Dict({'excesses': list(earlier)}), **spectra
    )


class TestSlots:
    def inputs(self, most=8):
        label = {'label': {'max_concurrent': Int(most)}}
        return {
            'first_round': label, 'later_rounds': label, 'reference': label,
            'fine_tuning': {'seeds': List([1, 2])},
        }  # fmt: skip

    def test_a_campaign_fits_into_one_worker(self):
        assert slots_needed(self.inputs()) == 6 + 3 * 16 + 3 * 2
        assert slots_fault(self.inputs(), workers=1) is None

    def test_too_many_lanes_would_starve(self):
        assert 'starve' in slots_fault(self.inputs(40), workers=1)
        assert slots_fault(self.inputs(40), workers=2) is None

    def test_spectra_of_all_competitors_of_a_benchmark_are_made_at_once(self):
        inputs = {'potentials': dict.fromkeys('ab'), 'committees': {'a': dict.fromkeys('xyz')}}
        assert slots_needed(inputs) == 1 + 3 * 5
        assert slots_needed(inputs | {'reference': {'p_0000': None}}) == 1 + 3 * 6
        both = inputs | {'reference': {'p_0000': None}, 'measured': dict.fromkeys('mn')}
        assert slots_needed(both) == 1 + 3 * 6 * 3

    def test_a_daemon_that_does_not_run_is_another_fault(self):
        assert slots_fault(self.inputs(400), workers=0) is None


class TestAssessment:
    def test_a_committee_that_agrees(self):
        record, _ = assessed(500.0, 503.0, tolerance_shift=5.0, tolerance_area=30.0)
        found = record.get_dict()
        assert found['committee']['p_0000']['shift_cm1'] == pytest.approx(3.0, abs=1e-3)
        assert found['excess'] == pytest.approx(0.6, abs=1e-3)
        assert found['decision']['reason'] == 'converged'

    def test_a_member_without_a_spectrum(self):
        record, _ = assessed(500.0, None)
        found = record.get_dict()
        assert found['excess'] is None
        assert found['committee']['p_0000']['missing'] == ['seed_2']
        assert not found['decision']['stop']
        again, _ = assessed(500.0, None, earlier=(None, None), number=3)
        assert again['decision']['reason'] == 'no_progress'

    def test_rules_without_sense(self):
        _, node = assessed(500.0, 501.0, most_rounds=0)
        assert node.exit_status == 210
        assert 'most_rounds' in node.exit_message


def test_rounds_are_read_while_it_runs():
    campaign = WorkChainNode(process_type=CampaignWorkChain.build_process_type())
    campaign.set_process_label('CampaignWorkChain')
    campaign.store()
    assert 'No round' in run('campaign', 'rounds', campaign.pk).output
    assert run('campaign', 'stop', campaign.pk).exit_code == 0
    assert campaign.base.extras.get(STOP) is True
    assert run('campaign', 'stop', campaign.pk, '--undo').exit_code == 0
    assert campaign.base.extras.get(STOP) is False
    assert json.loads(run('campaign', 'rounds', campaign.pk, '--format', 'json').output) == []


def test_what_is_no_campaign_is_refused():
    other = workchain(CampaignWorkChain)
    other.base.attributes.set_many({})
    phonons = WorkChainNode(process_type='aiida.workflows:insbench.phonons').store()
    assert run('campaign', 'rounds', phonons.pk).exit_code != 0
    assert 'has ended' in run('campaign', 'stop', other.pk).output


def test_frames_of_another_campaign_get_other_names():
    first = dataset()
    assert next_number(None) == 1
    names = [frame.info['frame_id'] for frame in first.get_frames()]
    assert next_number(first) > 0, names
