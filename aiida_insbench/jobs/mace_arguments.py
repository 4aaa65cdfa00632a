"""Command line of MACE's own training program, written from checked settings.

Files are relative to the training folder. Plots, workers and MACE's early stopping are off: a run
costs its epochs, and in one process MACE 0.3.16 counts patience but never stops.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ase.data import atomic_numbers

from aiida_insbench.jobs.training_settings import TrainingSettings
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY

NAME = 'trained'
START_MODEL = 'start.model'
CHECKPOINTS = 'checkpoints'
#: Heads of a training with replay, as MACE names them.
HEAD, REPLAY_HEAD = 'Default', 'pt_head'


def mace_arguments(
    settings: TrainingSettings, *, n_validation: int, resumed: bool = False
) -> list[str]:
    """Write the arguments of ``mace_run_train``.

    Parameters
    ----------
    settings : TrainingSettings
        Checked.
    n_validation : int
        Number of validation frames, which bounds their batches.
    resumed : bool
        Whether to start from the last checkpoint in `CHECKPOINTS`.
    """
    values = settings.values
    options = {
        **_what_is_read(settings),
        **_loss(settings),
        **_schedule(settings, n_validation),
        **_model(settings),
    }
    words = [word for name, value in options.items() for word in (f'--{name}', str(value))]
    words.append('--save_cpu')
    if values['ema_decay'] > 0:
        words += ['--ema', '--ema_decay', str(values['ema_decay'])]
    if settings.stage_two:
        words.append('--swa')
    if resumed:
        words.append('--restart_latest')
    return words


def _what_is_read(settings: TrainingSettings) -> dict[str, Any]:
    files = {
        'name': NAME,
        'seed': settings.values['seed'],
        # beside the training folder: it outlives a run that is to be resumed
        'checkpoints_dir': f'../{CHECKPOINTS}',
        'train_file': 'train.extxyz',
        'valid_file': 'validation.extxyz',
        'energy_key': ENERGY_KEY,
        'forces_key': FORCES_KEY,
        'stress_key': STRESS_KEY,
    }
    if settings.replay:
        files |= {'pt_train_file': 'replay.extxyz', 'pt_valid_file': 'replay_validation.extxyz'}
    return files


def _loss(settings: TrainingSettings) -> dict[str, Any]:
    values = settings.values
    options: dict[str, Any] = {
        'loss': values['loss'],
        'huber_delta': values['huber_delta'],
        'energy_weight': values['energy_weight'],
        'forces_weight': values['forces_weight'],
        'stress_weight': values['stress_weight'],
        'compute_stress': True,
        'error_table': 'PerAtomRMSEstressvirials',
    }
    if settings.stage_two:
        stage = settings.stage_two
        options |= {
            'start_swa': stage['start'],
            'swa_lr': stage['learning_rate'],
            'swa_energy_weight': stage['energy_weight'],
            'swa_forces_weight': stage['forces_weight'],
            'swa_stress_weight': stage['stress_weight'],
        }
    return options


def _schedule(settings: TrainingSettings, n_validation: int) -> dict[str, Any]:
    values = settings.values
    return {
        'batch_size': values['batch_size'],
        'valid_batch_size': min(n_validation, 8),
        'lr': values['learning_rate'],
        'weight_decay': values['weight_decay'],
        'clip_grad': values['clip_grad'],
        'scheduler': values['scheduler'],
        'lr_scheduler_gamma': values['gamma'],
        'lr_factor': values['lr_factor'],
        'scheduler_patience': values['scheduler_patience'],
        'max_num_epochs': values['max_epochs'],
        # ends the first stage where there is a second
        'patience': values['patience'] or values['max_epochs'] + 1,
        'eval_interval': 1,
        'plot': False,
        'num_workers': 0,
        'pin_memory': values['device'] != 'cpu',
        'default_dtype': values['dtype'],
        'device': values['device'],
    }


def _model(settings: TrainingSettings) -> dict[str, Any]:
    # The first interaction of `ScaleShiftMACE` is residual; that of `MACE` is not, and on 34 frames
    # of MgH2 under pressure it got two of three red shifts wrong at the same force error.
    options: dict[str, Any] = {'model': 'ScaleShiftMACE', 'E0s': _e0s_argument(settings)}
    if settings.strategy == 'scratch':
        return options | settings.model
    options |= {'foundation_model': START_MODEL, 'multiheads_finetuning': bool(settings.replay)}
    if settings.replay:
        # otherwise MACE puts its own rate and average in the place of those asked for
        options['force_mh_ft_lr'] = True
    if settings.lora:
        options |= {
            'lora': True,
            'lora_rank': settings.lora['rank'],
            'lora_alpha': settings.lora['alpha'],
        }
    return options


def _e0s_argument(settings: TrainingSettings) -> str:
    """Numbers, for a model from scratch or beside a replay; else what the start model was given."""
    if isinstance(settings.e0s, dict) and (settings.strategy == 'scratch' or settings.replay):
        return mace_e0s(settings.e0s)
    return str(settings.e0s) if settings.strategy == 'scratch' else 'foundation'


def mace_e0s(e0s: Mapping[str, float]) -> str:
    """Isolated-atom energies (element to eV) as an argument."""
    return str({atomic_numbers[element]: energy for element, energy in e0s.items()})
