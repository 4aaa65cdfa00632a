"""When a campaign stops: the spectrum is converged, the budget is spent, or nothing gets better.

A round's *excess* is the largest ratio of a distance within its committee to what is tolerated,
over pressures, shift and area. Up to 1 the committee agrees. Without a committee the distance is
that from the round before.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from aiida_insbench.science.errors import InputError, format_error

CONVERGED, FRAMES, ROUNDS, CORE_HOURS, NO_PROGRESS, ASKED = (
    'converged',
    'frames',
    'rounds',
    'core_hours',
    'no_progress',
    'asked',
)


@dataclass(frozen=True)
class StoppingRules:
    """Tolerances and budgets.

    Attributes
    ----------
    tolerance_shift : float
        Of the mean distance of two members' spectra on the energy axis, cm⁻¹.
    tolerance_area : float
        Of what two members' spectra do not share, per cent of the area.
    most_rounds, least_rounds : int
        Rounds of data and training.
    most_frames : int or None
        Labelled frames in all, held-out ones included.
    most_core_hours : float or None
        Of all jobs of the campaign.
    patience : int
        Rounds in a row without progress after which it stops.
    least_progress : float
        Share by which the excess must fall below the best before, to count as progress.
    """

    tolerance_shift: float = 5.0
    tolerance_area: float = 10.0
    most_rounds: int = 6
    least_rounds: int = 1
    most_frames: int | None = None
    most_core_hours: float | None = None
    patience: int = 2
    least_progress: float = 0.1

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> StoppingRules:
        """Read rules from JSON; all problems in one message.

        Raises
        ------
        InputError
            If a name is unknown, or numbers make no sense or contradict each other.
        """
        known = [one.name for one in fields(cls)]
        faults = [
            f'`{name}` is unknown; known are {", ".join(known)}.'
            for name in given
            if name not in known
        ]
        values = {name: value for name, value in given.items() if name in known}
        faults += _faults({**asdict(cls()), **values})
        if faults:
            raise InputError(
                format_error('The campaign could not stop as asked.', fix=' '.join(faults))
            )
        return cls(**values)


@dataclass(frozen=True)
class Decision:
    """Whether to go on after a round, and why.

    Attributes
    ----------
    stop : bool
        No further round.
    reason : str
        One of the constants of this module; empty to go on.
    sentence : str
        The same in words, with numbers.
    """

    stop: bool
    reason: str
    sentence: str


def excess(distances: Mapping[str, Mapping[str, Any]], rules: StoppingRules) -> float:
    """Largest ratio of a distance to its tolerance; infinite where a member has no spectrum."""
    ratios = [0.0] if distances else [math.inf]
    for one in distances.values():
        if one.get('missing') or one['shift_cm1'] is None:
            return math.inf
        ratios += [
            one['shift_cm1'] / rules.tolerance_shift,
            one['area_percent'] / rules.tolerance_area,
        ]
    return max(ratios)


def decide(
    excesses: Sequence[float],
    rules: StoppingRules,
    *,
    n_frames: int,
    next_frames: int,
    core_hours: float,
    asked: bool = False,
) -> Decision:
    """Decide after a round.

    Parameters
    ----------
    excesses : sequence of float
        Of all rounds so far, see `excess`.
    rules : StoppingRules
        Tolerances and budgets.
    n_frames, next_frames : int
        Labelled so far; what the next round would add.
    core_hours : float
        Spent so far.
    asked : bool
        Whether the user asked to stop.
    """
    done, last = len(excesses), excesses[-1]
    state = _state(last)
    if last <= 1.0 and done >= rules.least_rounds:
        return Decision(True, CONVERGED, f'The spectrum is converged. {state}')
    if asked:
        return Decision(True, ASKED, f'Asked to stop after round {done}. {state}')
    if done >= rules.most_rounds:
        return Decision(True, ROUNDS, f'All {rules.most_rounds} rounds are done. {state}')
    if rules.most_frames is not None and n_frames + next_frames > rules.most_frames:
        return Decision(
            True,
            FRAMES,
            f'{n_frames} frames are labelled; {next_frames} more would exceed {rules.most_frames}. '
            f'{state}',
        )
    if rules.most_core_hours is not None and core_hours >= rules.most_core_hours:
        return Decision(
            True,
            CORE_HOURS,
            f'{core_hours:.3g} of {rules.most_core_hours:g} core-hours are spent. {state}',
        )
    if _without_progress(excesses, rules):
        return Decision(
            True,
            NO_PROGRESS,
            f'{rules.patience} rounds brought less than {100 * rules.least_progress:g} %. {state}',
        )
    if last <= 1.0:
        return Decision(False, '', f'Go on to {rules.least_rounds} rounds at least. {state}')
    return Decision(False, '', f'Go on. {state}')


def _without_progress(excesses: Sequence[float], rules: StoppingRules) -> bool:
    """Whether none of the last rounds is better than the best before them."""
    if len(excesses) <= rules.patience:
        return False
    before = min(excesses[: -rules.patience])
    recent = min(excesses[-rules.patience :])
    if math.isinf(before):
        return math.isinf(recent)
    return recent > (1.0 - rules.least_progress) * before


def _state(last: float) -> str:
    if math.isinf(last):
        return 'A member of the committee has no spectrum at some pressure.'
    return f'The largest disagreement is {last:.2f} times what is tolerated.'


def _faults(values: Mapping[str, Any]) -> list[str]:
    found = [
        f'`{name}` is {values[name]!r}; give a number above {low:g}{also}.'
        for name, low, also in (
            ('tolerance_shift', 0.0, ' (cm⁻¹)'),
            ('tolerance_area', 0.0, ' (per cent)'),
            ('most_core_hours', 0.0, ', or null'),
        )
        if not _is_number(values[name], above=low, none=name.startswith('most'))
    ]
    found += [
        f'`{name}` is {values[name]!r}; give a whole number from 1{also}.'
        for name, also in (
            ('most_rounds', ''),
            ('least_rounds', ''),
            ('patience', ''),
            ('most_frames', ', or null'),
        )
        if not _is_whole(values[name], none=name == 'most_frames')
    ]
    if not _is_number(values['least_progress'], above=-1e-9) or values['least_progress'] >= 1:
        found.append(f'`least_progress` is {values["least_progress"]!r}; give a share from 0 to 1.')
    if not found and values['least_rounds'] > values['most_rounds']:
        found.append(
            f'`least_rounds` ({values["least_rounds"]}) is above `most_rounds` '
            f'({values["most_rounds"]}).'
        )
    return found


def _is_number(value: object, *, above: float, none: bool = False) -> bool:
    if value is None:
        return none
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return math.isfinite(value) and value > above


def _is_whole(value: object, *, none: bool = False) -> bool:
    if value is None:
        return none
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1
