"""Parser of INS spectra."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import ExitCode

from aiida_insbench.calculations.base import retrieved_bytes
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.pressure import pressure_from_label


class InsParser(InsbenchParser):
    """Attach one spectrum node per pressure."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters and spectra."""
        self.attach_parameters(result, record)
        parameters = self.node.inputs.parameters.get_dict()
        for label, details in result['spectra'].items():
            with np.load(retrieved_bytes(self.retrieved, f'{label}.npz')) as data:
                arrays = {name: data[name] for name in data.files}
            spectrum = SpectrumData(
                energy_transfer=arrays.pop('energy_transfer'),
                total=arrays.pop('total'),
                components=arrays,
                origin='simulated',
                instrument=parameters['instrument'],
                temperature=parameters['temperature'],
                pressure=pressure_from_label(label),
                units=details.get('units'),
                details={**details, 'settings': parameters},
            )
            self.out(f'spectrum.{label}', spectrum)
        return self.judge_pressures(result)
