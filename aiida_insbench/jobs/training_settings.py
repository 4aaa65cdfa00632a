"""Settings of a training, checked, and the command line of MACE's own program made from them."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ase.data import atomic_numbers

from aiida_insbench.jobs.settings import read_settings
from aiida_insbench.science.errors import JobFileError, format_error
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY
from aiida_insbench.science.potential_files import PotentialMetadata

NAME = 'trained'
START_MODEL = 'start.model'
_DEFAULTS: dict[str, Any] = {
    'dtype': 'float64',
    'loss': 'stress',
    'energy_weight': 10.0,
    'forces_weight': 100.0,
    'stress_weight': 2000.0,
    'batch_size': 1,
    'ema_decay': 0.995,
    'learning_rate': 0.01,
    'scheduler': 'ExponentialLR',
    'gamma': 0.975,
    'max_epochs': 160,
    'device': 'cpu',
}
_MODEL_DEFAULTS: dict[str, Any] = {
    'r_max': 4.5,
    'num_channels': 32,
    'max_L': 0,
    'max_ell': 2,
    'correlation': 2,
    'num_interactions': 2,
}
_CHOICES = {
    'dtype': ('float32', 'float64'),
    'loss': ('stress', 'huber', 'universal'),
    'scheduler': ('ExponentialLR',),
    'device': ('cpu', 'cuda'),
}
_RANGES = {
    'seed': (0, 2**31 - 1),
    'energy_weight': (0.0, 1e9),
    'forces_weight': (0.0, 1e9),
    'stress_weight': (0.0, 1e9),
    'batch_size': (1, 4096),
    'ema_decay': (0.0, 1.0 - 1e-9),
    'learning_rate': (1e-12, 1.0),
    'gamma': (1e-3, 1.0),
    'max_epochs': (1, 100_000),
}
_MODEL_RANGES = {
    'r_max': (2.0, 12.0),
    'num_channels': (1, 512),
    'max_L': (0, 3),
    'max_ell': (1, 4),
    'correlation': (1, 4),
    'num_interactions': (1, 4),
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
    e0s : str or dict
        ``average`` (least squares over the training frames), ``foundation`` (those of the start
        potential) or element to energy in eV.
    """

    values: dict[str, Any]
    model: dict[str, Any]
    e0s: str | dict[str, float]


def read_training_settings(
    given: object, *, elements: tuple[str, ...], start: PotentialMetadata | None
) -> TrainingSettings:
    """Check the settings of a training.

    Parameters
    ----------
    given : object
        ``settings`` of the job file.
    elements : tuple of str
        Of the training frames.
    start : PotentialMetadata, optional
        Of the potential to fine-tune.

    Raises
    ------
    JobFileError
        Naming the setting that is unknown, of the wrong type, out of range or at odds with the
        start potential.
    """
    if not isinstance(given, Mapping):
        raise JobFileError(f'`settings` is {given!r}; give a dictionary.')
    plain = {name: value for name, value in given.items() if name not in ('model', 'e0s')}
    values = read_settings(plain, defaults=_DEFAULTS, required={'seed': 1})
    _check_ranges(values, _RANGES)
    for name, known in _CHOICES.items():
        if values[name] not in known:
            raise JobFileError(f'`settings.{name}` is {values[name]!r}; known: {", ".join(known)}.')
    if not any(values[f'{kind}_weight'] for kind in ('energy', 'forces', 'stress')):
        raise JobFileError('All three weights of the loss are 0: there is nothing to learn.')
    return TrainingSettings(
        values=values,
        model=_model(given.get('model'), start),
        e0s=_e0s(given.get('e0s'), elements, start),
    )


def mace_arguments(
    settings: TrainingSettings, *, n_validation: int, fine_tuning: bool
) -> list[str]:
    """Write the arguments of ``mace_run_train``; files are relative to the training folder.

    Plots, workers and early stopping are off: a run costs its epochs.
    """
    values = settings.values
    options: dict[str, Any] = {
        'name': NAME,
        'seed': values['seed'],
        'train_file': 'train.extxyz',
        'valid_file': 'validation.extxyz',
        'energy_key': ENERGY_KEY,
        'forces_key': FORCES_KEY,
        'stress_key': STRESS_KEY,
        'E0s': _e0s_argument(settings.e0s),
        # Its first interaction is residual; that of `MACE` is not, and on 34 frames of MgH2 under
        # pressure it got two of three red shifts wrong at the same force error.
        'model': 'ScaleShiftMACE',
        'default_dtype': values['dtype'],
        'device': values['device'],
        'loss': values['loss'],
        'energy_weight': values['energy_weight'],
        'forces_weight': values['forces_weight'],
        'stress_weight': values['stress_weight'],
        'compute_stress': True,
        'error_table': 'PerAtomRMSEstressvirials',
        'batch_size': values['batch_size'],
        'valid_batch_size': min(n_validation, 8),
        'lr': values['learning_rate'],
        'scheduler': values['scheduler'],
        'lr_scheduler_gamma': values['gamma'],
        'max_num_epochs': values['max_epochs'],
        'patience': values['max_epochs'] + 1,
        'eval_interval': 1,
        'plot': False,
        'num_workers': 0,
        'pin_memory': values['device'] != 'cpu',
    }
    if fine_tuning:
        options |= {'foundation_model': START_MODEL, 'multiheads_finetuning': False}
    else:
        options |= settings.model
    arguments = [word for name, value in options.items() for word in (f'--{name}', str(value))]
    arguments.append('--save_cpu')
    if values['ema_decay'] > 0:
        arguments += ['--ema', '--ema_decay', str(values['ema_decay'])]
    return arguments


def _check_ranges(values: Mapping[str, Any], ranges: Mapping[str, tuple[float, float]]) -> None:
    for name, (low, high) in ranges.items():
        if not low <= values[name] <= high:
            raise JobFileError(
                f'`settings.{name}` is {values[name]!r}; it must lie from {low} to {high}.'
            )


def _model(given: object, start: PotentialMetadata | None) -> dict[str, Any]:
    """Shape of the model; in fine-tuning that of the start potential, which none may contradict."""
    kept = _model_of(start) if start else _MODEL_DEFAULTS
    model = read_settings(given or {}, defaults=kept)
    _check_ranges(model, _MODEL_RANGES if not start else {})
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
    if start is not None:
        if given in (None, 'foundation'):
            return 'foundation'
        raise JobFileError(
            format_error(
                f'`settings.e0s` is {given!r}, but fine-tuning keeps the isolated-atom energies.',
                reason='MACE 0.3.16 accepts others and then overwrites them with those of the '
                'start potential.',
                fix="Give 'foundation' or leave it out.",
            )
        )
    if given in (None, 'average'):
        return 'average'
    if not isinstance(given, Mapping):
        raise JobFileError(
            f"`settings.e0s` is {given!r}; give 'average' or a dictionary of element to eV."
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


def _e0s_argument(e0s: str | dict[str, float]) -> str:
    if isinstance(e0s, str):
        return e0s
    return str({atomic_numbers[element]: energy for element, energy in e0s.items()})
