"""`InsWorkChain`: force constants to spectra at every pressure."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, ToContext, WorkChain
from aiida.orm import Dict

from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.spectra import broaden_spectrum, check_broadening
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import InputError
from aiida_insbench.workflows.ins_base import InsBaseWorkChain
from aiida_insbench.workflows.job_base import flatten
from aiida_insbench.workflows.protocols.ins import InsProtocol


def validate_resolution(inputs: Any, _context: Any) -> str | None:
    """Refuse a resolution the instrument cannot have before the job runs."""
    if 'ins' not in inputs or 'parameters' not in inputs['ins']:
        return None  # a part of another work chain, which fills it later
    try:
        check_broadening(inputs['ins']['parameters'].get_dict(), inputs['broadening'].get_dict())
    except (InputError, KeyError, TypeError, ValueError) as exc:
        return f'`broadening` does not fit the instrument and range: {exc}'
    return None


class InsWorkChain(InsProtocol, WorkChain):
    """Compute contributions in one job, then apply the resolution at each pressure.

    With caching on, another resolution or grouping takes the contributions from the cache.
    """

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.expose_inputs(InsBaseWorkChain)
        spec.input(
            'broadening',
            valid_type=Dict,
            default=lambda: Dict({'resolution': 'published'}),
            help='resolution: published, null, coefficients of σ(ω) in cm⁻¹ or settings of the '
            'published model; groups: name → banks, sites, elements, orders; least_width: cm⁻¹.',
        )
        spec.inputs.validator = validate_resolution
        spec.expose_outputs(InsCalculation)
        spec.output_namespace(
            'spectrum', valid_type=SpectrumData, dynamic=True, help='Spectra by pressure label.'
        )
        spec.outline(
            cls.run_contributions,
            cls.inspect_contributions,
            cls.apply_resolution,
            cls.results,
        )
        spec.exit_code(411, 'ERROR_INS_FAILED', message='The INS job failed: {message}')
        spec.exit_code(412, 'ERROR_BROADENING_FAILED', message='No spectrum at {label}: {message}')
        spec.exit_code(
            421, 'ERROR_PRESSURES_MISSING', message='Some pressures have no spectrum: {message}'
        )

    def run_contributions(self) -> ToContext:
        """One job, all pressures."""
        inputs = self.exposed_inputs(InsBaseWorkChain)
        return ToContext(ins=self.submit(InsBaseWorkChain, **inputs))

    def inspect_contributions(self) -> ExitCode | None:
        """Attach what there is; stop if there is nothing."""
        node = self.ctx.ins
        for label, output in flatten(self.exposed_outputs(node, InsCalculation)):
            self.out(label, output)
        if 'contributions' not in node.outputs:
            return self.exit_codes.ERROR_INS_FAILED.format(message=node.exit_message)
        return None

    def apply_resolution(self) -> ExitCode | None:
        """Group and broaden at each pressure."""
        for label, node in flatten(self.ctx.ins.outputs.contributions):
            made, process = broaden_spectrum.run_get_node(node, self.inputs.broadening)
            if not process.is_finished_ok:
                return self.exit_codes.ERROR_BROADENING_FAILED.format(
                    label=label, message=process.exit_message
                )
            self.out(f'spectrum.{label}', made)
        return None

    def results(self) -> ExitCode | None:
        """Say which pressures are missing, if any."""
        if not self.ctx.ins.is_finished_ok:
            return self.exit_codes.ERROR_PRESSURES_MISSING.format(message=self.ctx.ins.exit_message)
        return None
