"""What all restart WorkChains around one ``insbench-job`` stage share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from aiida.common import AttributeDict
from aiida.engine import BaseRestartWorkChain, ProcessHandlerReport, process_handler, while_
from aiida.orm import CalcJobNode, Node

#: Exit codes after which the same inputs deserve another run: walltime, told to end, killed,
#: results that were cut off.
ENDED_FROM_OUTSIDE = (120, 410, 411, 417)
DISK_FULL = 418


class JobBaseWorkChain(BaseRestartWorkChain):
    """Run one stage; run it again if it was ended from outside."""

    NAMESPACE: ClassVar[str]
    #: Whether namespaces of outputs hold those of all runs, the latest winning, or of the last.
    OF_ALL_RUNS: ClassVar[bool] = False

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare the stage's ports and the restart loop."""
        super().define(spec)
        spec.expose_inputs(cls._process_class, namespace=cls.NAMESPACE)
        spec.expose_outputs(cls._process_class)
        spec.outline(
            cls.setup,
            while_(cls.should_run_process)(
                cls.run_process,
                cls.inspect_process,
            ),
            cls.results,
        )
        spec.exit_code(
            420, 'ERROR_STAGE_FAILED', message='The stage failed beyond repair: {message}'
        )

    def setup(self) -> None:
        """Take the stage's inputs."""
        super().setup()
        self.ctx.inputs = AttributeDict(
            self.exposed_inputs(self._process_class, namespace=self.NAMESPACE)
        )

    @process_handler(priority=500)
    def handle_ended_from_outside(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """120, 410, 411, 417: told to end, killed, or its results were cut off; run it again."""
        if node.exit_status not in ENDED_FROM_OUTSIDE:
            return None
        self.report(
            f'{self.ctx.process_name}<{node.pk}> was ended from outside: {node.exit_message} '
            'Running it again.'
        )
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=490)
    def handle_disk_full(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """418: wait until somebody has made room, then run it again."""
        if node.exit_status != DISK_FULL:
            return None
        self.report(node.exit_message)
        self.pause(node.exit_message)
        return ProcessHandlerReport(do_break=True)

    @process_handler(priority=100)
    def handle_unrecoverable(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """110, 210, 310, 412: the same inputs would fail again; pass the message on."""
        if node.exit_status not in (110, 210, 310, 412):
            return None
        self.attach_finished(node)
        code = self.exit_codes.ERROR_STAGE_FAILED.format(message=node.exit_message)
        return ProcessHandlerReport(do_break=True, exit_code=code)

    def attach_finished(self, node: CalcJobNode) -> None:
        """Attach what earlier runs of a stage finished before it failed, where runs add up."""
        if self.OF_ALL_RUNS:
            self._attach_outputs(node)

    def _attach_outputs(self, node: CalcJobNode) -> Mapping[str, Any]:
        """Attach outputs of `node`, or of all runs so far, namespaces included."""
        merged: dict[str, Any] = {}
        for child in self.ctx.children if self.OF_ALL_RUNS else []:
            found = flatten(self.get_outputs(child))
            merged.update({label: output for label, output in found if '.' in label})
        merged.update(flatten(self.get_outputs(node)))
        for label, output in merged.items():
            self.out(label, output)
        return self.get_outputs(node)


class PressuresBaseWorkChain(JobBaseWorkChain):
    """A stage with one result per pressure: some can be missing, the others are attached."""

    MISSING: ClassVar[str]

    @classmethod
    def define(cls, spec: Any) -> None:
        """Add the exit code for pressures without a result."""
        super().define(spec)
        spec.exit_code(421, 'ERROR_PRESSURES_MISSING', message=cls.MISSING)

    @process_handler(priority=400)
    def handle_pressures_missing(self, node: CalcJobNode) -> ProcessHandlerReport | None:
        """413: the job itself says that it cannot do them, so do not try again."""
        if node.exit_status != self.process_class.exit_codes.ERROR_PRESSURES_MISSING.status:
            return None
        self._attach_outputs(node)
        code = self.exit_codes.ERROR_PRESSURES_MISSING.format(message=node.exit_message)
        return ProcessHandlerReport(do_break=True, exit_code=code)


def flatten(outputs: Mapping[str, Any], prefix: str = '') -> Iterator[tuple[str, Node]]:
    """Walk nested namespaces as ``namespace.label`` and node."""
    for key, value in outputs.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value
