"""Restart WorkChain of `insbench.train`: what can be mended without asking is mended."""

from __future__ import annotations

from typing import Any

from aiida.common.exceptions import NotExistent
from aiida.engine import ProcessHandlerReport, process_handler
from aiida.orm import Bool, CalcJobNode, Dict

from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.jobs.mace_arguments import CHECKPOINTS
from aiida_insbench.jobs.training_settings import training_default
from aiida_insbench.science.dft_levels import compare_levels
from aiida_insbench.workflows.job_base import JobBaseWorkChain

#: Exit codes of AiiDA itself: memory and walltime by the scheduler, a monitor.
SCHEDULER_MEMORY, SCHEDULER_WALLTIME, STOPPED_BY_MONITOR = 110, 120, 150
RATE_FACTOR = 0.5


class TrainBaseWorkChain(JobBaseWorkChain):
    """Train; begin again where that helps.

    A training that was ended from outside starts from epoch 0, with an identical result; where
    `settings.resume` is `checkpoint` it goes on from its best epoch so far, which is not identical
    and is recorded as `resumed_from_epoch`. Out of memory: half the batch, and at batch 1 float32
    where `allow_float32` says so. Diverged: half the learning rate.
    """

    _process_class = TrainCalculation
    NAMESPACE = 'train'

    @classmethod
    def define(cls, spec: Any) -> None:
        """Add what the handlers may do."""
        super().define(spec)
        spec.input(
            'allow_float32',
            valid_type=Bool,
            default=lambda: Bool(False),
            help='Whether a training that runs out of memory may go on in single precision.',
        )

    def setup(self) -> None:
        """Take the inputs; say where the start potential learnt another level of theory."""
        super().setup()
        start, dataset = self.ctx.inputs.get('start'), self.ctx.inputs.dataset
        if start is None:
            return
        warning = compare_levels(
            start.dft_level, dataset.dft_level, names=('the start potential', 'the dataset')
        )
        if warning:
            self.report(f'WARNING: {warning}')

    @process_handler(priority=700)
    def handle_checkpoint(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """After any failure: go on from its checkpoint where that was asked for."""
        if node.is_finished_ok or self._setting('resume') != 'checkpoint':
            return None
        if CHECKPOINTS in _remote_names(node):
            self.ctx.inputs['parent_folder'] = node.outputs.remote_folder
            self.report(f'going on from the checkpoint of {self.ctx.process_name}<{node.pk}>')
        return None

    @process_handler(priority=650)
    def handle_walltime(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """120: ask for twice the walltime, unless the checkpoint shortens what is left."""
        if node.exit_status != SCHEDULER_WALLTIME:
            return None
        options = self.ctx.inputs.metadata.options
        seconds = options.get('max_wallclock_seconds')
        if seconds and 'parent_folder' not in self.ctx.inputs:
            options['max_wallclock_seconds'] = 2 * seconds
            self.report(f'out of walltime; asking for {2 * seconds} s')
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=600)
    def handle_out_of_memory(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """110, 414: half the batch; at batch 1 single precision, where that is allowed."""
        if node.exit_status not in (SCHEDULER_MEMORY, self._code('ERROR_OUT_OF_MEMORY')):
            return None
        batch = int(self._setting('batch_size'))
        if batch > 1:
            self._change(batch_size=batch // 2)
        elif self._setting('dtype') == 'float64' and self.inputs.allow_float32.value:
            self._change(dtype='float32')
            # MACE cannot put weights of one precision into a model of another
            self.ctx.inputs.pop('parent_folder', None)
        else:
            return self._give_up(
                f'{node.exit_message} The batch is 1; `allow_float32` or a larger machine may help.'
            )
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=550)
    def handle_diverged(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """415, 150: a lower learning rate, from the checkpoint if there is one."""
        if node.exit_status not in (STOPPED_BY_MONITOR, self._code('ERROR_DIVERGED')):
            return None
        changes = {'learning_rate': RATE_FACTOR * float(self._setting('learning_rate'))}
        if 'parent_folder' in self.ctx.inputs:
            # the checkpoint brings its own rate along
            changes['resume_rate_factor'] = RATE_FACTOR
        self._change(**changes)
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=520)
    def handle_zero_loss(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """416: labels that are not read will not be read the next time."""
        if node.exit_status != self._code('ERROR_ZERO_LOSS'):
            return None
        return self._give_up(node.exit_message)

    def _give_up(self, message: str) -> ProcessHandlerReport:
        code = self.exit_codes.ERROR_STAGE_FAILED.format(message=message)
        return ProcessHandlerReport(do_break=True, exit_code=code)

    def _setting(self, name: str) -> Any:
        return self.ctx.inputs.settings.get_dict().get(name, training_default(name))

    def _change(self, **changes: Any) -> None:
        self.ctx.inputs.settings = Dict({**self.ctx.inputs.settings.get_dict(), **changes})
        self.report(f'changed: {", ".join(f"{key} = {value}" for key, value in changes.items())}')

    def _code(self, name: str) -> int:
        return int(self.process_class.exit_codes[name].status)


def _remote_names(node: CalcJobNode) -> list[str]:
    try:
        return list(node.outputs.remote_folder.listdir())
    except (NotExistent, OSError):
        return []
