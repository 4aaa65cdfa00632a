"""What is refused of the inputs of `insbench.campaign`, before anything runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida.orm import Dict

from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.science.campaign.stopping import StoppingRules
from aiida_insbench.science.errors import InsbenchError

#: GPa: how near a pressure of the list is to a measured one without an error.
_NEAR = 0.01


def validate_stopping(value: Dict | None, _port: object = None) -> str | None:
    """Port validator: rules by which it can stop."""
    if value is None:
        return None
    try:
        StoppingRules.from_dict(value.get_dict())
    except (InsbenchError, TypeError) as exc:
        return str(exc)
    return None


def validate_campaign(inputs: Mapping[str, Any] | None, _port: object = None) -> str | None:
    """Port validator: all that is wrong, in one message."""
    if not inputs:
        return None
    faults = [*_wrong_known(inputs), *_wrong_start(inputs), *_wrong_measured(inputs)]
    faults += _wrong_budget(inputs)
    return ' '.join(faults) or None


def _wrong_known(inputs: Mapping[str, Any]) -> list[str]:
    known = inputs.get('known') or {}
    there = {name for name in ('dataset', 'validation') if name in known}
    if not known or (not there and not known.get('committee')):
        return []
    if len(there) < 2:
        return ['`known` needs both `dataset` and `validation`.']
    members = set(known.get('committee') or {})
    wanted = {f'seed_{seed}' for seed in _seeds(inputs, 'fine_tuning')}
    if members and members != wanted:
        return [
            f'`known.committee` has {", ".join(sorted(members))}, but `fine_tuning.seeds` make '
            f'{", ".join(sorted(wanted))}.'
        ]
    return []


def _wrong_start(inputs: Mapping[str, Any]) -> list[str]:
    if 'structure' not in inputs:
        return []
    symbols = inputs['structure'].get_symbols_set()
    given = {'start': inputs['start']} if 'start' in inputs else {}
    given |= {
        f'known.committee.{name}': node
        for name, node in ((inputs.get('known') or {}).get('committee') or {}).items()
    }
    found = [
        f'`{name}` knows no {", ".join(lacking)}, which the crystal holds.'
        for name, node in given.items()
        if (lacking := sorted(symbols - set(node.elements)))
    ]
    first, later = _seeds(inputs, 'base_training'), _seeds(inputs, 'fine_tuning')
    if first != later:
        found.append(
            f'`base_training.seeds` are {first}, `fine_tuning.seeds` {later}: the members must be '
            'the same.'
        )
    return found


def _wrong_measured(inputs: Mapping[str, Any]) -> list[str]:
    measured = inputs.get('measured') or {}
    found = []
    if (measured or inputs.get('band_shifts')) and 'rules' not in inputs:
        found.append('`measured` and `band_shifts` need `rules` by which they are scored.')
    pressures = inputs['pressures'].get_list() if 'pressures' in inputs else []
    for name, node in measured.items():
        try:
            conditions = conditions_of(node)
        except InsbenchError as exc:
            found.append(f'`measured.{name}`: {exc}')
            continue
        at, error = conditions.pressure, max(conditions.pressure_error, _NEAR)
        if pressures and min(abs(at - one) for one in pressures) > error:
            found.append(
                f'`measured.{name}` is at {at:g} ± {error:g} GPa; none of `pressures` '
                f'({", ".join(f"{one:g}" for one in pressures)} GPa) is there: add one.'
            )
    return found


def _wrong_budget(inputs: Mapping[str, Any]) -> list[str]:
    most = inputs['stopping'].get_dict().get('most_frames') if 'stopping' in inputs else None
    known = inputs.get('known') or {}
    if most is None or 'first_round' not in inputs:
        return []
    first = frames_drawn(inputs['first_round'])
    if 'dataset' in known and 'validation' in known:
        first = known['dataset'].n_frames + known['validation'].n_frames
    if first > most:
        return [
            f'`stopping.most_frames` is {most}, but {first} are labelled in the first round alone.'
        ]
    return []


def frames_drawn(round_inputs: Mapping[str, Any]) -> int:
    """How many frames a round labels: those selected, or all that are drawn."""
    select = (round_inputs.get('select') or {}).get('select') or {}
    if 'count' in select:
        return int(select['count'].value)
    methods = (round_inputs.get('methods') or {}).values()
    return sum(
        int(cell['count']) for given in methods for cell in given.get_dict().get('cells') or []
    )


def _seeds(inputs: Mapping[str, Any], namespace: str) -> list[int]:
    given = (inputs.get(namespace) or {}).get('seeds')
    return given.get_list() if given is not None else []
