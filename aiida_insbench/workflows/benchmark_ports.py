"""Ports of `insbench.benchmark`: who competes, on what, by which rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import ArrayData, Dict, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.cell_spectra import DEUTERATED, REFERENCE
from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.calculations.scores import DIFFERENCES, SEPARATOR, SHIFTS
from aiida_insbench.calculations.shift_scores import bands_of
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.benchmark.table import DFT
from aiida_insbench.science.errors import InsbenchError
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.options import PUBLISHED
from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.science.scoring.band_assignment import ShiftSettings
from aiida_insbench.science.scoring.cell import RULES_OF_CELLS, CellSettings, cell_rules
from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.benchmark_committees import members_of
from aiida_insbench.workflows.crystal_checks import validate_crystal
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.reference import ReferenceWorkChain

_OPTIONAL = {'required': False, 'populate_defaults': False}
#: Beside those of cells.
_RULES = ('version', 'dft_scoring', 'table', 'blind', 'shift_scoring')


def define_inputs(spec: Any) -> None:
    """Declare competitors, targets and rules."""
    spec.input_namespace(
        'potentials', valid_type=PotentialData, dynamic=True, help='Competitors, by name.'
    )
    spec.input(
        'structure', valid_type=StructureData, validator=validate_crystal, help='The crystal.'
    )
    spec.input(
        'pressures',
        valid_type=List,
        validator=validate_pressures,
        help='GPa, at which phonons are computed; measured pressures must lie between.',
    )
    spec.input(
        'error_pressures',
        valid_type=List,
        required=False,
        validator=validate_pressures,
        help='GPa, at which errors of measured pressures end: phonons for measured spectra alone.',
    )
    spec.input_namespace(
        'measured',
        valid_type=SpectrumData,
        dynamic=True,
        required=False,
        help='Measured spectra, by name.',
    )
    spec.input_namespace(
        'band_shifts',
        valid_type=Dict,
        dynamic=True,
        required=False,
        help='Measured shifts of bands with pressure (outputs of `insbench.import_band_shifts`), '
        'by name. They are scored beside the ranking.',
    )
    spec.input_namespace(
        'reference',
        valid_type=ForceConstantsData,
        dynamic=True,
        required=False,
        help='Force constants of DFT, by pressure label; instead of `dft`.',
    )
    spec.input_namespace(
        'force_constants',
        valid_type=ForceConstantsData,
        dynamic=True,
        required=False,
        help='Vibrations that are known: by potential, then pressure label. No phonons are '
        'computed for a potential in it; pressures it lacks count as failures.',
    )
    spec.input_namespace(
        'committees',
        valid_type=PotentialData,
        dynamic=True,
        required=False,
        help='Further members of the committee of a potential: by potential, then member. Their '
        'spread is part of the errors of its scores.',
    )
    spec.input_namespace(
        'committee_force_constants',
        valid_type=ForceConstantsData,
        dynamic=True,
        required=False,
        help='Vibrations of members that are known: by potential, member, then pressure label.',
    )
    spec.input_namespace(
        'verdicts',
        valid_type=Dict,
        dynamic=True,
        required=False,
        help='Outputs `verdict` of `insbench.validate`, by potential: runs that broke count.',
    )
    spec.input('rules', valid_type=Dict, help='Frozen rules of scores, such as insbench-1.')
    spec.expose_inputs(
        PhononsWorkChain,
        namespace='phonons',
        exclude=('phonons.potential', 'phonons.structure', 'phonons.pressures'),
    )
    spec.expose_inputs(
        InsWorkChain, namespace='ins', exclude=('ins.force_constants', 'ins.motions')
    )
    spec.expose_inputs(
        ReferenceWorkChain,
        namespace='dft',
        namespace_options={**_OPTIONAL, 'help': 'DFT that is a target and competes.'},
    )
    spec.expose_inputs(
        AnalyseBaseWorkChain,
        namespace='analyse',
        exclude=(
            'analyse.phonons',
            'analyse.strained',
            'analyse.reference',
            'analyse.reference_structures',
            'analyse.reference_phonons',
        ),
    )


def define_outputs(spec: Any) -> None:
    """Declare the ranking and what it rests on."""
    spec.output('ranking', valid_type=Dict, help='Ranking and verdicts, with all numbers.')
    spec.output(
        'comparison', valid_type=Dict, required=False, help='Modes of all, followed over pressure.'
    )
    for name, kind, text in (
        ('scores', Dict, 'By potential, then target.'),
        ('overlays', ArrayData, 'Target and fitted spectrum, by potential, then target.'),
        ('difference_scores', Dict, 'Of S(P) − S(0) in one cell, by competitor, then target.'),
        ('difference_overlays', ArrayData, 'Both differences, by competitor, then target.'),
        ('shift_scores', Dict, 'Of measured band shifts, by competitor, then table.'),
        ('spectrum', SpectrumData, 'By competitor, group of targets, then pressure label.'),
        ('force_constants', ForceConstantsData, 'By competitor, then pressure label.'),
    ):
        spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)


def validate_benchmark(inputs: Mapping[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: all that is wrong, in one message."""
    if not inputs or not inputs.get('potentials'):
        return 'Give at least one competitor in `potentials`.' if inputs else None
    faults = [
        *_wrong_names(inputs),
        *_lacking_elements(inputs),
        *_wrong_vibrations(inputs),
        *_wrong_targets(inputs),
        *_wrong_tables(inputs),
        *_wrong_rules(inputs),
    ]
    return ' '.join(faults) or None


def _wrong_names(inputs: Mapping[str, Any]) -> list[str]:
    names = [*inputs['potentials'], *inputs.get('measured', {})]
    found = [
        f"`{name}` cannot be a name: it is DFT's own, or holds `{SEPARATOR}`."
        for name in names
        if name == DFT
        or SEPARATOR in name
        or name.startswith((REFERENCE, DEUTERATED, SHIFTS, DIFFERENCES, 'dft_'))
    ]
    strangers = sorted(set(inputs.get('verdicts', {})) - set(inputs['potentials']))
    if strangers:
        found.append(f'`verdicts` names {", ".join(strangers)}, which `potentials` does not.')
    return found


def _lacking_elements(inputs: Mapping[str, Any]) -> list[str]:
    if 'structure' not in inputs:
        return []
    wanted = inputs['structure'].get_symbols_set()
    return [
        f'Potential `{name}` knows no {", ".join(lacking)}.'
        for name, node in {
            **inputs['potentials'],
            **{f'{name}.{member}': node for name, member, node in members_of(inputs)},
        }.items()
        if (lacking := sorted(wanted - set(node.elements)))
    ]


def _wrong_vibrations(inputs: Mapping[str, Any]) -> list[str]:
    """Force constants of strangers, and at pressures that are not asked for."""
    committees = inputs.get('committees', {})
    of_members = inputs.get('committee_force_constants', {})
    members = {f'{name}.{member}' for name, member, _ in members_of(inputs)}
    known = inputs.get('force_constants', {})
    given = {f'force_constants.{name}': one for name, one in known.items()}
    found = [
        f'`{port}` names {", ".join(strangers)}, which `{beside}` does not.'
        for port, beside, strangers in (
            ('force_constants', 'potentials', _beyond(known, inputs)),
            ('committees', 'potentials', _beyond(committees, inputs)),
            (
                'committee_force_constants',
                'committees',
                sorted({f'{a}.{b}' for a, by in of_members.items() for b in by} - members),
            ),
        )
        if strangers
    ]
    given |= {
        f'committee_force_constants.{name}.{member}': by_label
        for name, by_member in of_members.items()
        for member, by_label in by_member.items()
    }
    wanted = pressure_labels(inputs['pressures'].get_list()) if 'pressures' in inputs else {}
    for name, by_label in given.items():
        if wrong := sorted(set(by_label) - set(wanted)) if wanted else []:
            found.append(
                f'`{name}` has {", ".join(wrong)}; the labels of `pressures` are '
                f'{", ".join(wanted)}.'
            )
    return found


def _beyond(given: Mapping[str, Any], inputs: Mapping[str, Any]) -> list[str]:
    """Names that no potential has."""
    return sorted(set(given) - set(inputs['potentials']))


def _wrong_targets(inputs: Mapping[str, Any]) -> list[str]:
    sources = [name for name in ('reference', 'dft') if inputs.get(name)]
    if len(sources) == 2:
        return ['`reference` and `dft` are two sources of DFT; give one.']
    if not sources and not inputs.get('measured'):
        return ['There is no target: give `measured` spectra, `reference` or `dft`.']
    found = []
    pressures = inputs['pressures'].get_list() if 'pressures' in inputs else []
    for name, node in inputs.get('measured', {}).items():
        try:
            conditions = conditions_of(node)
        except InsbenchError as exc:
            found.append(f'`measured.{name}`: {exc}')
            continue
        if pressures and not min(pressures) <= conditions.pressure <= max(pressures):
            found.append(
                f'`measured.{name}` is at {conditions.pressure:g} GPa; `pressures` go from '
                f'{min(pressures):g} to {max(pressures):g} GPa.'
            )
        if not (conditions.resolution or _resolution_is_known(conditions, inputs)):
            found.append(
                f'`measured.{name}`: no resolution is known for {conditions.instrument}. Import it '
                'with `--resolution`, or give coefficients as `broadening.resolution`.'
            )
        elements = {*conditions.isotopes, *(['H'] if conditions.deuterium_fraction else [])}
        absent = sorted(elements - _symbols(inputs))
        if absent:
            found.append(f'`measured.{name}` has isotopes of {", ".join(absent)}; the crystal not.')
    return found


def _resolution_is_known(conditions: Any, inputs: Mapping[str, Any]) -> bool:
    broadening = inputs.get('ins', {}).get('broadening')
    asked = broadening.get_dict().get('resolution', PUBLISHED) if broadening else PUBLISHED
    instrument = get_instrument(conditions.instrument, incident_energy=conditions.incident_energy)
    return bool(instrument.resolution) or not (asked == PUBLISHED or isinstance(asked, Mapping))


def _wrong_tables(inputs: Mapping[str, Any]) -> list[str]:
    """What is no table of band shifts, and slopes that one pressure cannot give."""
    tables = inputs.get('band_shifts', {})
    pressures = inputs['pressures'].get_list() if 'pressures' in inputs else []
    found = []
    if tables and len(set(pressures)) == 1:
        found.append('`band_shifts` need slopes: give two `pressures` or more.')
    for name, node in tables.items():
        try:
            bands_of(node)
        except InsbenchError as exc:
            found.append(f'`band_shifts.{name}`: {exc}')
    return found


def _symbols(inputs: Mapping[str, Any]) -> set[str]:
    return set(inputs['structure'].get_symbols_set()) if 'structure' in inputs else set()


def _wrong_rules(inputs: Mapping[str, Any]) -> list[str]:
    if 'rules' not in inputs:
        return []
    rules = inputs['rules'].get_dict()
    found = []
    of_cells = cell_rules(rules)
    if unknown := sorted(set(rules) - set(_RULES) - set(of_cells)):
        known = (*RULES_OF_CELLS, *_RULES)
        found.append(f'`rules`: unknown {", ".join(unknown)}; known: {", ".join(known)}.')
    strangers = sorted(set(rules.get('blind', [])) - set(inputs.get('measured', {})))
    if strangers:
        found.append(f'`rules.blind` names {", ".join(strangers)}, which `measured` does not.')
    try:
        CellSettings.from_dict(of_cells)
        ShiftSettings.from_dict(rules.get('shift_scoring', {}))
    except (InsbenchError, TypeError, ValueError) as exc:
        found.append(f'`rules`: {exc}')
    return found
