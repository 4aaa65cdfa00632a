"""Parser of molecular dynamics."""

from __future__ import annotations

import numpy as np
from aiida.orm import Dict, TrajectoryData

from aiida_insbench.calculations.base import (
    array_data,
    read_retrieved_json,
    retrieved_arrays,
    retrieved_folder,
)
from aiida_insbench.calculations.ins import RECORD
from aiida_insbench.jobs.md_files import UNFINISHED
from aiida_insbench.jobs.md_motion import PREFIX
from aiida_insbench.parsers.base import InsbenchParser


class MDParser(InsbenchParser):
    """Attach every finished run, and of those under way what they need to go on."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach finished runs and those that were killed."""
        for name in sorted(names):
            stem, _, suffix = name.partition('.')
            if suffix == 'json' and stem.startswith('run_') and f'{stem}.npz' in names:
                with self.reading():
                    self._attach_run(stem.removeprefix('run_'))
        if UNFINISHED in names:
            unfinished = retrieved_folder(self.retrieved, UNFINISHED)
            if unfinished.base.repository.list_object_names():
                self.out('unfinished', unfinished)

    def _attach_run(self, label: str) -> None:
        record = read_retrieved_json(self.retrieved, f'run_{label}.json')
        arrays = retrieved_arrays(self.retrieved, f'run_{label}.npz')
        self.out(f'runs.{label}', Dict(record))
        self.out(f'trajectories.{label}', self._trajectory(arrays, label))
        self.out(f'series.{label}', array_data(arrays, 'series_'))
        if 'density_energy' in arrays:
            self.out(f'density_of_states.{label}', array_data(arrays, 'density_'))
        if record['motion'] is not None:
            motion = array_data({name: arrays[name] for name in arrays if name.startswith(PREFIX)})
            motion.base.attributes.set(RECORD, record['motion'])
            self.out(f'motions.{label}', motion)

    def _trajectory(self, arrays: dict[str, np.ndarray], label: str) -> TrajectoryData:
        pressure = label.rpartition('_')[0]
        symbols = self.node.inputs.structures[pressure].get_ase().get_chemical_symbols()
        copies = arrays['positions'].shape[1] // len(symbols)
        trajectory = TrajectoryData()
        trajectory.set_trajectory(
            symbols=symbols * copies,
            positions=arrays['positions'],
            stepids=arrays['steps'],
            cells=arrays['cells'],
            times=arrays['times'],
            velocities=arrays['velocities'],
            pbc=(True, True, True),
        )
        trajectory.set_array('masses', arrays['masses'])
        return trajectory
