"""Settings of a training, checked before anything starts.

What each setting means stands in ``docs/topics/training.md``; `mace_arguments` turns them into the
command line of MACE's own program.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida_insbench.jobs.settings import read_settings
from aiida_insbench.science.devices import DEVICES
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.potential_files import PotentialMetadata

STRATEGIES = ('scratch', 'naive', 'multihead_replay', 'lora')
#: What MACE calls a loss, and what it forces on a training with replay.
REPLAY_LOSS = 'universal'
_DEFAULTS: dict[str, Any] = {
    'dtype': 'float64',
    'loss': 'stress',
    'huber_delta': 0.01,
    'energy_weight': 10.0,
    'forces_weight': 100.0,
    'stress_weight': 2000.0,
    'batch_size': 1,
    'ema_decay': 0.995,
    'learning_rate': 0.01,
    'weight_decay': 5e-7,
    'clip_grad': 10.0,
    'scheduler': 'ExponentialLR',
    'gamma': 0.975,
    'lr_factor': 0.8,
    'scheduler_patience': 50,
    'max_epochs': 160,
    'patience': 0,
    'device': 'cpu',
    'resume': 'never',
    'resume_rate_factor': 1.0,
}
_MODEL_DEFAULTS: dict[str, Any] = {
    'r_max': 5.0,
    'num_channels': 32,
    'max_L': 0,
    'max_ell': 2,
    'correlation': 2,
    'num_interactions': 2,
}
_STAGE_TWO_DEFAULTS: dict[str, Any] = {
    'energy_weight': 1000.0,
    'forces_weight': 100.0,
    'stress_weight': 2000.0,
    'learning_rate': 1e-3,
}
_LORA_DEFAULTS: dict[str, Any] = {'rank': 4, 'alpha': 1.0}
_REPLAY_DEFAULTS: dict[str, Any] = {'weight': 1.0, 'keep_head': False}
_GROUPS = ('model', 'e0s', 'strategy', 'stage_two', 'lora', 'replay')
_CHOICES = {
    'dtype': ('float32', 'float64'),
    'loss': ('stress', 'huber', 'universal'),
    'scheduler': ('ExponentialLR', 'ReduceLROnPlateau'),
    'device': DEVICES,
    'resume': ('never', 'checkpoint'),
}
_RANGES = {
    'seed': (0, 2**31 - 1),
    'huber_delta': (1e-9, 1e3),
    'energy_weight': (0.0, 1e9),
    'forces_weight': (0.0, 1e9),
    'stress_weight': (0.0, 1e9),
    'batch_size': (1, 4096),
    'ema_decay': (0.0, 1.0 - 1e-9),
    'learning_rate': (1e-12, 1.0),
    'weight_decay': (0.0, 1.0),
    'clip_grad': (1e-6, 1e9),
    'gamma': (1e-3, 1.0),
    'lr_factor': (1e-3, 1.0),
    'scheduler_patience': (1, 100_000),
    'max_epochs': (1, 100_000),
    'patience': (0, 100_000),
    'resume_rate_factor': (1e-6, 1.0),
}
_MODEL_RANGES = {
    'r_max': (2.0, 12.0),
    'num_channels': (1, 512),
    'max_L': (0, 3),
    'max_ell': (1, 4),
    'correlation': (1, 4),
    'num_interactions': (1, 4),
}
_STAGE_TWO_RANGES = {
    'energy_weight': (0.0, 1e9),
    'forces_weight': (0.0, 1e9),
    'stress_weight': (0.0, 1e9),
    'learning_rate': (1e-12, 1.0),
    'start': (1, 100_000),
}
_LORA_RANGES = {'rank': (1, 256), 'alpha': (1e-6, 1e6)}
_REPLAY_RANGES = {'weight': (1e-6, 1e6)}
_E0S_WORDS = {
    'scratch': ('average', 'isolated_atoms'),
    'fine-tuning': ('foundation', 'estimated', 'isolated_atoms'),
}


@dataclass(frozen=True)
class TrainingSettings:
    """Checked settings.

    Attributes
    ----------
    values : dict
        Seed, loss, weights, schedule, device.
    model : dict
        Shape of the model.
    strategy : str
        One of `STRATEGIES`.
    e0s : str or dict
        ``average`` (least squares over the training frames), ``isolated_atoms`` (single-atom
        frames of the dataset), ``foundation`` (those of the start potential), ``estimated``
        (moved from those so that the start potential fits the training frames best) or element to
        energy in eV.
    stage_two : dict or None
        Epoch at which the second stage starts, its weights and learning rate.
    lora : dict or None
        Rank and scaling of the low-rank updates.
    replay : dict or None
        Weight of the replayed frames, and whether their head is kept.
    """

    values: dict[str, Any]
    model: dict[str, Any]
    strategy: str
    e0s: str | dict[str, float]
    stage_two: dict[str, Any] | None = None
    lora: dict[str, Any] | None = None
    replay: dict[str, Any] | None = None


def read_training_settings(
    given: object,
    *,
    elements: tuple[str, ...],
    start: PotentialMetadata | None,
    replay: bool = False,
) -> TrainingSettings:
    """Check the settings of a training.

    Parameters
    ----------
    given : object
        ``settings`` of the job file.
    elements : tuple of str
        Of all frames to train on.
    start : PotentialMetadata, optional
        Of the potential to fine-tune.
    replay : bool
        Whether there are frames to replay.

    Raises
    ------
    JobFileError
        Naming the setting that is unknown, of the wrong type, out of range or at odds with the
        start potential.
    """
    if not isinstance(given, Mapping):
        raise JobFileError(f'`settings` is {given!r}; give a dictionary.')
    strategy = _strategy(given.get('strategy'), fine_tuning=start is not None, replay=replay)
    plain = {name: value for name, value in given.items() if name not in _GROUPS}
    if strategy == 'multihead_replay':
        plain.setdefault('loss', REPLAY_LOSS)
    values = read_settings(plain, defaults=_DEFAULTS, required={'seed': 1})
    _check_ranges(values, _RANGES)
    _check_choices(values, strategy)
    return TrainingSettings(
        values=values,
        model=_model(given.get('model'), start),
        strategy=strategy,
        e0s=_e0s(given.get('e0s'), elements, start),
        stage_two=_stage_two(given.get('stage_two'), values),
        lora=_group(given, 'lora', strategy, _LORA_DEFAULTS, _LORA_RANGES),
        replay=_group(
            given, 'replay', strategy, _REPLAY_DEFAULTS, _REPLAY_RANGES, owner='multihead_replay'
        ),
    )


def training_default(name: str) -> Any:
    """Default of a setting that stands in no group."""
    return _DEFAULTS[name]


def model_defaults() -> dict[str, Any]:
    """Defaults of ``model``."""
    return dict(_MODEL_DEFAULTS)


def _strategy(given: object, *, fine_tuning: bool, replay: bool) -> str:
    """What the inputs allow, by default the plainest of it."""
    if given is None:
        given = ('multihead_replay' if replay else 'naive') if fine_tuning else 'scratch'
    if given not in STRATEGIES:
        raise JobFileError(f'`settings.strategy` is {given!r}; known: {", ".join(STRATEGIES)}.')
    strategy = str(given)
    if (strategy == 'scratch') == fine_tuning:
        raise JobFileError(
            format_error(
                f'`settings.strategy` is {strategy!r}, but a start potential was '
                f'{"given" if fine_tuning else "not given"}.',
                fix='Leave the start potential out.' if fine_tuning else 'Give one as `start`.',
            )
        )
    if (strategy == 'multihead_replay') != replay:
        raise JobFileError(
            format_error(
                f'`settings.strategy` is {strategy!r}, but frames to replay were '
                f'{"given" if replay else "not given"}.',
                fix='Leave `replay` out, or choose multihead_replay.'
                if replay
                else 'Give frames of what the start potential was trained on as `replay`.',
            )
        )
    return strategy


def _check_choices(values: Mapping[str, Any], strategy: str) -> None:
    for name, known in _CHOICES.items():
        if values[name] not in known:
            raise JobFileError(f'`settings.{name}` is {values[name]!r}; known: {", ".join(known)}.')
    if not any(values[f'{kind}_weight'] for kind in ('energy', 'forces', 'stress')):
        raise JobFileError('All three weights of the loss are 0: there is nothing to learn.')
    if strategy == 'multihead_replay' and values['loss'] != REPLAY_LOSS:
        raise JobFileError(
            f'`settings.loss` is {values["loss"]!r}; with replay MACE knows only {REPLAY_LOSS!r}.'
        )


def _check_ranges(
    values: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]], prefix: str = ''
) -> None:
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise JobFileError(
                f'`settings.{prefix}{name}` is {values[name]!r}; it must lie from {low} to {high}.'
            )


def _group(
    given: Mapping[str, Any],
    name: str,
    strategy: str,
    defaults: Mapping[str, Any],
    ranges: Mapping[str, tuple[float, float]],
    *,
    owner: str | None = None,
) -> dict[str, Any] | None:
    """Settings that belong to one strategy, and are refused in any other."""
    owner = owner or name
    if strategy != owner:
        if given.get(name) is not None:
            raise JobFileError(
                f'`settings.{name}` belongs to the strategy {owner!r}; this one is {strategy!r}.'
            )
        return None
    values = read_settings(given.get(name) or {}, defaults=defaults)
    _check_ranges(values, ranges, f'{name}.')
    return values


def _stage_two(given: object, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Second stage of a training: other weights, mostly for energies, at a lower rate."""
    if given is None:
        return None
    default = max(1, 3 * values['max_epochs'] // 4)
    stage = read_settings(given, defaults={**_STAGE_TWO_DEFAULTS, 'start': default})
    _check_ranges(stage, _STAGE_TWO_RANGES, 'stage_two.')
    if stage['start'] >= values['max_epochs']:
        raise JobFileError(
            f'`settings.stage_two.start` is {stage["start"]}, at or after the last of '
            f'{values["max_epochs"]} epochs.'
        )
    return stage


def _model(given: object, start: PotentialMetadata | None) -> dict[str, Any]:
    """Shape of the model; in fine-tuning that of the start potential, which none may contradict."""
    kept = _model_of(start) if start else _MODEL_DEFAULTS
    model = read_settings(given or {}, defaults=kept)
    _check_ranges(model, _MODEL_RANGES if not start else {}, 'model.')
    if model['max_L'] > model['max_ell']:
        raise JobFileError('`settings.model.max_L` must not be above `max_ell`.')
    odd = [name for name in model if start and not math.isclose(model[name], kept[name])]
    if odd:
        raise JobFileError(
            format_error(
                f'`settings.model` differs from the start potential in {", ".join(odd)}.',
                reason='Fine-tuning keeps the shape of the model.',
                fix='Leave `model` out, or train from scratch.',
            )
        )
    return model


def _model_of(start: PotentialMetadata) -> dict[str, Any]:
    shape = start.hyperparameters
    irreps = re.findall(r'(\d+)x(\d+)[eo]', shape['hidden_irreps'])
    return {
        'r_max': start.cutoff,
        'num_channels': int(irreps[0][0]),
        'max_L': max(int(degree) for _, degree in irreps),
        'max_ell': shape['max_ell'],
        'correlation': shape['correlation'],
        'num_interactions': shape['num_interactions'],
    }


def _e0s(
    given: object, elements: tuple[str, ...], start: PotentialMetadata | None
) -> str | dict[str, float]:
    words = _E0S_WORDS['scratch' if start is None else 'fine-tuning']
    if given is None:
        return words[0]
    if isinstance(given, str) and given in words:
        return given
    if not isinstance(given, Mapping):
        raise JobFileError(
            f'`settings.e0s` is {given!r}; give {", ".join(repr(word) for word in words)} or a '
            'dictionary of element to eV.'
        )
    energies = {str(element): value for element, value in given.items()}
    if set(energies) != set(elements):
        raise JobFileError(
            f'`settings.e0s` names {", ".join(sorted(energies))}; the training frames hold '
            f'{", ".join(elements)}.'
        )
    bad = [e for e, v in energies.items() if type(v) not in (int, float) or not math.isfinite(v)]
    if bad:
        raise JobFileError(f'`settings.e0s` of {", ".join(bad)} is no finite number.')
    return {element: float(energies[element]) for element in elements}
