"""What `DatasetWorkChain` checks of its inputs before anything runs; pressures in GPa."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from aiida_insbench.calculations.datasets import SPLIT_SETTINGS, merged_dataset
from aiida_insbench.calculations.select import job_of
from aiida_insbench.jobs.sample_settings import METHODS
from aiida_insbench.jobs.select_settings import read_select_settings
from aiida_insbench.science.dataset_split import STRATA
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.frames import is_gas_phase
from aiida_insbench.science.pressure import check_pressures, pressure_labels
from aiida_insbench.workflows.protocols.dft import missing_pseudos
from aiida_insbench.workflows.sampling_inputs import check_method

Inputs = Mapping[str, Any]


def validate_dataset_inputs(inputs: Inputs | None, port: Any = ()) -> str | None:
    """Port validator of all inputs together."""
    if not inputs:
        return None
    try:
        _check_sources(inputs)
        _check_methods(inputs, port)
        _check_selection(inputs, port)
        for check in _CHECKS:
            check(inputs)
    except InputError as exc:
        return str(exc)
    return None


def _check_sources(inputs: Inputs) -> None:
    methods, pools = inputs.get('methods') or {}, inputs.get('pools') or {}
    if not methods and not pools:
        raise InputError('No frames: give `methods`, `pools` or both.')
    shared = sorted(set(methods) & set(pools))
    if shared:
        raise InputError(f'`methods` and `pools` share the names {", ".join(shared)}.')
    if methods and not (inputs.get('sample') or {}).get('sample'):
        raise InputError('`methods` need `sample`: the code of insbench-job.')


def _check_methods(inputs: Inputs, port: Any) -> None:
    lacking = not _is_given('potential', inputs, port)
    alone = not _is_given('committee', inputs, port, least=2)
    for prefix, given in (inputs.get('methods') or {}).items():
        check_method(prefix, given.get_dict())
        name = given['method']
        if 'potential' in METHODS[name].required and lacking:
            raise InputError(f'`methods.{prefix}`: {name} needs the input `potential`.')
        if 'potentials' in METHODS[name].required and alone:
            raise InputError(
                f'`methods.{prefix}`: {name} needs two potentials or more as `committee`.'
            )


def _is_given(name: str, inputs: Inputs, port: Any, *, least: int = 1) -> bool:
    """Whether potentials are there, or given by a WorkChain that does not expose their port."""
    given = inputs.get(name)
    number = len(given) if isinstance(given, Mapping) else int(given is not None)
    return number >= least or name not in port


def potentials_of_selection(inputs: Inputs, select: Inputs) -> dict[str, Any]:
    """What `insbench.select` gets of a round's potentials: the committee, `potential` or none."""
    if select['method'].value == 'committee':
        return dict(inputs.get('committee') or {})
    if select['descriptors'].value == 'mace' and 'potential' in inputs:
        return {'potential': inputs['potential']}
    return {}


def _check_selection(inputs: Inputs, port: Any) -> None:
    select = (inputs.get('select') or {}).get('select') or {}
    if not all(name in select for name in ('method', 'descriptors', 'count', 'seed')):
        return
    source = 'committee' if select['method'].value == 'committee' else 'potential'
    found = potentials_of_selection(inputs, select)
    if not found and source not in port:
        # another WorkChain gives them: as many as the method wants
        wanted = 2 if source == 'committee' else int(select['descriptors'].value == 'mace')
        found = dict.fromkeys(('a', 'b')[:wanted])
    try:
        read_select_settings(job_of({**select, 'potentials': found}))
    except InputError as exc:
        raise InputError(
            f'`select`: {exc} A round hands its `{source}` on to the selection.'
        ) from exc


def _check_pools(inputs: Inputs) -> None:
    """Pools have to go together, with each other and with what is drawn here."""
    pools, methods = inputs.get('pools') or {}, inputs.get('methods') or {}
    if not pools:
        return
    labelled = sorted(name for name, pool in pools.items() if pool.labelled)
    if labelled and (methods or len(labelled) < len(pools)):
        raise InputError(
            format_error(
                f'`pools.{labelled[0]}` has labels, other frames of this round have none.',
                fix='Take them away with `insbench.strip_labels`, or give it as `known`.',
            )
        )
    frames = merged_dataset(dict(pools)).get_frames()
    for frame in frames:
        if 'supercell_matrix' not in frame.info and not is_gas_phase(frame):
            raise InputError(
                format_error(
                    f'Frame {frame.info["frame_id"]} of `pools` has no `supercell_matrix`.',
                    reason='Its k points follow from it.',
                    fix='Give it to `insbench.frames_of_trajectories`, or write it into `info`.',
                )
            )
    for prefix in methods:
        same = [
            str(frame.info['frame_id'])
            for frame in frames
            if re.fullmatch(rf'{re.escape(prefix)}_\d+', str(frame.info['frame_id']))
        ]
        if same:
            raise InputError(
                f'Frames of `methods.{prefix}` would have names that frames of `pools` have, such '
                f'as {same[0]}: call the method something else.'
            )


def _check_elements(inputs: Inputs) -> None:
    """Every element has a pseudopotential; else labelling would end the round after sampling."""
    pseudos = ((inputs.get('label') or {}).get('pw_base') or {}).get('pw', {}).get('pseudos')
    if not pseudos:
        return
    there = {element for pool in (inputs.get('pools') or {}).values() for element in pool.elements}
    if 'structure' in inputs:
        there |= inputs['structure'].get_symbols_set()
    problem = missing_pseudos(there, pseudos, port='label.pw_base.pw.pseudos')
    if problem:
        raise InputError(problem)


def _check_committee(inputs: Inputs) -> None:
    """Every member knows the elements of the crystal; else the round ends after relaxing it."""
    if 'structure' not in inputs:
        return
    for name, node in (inputs.get('committee') or {}).items():
        lacking = sorted(inputs['structure'].get_symbols_set() - set(node.elements))
        if lacking:
            raise InputError(f'`committee.{name}` does not know {", ".join(lacking)}.')


def _check_relaxed(inputs: Inputs) -> None:
    if not inputs.get('relaxed') or 'pressures' not in inputs:
        return
    wanted = set(pressure_labels(check_pressures(inputs['pressures'].get_list())))
    if set(inputs['relaxed']) != wanted:
        raise InputError(
            f'`relaxed` has {", ".join(sorted(inputs["relaxed"]))}, but `pressures` are '
            f'{", ".join(sorted(wanted))}: give one crystal for each.'
        )


def _check_split(inputs: Inputs) -> None:
    if 'split' not in inputs:
        return
    given = inputs['split'].get_dict()
    unknown = sorted(set(given) - set(SPLIT_SETTINGS))
    if unknown:
        raise InputError(
            f'`split` has {", ".join(unknown)}; known are {", ".join(SPLIT_SETTINGS)}.'
        )
    strata = sorted(set(given.get('stratify', [])) - set(STRATA))
    if strata:
        raise InputError(
            f'`split.stratify` holds {", ".join(strata)}; known are {", ".join(STRATA)}.'
        )
    held = given.get('held_out_pressures') or []
    if not held or 'pressures' not in inputs:
        return
    targets = [*inputs['pressures'].get_list()]
    for pool in (inputs.get('pools') or {}).values():
        targets += pool.target_pressures
    known = {label for target in targets for label in pressure_labels([target])}
    wanted = pressure_labels(held)
    lacking = [f'{pressure:g}' for label, pressure in wanted.items() if label not in known]
    if lacking:
        raise InputError(
            f'`split.held_out_pressures` has {", ".join(lacking)} GPa, for which no frame is '
            'drawn: add it to `pressures`.'
        )


_CHECKS: tuple[Callable[[Inputs], None], ...] = (
    _check_pools,
    _check_elements,
    _check_committee,
    _check_relaxed,
    _check_split,
)
