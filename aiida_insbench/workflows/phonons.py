"""`PhononsWorkChain`: one potential to modes at every pressure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import CalcJobNode, Dict, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.science.pressure import pressure_from_label, pressure_label
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.phonons_base import PhononsBaseWorkChain
from aiida_insbench.workflows.protocols.phonons import PhononsProtocol

#: Settings that say how a list of pressures is gone through, not what one pressure is.
OF_THE_LIST = (
    'sweep',
    'adaptive_overlap',
    'most_inserted',
    'strained',
    'check_supercell',
    'device',
)


def validate_previous(inputs: Any, _port: object = None) -> str | None:
    """Refuse earlier results of another potential, supercell or settings."""
    previous = inputs.get('previous', {}) if inputs else {}
    constants = previous.get('force_constants', {})
    if set(previous.get('structure', {})) != set(constants):
        return '`previous.structure` and `previous.force_constants` must hold the same pressures.'
    phonons = inputs.get('phonons', {}) if inputs else {}
    for label, node in constants.items():
        creator = node.creator
        if not isinstance(creator, CalcJobNode) or 'potential' not in phonons:
            continue
        different = _different(creator, phonons)
        if different:
            return (
                f'`previous.force_constants.{label}` was computed with another '
                f'{" and another ".join(different)}: it cannot stand beside the new pressures.'
            )
    return None


def _different(creator: CalcJobNode, phonons: Mapping[str, Any]) -> list[str]:
    found = []
    if creator.inputs.potential.uuid != phonons['potential'].uuid:
        found.append('`potential`')
    before, now = creator.inputs.supercell_matrix, phonons['supercell_matrix']
    if before.get_list() != now.get_list():
        found.append('`supercell_matrix`')
    ours, theirs = (
        {key: value for key, value in node.get_dict().items() if key not in OF_THE_LIST}
        for node in (phonons['settings'], creator.inputs.settings)
    )
    changed = sorted(key for key in {*ours, *theirs} if ours.get(key) != theirs.get(key))
    return found + [f'`settings.{key}`' for key in changed]


class PhononsWorkChain(PhononsProtocol, WorkChain):
    """Relax and displace at each pressure; keep what is finished even if a pressure fails.

    With `previous`, results of an earlier run, only pressures it lacks are computed; old and new
    ones are returned alike.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(PhononsBaseWorkChain)
        spec.input_namespace(
            'previous', required=False, help='Outputs of an earlier run, by pressure label.'
        )
        for name, kind in (
            ('structure', StructureData),
            ('force_constants', ForceConstantsData),
            ('modes', Dict),
        ):
            spec.input_namespace(f'previous.{name}', valid_type=kind, dynamic=True, required=False)
        spec.inputs.validator = validate_previous
        spec.expose_outputs(PhononsCalculation)
        spec.outline(
            cls.run_phonons,
            cls.inspect_phonons,
        )
        spec.exit_code(411, 'ERROR_PHONONS_FAILED', message='Phonons failed: {message}')

    def run_phonons(self) -> ToContext:
        """One job, all pressures that are not there yet."""
        inputs = AttributeDict(self.exposed_inputs(PhononsBaseWorkChain))
        previous = self.inputs.get('previous', {})
        if previous.get('structure'):
            phonons = inputs.phonons
            phonons.pressures = _joined(phonons.pressures, previous['structure'])
            phonons.finished = {**phonons.get('finished', {}), **previous['structure']}
            phonons.finished_force_constants = {
                **phonons.get('finished_force_constants', {}),
                **previous['force_constants'],
            }
        return ToContext(phonons=self.submit(PhononsBaseWorkChain, **inputs))

    def inspect_phonons(self) -> ExitCode | None:
        """Attach old and new pressures, then say how it ended."""
        node = self.ctx.phonons
        outputs = dict(flatten(self.inputs.get('previous', {})))
        outputs.update(flatten(self.exposed_outputs(node, PhononsCalculation)))
        for label, output in outputs.items():
            self.out(label, output)
        if not node.is_finished_ok:
            return self.exit_codes.ERROR_PHONONS_FAILED.format(message=node.exit_message)
        return None


def _joined(pressures: List, finished: Mapping[str, Any]) -> List:
    """Pressures asked for and those there, GPa, rising."""
    asked = {pressure_label(value): value for value in pressures.get_list()}
    there = {label: pressure_from_label(label) for label in finished}
    return List(sorted({**there, **asked}.values()))
