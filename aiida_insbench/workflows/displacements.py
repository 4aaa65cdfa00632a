"""`DisplacementsWorkChain`: forces of a crystal's displaced supercells by pw.x.

aiida-phonopy's `PhonopyWorkChain`, with these differences: `symmetry_tolerance` is heeded (version
1.8.0 reads another name), displacements always have both signs (1.8.0's validator refuses to be
asked for that), the primitive cell is the unit cell given, and the supercell matrix has the
supercell's axes in its rows, as everywhere in this package.
"""

from __future__ import annotations

from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, while_
from aiida.orm import Float, List, StructureData
from aiida_phonopy.workflows.phonopy import PhonopyWorkChain
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.kpoints import check_supercell_matrix
from aiida_insbench.workflows.displaced_cells import (
    SYMPREC,
    final_forces,
    mesh_of_supercell,
    prepare_displacements,
    supercell_kpoints,
)
from aiida_insbench.workflows.label import validate_mesh
from aiida_insbench.workflows.label_lane import PW_EXCLUDED
from aiida_insbench.workflows.protocols.dft import missing_pseudos
from aiida_insbench.workflows.sub_process import ended_well

#: Ports of `PhonopyWorkChain` that are settled here, or belong to what is done elsewhere.
_SETTLED = (
    'preprocess_data', 'structure', 'supercell_matrix', 'primitive_matrix', 'symmetry_tolerance',
    'is_symmetry', 'displacement_generator', 'fc_options', 'nac_parameters', 'phonopy',
)  # fmt: skip
_ELSEWHERE = ('supercells_energies', 'force_constants', 'output_phonopy')


def validate_supercell(value: List | None, _port: object = None) -> str | None:
    """Port validator: 3×3 integers of positive determinant."""
    if value is None:
        return None
    try:
        check_supercell_matrix(value.get_list())
    except StructureError as exc:
        return str(exc)
    return None


def validate_positive(value: Float | None, _port: object = None) -> str | None:
    """Port validator: a number above 0."""
    if value is not None and not value.value > 0:
        return f'{value.value} must be above 0.'
    return None


def validate_forces(inputs: dict[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: pw.x will give forces for all elements, and leave an output to read."""
    if not inputs or 'structure' not in inputs or 'pw_base' not in inputs:
        return None
    pw = inputs['pw_base']['pw']
    problem = missing_pseudos(inputs['structure'].get_symbols_set(), pw['pseudos'])
    if problem:
        return problem
    control = pw['parameters'].get_dict().get('CONTROL', {})
    if control.get('calculation', 'scf') != 'scf' or not control.get('tprnfor'):
        return 'Forces need `calculation: scf` and `tprnfor: true` in `pw_base.pw.parameters`.'
    if control.get('disk_io') in ('none', 'nowf'):
        return '`disk_io` must be `low`: with `none` or `nowf` pw.x leaves nothing to read.'
    return None


class DisplacementsWorkChain(PhonopyWorkChain):
    """Displaced supercells of one crystal through pw.x, to `PhonopyData`."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        for name in _SETTLED:
            spec.inputs.pop(name)
        for name in _ELSEWHERE:
            spec.outputs.pop(name)
        spec.inputs['settings'].pop('run_parallel_nac_forces')
        spec.exit_codes.pop('ERROR_PHONOPY_CALCULATION_FAILED')
        spec.input('structure', valid_type=StructureData, help='The relaxed crystal.')
        spec.input(
            'supercell_matrix',
            valid_type=List,
            validator=validate_supercell,
            help='3×3 integers, rows are the axes.',
        )
        spec.input(
            'displacement',
            valid_type=Float,
            default=lambda: Float(0.01),
            validator=validate_positive,
            help='Length of the displacements in Å.',
        )
        spec.input(
            'symmetry_tolerance',
            valid_type=Float,
            default=lambda: Float(SYMPREC),
            validator=validate_positive,
            help='Tolerance of positions for the symmetry, Å.',
        )
        spec.input(
            'kpoints_mesh',
            valid_type=List,
            validator=validate_mesh,
            help='Γ-centred k mesh of the unit cell; the supercells get a commensurate one.',
        )
        spec.input(
            'settings.max_concurrent_base_workchains',
            valid_type=int,
            default=0,
            is_metadata=True,
            help='How many supercells are submitted at once; 0: all, and the slots of the computer '
            'or its scheduler decide how many run.',
        )
        spec.expose_inputs(PwBaseWorkChain, namespace='pw_base', exclude=PW_EXCLUDED)
        spec.inputs.validator = validate_forces
        spec.outline(
            cls.setup,
            cls.run_supercells,
            while_(cls.should_run_forces)(
                cls.run_forces,
            ),
            cls.inspect_forces,
            cls.run_results,
        )
        spec.exit_code(
            400,
            'ERROR_SUB_PROCESS_FAILED',
            message='{failed} of {total} supercells failed: {names}; first: {first}',
        )

    def setup(self) -> None:
        """Displacements, and k points for all supercells."""
        inputs = self.inputs
        self.ctx.preprocess_data = prepare_displacements(
            inputs.structure, inputs.supercell_matrix, inputs.displacement,
            inputs.symmetry_tolerance,
        )  # fmt: skip
        cells = inputs.structure, inputs.supercell_matrix, inputs.kpoints_mesh
        self.ctx.kpoints = supercell_kpoints(*cells)
        mesh = mesh_of_supercell(*cells)
        if not mesh.exact:
            self.report(f'no k mesh of the supercell is that of the unit cell; taken: {mesh.mesh}')
        self.ctx.forces = []

    def should_run_forces(self) -> bool:
        """Whether supercells are left."""
        return bool(self.ctx.supercells)

    def run_forces(self) -> ToContext:
        """Submit the next supercells."""
        most = self.inputs.settings.max_concurrent_base_workchains
        count = most if most > 0 else len(self.ctx.supercells)
        running = {}
        for name, supercell in self.ctx.supercells[:count]:
            forces = name.replace('supercell', 'forces')
            inputs = AttributeDict(self.exposed_inputs(PwBaseWorkChain, namespace='pw_base'))
            inputs.pw.structure = supercell
            inputs.kpoints = self.ctx.kpoints
            inputs.metadata.call_link_label = forces
            running[forces] = self.submit(PwBaseWorkChain, **inputs)
        self.ctx.supercells = self.ctx.supercells[count:]
        self.ctx.forces = [*self.ctx.forces, *running]
        self.report(f'{len(running)} supercells submitted to pw.x')
        return ToContext(**running)

    def inspect_forces(self) -> ExitCode | None:
        """Attach the forces of the supercells that are done; name the others."""
        failures = {}
        for name in self.ctx.forces:
            node = self.ctx[name]
            if ended_well(node):
                self.out(f'supercells_forces.{name}', final_forces(node.outputs.output_trajectory))
            else:
                failures[name.replace('forces', 'supercell')] = (
                    f'{node.process_label}<{node.pk}> [{node.exit_status}] {node.exit_message}'
                )
        if not failures:
            return None
        return self.exit_codes.ERROR_SUB_PROCESS_FAILED.format(
            failed=len(failures),
            total=len(self.ctx.forces),
            names=', '.join(failures),
            first=next(iter(failures.values())),
        )
