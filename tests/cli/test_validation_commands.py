"""``launch validate`` as far as a dry run goes, and ``validation show``."""

import json

import ase.io
import numpy as np
import pytest
from aiida.orm import Dict
from click.testing import CliRunner
from fake_nodes import code, crystal, dataset, force_constants, potential, structure, workchain

from aiida_insbench.cli import cmd_root
from aiida_insbench.science.validation.dynamics_checks import dynamics_checks
from aiida_insbench.science.validation.extrapolation import AtomSpreads, extrapolation_checks
from aiida_insbench.science.validation.limits import ValidationLimits
from aiida_insbench.science.validation.state_checks import state_checks
from aiida_insbench.science.validation.verdict import verdict
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.validate import ValidateWorkChain

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]


def run(*words):
    done = CliRunner().invoke(cmd_root, [str(word) for word in words])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


class TestLaunch:
    def launch(self, *words, node=None, pressures='0,1.5'):
        return run(
            'launch', 'validate', '--code', code().store().uuid, '--pressures', pressures,
            '--potential', (node or potential().store()).pk, '--dry-run', *words,
        )  # fmt: skip

    def test_crystal_in_a_file(self, tmp_path):
        ase.io.write(tmp_path / 'good.cif', crystal())
        held_out = dataset().store()
        done = self.launch(
            '--structure', tmp_path / 'good.cif', '--held-out', held_out.pk, '--threads', 2
        )
        assert done.exit_code == 0, done.output
        assert 'The validation can be submitted.' in done.output

    def test_finished_phonons(self):
        node = potential().store()
        done = self.launch('--phonons', phonons_of(node).pk, node=node)
        assert done.exit_code == 0, done.output

    def test_refusals(self, tmp_path):
        ase.io.write(tmp_path / 'good.cif', crystal())
        first, second = potential().store(), potential(scale=2.0).store()
        phonons = phonons_of(first)
        for words, options, message in (
            ((), {}, 'Give a `structure`'),
            (('--phonons', phonons.pk), {'node': second}, 'has no phonons of potential'),
            (
                ('--phonons', phonons.pk),
                {'node': first, 'pressures': '0,3'},
                'no crystal at p_3000',
            ),
            (('--structure', tmp_path / 'good.cif', '--dft', phonons.pk), {}, None),
        ):
            done = self.launch(*words, **options)
            assert (done.exit_code == 0) == (message is None), done.output
            assert (message or '') in done.output


def phonons_of(node):
    """Finished phonons at 0 and 1.5 GPa, as far as commands look at them."""
    labels = ('p_0000', 'p_1500')
    return workchain(
        PhononsWorkChain,
        inputs={'phonons': {'potential': node}},
        outputs={
            'structure': {label: structure() for label in labels},
            'force_constants': {label: force_constants() for label in labels},
        },
    )


@pytest.fixture(scope='module')
def judged():
    """A validation that failed in one run and in its volume; no frames were held out."""
    limits = ValidationLimits()
    found = [
        state_checks({'p_0000': crystal(a=4.6)}, {'p_0000': crystal()}, limits=limits),
        dynamics_checks({'p_0000_nvt': RECORD}, pressures=['p_0000', 'p_1500']),
        extrapolation_checks(
            {'p_0000_nvt': (AtomSpreads(('H',), (1,), np.array([0.2])), [0.5])},
            AtomSpreads(('H', 'H'), (2,), np.array([0.1, 0.2])),
            limits=limits,
        ),
    ]
    names = ('equation_of_state', 'dynamics', 'extrapolation')
    checks = [check for part, _ in found for check in part]
    unchecked = {'parity': 'No frames were held out.'}
    content = {
        **verdict(checks, warnings=['20–40 cm⁻¹: soft.'], unchecked=unchecked),
        'tables': {'parity': {}, **dict(zip(names, [table for _, table in found], strict=True))},
        'anharmonicity': {},
    }
    return workchain(ValidateWorkChain, outputs={'verdict': Dict(content)})


RECORD = {
    'label': 'p_0000_nvt', 'pressure': 0.0, 'ensemble': 'nvt', 'temperature': 300.0,
    'length_ps': 3.0, 'n_atoms': 72, 'timestep_fs': 0.5, 'sound': False,
    'averages': {
        'temperature': {'mean': 301.5, 'error': 4.0}, 'pressure': {'mean': 0.7, 'error': 0.1},
        'volume': {'mean': 700.0, 'error': 1.0}, 'drift': {'mean': 0.02, 'error': 0.01},
    },
    'violations': [
        {
            'check': 'bond', 'time': 2.5, 'step': 5000, 'value': 1.7, 'limit': 1.6, 'unit': '1',
            'reason': 'Mg0–H2 is 1.7 times as long as at the start.',
        },
    ],
}  # fmt: skip


def test_show_names_every_part_and_every_failure(judged):
    done = run('validation', 'show', judged.pk)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0].startswith('The potential does not pass. Failed: equation of state, molecular')
    rows = {' '.join(line.split()) for line in lines}
    assert 'parity not checked No frames were held out.' in rows
    assert 'dynamics failed 0 of 2 checks hold' in rows
    assert 'extrapolation passed 1 of 1 checks hold' in rows
    assert 'p_0000_nvt 3.00 301.5 0.70 0.0200 bond at 2.500' in rows
    assert any('p_0000_nvt at 2.500 ps (step 5000): Mg0–H2' in line for line in lines)
    assert any('mean lifetime 2.5 ps' in line for line in lines)
    assert '20–40 cm⁻¹: soft.' in done.output


def test_show_as_json(judged):
    found = json.loads(run('validation', 'show', judged.pk, '--json').output)
    assert found['passed'] is False
    assert found['tables']['equation_of_state']['volumes'][0]['percent'] == pytest.approx(
        100 * ((4.6 / 4.44) ** 2 - 1)
    )


def test_show_of_what_has_no_verdict():
    done = run('validation', 'show', phonons_of(potential().store()).pk)
    assert done.exit_code != 0
    assert 'no verdict yet' in done.output
