"""`InsCalculation`: contributions to powder INS spectra, one set per pressure, in one job."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import Dict
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_text
from aiida_insbench.data.spectrum import SpectrumData


class InsCalculation(InsbenchCalculation):
    """Exact harmonic powder average at the instrument's Q(ω), all orders, without resolution."""

    STAGE = 'ins'
    # 2: contributions instead of spectra; 3: supercells that are no multiples of the axes
    CACHE_VERSION = 3

    @classmethod
    def define(cls, spec: CalcJobProcessSpec) -> None:
        """Declare inputs and outputs."""
        super().define(spec)
        spec.input_namespace(
            'force_constants',
            valid_type=ForceConstantsData,
            dynamic=True,
            help='Force constants by pressure label (p_1500).',
        )
        spec.input(
            'parameters',
            valid_type=Dict,
            help='temperature (K), instrument, energy_range and bin_width (cm⁻¹); tolerance (per '
            'cent of the area), mesh, max_order, isotopes, map, keep, settings.',
        )
        spec.output_namespace(
            'contributions',
            valid_type=SpectrumData,
            dynamic=True,
            help='Contributions by pressure label, before the resolution.',
        )
        spec.exit_code(
            413, 'ERROR_PRESSURES_MISSING', message='No spectrum: {pressures}. {reasons}'
        )

    def write_inputs(self, folder: Folder) -> dict[str, Any]:
        """Write each set of force constants as a phonopy YAML file."""
        files = {
            label: write_force_constants(folder, node, label)
            for label, node in self.inputs.force_constants.items()
        }
        return {**self.inputs.parameters.get_dict(), 'force_constants': files}

    def files_to_retrieve(self) -> list[Any]:
        """One NPZ file per pressure."""
        return [('[pm]_*.npz', '.', 0)]


def write_force_constants(folder: Folder, node: ForceConstantsData, name: str) -> str:
    """Write force constants as ``name.yaml`` in phonopy's format; return the file name."""
    from aiida_insbench.science.phonons import force_constants_yaml

    phonopy = node.get_phonopy_instance()
    write_text(folder, f'{name}.yaml', force_constants_yaml(phonopy))
    return f'{name}.yaml'
