"""What WorkChains do after each way their sub processes can end; nothing is submitted."""

import numpy as np
import pytest
from aiida.common import AttributeDict, LinkType
from aiida.engine import ProcessState
from aiida.orm import Dict, Float, Int, List, WorkChainNode
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from displaced_nodes import trajectory
from fake_nodes import (
    code,
    dataset,
    force_constants,
    job,
    potential,
    process,
    pseudo,
    pw_code,
    retrieved,
    structure,
    workchain,
)

from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.data import DatasetData
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain
from aiida_insbench.workflows.label import LabelWorkChain, runs_by_frame
from aiida_insbench.workflows.label_lane import LabelLaneWorkChain, submitted_before
from aiida_insbench.workflows.phonons_base import PhononsBaseWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain


def attached(made):
    """What the WorkChain has put out, as labels like structure.p_0000."""
    return {label.replace('__', '.') for label in flat_keys(made.outputs)}


def flat_keys(outputs, prefix=''):
    for key, value in outputs.items():
        if isinstance(value, dict | AttributeDict):
            yield from flat_keys(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}'


class TestJobBase:
    @pytest.fixture
    def made(self):
        made = process(
            EvaluateBaseWorkChain,
            {
                'evaluate': {
                    'code': code(),
                    'dataset': dataset(2),
                    'potentials': {'base': potential()},
                }
            },
        )
        made.setup()
        made.ctx.children = []
        return made

    def after(self, made, status, message=''):
        made.ctx.children.append(job(EvaluateCalculation, status, message=message))
        made.ctx.iteration += 1
        return made.inspect_process()

    def test_inputs_are_those_of_the_stage(self, made):
        assert made.ctx.inputs.code.label == 'insbench-job'
        assert set(made.ctx.inputs.potentials) == {'base'}

    @pytest.mark.parametrize('status', [410, 411])
    def test_ended_from_outside_runs_again(self, made, status):
        code = self.after(made, status)
        assert code.status == 0
        assert made.should_run_process()

    @pytest.mark.parametrize('status', [410, 411])
    def test_not_for_ever(self, made, status):
        for _ in range(made.inputs.max_iterations.value - 1):
            assert self.after(made, status).status == 0
        assert self.after(made, status).status == 401

    @pytest.mark.parametrize('status', [210, 310, 412])
    def test_what_would_fail_again_is_not_tried_again(self, made, status):
        code = self.after(made, status, message='The stage failed: no {volume}.')
        assert code.status == 420
        assert code.message == 'The stage failed beyond repair: The stage failed: no {volume}.'

    def test_finished_chunks_are_handed_on(self, made):
        chunks = retrieved({'chunk_000000.npz': b'some'})
        ended = job(EvaluateCalculation, 411, outputs={'chunks': chunks})
        made.ctx.children.append(ended)
        made.ctx.iteration += 1
        assert made.inspect_process().status == 0
        assert made.ctx.inputs.finished.uuid == chunks.uuid

    def test_unknown_failure(self, made):
        assert self.after(made, 140).status == 402

    def test_success(self, made):
        assert self.after(made, 0) is None
        assert not made.should_run_process()

    @pytest.mark.parametrize(
        ('state', 'status'), [(ProcessState.KILLED, 302), (ProcessState.EXCEPTED, 301)]
    )
    def test_killed_or_excepted(self, made, state, status):
        node = job(EvaluateCalculation)
        node.set_process_state(state)
        made.ctx.children.append(node)
        made.ctx.iteration += 1
        assert made.inspect_process().status == status


class TestPhononsBase:
    @pytest.fixture
    def inputs(self):
        return {
            'code': code(),
            'potential': potential(),
            'structure': structure(),
            'pressures': List([0, 1, 2]),
            'supercell_matrix': List([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
            'settings': Dict({}),
        }

    @pytest.fixture
    def made(self, inputs):
        return self.started(inputs)

    def started(self, inputs):
        made = process(PhononsBaseWorkChain, {'phonons': inputs})
        made.setup()
        made.ctx.children = []
        return made

    def after(self, made, status, labels=(), message='', **more):
        outputs = {
            'structure': {label: structure() for label in labels},
            'force_constants': {
                label: force_constants(matrix=((1, 0, 0), (0, 1, 0), (0, 0, 1))) for label in labels
            },
            'modes': {label: Dict({'run': len(made.ctx.children)}) for label in labels},
            **more,
        }
        node = job(PhononsCalculation, status, message=message, outputs=outputs)
        made.ctx.children.append(node)
        made.ctx.iteration += 1
        return made.inspect_process()

    @pytest.mark.parametrize('status', [410, 411])
    def test_finished_pressures_are_handed_on(self, made, status):
        assert self.after(made, status, ['p_0000']).status == 0
        first = made.ctx.children[0].outputs.structure.p_0000
        assert {key: node.pk for key, node in made.ctx.inputs.finished.items()} == {
            'p_0000': first.pk
        }
        assert self.after(made, status, ['p_1000']).status == 0
        assert set(made.ctx.inputs.finished) == {'p_0000', 'p_1000'}

    def test_next_run_takes_them(self, made, inputs):
        """What the handler leaves is a valid input of the calculation."""
        self.after(made, 410, ['p_0000'])
        again = process(PhononsCalculation, {**inputs, 'finished': made.ctx.inputs.finished})
        assert set(again.inputs.finished) == {'p_0000'}

    def test_finished_pressures_given_are_kept(self, inputs):
        made = self.started({**inputs, 'finished': {'m_0500': structure()}})
        self.after(made, 411, ['p_0000'])
        assert set(made.ctx.inputs.finished) == {'m_0500', 'p_0000'}

    def test_nothing_finished_is_nothing_handed_on(self, made):
        assert self.after(made, 411).status == 0
        assert 'finished' not in made.ctx.inputs

    def test_all_runs_are_attached(self, made):
        self.after(made, 410, ['p_0000'])
        assert self.after(made, 0, ['p_1000', 'p_2000'], output_parameters=Dict({})) is None
        made.results()
        assert attached(made) == {
            'output_parameters',
            *(
                f'{kind}.{label}'
                for kind in ('structure', 'force_constants', 'modes')
                for label in ('p_0000', 'p_1000', 'p_2000')
            ),
        }

    def test_latest_run_wins(self, made):
        self.after(made, 410, ['p_0000'])
        self.after(made, 0, ['p_0000'], output_parameters=Dict({}))
        made.results()
        assert made.outputs['modes']['p_0000']['run'] == 1

    def test_missing_pressures_end_it_and_keep_the_others(self, made):
        self.after(made, 410, ['p_0000'])
        code = self.after(made, 413, ['p_1000'], message='Not finished: p_2000. p_2000: torn.')
        assert code.status == 421
        assert 'Not finished: p_2000.' in code.message
        assert {'structure.p_0000', 'structure.p_1000', 'modes.p_1000'} <= attached(made)

    def test_computation_that_failed_ends_it(self, made):
        assert self.after(made, 412, message='torn').status == 420

    def test_pressures_finished_before_a_failure_are_kept(self, made):
        """One run interrupted, the next beyond repair: what the first finished stays."""
        self.after(made, 410, ['p_0000'])
        assert self.after(made, 412, message='torn').status == 420
        assert 'structure.p_0000' in attached(made)


def pw_base(**changes):
    return {
        'pw': {
            'code': pw_code(),
            'parameters': Dict({'CONTROL': {}, 'SYSTEM': {'ecutwfc': 50.0}}),
            'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
            'metadata': {'options': {'resources': {'num_machines': 1}}},
            **changes,
        }
    }


class TestLabel:
    def made(self, *, fraction=None):
        inputs = {
            'pool': dataset(2, labelled=False),
            'kpoints_mesh': List([2, 2, 2]),
            'pw_base': pw_base(),
        }
        if fraction is not None:
            inputs['minimum_success_fraction'] = Float(fraction)
        return process(LabelWorkChain, inputs)

    def end(self, made, failed, *, total=10):
        """Ten frames in two lanes, some of which failed."""
        made.ctx.plan = {f'r1_{index:03d}': {} for index in range(total)}
        made.ctx.lanes = ['lane_000', 'lane_001']
        for lane in made.ctx.lanes:
            made.ctx[lane] = workchain(LabelLaneWorkChain)
        for index, name in enumerate(made.ctx.plan):
            workchain(
                PwBaseWorkChain,
                410 if index < failed else 0,
                message='no SCF',
                caller=made.ctx[made.ctx.lanes[index % 2]],
                label=name,
            )
        return made.inspect_lanes()

    def test_setup(self):
        made = self.made()
        made.setup()
        assert list(made.ctx.plan) == ['r1_000', 'r1_001']
        assert set(made.ctx.structures) == {'r1_000', 'r1_001'}
        assert made.ctx.plan['r1_000'] == {'kpoints': 'mesh_2_2_2', 'parameters': 'common'}
        assert set(made.ctx.kpoints) == {'mesh_2_2_2'}

    def test_preflight_is_an_output(self):
        made = self.made()
        made.run_preflight()
        found = made.outputs['preflight']
        assert found['frames'] == 2
        assert set(made.ctx.seconds) == {'r1_000', 'r1_001'}

    @pytest.mark.parametrize(
        ('fraction', 'failed', 'status'),
        [
            (None, 0, None),
            (None, 1, None),
            (None, 2, 411),
            (1.0, 1, 411),
            (0.5, 5, None),
            (0.5, 6, 411),
            (0.01, 9, None),
            (0.01, 10, 411),
        ],
    )
    def test_fractions(self, fraction, failed, status):
        made = self.made(fraction=fraction)
        code = self.end(made, failed)
        assert (code and code.status) == status
        assert len(made.ctx.labelled) == 10 - failed
        assert list(made.ctx.failures) == [f'r1_{index:03d}' for index in range(failed)]

    def test_first_failure_is_named(self):
        made = self.made()
        message = self.end(made, 3).message
        first = runs_by_frame([made.ctx.lane_000])['r1_000'].pk
        assert '7 of 10 frames labelled, 9.0 needed' in message
        assert f'PwBaseWorkChain<{first}> [410] no SCF' in message

    def test_a_frame_that_never_ran_is_a_failure(self):
        made = self.made(fraction=0.5)
        made.ctx.plan = {'r1_000': {}, 'r1_001': {}}
        made.ctx.lanes, made.ctx.lane_000 = ['lane_000'], workchain(LabelLaneWorkChain)
        workchain(PwBaseWorkChain, caller=made.ctx.lane_000, label='r1_000')
        assert made.inspect_lanes() is None
        assert 'never started' in made.ctx.failures['r1_001']

    @pytest.mark.parametrize('value', [0.0, -0.1, 1.01])
    def test_impossible_fraction_is_refused(self, value):
        with pytest.raises(ValueError, match=r'it must lie in \(0, 1\]'):
            self.made(fraction=value)

    @pytest.mark.parametrize('mesh', [[2, 2], [0, 2, 2], [2.5, 2, 2]])
    def test_impossible_mesh_is_refused(self, mesh):
        inputs = {
            'pool': dataset(1, labelled=False),
            'kpoints_mesh': List(mesh),
            'pw_base': pw_base(),
        }
        with pytest.raises(ValueError, match='three positive integers'):
            process(LabelWorkChain, inputs)

    def test_element_without_pseudopotential_is_refused(self):
        inputs = {
            'pool': dataset(1, labelled=False),
            'kpoints_mesh': List([2, 2, 2]),
            'pw_base': pw_base(pseudos={'Mg': pseudo('Mg')}),
        }
        with pytest.raises(ValueError, match='No pseudopotential for H; add it'):
            process(LabelWorkChain, inputs)

    def test_two_atoms_on_top_of_each_other_are_refused(self):
        frames = dataset(2, labelled=False).get_frames()
        frames[1].positions[1] = frames[1].positions[0] + 0.1
        inputs = {
            'pool': DatasetData(frames),
            'kpoints_mesh': List([2, 2, 2]),
            'pw_base': pw_base(),
        }
        with pytest.raises(ValueError, match=r'Frame 1 \(r1_001\): atoms 0 and 1'):
            process(LabelWorkChain, inputs)

    @pytest.mark.parametrize('lanes', [0, -1])
    def test_no_lane_is_refused(self, lanes):
        inputs = {
            'pool': dataset(1, labelled=False),
            'kpoints_mesh': List([2, 2, 2]),
            'pw_base': pw_base(),
            'max_concurrent': Int(lanes),
        }
        with pytest.raises(ValueError, match='at least one frame'):
            process(LabelWorkChain, inputs)


class TestSubmittedBefore:
    """A worker killed between a submission and its own checkpoint does the step again."""

    def test_a_run_that_goes_on_or_has_ended_is_taken(self):
        lane = workchain(LabelLaneWorkChain)
        ended = workchain(PwBaseWorkChain, caller=lane, label='r1_000')
        assert submitted_before(lane, 'r1_000').pk == ended.pk

    def test_labels_are_no_patterns(self):
        """An underscore stands for any letter where labels are patterns."""
        lane = workchain(LabelLaneWorkChain)
        workchain(PwBaseWorkChain, caller=lane, label='r1x000')
        assert submitted_before(lane, 'r1_000') is None

    def test_a_run_that_nobody_can_go_on_with_is_not_taken(self):
        lane = workchain(LabelLaneWorkChain)
        node = WorkChainNode(process_type=PwBaseWorkChain.build_process_type())
        node.base.links.add_incoming(lane, LinkType.CALL_WORK, 'r1_000')
        node.store()
        node.set_process_state(ProcessState.CREATED)
        assert submitted_before(lane, 'r1_000') is None
        node.set_checkpoint('where it was')
        assert submitted_before(lane, 'r1_000').pk == node.pk


class TestRelax:
    @pytest.fixture
    def made(self):
        made = process(
            RelaxWorkChain,
            {
                'structure': structure(),
                'pressures': List([2, 0]),
                'kpoints_mesh': List([2, 2, 2]),
                'max_runs': Int(3),
                'pw_base': pw_base(),
            },
        )
        made.setup()
        return made

    def end(self, made, **ends):
        """`ends`: label to exit status and lattice constant of the relaxed cell."""
        assert set(ends) == set(made.ctx.open)
        made.ctx.runs += 1
        for label, (status, a) in ends.items():
            outputs = {
                'output_structure': structure(a=a),
                'output_parameters': Dict({'a': a}),
                'output_trajectory': trajectory(np.zeros((6, 3)), energy=-a),
            }
            made.ctx[label] = workchain(
                PwBaseWorkChain, status, message='thresholds' if status else '', outputs=outputs
            )
        return made.inspect_relaxations()

    def test_all_start_from_the_structure(self, made):
        assert list(made.ctx.open) == ['p_0000', 'p_2000']
        assert {node.pk for node in made.ctx.open.values()} == {made.inputs.structure.pk}
        assert made.should_run_relaxations()

    def test_converged(self, made):
        assert self.end(made, p_0000=(0, 4.5), p_2000=(0, 4.3)) is None
        assert not made.should_run_relaxations()
        made.results()
        assert made.outputs['structure']['p_2000'].cell_lengths[0] == pytest.approx(4.3)
        assert set(made.outputs['parameters']) == {'p_0000', 'p_2000'}
        energies = {
            label: node.get_array('energy')[-1]
            for label, node in made.outputs['trajectory'].items()
        }
        assert energies == {'p_0000': -4.5, 'p_2000': -4.3}

    def test_basis_of_a_new_volume_is_made_anew(self, made):
        """501 with another volume: once more from there; 501 with the same volume is good."""
        assert self.end(made, p_0000=(501, 4.4401), p_2000=(501, 4.3)) is None
        assert list(made.ctx.open) == ['p_2000']
        assert made.ctx.open['p_2000'].pk == made.ctx.p_2000.outputs.output_structure.pk
        assert self.end(made, p_2000=(501, 4.2999)) is None
        assert not made.should_run_relaxations()
        made.results()
        assert made.outputs['structure']['p_2000'].cell_lengths[0] == pytest.approx(4.2999)
        assert made.outputs['structure']['p_0000'].cell_lengths[0] == pytest.approx(4.4401)

    def test_volume_convergence_is_relative(self, made):
        """0.2 % of volume are 0.1 % of a here, as c stays."""
        assert self.end(made, p_0000=(501, 4.44 * 1.0009), p_2000=(501, 4.44 * 1.0011)) is None
        assert list(made.ctx.open) == ['p_2000']

    def test_never_settling_volume_is_a_failure(self, made):
        assert self.end(made, p_0000=(0, 4.44), p_2000=(501, 4.3)) is None
        assert self.end(made, p_2000=(501, 4.2)) is None
        code = self.end(made, p_2000=(501, 4.1))
        assert code.status == 411
        assert 'The relaxation at 2.0 GPa failed in run 3: PwBaseWorkChain<' in code.message

    @pytest.mark.parametrize('status', [401, 402, 310])
    def test_any_other_failure_ends_it(self, made, status):
        code = self.end(made, p_0000=(0, 4.44), p_2000=(status, 4.44))
        assert code.status == 411
        assert f'[{status}] thresholds' in code.message

    def test_pressures_are_in_kbar_for_pw(self, made, monkeypatch):
        sent = {}

        def submit(_class, **inputs):
            sent[inputs['metadata']['call_link_label']] = inputs
            return workchain(PwBaseWorkChain)

        monkeypatch.setattr(made, 'submit', submit)
        made.run_relaxations()
        assert set(sent) == {'p_0000_run_1', 'p_2000_run_1'}
        parameters = sent['p_2000_run_1']['pw']['parameters'].get_dict()
        assert parameters['CELL']['press'] == 20.0
        assert parameters['CONTROL']['calculation'] == 'vc-relax'
