"""Builder of a benchmark from a protocol and frozen rules, for `BenchmarkWorkChain`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiida.engine import ProcessBuilder
from aiida.orm import AbstractCode, Dict, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import check_pressures, pressure_label, pressure_labels
from aiida_insbench.workflows.protocols.dft import supercell_inputs
from aiida_insbench.workflows.protocols.estimates import phonons_of, sizes_of
from aiida_insbench.workflows.protocols.mixin import CampaignProtocolMixin
from aiida_insbench.workflows.protocols.options import job_inputs, spectra_inputs
from aiida_insbench.workflows.protocols.requests import request_resources

RULES = 'insbench-1'


def frozen_rules(name: str = RULES) -> dict[str, Any]:
    """Rules of a benchmark by their name.

    Raises
    ------
    InputError
        If there are none of this name.
    """
    path = Path(__file__).with_name('benchmark_rules.yaml')
    known: dict[str, Any] = yaml.safe_load(path.read_text(encoding='utf-8'))
    if name not in known:
        raise InputError(f'There are no rules {name!r}; known are {", ".join(known)}.')
    rules: dict[str, Any] = known[name]
    return rules


class BenchmarkProtocol(CampaignProtocolMixin):
    """`get_builder_from_protocol` of a benchmark."""

    @classmethod
    def get_builder_from_protocol(
        cls,
        job_code: AbstractCode,
        potentials: Mapping[str, PotentialData],
        structure: StructureData,
        pressures: Sequence[float],
        *,
        measured: Mapping[str, SpectrumData] | None = None,
        band_shifts: Mapping[str, Dict] | None = None,
        reference: Mapping[str, ForceConstantsData] | None = None,
        dft: Mapping[str, Any] | None = None,
        force_constants: Mapping[str, Mapping[str, ForceConstantsData]] | None = None,
        committees: Mapping[str, Mapping[str, PotentialData]] | None = None,
        committee_force_constants: Mapping[str, Mapping[str, Mapping[str, ForceConstantsData]]]
        | None = None,
        verdicts: Mapping[str, Dict] | None = None,
        rules: str = RULES,
        blind: Sequence[str] = (),
        protocol: str | None = None,
        overrides: dict[str, Any] | None = None,
        threads: int = 1,
    ) -> ProcessBuilder:
        """Fill a builder.

        Parameters
        ----------
        job_code : AbstractCode
            The program ``insbench-job``.
        potentials : mapping from str to PotentialData
            Competitors.
        structure : StructureData
            Crystal from which each relaxes at each pressure.
        pressures : sequence of float
            In GPa; positive is compression. Those of measured spectra must lie between.
        measured : mapping from str to SpectrumData, optional
            Targets. Where the pressure of one has an error, phonons at both ends of it are computed
            as well, unless `force_constants` are given: what lies between is interpolated.
        band_shifts : mapping from str to Dict, optional
            Measured shifts of bands (outputs of `insbench.import_band_shifts`), by name.
        reference : mapping from str to ForceConstantsData, optional
            Force constants of DFT by pressure label (outputs of `insbench.reference`).
        dft : mapping, optional
            Inputs of `insbench.reference`, instead of `reference`.
        force_constants : mapping from str to mapping, optional
            Force constants by potential, then pressure label (outputs of `insbench.phonons`): its
            phonons are not computed again.
        committees : mapping from str to mapping, optional
            Further members of the committee of a potential, by potential, then member.
        committee_force_constants : mapping from str to mapping, optional
            Force constants of members that are known: by potential, member, pressure label.
        verdicts : mapping from str to Dict, optional
            Outputs ``verdict`` of `insbench.validate`, by potential.
        rules : str
            Name of frozen rules.
        blind : sequence of str
            Measured spectra that no potential was made for; ranked apart, too.
        protocol : {'fast', 'balanced', 'stringent'}
            Supercells, thresholds and tolerances of phonons and spectra, alike for all.
        overrides : dict, optional
            Laid over the protocol: ``phonons``, ``ins``, ``broadening``, ``analyse``.
        threads : int
            Threads of each job.

        Returns
        -------
        ProcessBuilder
            Ready to submit.

        Raises
        ------
        InputError
            If a pressure is not one, or there are no such rules.
        """
        inputs = cls.get_protocol_inputs(protocol, overrides)
        builder = cls.get_builder()  # type: ignore[attr-defined]
        job = job_inputs(job_code, threads)
        builder.potentials = dict(potentials)
        builder.structure = structure
        builder.pressures = List(list(check_pressures(pressures)))
        ends = [] if force_constants else ends_of_errors(pressures, (measured or {}).values())
        if ends:
            builder.error_pressures = List(ends)
        for name, values in (
            ('measured', measured),
            ('band_shifts', band_shifts),
            ('reference', reference),
            ('verdicts', verdicts),
        ):
            if values:
                builder[name] = dict(values)
        for name, nested in (
            ('force_constants', force_constants),
            ('committees', committees),
            ('committee_force_constants', committee_force_constants),
        ):
            if nested:
                builder[name] = _plain(nested)
        if dft is not None:
            builder.dft = dft
        builder.rules = Dict({**frozen_rules(rules), 'blind': list(blind)})
        builder.phonons = {'phonons': {**job, **supercell_inputs(inputs['phonons'], structure)}}
        builder.ins = spectra_inputs(job, inputs)
        builder.analyse = {'analyse': {**job, 'settings': Dict(inputs['analyse'])}}
        members = [node for one in (committees or {}).values() for node in one.values()]
        estimate = phonons_of(
            builder.phonons.phonons,
            models=sizes_of([*potentials.values(), *members]),
            structure=structure,
            pressures=len(builder.pressures.get_list()),
        )
        request_resources(builder, inputs['options'], {'phonons': estimate})
        return builder


def ends_of_errors(pressures: Sequence[float], measured: Iterable[SpectrumData]) -> list[float]:
    """Pressures (GPa) at which errors of measured spectra end, but for those asked for anyway."""
    known, found = pressure_labels(pressures), {}
    for node in measured:
        conditions = conditions_of(node)
        error = conditions.pressure_error
        # one beyond the pressures asked for is refused by the inputs' validator
        if error > 0 and min(pressures) <= conditions.pressure <= max(pressures):
            for end in (conditions.pressure - error, conditions.pressure + error):
                found[pressure_label(end)] = end
    return sorted(end for label, end in found.items() if label not in known)


def _plain(nested: Any) -> Any:
    """Mappings within mappings as dictionaries, for a builder."""
    if not isinstance(nested, Mapping):
        return nested
    return {name: _plain(one) for name, one in nested.items()}
