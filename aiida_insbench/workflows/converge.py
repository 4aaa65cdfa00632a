"""`ConvergeWorkChain`: the plane-wave cutoffs and the k mesh that a crystal needs.

A few strained and rattled frames are labelled at several cutoffs, then at several k meshes, and
compared: forces, energies between frames, and stress itself. See
`aiida_insbench.science.dft_convergence`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aiida.common import AttributeDict
from aiida.engine import ExitCode, ToContext, WorkChain, calcfunction
from aiida.orm import Dict, Int, List, StructureData

from aiida_insbench.calculations.sample import validate_pressures
from aiida_insbench.science.dft_convergence import (
    Tolerances,
    check_rising,
    choose,
    pressure_range,
)
from aiida_insbench.science.errors import InputError
from aiida_insbench.workflows.frames import lay_over
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.protocols.converge import ConvergeProtocol
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain
from aiida_insbench.workflows.sampling_inputs import OF_METHODS, check_method, sampling_inputs
from aiida_insbench.workflows.sub_process import failure_of

#: Of those of `insbench.sample`; the others need a potential, or draw no crystals.
_METHODS = ('strain-rattle', 'molecular-rattle')


def _validate_cutoffs(value: List | None, _port: object = None) -> str | None:
    return _refusal(value, 'cutoffs', 2)


def _validate_meshes(value: List | None, _port: object = None) -> str | None:
    return _refusal(value, 'kpoints_meshes', 3)


def _refusal(value: List | None, name: str, length: int) -> str | None:
    if value is None:
        return None
    entries = value.get_list()
    if any(not isinstance(entry, list) or len(entry) != length for entry in entries):
        return f'`{name}` must hold lists of {length} numbers; it is {entries}.'
    try:
        check_rising(entries, name=name)
    except InputError as exc:
        return str(exc)
    except (TypeError, ValueError):
        return f'`{name}` must hold numbers; it is {entries}.'
    if length == 3 and any(not isinstance(n, int) or n < 1 for entry in entries for n in entry):
        return f'`{name}` must hold positive integers; it is {entries}.'
    if length == 2 and entries[0][0] <= 0:
        return f'`{name}` must be positive; the lowest are {entries[0]} Ry.'
    return None


def _validate_tolerances(value: Dict | None, _port: object = None) -> str | None:
    if value is None:
        return None
    given = value.get_dict()
    unknown = sorted(set(given) - set(vars(Tolerances())))
    if unknown:
        return f'`tolerances` has {", ".join(unknown)}; known are forces, energy and stress.'
    for name, limit in given.items():
        if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit > 0:
            return f'`tolerances.{name}` is {limit!r}; give a number above 0.'
    return None


def _validate_method(value: Dict | None, _port: object = None) -> str | None:
    if value is None:
        return None
    try:
        check_method('cv', value.get_dict())
    except InputError as exc:
        return str(exc).replace('`methods.cv`', '`method`')
    if value['method'] not in _METHODS:
        return f'`method` is {value["method"]}; it must be one of {", ".join(_METHODS)}.'
    return None


class ConvergeWorkChain(ConvergeProtocol, WorkChain):
    """Label the same frames at rising cutoffs, then k meshes; choose the cheapest that agree."""

    @classmethod
    def define(cls, spec: Any) -> None:
        """Declare ports and outline."""
        super().define(spec)
        spec.input('structure', valid_type=StructureData, help='The crystal.')
        spec.input(
            'pressures',
            valid_type=List,
            validator=validate_pressures,
            help='Target pressures in GPa; tags of the frames.',
        )
        spec.input(
            'method',
            valid_type=Dict,
            validator=_validate_method,
            help='How frames are drawn: `method`, `settings`, `cells`.',
        )
        spec.input('seed', valid_type=Int, help='Of the frames.')
        spec.input(
            'cutoffs',
            valid_type=List,
            validator=_validate_cutoffs,
            help='Pairs of cutoffs in Ry, of wave functions and density, the lowest first.',
        )
        spec.input(
            'kpoints_meshes',
            valid_type=List,
            validator=_validate_meshes,
            help='Γ-centred k meshes of the unit cell, the coarsest first.',
        )
        spec.input(
            'tolerances',
            valid_type=Dict,
            default=lambda: Dict({}),
            validator=_validate_tolerances,
            help='`forces` (meV/Å, 2), `energy` (meV/atom, 0.5), `stress` (GPa, 0.05).',
        )
        spec.expose_inputs(
            SampleBaseWorkChain,
            namespace='sample',
            exclude=OF_METHODS,
        )
        spec.expose_inputs(
            LabelWorkChain,
            namespace='label',
            exclude=('pool', 'kpoints_mesh', 'convergence', 'dry_run'),
        )
        spec.outline(
            cls.run_sampling,
            cls.inspect_sampling,
            cls.run_cutoffs,
            cls.inspect_cutoffs,
            cls.run_meshes,
            cls.inspect_meshes,
        )
        spec.output(
            'convergence',
            valid_type=Dict,
            required=False,
            help='`cutoffs`, `kpoints_mesh`, `pulay_stress_gpa`, `pressure_range`, and tables.',
        )
        spec.output('cutoff_table', valid_type=Dict, required=False, help='Changes by cutoff.')
        spec.output('mesh_table', valid_type=Dict, required=False, help='Changes by k mesh.')
        spec.exit_code(
            411, 'ERROR_SUB_PROCESS_FAILED', message='{stage} failed: [{status}] {message}'
        )
        spec.exit_code(
            412,
            'ERROR_NOT_CONVERGED',
            message='The {what} are not converged: from {before} to {finest}, the finest given, '
            'forces change by {forces:.2g} meV/Å, energies by {energy:.2g} meV/atom, stress by '
            '{stress:.2g} GPa. Give finer ones.',
        )

    def run_sampling(self) -> ToContext:
        """Draw the frames."""
        inputs = AttributeDict(self.exposed_inputs(SampleBaseWorkChain, namespace='sample'))
        made = sampling_inputs(self.inputs.method, 'cv', self.inputs.seed, 0)
        inputs.sample.update(made)
        inputs.sample.structure, inputs.sample.pressures = (
            self.inputs.structure,
            self.inputs.pressures,
        )
        inputs.metadata.call_link_label = 'sampling'
        return ToContext(sampling=self.submit(SampleBaseWorkChain, **inputs))

    def inspect_sampling(self) -> ExitCode | None:
        """The frames are needed."""
        return failure_of(self, 'Sampling', self.ctx.sampling)

    def run_cutoffs(self) -> ToContext:
        """Label the frames at each cutoff, on the coarsest mesh."""
        mesh = self.inputs.kpoints_meshes[0]
        return self._run({name_of(c): (c, mesh) for c in self.inputs.cutoffs.get_list()})

    def inspect_cutoffs(self) -> ExitCode | None:
        """Choose the cutoffs."""
        return self._choose('cutoffs', self.inputs.cutoffs.get_list(), 'cutoff_table')

    def run_meshes(self) -> ToContext:
        """Label the frames on each finer mesh, at the cutoffs chosen."""
        name = self.ctx.chosen['cutoffs']
        chosen = next(c for c in self.inputs.cutoffs.get_list() if name_of(c) == name)
        coarsest, *finer = self.inputs.kpoints_meshes.get_list()
        self.ctx[name_of(coarsest)] = self.ctx[name]
        return self._run({name_of(mesh): (chosen, mesh) for mesh in finer})

    def inspect_meshes(self) -> ExitCode | None:
        """Choose the mesh, and sum up."""
        failure = self._choose('k meshes', self.inputs.kpoints_meshes.get_list(), 'mesh_table')
        if failure is None:
            self.out(
                'convergence', summarise_convergence(self.ctx.cutoff_table, self.ctx.mesh_table)
            )
        return failure

    def _run(self, settings: dict[str, tuple[list[float], list[int]]]) -> ToContext:
        running = {}
        for name, (cutoffs, mesh) in settings.items():
            inputs = AttributeDict(self.exposed_inputs(LabelWorkChain, namespace='label'))
            inputs.pool = self.ctx.sampling.outputs.pool
            inputs.kpoints_mesh = List(mesh)
            system = Dict({'ecutwfc': cutoffs[0], 'ecutrho': cutoffs[1]})
            inputs.pw_base.pw.parameters = lay_over(inputs.pw_base.pw.parameters, system)
            inputs.metadata.call_link_label = name
            running[name] = self.submit(LabelWorkChain, **inputs)
        return ToContext(**running)

    def _choose(self, what: str, values: list[Any], output: str) -> ExitCode | None:
        names = [name_of(value) for value in values]
        for name in names:
            failure = failure_of(self, f'Labels of {name}', self.ctx[name])
            if failure is not None:
                return failure
        datasets = {name: self.ctx[name].outputs.dataset for name in names}
        table = tabulate_convergence(List(values), self.inputs.tolerances, **datasets)
        self.out(output, table)
        self.ctx[output] = table
        self.ctx.setdefault('chosen', {})[what] = table['chosen']
        if table['chosen'] is not None:
            return None
        last = table['changes'][names[-2]]
        return self.exit_codes.ERROR_NOT_CONVERGED.format(
            what=what,
            before=values[-2],
            finest=values[-1],
            forces=last['forces_mev_a'],
            energy=last['energy_mev_atom'],
            stress=last['stress_gpa'],
        )


def name_of(values: Sequence[float]) -> str:
    """Name of cutoffs or of a mesh, such as ``cutoff_50_200`` and ``mesh_4_4_4``."""
    kind = 'cutoff' if len(values) == 2 else 'mesh'
    return '_'.join([kind, *(f'{value:g}'.replace('.', 'p') for value in values)])


@calcfunction
def tabulate_convergence(values: List, tolerances: Dict, **datasets: Any) -> Dict:
    """Changes of the labels of each dataset against the finest, and the cheapest that agrees."""
    names = [name_of(value) for value in values.get_list()]
    frames = {name: datasets[name].get_frames() for name in names}
    chosen, table = choose(frames, tolerances=Tolerances(**tolerances.get_dict()))
    return Dict(
        {
            'values': values.get_list(),
            'chosen': chosen,
            'changes': table,
            'pressure_range': list(pressure_range(frames[names[-1]])),
            'tolerances': vars(Tolerances(**tolerances.get_dict())),
        }
    )


@calcfunction
def summarise_convergence(cutoff_table: Dict, mesh_table: Dict) -> Dict:
    """What was chosen, with what remains of spurious pressure (GPa, to be added to pressures)."""
    cutoffs, mesh = (
        next(v for v in table['values'] if name_of(v) == table['chosen'])
        for table in (cutoff_table.get_dict(), mesh_table.get_dict())
    )
    left = cutoff_table['changes'][name_of(cutoffs)]
    return Dict(
        {
            'cutoffs': cutoffs,
            'kpoints_mesh': mesh,
            'pulay_stress_gpa': left['pulay_stress_gpa'],
            'pressure_range': mesh_table['pressure_range'],
            'tolerances': cutoff_table['tolerances'],
        }
    )
