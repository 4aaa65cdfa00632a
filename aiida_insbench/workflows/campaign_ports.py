"""Ports of `insbench.campaign`: what is asked for, how each stage works, what comes of it."""

from __future__ import annotations

from typing import Any

from aiida.orm import Dict, Int, List, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.calculations.train import validate_labelled
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.campaign_checks import validate_campaign, validate_stopping
from aiida_insbench.workflows.crystal_checks import validate_crystal
from aiida_insbench.workflows.dataset import DatasetWorkChain
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.md_base import MDBaseWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain
from aiida_insbench.workflows.validate import ValidateWorkChain

_OPTIONAL = {'required': False, 'populate_defaults': False}
_FROM_ROUND = (
    'structure',
    'potential',
    'committee',
    'relax',
    'relaxed',
    'pools',
    'known',
)
_FROM_DATA = ('train.dataset', 'train.validation', 'train.start')
_FROM_CAMPAIGN = (
    'potential',
    'held_out',
    'training',
    'committee',
    'structures',
    'force_constants',
    'dft_structures',
    'phonons',
    'relax',
)


def define_inputs(spec: Any) -> None:
    """Declare what is asked for, and the inputs of every stage."""
    spec.input(
        'structure', valid_type=StructureData, validator=validate_crystal, help='The crystal.'
    )
    spec.input(
        'pressures',
        valid_type=List,
        validator=validate_pressures,
        help='Pressures in GPa at which potentials are judged; positive is compression.',
    )
    spec.input(
        'stopping',
        valid_type=Dict,
        validator=validate_stopping,
        help='Tolerances on the spectrum and budgets: `tolerance_shift`, `tolerance_area`, '
        '`most_rounds` and others; see the docs.',
    )
    spec.input(
        'start',
        valid_type=PotentialData,
        required=False,
        help='Potential from which the first training of every member starts.',
    )
    _define_known(spec)
    _define_targets(spec)
    spec.expose_inputs(RelaxWorkChain, namespace='relax', exclude=('structure',))
    for name, text in (
        ('first_round', 'Frames of the first round, about the relaxed crystal.'),
        ('later_rounds', 'Frames of each round after it, from what the committee knows.'),
    ):
        spec.expose_inputs(
            DatasetWorkChain,
            namespace=name,
            exclude=_FROM_ROUND,
            namespace_options={'help': text},
        )
    spec.expose_inputs(
        MDBaseWorkChain,
        namespace='dynamics',
        exclude=('md.potential', 'md.structures', 'md.finished', 'md.unfinished'),
        namespace_options={
            **_OPTIONAL,
            'help': 'Molecular dynamics of the leader, whose frames join the pool of later rounds.',
        },
    )
    spec.input(
        'dynamics_frames',
        valid_type=Int,
        default=lambda: Int(10),
        help='Frames taken of each run of `dynamics`.',
    )
    for name, text in (
        ('base_training', 'Training of the first committee.'),
        ('fine_tuning', 'Fine-tuning of each member in later rounds.'),
    ):
        spec.expose_inputs(
            FinetuneWorkChain,
            namespace=name,
            exclude=('starts', *(f'training.{one}' for one in _FROM_DATA)),
            namespace_options={'help': text},
        )
    spec.expose_inputs(
        ReferenceWorkChain,
        namespace='reference',
        exclude=('relax.structure', 'relaxed', 'supercell_matrix', 'displacements'),
        namespace_options={**_OPTIONAL, 'help': 'Phonons by DFT, to be compared with.'},
    )
    spec.expose_inputs(
        PhononsWorkChain,
        namespace='phonons',
        exclude=('phonons.potential', 'phonons.structure', 'phonons.pressures', 'previous'),
    )
    spec.expose_inputs(
        InsWorkChain, namespace='ins', exclude=('ins.force_constants', 'ins.motions')
    )
    spec.expose_inputs(
        EvaluateBaseWorkChain,
        namespace='evaluate',
        exclude=('evaluate.dataset', 'evaluate.potentials', 'evaluate.finished'),
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
    spec.expose_inputs(
        ValidateWorkChain,
        namespace='validation',
        exclude=_FROM_CAMPAIGN,
        namespace_options={**_OPTIONAL, 'help': 'Molecular dynamics and checks of the last round.'},
    )
    spec.inputs.validator = validate_campaign


def _define_known(spec: Any) -> None:
    """Declare what an earlier campaign hands on."""
    spec.input_namespace(
        'known', required=False, help='Of an earlier campaign, which this one continues.'
    )
    for name, text in (
        ('dataset', 'Frames learnt from; no first round is drawn.'),
        ('validation', 'Frames held out of training.'),
    ):
        spec.input(
            f'known.{name}',
            valid_type=DatasetData,
            required=False,
            validator=validate_labelled,
            help=text,
        )
    spec.input_namespace(
        'known.committee',
        valid_type=PotentialData,
        dynamic=True,
        required=False,
        help='Members by seed (seed_1 …); nothing is trained before they are asked.',
    )
    spec.input(
        'known.structure',
        valid_type=StructureData,
        required=False,
        help='Crystal relaxed by DFT; it is not relaxed again.',
    )


def _define_targets(spec: Any) -> None:
    """Declare what the benchmark at the end compares with."""
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
        'by name.',
    )
    spec.input(
        'rules',
        valid_type=Dict,
        required=False,
        help='Frozen rules of scores, such as insbench-1; without them nothing is scored.',
    )


def define_outputs(spec: Any) -> None:
    """Declare potentials, spectra, verdicts and what each round has brought."""
    for name, kind, text in (
        ('potentials', PotentialData, 'The leader of each round: round_1 …'),
        ('committees', PotentialData, 'By round, then member (seed_1 …).'),
        ('training_curves', Dict, 'By round, then member.'),
        ('rounds', Dict, 'Distances within the committee, calibration, decision: round_1 …'),
        ('modes', Dict, 'Of the leader, by round, then pressure label.'),
        ('structure', StructureData, 'Of the leader, by round, then pressure label.'),
        ('force_constants', ForceConstantsData, 'Of the leader, by round, then pressure label.'),
        ('committee_spectrum', SpectrumData, 'By round, member, then pressure label.'),
        ('spectrum', SpectrumData, 'Of the leader of the last round, by pressure label.'),
    ):
        spec.output_namespace(name, valid_type=kind, dynamic=True, help=text)
    for name, kind, text in (
        ('dataset', DatasetData, 'All frames learnt from.'),
        ('validation', DatasetData, 'All frames held out.'),
        ('evaluation', Dict, 'Errors of the leaders on the held-out frames.'),
        ('comparison', Dict, 'Mode shifts of each round and of DFT.'),
    ):
        spec.output(name, valid_type=kind, help=text)
    for name, kind, text in (
        ('relaxed', StructureData, 'The crystal relaxed by DFT at the first pressure.'),
        ('reference', DatasetData, 'Frozen phonons by DFT.'),
        ('verdict', Dict, 'Of `insbench.validate`.'),
        ('ranking', Dict, 'Of `insbench.benchmark`.'),
    ):
        spec.output(name, valid_type=kind, required=False, help=text)
