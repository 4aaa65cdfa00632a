"""Child process of the stage ``train``: MACE's own training program, and its model made safe.

``python -m aiida_insbench.jobs.mace_training plan.json`` in the training folder: rebuilds the
start potential, runs ``mace.cli.run_train``, turns the resulting model into ``trained.json`` and
``trained.safetensors`` and writes errors to ``outcome.json``. All of it happens in one process,
because starting Python, torch and MACE takes longer than anything here but the epochs.

MACE is run as it is but for `aiida_insbench.jobs.mace_changes`.
"""

from __future__ import annotations

import importlib
import json
import sys
import warnings
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.mace_arguments import HEAD, NAME, REPLAY_HEAD, START_MODEL, mace_e0s
from aiida_insbench.jobs.mace_changes import (
    QUICKENED,
    Patience,
    keep_checkpoints_whole,
    quicken,
    slow_down,
)
from aiida_insbench.jobs.parent import end_with
from aiida_insbench.jobs.program import write_json
from aiida_insbench.science.frames import read_frames
from aiida_insbench.science.isolated_atoms import estimate_isolated_atom_energies
from aiida_insbench.science.parity import errors, predict
from aiida_insbench.science.potentials import (
    Potential,
    calculator,
    mace_from_potential,
    potential_from_mace,
    read_potential,
    set_isolated_atom_energies,
    single_head,
    write_potential,
)

OUTCOME_FILE = 'outcome.json'


def main(plan_file: str) -> None:
    """Run one training in the current folder.

    The plan has ``arguments`` (of MACE's program), ``start`` (prefix of a potential or null),
    ``e0s``, ``replay``, ``stage_two``, ``patience``, ``resumed``, ``resume_rate_factor``,
    ``batch_size``, ``provenance``, ``parent`` (process id) and ``quick``.
    """
    plan = json.loads(Path(plan_file).read_text(encoding='utf-8'))
    end_with(plan['parent'])
    warnings.simplefilter('ignore')
    importlib.import_module('mace')  # before e3nn, which comes with everything below
    arguments = list(plan['arguments'])
    if plan['start']:
        arguments += _write_start(plan)
    program = importlib.import_module('mace.cli.run_train')
    if plan['quick'] and importlib.import_module('mace').__version__ == QUICKENED:
        quicken(program, batch_size=plan['batch_size'])
    keep_checkpoints_whole()
    if plan['resumed'] and plan['resume_rate_factor'] != 1.0:
        slow_down(program, plan['resume_rate_factor'])
    patience = _watch_patience(program, plan)
    sys.argv = ['mace_run_train', *arguments]
    program.main()
    stage_two = _hand_over(plan)
    outcome = {
        'stage_two': stage_two,
        'stopped_early': patience.ended if patience else False,
        **_judge(bool(plan['replay'])),
    }
    write_json(Path(OUTCOME_FILE), outcome)


def _write_start(plan: dict[str, Any]) -> list[str]:
    """Write the model to start from; return arguments only the start potential can tell.

    Where model and frames hold the same elements MACE puts the start model's isolated-atom
    energies over those it was told, so that the start model itself is given them. With replay both
    count: the start model's for the replayed frames.
    """
    torch = importlib.import_module('torch')
    start = read_potential(Path(plan['start']))
    model, e0s, arguments = mace_from_potential(start), plan['e0s'], []
    if e0s == 'estimated':
        frames = read_frames(Path('train.extxyz').read_text(encoding='utf-8'), name='train.extxyz')
        e0s = estimate_isolated_atom_energies(
            frames,
            predicted=predict(frames, calculator=calculator(start)).energy,
            e0s=_e0s_of(start),
        )
        if plan['replay']:
            arguments = ['--E0s', mace_e0s(e0s)]
    if e0s != 'foundation' and not plan['replay']:
        set_isolated_atom_energies(model, {**_e0s_of(start), **e0s})
    torch.save(model, START_MODEL)
    return arguments


def _e0s_of(potential: Potential) -> dict[str, float]:
    metadata = potential.metadata
    return dict(metadata.isolated_atom_energies[metadata.heads[0]])


def _watch_patience(program: Any, plan: dict[str, Any]) -> Patience | None:
    if not plan['patience']:
        return None
    since = plan['stage_two']['start'] if plan['stage_two'] else 0
    patience = Patience(epochs=plan['patience'], head=HEAD, since=since)
    patience.watch(program)
    return patience


def _hand_over(plan: dict[str, Any]) -> bool:
    """Turn MACE's model into a potential; return whether it is that of the second stage."""
    torch = importlib.import_module('torch')
    second = Path(f'{NAME}_stagetwo.model')
    path = second if second.exists() else Path(f'{NAME}.model')
    # a pickle, but one that MACE wrote in this folder a moment ago
    model = torch.load(path, map_location='cpu', weights_only=False)
    if plan['replay'] and not plan['replay']['keep_head']:
        model = single_head(model, HEAD)
    write_potential(potential_from_mace(model, provenance=plan['provenance']), Path(NAME))
    return path == second


def _judge(replay: bool) -> dict[str, Any]:
    """Errors of the potential as it was handed over: read back from its files."""
    trained = read_potential(Path(NAME))
    heads = trained.metadata.heads
    found = {
        name: _errors(trained, name, HEAD if len(heads) > 1 else '')
        for name in ('train', 'validation')
    }
    if replay:
        head = REPLAY_HEAD if len(heads) > 1 else ''
        found['replay_validation'] = _errors(trained, 'replay_validation', head)
    return found


def _errors(potential: Potential, name: str, head: str) -> dict[str, Any]:
    path = Path(f'{name}.extxyz')
    frames = read_frames(path.read_text(encoding='utf-8'), name=path.name)
    return errors(frames, predicted=predict(frames, calculator=calculator(potential, head=head)))


if __name__ == '__main__':
    main(sys.argv[1])
