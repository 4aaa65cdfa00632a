"""Steps of one round of a campaign: data, training, the committee's spectra, a decision."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext
from aiida.orm import Dict

from aiida_insbench.calculations.rounds import AT, BEFORE, assess_round
from aiida_insbench.queries import called
from aiida_insbench.queries.cost import cost_of_jobs
from aiida_insbench.science.campaign.names import in_order, leader_of
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.workflows.campaign_checks import frames_drawn
from aiida_insbench.workflows.campaign_data import PARTS, DataSteps, next_number
from aiida_insbench.workflows.committee import CommitteeWorkChain, outputs_by_member
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain, committee_settings
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.sub_process import failure_of

#: Extra of a campaign's node: set to True, no further round is begun.
STOP = 'insbench_stop'


class RoundSteps(DataSteps):
    """Mixin of `CampaignWorkChain`.

    Its context: ``number`` of the round, ``dataset`` and ``validation`` (all frames so far),
    ``committee`` (members of the last round by name), ``round_<n>`` (the committee's work chain),
    ``judged`` (names of rounds that can be judged), ``excesses``, ``broken`` (why a round failed).
    """

    inputs: Any
    ctx: Any
    exit_codes: Any
    node: Any
    out: Any
    report: Any
    submit: Any
    exposed_inputs: Any

    def begin(self) -> None:
        """Take what an earlier campaign knows."""
        self.ctx.number, self.ctx.finished, self.ctx.broken = 1, False, ''
        self.ctx.judged, self.ctx.excesses, self.ctx.leaders = [], [], {}
        known = self.inputs.get('known', {})
        self.ctx.first_prefix = next_number(known.get('dataset'), known.get('validation'))
        for name in (*PARTS, 'structure'):
            if name in known:
                self.ctx[name] = known[name]
        self.ctx.committee = dict(known.get('committee', {}))

    def should_run_round(self) -> bool:
        """Whether another round follows."""
        return not self.ctx.finished

    # Training

    def should_train(self) -> bool:
        """Whether the committee has to learn first."""
        return not self.ctx.broken and (self.ctx.number > 1 or not self.ctx.committee)

    def run_training(self) -> ToContext:
        """Train the first committee; later, fine-tune each member from where it was."""
        again = bool(self.ctx.committee)
        namespace = 'fine_tuning' if again else 'base_training'
        inputs = AttributeDict(self.exposed_inputs(FinetuneWorkChain, namespace=namespace))
        inputs.training.train.dataset = self.ctx.dataset
        inputs.training.train.validation = self.ctx.validation
        if again:
            inputs.starts = dict(self.ctx.committee)
        elif 'start' in self.inputs:
            inputs.training.train.start = self.inputs.start
        return self._submit(f'round_{self.ctx.number}_training', FinetuneWorkChain, inputs)

    def inspect_training(self) -> ExitCode | None:
        """Attach the members."""
        node = self.ctx[f'round_{self.ctx.number}_training']
        if not node.is_finished_ok:
            return self._break_off(f'Training of round {self.ctx.number}', node)
        self.ctx.previous_committee = dict(self.ctx.committee)
        self.ctx.committee = dict(node.outputs.potentials)
        for name, curve in node.outputs.training_curves.items():
            self.out(f'training_curves.round_{self.ctx.number}.{name}', curve)
        return None

    # What the committee says of the spectra

    def is_round_sound(self) -> bool:
        """Whether this round has a committee to be asked."""
        return not self.ctx.broken

    def run_committee(self) -> ToContext:
        """Phonons and spectra of all members; what the last committee made of the new frames."""
        key = f'round_{self.ctx.number}'
        inputs = AttributeDict(self.exposed_inputs_of_committee())
        inputs.potentials = dict(self.ctx.committee)
        inputs.metadata = {'call_link_label': key}
        running = {key: self.submit(CommitteeWorkChain, **inputs)}
        before = self.ctx.get('previous_committee', {})
        if len(before) > 1 and 'new_frames' in self.ctx:
            evaluate = AttributeDict(
                self.exposed_inputs(EvaluateBaseWorkChain, namespace='evaluate')
            )
            evaluate.evaluate.dataset = self.ctx.new_frames
            evaluate.evaluate.potentials = before
            evaluate.evaluate.settings = committee_settings(evaluate.evaluate, committee=True)
            evaluate.metadata.call_link_label = f'{key}_calibration'
            running[f'{key}_calibration'] = self.submit(EvaluateBaseWorkChain, **evaluate)
        return ToContext(**running)

    def inspect_committee(self) -> None:
        """Attach potentials, modes and spectra of this round."""
        name = f'round_{self.ctx.number}'
        for member, potential in self.ctx.committee.items():
            self.out(f'committees.{name}.{member}', potential)
        self.out(f'potentials.{name}', self._leader())
        self.ctx.leaders[name] = self._leader()
        self.ctx.judged.append(name)
        leader = leader_of(self.ctx.committee)
        for namespace in ('modes', 'structure', 'force_constants'):
            of_leader = outputs_by_member(self.ctx[name], namespace).get(leader, {})
            for label, output in of_leader.items():
                self.out(f'{namespace}.{name}.{label}', output)
        for label, output in flatten(outputs_by_member(self.ctx[name], 'spectrum')):
            self.out(f'committee_spectrum.{name}.{label}', output)

    def assess(self) -> ExitCode | None:
        """Distances within the committee, what they are worth, and whether to go on."""
        name = f'round_{self.ctx.number}'
        spectra = {
            f'{member}{AT}{label}': node
            for member, by_label in outputs_by_member(self.ctx[name], 'spectrum').items()
            for label, node in by_label.items()
        }
        if self.ctx.number > 1:
            before = outputs_by_member(self.ctx[f'round_{self.ctx.number - 1}'], 'spectrum')
            of_leader = before.get(leader_of(self.ctx.committee), {})
            spectra |= {f'{BEFORE}{label}': node for label, node in of_leader.items()}
        calibration = self.ctx.get(f'{name}_calibration')
        if calibration is not None and 'predictions' in calibration.outputs:
            spectra['predictions'] = calibration.outputs.predictions
        record, process = assess_round.run_get_node(
            rules=self.inputs.stopping,
            facts=Dict(self._facts()),
            earlier=Dict({'excesses': self.ctx.excesses}),
            **spectra,
        )
        if not process.is_finished_ok:
            return self.exit_codes.ERROR_ROUND_NOT_ASSESSED.format(message=process.exit_message)
        self.out(f'rounds.{name}', record)
        found = record.get_dict()
        self.ctx.excesses = [*self.ctx.excesses, found['excess']]
        self.ctx.finished = found['decision']['stop']
        self.report(f'Round {self.ctx.number}: {found["decision"]["sentence"]}')
        self.ctx.number += 1
        return None

    def _facts(self) -> dict[str, Any]:
        return {
            'number': self.ctx.number,
            'labels': list(pressure_labels(self.inputs.pressures.get_list())),
            'members': in_order(self.ctx.committee),
            'n_frames': self.ctx.dataset.n_frames + self.ctx.validation.n_frames,
            'next_frames': frames_drawn(self.inputs.later_rounds),
            'core_hours': cost_of_jobs(called([self.node.pk])).total('core_hours'),
            'asked': bool(self.node.base.extras.get(STOP, False)),
        }

    # What the steps share

    def exposed_inputs_of_committee(self) -> dict[str, Any]:
        """Inputs of `insbench.committee`, without its members."""
        phonons = AttributeDict(self.inputs.phonons)
        phonons.phonons = AttributeDict(phonons.phonons)
        phonons.phonons.structure = self.ctx.structure
        phonons.phonons.pressures = self.inputs.pressures
        return {'phonons': phonons, 'ins': self.inputs.ins}

    def _leader(self) -> Any:
        return self.ctx.committee[leader_of(self.ctx.committee)]

    def _break_off(self, stage: str, node: Any) -> ExitCode | None:
        """Stop at once in the first round; later, judge what there is."""
        failure = failure_of(self, stage, node)  # type: ignore[arg-type]
        if failure is None or not self.ctx.judged:
            return failure
        self.ctx.broken = failure.message
        self.ctx.finished = True
        self.report(self.ctx.broken)
        return None

    def _submit(self, key: str, process: type, inputs: AttributeDict) -> ToContext:
        inputs.setdefault('metadata', AttributeDict())['call_link_label'] = key
        return ToContext(**{key: self.submit(process, **inputs)})

    def _check(self, key: str, stage: str) -> ExitCode | None:
        return failure_of(self, stage, self.ctx[key])  # type: ignore[arg-type]
