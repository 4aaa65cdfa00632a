"""`AnalyseCalculation`: modes followed across pressure and compared with DFT."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_text
from aiida_insbench.calculations.ins import write_force_constants
from aiida_insbench.calculations.train import validate_labelled
from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.structures import atoms_to_dict


def _validate_inputs(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    if not inputs:
        return None
    unknown = sorted(set(inputs.get('strained', {})) - set(inputs.get('phonons', {})))
    if unknown:
        return f'`strained` names {", ".join(unknown)}, which `phonons` does not.'
    if 'reference' not in inputs:
        return None
    if inputs.get('reference_phonons'):
        return '`reference` and `reference_phonons` are two references; give one.'
    if not inputs.get('reference_structures'):
        return '`reference` needs `reference_structures`, the crystals that were displaced.'
    return None


class AnalyseCalculation(InsbenchCalculation):
    """Table of mode shifts of each potential, beside the DFT's own."""

    STAGE = 'analyse'
    # 2: shifts split into pairs of atoms; 3: vibrational pressure; 4: segments of one space group,
    # steps of shifts, meshes, neutron weights, committees, isotopes, LO-TO
    CACHE_VERSION = 4

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input_namespace(
            'phonons',
            valid_type=ForceConstantsData,
            dynamic=True,
            help='Force constants by potential, then by pressure label.',
        )
        spec.input(
            'reference',
            valid_type=DatasetData,
            required=False,
            validator=validate_labelled,
            help='Frozen-phonon frames of the unit cell, labelled by DFT.',
        )
        spec.input_namespace(
            'reference_structures',
            valid_type=StructureData,
            dynamic=True,
            required=False,
            help='DFT-relaxed crystals by pressure label.',
        )
        spec.input_namespace(
            'reference_phonons',
            valid_type=ForceConstantsData,
            dynamic=True,
            required=False,
            help='Force constants of DFT by pressure label, in any supercell; instead of '
            '`reference`.',
        )
        spec.input_namespace(
            'strained',
            valid_type=ForceConstantsData,
            dynamic=True,
            required=False,
            help='Force constants by potential, then by the label of its last pressure: the cell '
            'of that pressure with the fractional coordinates of the first.',
        )
        spec.input('settings', valid_type=Dict, help='Tolerances.')
        spec.inputs.validator = _validate_inputs

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write force constants and reference frames."""
        job: dict[str, Any] = {
            'phonons': {
                name: {
                    label: write_force_constants(folder, node, f'{name}.{label}')
                    for label, node in by_pressure.items()
                }
                for name, by_pressure in self.inputs.phonons.items()
            },
            'reference': None,
            'reference_structures': {},
            # a hyphen is in no name of a potential, so that no file has the name of another
            'reference_phonons': {
                label: write_force_constants(folder, node, f'reference-phonons.{label}')
                for label, node in self.inputs.get('reference_phonons', {}).items()
            },
            'strained': {
                name: {
                    label: write_force_constants(folder, node, f'strained-{name}.{label}')
                    for label, node in by_label.items()
                }
                for name, by_label in self.inputs.get('strained', {}).items()
            },
            'settings': self.inputs.settings.get_dict(),
        }
        if 'reference' in self.inputs:
            write_text(folder, 'reference.extxyz', self.inputs.reference.get_text())
            job['reference'] = 'reference.extxyz'
            job['reference_structures'] = {
                label: atoms_to_dict(node.get_ase())
                for label, node in self.inputs.get('reference_structures', {}).items()
            }
        return job
