"""What a round of data will draw, select and label, from its builder alone: nothing runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.science.dft_convergence import convergence_warnings
from aiida_insbench.science.label_plan import plan_cost, plan_frame
from aiida_insbench.science.scf_cost import RELAXATION_CYCLES
from aiida_insbench.workflows.frames import cost_settings
from aiida_insbench.workflows.protocols.pw_estimates import unit_frame
from aiida_insbench.workflows.sampling_inputs import about_relaxed

_GAS_SAMPLERS = {'gas-molecules': 'gas_molecules', 'isolated-atoms': 'isolated_atoms'}


def describe_round(builder: Any) -> list[str]:
    """Lines on what a builder of `DatasetWorkChain` will do, with a rough estimate of its cost.

    The crystal is taken as it is, before any relaxation.

    Raises
    ------
    InputError
        If molecules cannot be cut from the crystal, or an element has no pseudopotential.
    """
    inputs = builder._inputs(prune=True)
    atoms, pressures = inputs['structure'].get_ase(), inputs['pressures'].get_list()
    methods = {prefix: node.get_dict() for prefix, node in sorted(inputs['methods'].items())}
    at = ', '.join(f'{pressure:g}' for pressure in pressures)
    cost = _cost_of(inputs['label'])
    lines = []
    if 'relax' in inputs and any(map(about_relaxed, methods.values())):
        hours = len(pressures) * RELAXATION_CYCLES * cost(unit_frame(atoms)) / 3600
        lines.append(f'relax: by DFT at {at} GPa, about {hours:.2g} core-hours')
    drawn, seconds, alone = 0, 0.0, []
    for prefix, given in methods.items():
        if given['method'] in _GAS_SAMPLERS:
            frames = gas_frames(atoms, prefix, given)
            alone += frames
            lines.append(f'{prefix}: {given["method"]}, {len(frames)} frames in a box')
            continue
        taken, cells = crystal_cost(atoms, given['cells'], cost)
        seconds += taken
        drawn += sum(count for _, count in cells)
        listed = ', '.join(f'{count} of {size} atoms' for size, count in cells)
        lines.append(f'{prefix}: {given["method"]} at {at} GPa, frames drawn: {listed}')
    chosen = drawn
    if 'select' in inputs and drawn:
        select = inputs['select']['select']
        chosen = min(drawn, select['count'].value)
        lines.append(f'select: {chosen} of {drawn} by {select["descriptors"].value}')
        seconds *= chosen / drawn
    seconds += sum(map(cost, alone))
    lines.append(
        f'label: {chosen + len(alone)} frames, about {seconds / 3600:.2g} core-hours (to a factor '
        f'of three), k mesh {inputs["label"]["kpoints_mesh"].get_list()} of the unit cell'
    )
    return [*lines, _split_line(inputs), *_warnings(inputs['label'])]


def _warnings(label: Mapping[str, Any]) -> list[str]:
    if 'convergence' not in label:
        return []
    system = label['pw_base']['pw']['parameters'].get_dict()['SYSTEM']
    found = convergence_warnings(
        label['convergence'].get_dict(), system, label['kpoints_mesh'].get_list()
    )
    return [f'Warning: {text}' for text in found]


def _split_line(inputs: Mapping[str, Any]) -> str:
    split = inputs['split'].get_dict() if 'split' in inputs else {}
    held = ', '.join(f'{pressure:g}' for pressure in split.get('held_out_pressures', []))
    text = f'split: {inputs["validation_frames"].value} frames for validation'
    return f'{text}, all of {held} GPa for the test' if held else text


def _cost_of(label: Mapping[str, Any]) -> Callable[[Atoms], float]:
    """Core-seconds of one frame."""
    pw, mesh = label['pw_base']['pw'], label['kpoints_mesh'].get_list()
    settings = cost_settings(pw['parameters'].get_dict()['SYSTEM'], pw['pseudos'])

    def cost(frame: Atoms) -> float:
        return plan_cost(frame, plan_frame(frame, unit_mesh=mesh), **settings).core_seconds

    return cost


def crystal_cost(
    atoms: Atoms, cells: list[dict[str, Any]], cost: Callable[[Atoms], float]
) -> tuple[float, list[tuple[int, int]]]:
    """Core-seconds of all frames of a method, and atoms and frames of each cell."""
    seconds, sizes = 0.0, []
    for cell in cells:
        frame = unit_frame(atoms, cell['supercell_matrix'])
        seconds += cell['count'] * cost(frame)
        sizes.append((len(frame), cell['count']))
    return seconds, sizes


def gas_frames(atoms: Atoms, prefix: str, given: Mapping[str, Any]) -> list[Atoms]:
    """Frames of molecules or atoms, cut from the crystal as it is."""
    from aiida_insbench.jobs import sample_crystals
    from aiida_insbench.jobs.progress import Progress
    from aiida_insbench.science.structures import atoms_to_dict

    job = {
        'structure': atoms_to_dict(atoms),
        'prefix': prefix,
        'settings': given.get('settings', {}),
        'seed': 0,
    }
    sampler = getattr(sample_crystals, _GAS_SAMPLERS[given['method']])
    frames: list[Atoms] = sampler(job, Path(), Progress)[0]
    return frames
