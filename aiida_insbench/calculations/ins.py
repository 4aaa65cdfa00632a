"""`InsCalculation`: contributions to powder INS spectra, one set per pressure, in one job."""

from __future__ import annotations

from typing import Any

from aiida.common.folders import Folder
from aiida.engine import CalcJobProcessSpec
from aiida.orm import ArrayData, Dict
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.calculations.base import InsbenchCalculation, write_arrays, write_text
from aiida_insbench.data.spectrum import SpectrumData

#: Attribute of a node of densities of states: all that is no array.
RECORD = 'motion'


def _validate_sources(inputs: Any, port: Any = None) -> str | None:
    """Port validator: one source of vibrations."""
    if not inputs or 'parameters' not in inputs or 'force_constants' not in (port or ()):
        return None  # a part of another work chain, which fills it later
    given = [name for name in ('force_constants', 'motions') if inputs.get(name)]
    if len(given) != 1:
        return 'Give `force_constants` or `motions`, not both and not neither.'
    wrong = [
        label
        for label, node in (inputs.get('motions') or {}).items()
        if RECORD not in node.base.attributes.all
    ]
    if wrong:
        return f'`motions` at {", ".join(wrong)} is no output `motions` of `insbench.md`.'
    return None


class InsCalculation(InsbenchCalculation):
    """Exact powder average at the instrument's Q(ω), all orders, without resolution."""

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
            required=False,
            help='Force constants by pressure label (p_1500).',
        )
        spec.input_namespace(
            'motions',
            valid_type=ArrayData,
            dynamic=True,
            required=False,
            help='Instead: densities of states of runs, `motions` of `insbench.md`, by pressure '
            'label. Spectra of anharmonic frequencies.',
        )
        spec.inputs.validator = _validate_sources
        spec.input(
            'parameters',
            valid_type=Dict,
            help='temperature (K), instrument, energy_range and bin_width (cm⁻¹); tolerance (per '
            'cent of the area), mesh or supercell_matrix, max_order, isotopes, map, keep, '
            'settings.',
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
        """Write each set of force constants as a phonopy YAML file, or each run's densities."""
        parameters = self.inputs.parameters.get_dict()
        if self.inputs.get('motions'):
            motions = {
                label: write_motion(folder, node, f'motion_{label}.npz')
                for label, node in self.inputs.motions.items()
            }
            return {**parameters, 'motions': motions}
        files = {
            label: write_force_constants(folder, node, label)
            for label, node in self.inputs.force_constants.items()
        }
        return {**parameters, 'force_constants': files}

    def files_to_retrieve(self) -> list[Any]:
        """One NPZ file per pressure."""
        return [('[pm]_*.npz', '.', 0)]


def write_motion(folder: Folder, node: ArrayData, name: str) -> dict[str, Any]:
    """Write a run's densities of states; return the entry of the job file."""
    write_arrays(folder, name, {key: node.get_array(key) for key in node.get_arraynames()})
    return {'file': name, 'record': node.base.attributes.get(RECORD)}


def write_force_constants(folder: Folder, node: ForceConstantsData, name: str) -> str:
    """Write force constants as ``name.yaml`` in phonopy's format; return the file name."""
    from aiida_insbench.science.phonons import force_constants_yaml

    phonopy = node.get_phonopy_instance()
    write_text(folder, f'{name}.yaml', force_constants_yaml(phonopy))
    return f'{name}.yaml'
