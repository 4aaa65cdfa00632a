"""Ports of `insbench.validate`: what is judged, by what, and what comes of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import ArrayData, Dict, Int, StructureData, TrajectoryData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.train import validate_labelled
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData

#: Name of the judged potential beside the other members of a committee.
JUDGED = 'potential'


def validate_sources(inputs: Mapping[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: crystals are given or relaxed, a committee has frames to compare with."""
    if not inputs or 'potential' not in inputs:
        return None  # a part of another work chain, which fills it later
    if not inputs.get('structures') and 'phonons' not in inputs:
        return 'Give `structures` (relaxed crystals by pressure label) or `phonons` to make them.'
    if inputs.get('structures') and 'phonons' in inputs:
        return '`structures` and `phonons` are two sources of crystals; give one.'
    if inputs.get('dft_structures') and 'relax' in inputs:
        return '`dft_structures` and `relax` are two sources of volumes; give one.'
    if inputs.get('committee') and 'training' not in inputs:
        return '`committee` needs `training`, the frames its spread is compared with.'
    if JUDGED in inputs.get('committee', {}):
        return f'No member of `committee` can be called `{JUDGED}`.'
    return None


def define_inputs(spec: Any) -> None:
    """Declare what is no other process's."""
    spec.input('potential', valid_type=PotentialData, help='What is judged.')
    spec.input(
        'held_out',
        valid_type=DatasetData,
        required=False,
        validator=validate_labelled,
        help='Labelled frames that no training saw.',
    )
    spec.input(
        'training',
        valid_type=DatasetData,
        required=False,
        validator=validate_labelled,
        help='Frames learnt from: tells which pressures were held out, and what spread is usual.',
    )
    spec.input('spread_frames', valid_type=Int, default=lambda: Int(50), help='Of each run.')
    for name, kind, text in (
        ('committee', PotentialData, 'Further members, by name; `potential` is one itself.'),
        ('structures', StructureData, 'Crystals relaxed by the potential, by pressure label.'),
        ('force_constants', ForceConstantsData, 'Of those crystals, by pressure label.'),
        ('dft_structures', StructureData, 'Crystals relaxed by DFT, by pressure label.'),
    ):
        spec.input_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)


def define_outputs(spec: Any) -> None:
    """Declare the verdict and what it rests on."""
    spec.output('verdict', valid_type=Dict, help='Passed or not, with all numbers.')
    spec.output(
        'harmonic_density',
        valid_type=ArrayData,
        required=False,
        help='Harmonic densities of states (per cm⁻¹) on the energies of the runs.',
    )
    spec.output('evaluation', valid_type=Dict, required=False, help='Errors on `held_out`.')
    for name, kind, text in (
        ('runs', Dict, 'Records of molecular dynamics, by pressure and ensemble.'),
        ('trajectories', TrajectoryData, 'Thinned frames, by run.'),
        ('series', ArrayData, 'Scalars over time, by run.'),
        ('density_of_states', ArrayData, 'From velocities, by run.'),
        ('motions', ArrayData, 'The same of each atom, by run.'),
        ('anharmonic_spectrum', SpectrumData, 'From velocities, by pressure label.'),
        ('harmonic_spectrum', SpectrumData, 'Of the same supercell, by pressure label.'),
        ('structure', StructureData, 'Relaxed by the potential, by pressure label.'),
        ('force_constants', ForceConstantsData, 'By pressure label.'),
        ('dft_structure', StructureData, 'Relaxed by DFT, by pressure label.'),
    ):
        spec.output_namespace(name, valid_type=kind, dynamic=True, required=False, help=text)
