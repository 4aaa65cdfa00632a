"""AiiDA monitors: functions that look at a running job and can stop it."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

from aiida.orm import CalcJobNode
from aiida.transports import Transport

from aiida_insbench.jobs.progress import PROGRESS_FILE, read_progress


def stop_diverging_training(
    node: CalcJobNode, transport: Transport, factor: float = 100.0, epochs: int = 5
) -> str | None:
    """Stop a training whose validation loss stays far above the lowest it has reached.

    The job itself ends when a loss is not finite or 10 000 times that of the untrained model; this
    one sees a training that has learned and then runs away.

    Parameters
    ----------
    node : CalcJobNode
        An `insbench.train` that runs.
    transport : Transport
        Open to its computer.
    factor : float
        How many times the lowest loss is too much.
    epochs : int
        For how many epochs in a row.

    Returns
    -------
    str or None
        Why to stop; None to go on.
    """
    losses = _losses(node, transport)
    if len(losses) <= epochs:
        return None
    lowest, last = min(losses), losses[-epochs:]
    if all(not math.isfinite(loss) or loss > factor * lowest for loss in last):
        return (
            f'The validation loss has been above {factor:g} times its lowest, {lowest:.4g}, for '
            f'{epochs} epochs; the last is {last[-1]:.4g}.'
        )
    return None


def _losses(node: CalcJobNode, transport: Transport) -> list[float]:
    place = f'{node.get_remote_workdir()}/{PROGRESS_FILE}'
    if not transport.isfile(place):
        return []
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / PROGRESS_FILE
        transport.getfile(place, str(copy))
        lines = read_progress(copy.read_text(encoding='utf-8'))
    return [float(line['values']['loss']) for line in lines if 'loss' in line['values']]
