"""Child process of the stage ``train``: MACE's own training program, and its model made safe.

``python -m aiida_insbench.jobs.mace_training plan.json`` in the training folder: rebuilds the
start potential, runs ``mace.cli.run_train``, turns the resulting model into ``trained.json`` and
``trained.safetensors`` and writes errors to ``outcome.json``. All of it happens in one process,
because starting Python, torch and MACE takes longer than anything here but the epochs.

MACE is run as it is, with savings that change no number (a test compares the weights): the
gradient of the loss is taken for the weights only, not for positions and cell as well; graphs of
one frame are collated once, not in every epoch; and no compiled copy of the model and no second
table of errors is made. They were written against one version and are left out in any other.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import threading
import time
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

from aiida_insbench.jobs.training_settings import NAME, START_MODEL
from aiida_insbench.science.frames import read_frames
from aiida_insbench.science.parity import errors, predict
from aiida_insbench.science.potentials import (
    Potential,
    calculator,
    mace_from_potential,
    potential_from_mace,
    read_potential,
    write_potential,
)

OUTCOME_FILE = 'outcome.json'
_QUICKENED = '0.3.16'


def main(plan_file: str) -> None:
    """Run one training in the current folder.

    The plan has ``arguments`` (of MACE's program), ``start`` (prefix of a potential or null),
    ``batch_size``, ``device``, ``provenance``, ``parent`` (process id) and ``quick``.
    """
    plan = json.loads(Path(plan_file).read_text(encoding='utf-8'))
    end_with(plan['parent'])
    warnings.simplefilter('ignore')
    importlib.import_module('mace')  # before e3nn, which comes with everything below
    torch = importlib.import_module('torch')
    if plan['start']:
        torch.save(mace_from_potential(read_potential(Path(plan['start']))), START_MODEL)
    program = importlib.import_module('mace.cli.run_train')
    if plan['quick'] and importlib.import_module('mace').__version__ == _QUICKENED:
        quicken(program, batch_size=plan['batch_size'])
    sys.argv = ['mace_run_train', *plan['arguments']]
    program.main()
    model = torch.load(f'{NAME}.model', map_location='cpu', weights_only=False)
    write_potential(potential_from_mace(model, provenance=plan['provenance']), Path(NAME))
    # read back: what is judged is what is handed over
    trained = read_potential(Path(NAME))
    outcome = {name: _errors(trained, Path(f'{name}.extxyz')) for name in ('train', 'validation')}
    Path(OUTCOME_FILE).write_text(json.dumps(outcome, allow_nan=False), encoding='utf-8')


def end_with(parent: int) -> None:
    """End this process when the one that started it is gone, even if that was killed."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def quicken(program: Any, *, batch_size: int) -> None:
    """Leave out work whose result nothing uses; no number changes.

    Parameters
    ----------
    program : module
        ``mace.cli.run_train``.
    batch_size : int
        Graphs are kept only if it is 1: larger batches are drawn anew in every epoch.
    """

    def refuse(*_args: object, **_kwargs: object) -> NoReturn:
        raise NotImplementedError('no compiled copy is wanted')

    program.jit = SimpleNamespace(compile=refuse)
    program.create_error_table = lambda **_: 'see outcome.json'
    training: Any = importlib.import_module('mace.tools.train')
    training.take_step = take_step
    if batch_size == 1:
        _keep_batches()


def take_step(
    model: Any,
    loss_fn: Any,
    batch: Any,
    optimizer: Any,
    ema: Any,
    output_args: dict[str, bool],
    max_grad_norm: float | None,
    device: Any,
) -> tuple[Any, dict[str, Any]]:
    """Take one step as MACE does, with the gradient for the weights only.

    MACE calls ``loss.backward()``, which goes on to positions and cell, through all of the second
    derivatives, for gradients that nobody reads.
    """
    torch = importlib.import_module('torch')
    started = time.time()
    if device.type != 'cpu':
        batch = batch.to(device)
    weights = list(model.parameters())
    optimizer.zero_grad(set_to_none=True)
    output = model(
        batch.to_dict(),
        training=True,
        compute_force=output_args['forces'],
        compute_virials=output_args['virials'],
        compute_stress=output_args['stress'],
    )
    loss = loss_fn(pred=output, ref=batch)
    loss.backward(inputs=[weight for weight in weights if weight.requires_grad])
    if max_grad_norm is not None:
        torch.nn.utils.clip_grad_norm_(weights, max_norm=max_grad_norm)
    optimizer.step()
    if ema is not None:
        ema.update()
    return loss, {'loss': loss.detach().cpu().numpy(), 'time': time.time() - started}


def _keep_batches() -> None:
    collater = importlib.import_module('mace.tools.torch_geometric.dataloader').Collater
    collate = collater.__call__
    # the graphs are kept too: an id is only theirs while they live
    kept: dict[tuple[int, ...], tuple[Any, Any]] = {}

    def collate_once(self: Any, graphs: list[Any]) -> Any:
        key = tuple(id(graph) for graph in graphs)
        if key not in kept:
            kept[key] = (graphs, collate(self, graphs))
        return kept[key][1]

    collater.__call__ = collate_once


def _errors(potential: Potential, path: Path) -> dict[str, Any]:
    frames = read_frames(path.read_text(encoding='utf-8'), name=path.name)
    return errors(frames, predicted=predict(frames, calculator=calculator(potential)))


if __name__ == '__main__':
    main(sys.argv[1])
