"""What is changed in MACE's training program while it runs.

Savings, checkpoints that a kill leaves whole, and patience that ends it.

The savings change no number (a test compares the weights): the gradient of the loss is taken for
the weights only, not for positions and cell as well; graphs of one frame are collated once, not in
every epoch; and no compiled copy of the model and no second table of errors is made. They were
written against one version and are left out in any other.
"""

from __future__ import annotations

import importlib
import math
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

#: Version of MACE the savings were written against.
QUICKENED = '0.3.16'
#: Folder, beside MACE's own files, of checkpoints that are being written.
_UNFINISHED = 'unfinished'


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


def keep_checkpoints_whole() -> None:
    """Write a checkpoint elsewhere, put it in place, and only then remove the one before.

    MACE 0.3.16 removes the old one first: killed while it writes, it leaves none that can be read.
    """
    handler: Any = importlib.import_module('mace.tools.checkpoint').CheckpointIO
    plain = handler.save

    def save(self: Any, checkpoint: Any, epochs: int, keep_last: bool = False) -> None:
        home, before = self.directory, self.old_path
        self.directory, self.old_path = _UNFINISHED, None
        try:
            plain(self, checkpoint, epochs, keep_last)
        finally:
            self.directory = home
        written = Path(self.old_path)
        Path(home).mkdir(parents=True, exist_ok=True)
        self.old_path = str(written.replace(Path(home) / written.name))
        if before and not self.keep and not keep_last and before != self.old_path:
            Path(before).unlink(missing_ok=True)

    handler.save = save


def slow_down(program: Any, factor: float) -> None:
    """Multiply the learning rate that a checkpoint brings along, when training goes on from it."""
    plain = program.tools.CheckpointHandler
    done: list[int] = []

    class Handler(plain):  # type: ignore[misc, valid-type]
        def load_latest(self, state: Any, *args: Any, **kwargs: Any) -> Any:
            epoch = super().load_latest(state, *args, **kwargs)
            # the second time is after the last epoch
            if epoch is not None and not done:
                for group in state.optimizer.param_groups:
                    group['lr'] *= factor
                done.append(epoch)
            return epoch

    program.tools.CheckpointHandler = Handler


class NoMoreProgressError(Exception):
    """Patience is at its end."""


class Patience:
    """Ends MACE's training after so many epochs without improvement.

    In one process MACE 0.3.16 counts them, says that it stops, and goes on to the last epoch. The
    program then goes on as after its last epoch: it loads the best checkpoint and saves the model.

    Parameters
    ----------
    epochs : int
        How many epochs without improvement are borne.
    head : str
        Head whose validation loss judges.
    since : int
        Epochs (from 0) before this one do not count.
    """

    def __init__(self, *, epochs: int, head: str, since: int = 0) -> None:
        self.ended = False
        self._epochs, self._head, self._since = epochs, head, since
        self._lowest, self._waited = math.inf, 0

    def watch(self, program: Any) -> None:
        """Follow what ``mace.cli.run_train`` logs, and end its loop when it is time."""
        plain_logger, plain_train = program.tools.MetricsLogger, program.tools.train
        patience = self

        class Logger(plain_logger):  # type: ignore[misc, valid-type]
            def log(self, metrics: dict[str, Any]) -> None:
                super().log(metrics)
                patience.see(metrics)

        def train(*args: Any, **kwargs: Any) -> None:
            try:
                plain_train(*args, **kwargs)
            except NoMoreProgressError:
                self.ended = True

        program.tools.MetricsLogger, program.tools.train = Logger, train

    def see(self, metrics: dict[str, Any]) -> None:
        """Count; the step after the last bearable epoch ends the training.

        Not the epoch itself: MACE logs it while the averaged weights stand in for the model's own.
        """
        if metrics['mode'] == 'opt':
            if self._waited >= self._epochs:
                raise NoMoreProgressError
            return
        epoch = metrics['epoch']
        if epoch is None or epoch < self._since or metrics.get('head') != self._head:
            return
        loss = float(metrics['loss'])
        self._waited = 0 if loss < self._lowest else self._waited + 1
        self._lowest = min(loss, self._lowest)
