"""What potentials have learnt: frames and pressures, through every fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from aiida.orm import CalculationNode, QueryBuilder

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData

#: Inputs of `insbench.train` whose frames the weights are fitted to; validation only chooses.
_FITTED = ('dataset', 'replay')
_CHOOSING = 'validation'
#: What is said of frames, in the order in which it is asked for.
_OF_FRAMES = ('n_frames', 'target_pressures', 'n_gas_phase')


@dataclass(frozen=True)
class Learnt:
    """What a potential was trained on, its own training and those it was fine-tuned from.

    Parameters
    ----------
    n_frames : int
        Of its own training.
    pressures : tuple of float
        Target pressures of all frames, earlier trainings' too, GPa, rising.
    validated : tuple of float
        Target pressures of frames that chose among its weights or earlier ones, GPa, rising.
    parents : tuple of int
        Potentials it was trained from, the nearest first.
    untold : tuple of str
        Trainings, its own or earlier ones, whose frames or pressures are not on record.
    """

    n_frames: int = 0
    pressures: tuple[float, ...] = ()
    validated: tuple[float, ...] = ()
    parents: tuple[int, ...] = ()
    untold: tuple[str, ...] = ()

    def is_below(self, pressure: float) -> bool:
        """Whether no frame that it is known to have learnt lies above a pressure (GPa)."""
        return all(one <= pressure for one in self.pressures)


@dataclass
class Training:
    """Inputs of the process that made a potential.

    Parameters
    ----------
    label : str
        Of the potential.
    starts : list of int
        Potentials among the inputs.
    frames : dict
        Datasets by label: ``id`` and what is said of its frames.
    """

    label: str
    starts: list[int] = field(default_factory=list)
    frames: dict[str, dict[str, Any]] = field(default_factory=dict)


def learnt_by(trainings: Mapping[int, Training] | None = None) -> dict[int, Learnt]:
    """What each potential has learnt, by its identifier.

    Parameters
    ----------
    trainings : mapping, optional
        Of `all_trainings`, if they are at hand.
    """
    known = all_trainings() if trainings is None else trainings
    return {pk: _learnt(pk, known) for pk in known}


def all_trainings() -> dict[int, Training]:
    """How each potential of the profile was made, by its identifier."""
    every = QueryBuilder().append(PotentialData, project=['id', 'label'], subclassing=False)
    found = {pk: Training(label) for pk, label in every.all()}
    query = QueryBuilder()
    query.append(PotentialData, tag='potential', project='id', subclassing=False)
    query.append(
        CalculationNode,
        with_outgoing='potential',
        tag='maker',
    )
    query.append(
        (DatasetData, PotentialData),
        with_outgoing='maker',
        edge_tag='as',
        edge_project='label',
        tag='input',
        project=['id', 'node_type', *(f'attributes.{name}' for name in _OF_FRAMES)],
    )
    for row in query.dict():
        training, source = found[row['potential']['id']], row['input']
        if source['node_type'] == PotentialData.class_node_type:
            training.starts.append(source['id'])
        else:
            training.frames[row['as']['label']] = {
                'id': source['id'],
                **{name: source[f'attributes.{name}'] for name in _OF_FRAMES},
            }
    return found


def _learnt(pk: int, trainings: Mapping[int, Training]) -> Learnt:
    chain = _with_starts(pk, trainings)
    pressures: set[float] = set()
    validated: set[float] = set()
    untold: list[str] = []
    for one in chain:
        fitted = _fitted(trainings[one])
        if not fitted:
            untold.append(f'potential {one}: frames not on record')
        for label, frames in fitted.items():
            pressures.update(frames['target_pressures'] or ())
            if not frames['target_pressures'] and frames['n_frames'] != frames['n_gas_phase']:
                untold.append(f'potential {one}: `{label}` names no pressures')
        validated.update(trainings[one].frames.get(_CHOOSING, {}).get('target_pressures') or ())
    return Learnt(
        n_frames=sum(frames['n_frames'] for frames in _fitted(trainings[pk]).values()),
        pressures=tuple(sorted(pressures)),
        validated=tuple(sorted(validated)),
        parents=tuple(chain[1:]),
        untold=tuple(untold),
    )


def _fitted(training: Training) -> dict[str, dict[str, Any]]:
    return {label: training.frames[label] for label in _FITTED if label in training.frames}


def _with_starts(pk: int, trainings: Mapping[int, Training]) -> list[int]:
    """A potential and all it was trained from, the nearest first."""
    chain, front = [pk], [pk]
    while front:
        front = [start for one in front for start in trainings[one].starts if start not in chain]
        chain += dict.fromkeys(front)
    return chain
