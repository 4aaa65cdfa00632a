"""`CommitteeWorkChain`: phonons and INS spectra of every member of a committee."""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.phonons import PhononsWorkChain

_OF_PHONONS = ('structure', 'force_constants', 'modes', 'strained')


class CommitteeWorkChain(WorkChain):
    """What each member makes of a crystal under pressure.

    A pressure that a member does not reach is missing from its outputs, and no failure of this
    process: it is for the caller to judge.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input_namespace(
            'potentials', valid_type=PotentialData, dynamic=True, help='Members, by name.'
        )
        spec.expose_inputs(PhononsWorkChain, namespace='phonons', exclude=('phonons.potential',))
        spec.expose_inputs(
            InsWorkChain, namespace='ins', exclude=('ins.force_constants', 'ins.motions')
        )
        spec.outline(
            cls.run_phonons,
            cls.inspect_phonons,
            cls.run_spectra,
            cls.inspect_spectra,
        )
        for name, kind, text in (
            ('structure', StructureData, 'Relaxed, by member, then pressure label.'),
            ('force_constants', ForceConstantsData, 'By member, then pressure label.'),
            ('modes', Dict, 'By member, then pressure label.'),
            ('strained', ForceConstantsData, 'By member, then the label of its last pressure.'),
            ('spectrum', SpectrumData, 'By member, then pressure label.'),
        ):
            spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
        spec.exit_code(
            411, 'ERROR_NO_MEMBER', message='No member has phonons at any pressure: {message}'
        )

    def run_phonons(self) -> ToContext:
        """Relax and displace with every member, side by side."""
        running = {}
        for name, potential in self.inputs.potentials.items():
            inputs = AttributeDict(self.exposed_inputs(PhononsWorkChain, namespace='phonons'))
            inputs.phonons.potential = potential
            inputs.metadata.call_link_label = f'phonons_{name}'
            running[f'phonons_{name}'] = self.submit(PhononsWorkChain, **inputs)
        return ToContext(**running)

    def inspect_phonons(self) -> ExitCode | None:
        """Attach what each member reached."""
        self.ctx.found = []
        for name in self.inputs.potentials:
            node = self.ctx[f'phonons_{name}']
            outputs = node.outputs
            for namespace in _OF_PHONONS:
                if namespace in outputs:
                    for label, output in flatten(outputs[namespace]):
                        self.out(f'{namespace}.{name}.{label}', output)
            if 'force_constants' in outputs:
                self.ctx.found.append(name)
            if not node.is_finished_ok:
                self.report(f'{name}: {node.exit_message}')
        if not self.ctx.found:
            return self.exit_codes.ERROR_NO_MEMBER.format(message=node.exit_message)
        return None

    def run_spectra(self) -> ToContext:
        """Simulate spectra of every member that has phonons."""
        running = {}
        for name in self.ctx.found:
            inputs = AttributeDict(self.exposed_inputs(InsWorkChain, namespace='ins'))
            constants = self.ctx[f'phonons_{name}'].outputs.force_constants
            inputs.ins.force_constants = dict(constants)
            inputs.metadata.call_link_label = f'spectra_{name}'
            running[f'spectra_{name}'] = self.submit(InsWorkChain, **inputs)
        return ToContext(**running)

    def inspect_spectra(self) -> None:
        """Attach spectra; unstable pressures have none."""
        for name in self.ctx.found:
            node = self.ctx[f'spectra_{name}']
            if 'spectrum' in node.outputs:
                for label, output in flatten(node.outputs.spectrum):
                    self.out(f'spectrum.{name}.{label}', output)
            if not node.is_finished_ok:
                self.report(f'{name}: {node.exit_message}')


def outputs_by_member(node: Any, name: str) -> dict[str, dict[str, Any]]:
    """One output of a finished committee, by member, then pressure label; empty without any."""
    outputs = node.outputs
    found = outputs[name] if name in outputs else {}  # noqa: SIM401 - it has no `get`
    return {member: dict(by_label) for member, by_label in found.items()}
