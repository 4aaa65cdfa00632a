"""One training through AiiDA: ``train_in_aiida.py FOLDER WORK``, AIIDA_PATH being of its own.

FOLDER holds ``dataset.extxyz``, ``validation.extxyz`` and the job file by whose settings to train.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from aiida import load_profile
from aiida.engine import run_get_node
from aiida.manage import get_config
from aiida.orm import Dict, Int
from aiida.storage.sqlite_temp import SqliteTempBackend

from aiida_insbench.cli.site import prepare_codes, prepare_computer
from aiida_insbench.data import DatasetData
from aiida_insbench.science.frames import read_frames
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.train_base import TrainBaseWorkChain


def main(folder: Path, work: Path) -> None:
    """Train and say how it ended."""
    load_profile(SqliteTempBackend.create_profile('bench'))
    # without a broker a parent asks for its child once a minute
    get_config().set_option('runner.poll.interval', 1)
    _, code = prepare_codes(prepare_computer(work / 'work'))
    settings = json.loads((folder / 'job.json').read_text(encoding='utf-8'))['settings']
    builder = TrainBaseWorkChain.get_builder()
    builder.train = {
        'code': code,
        **{name: read(folder / f'{name}.extxyz') for name in ('dataset', 'validation')},
        'seed': Int(settings.pop('seed')),
        'settings': Dict(settings),
        'metadata': job_metadata(1),
    }
    _, node = run_get_node(builder)
    if not node.is_finished_ok:
        raise SystemExit(f'The training ended with {node.exit_status}: {node.exit_message}')


def read(path: Path) -> DatasetData:
    """Dataset of a file of labelled frames."""
    frames = read_frames(path.read_text(encoding='utf-8'), name=path.name)
    return DatasetData(frames, dft_level={'code': 'Morse pairs'})


if __name__ == '__main__':
    main(Path(sys.argv[1]), Path(sys.argv[2]))
