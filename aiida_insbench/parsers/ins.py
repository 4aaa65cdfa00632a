"""Parser of INS contributions."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import ExitCode
from ase.formula import Formula

from aiida_insbench.calculations.base import retrieved_arrays
from aiida_insbench.calculations.ins import RECORD
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.parsers.base import InsbenchParser
from aiida_insbench.science.pressure import pressure_from_label


class InsParser(InsbenchParser):
    """Attach one node of contributions per pressure."""

    def attach_result(self, result: dict[str, Any], record: dict[str, Any]) -> ExitCode | None:
        """Attach parameters and contributions."""
        self.attach_parameters(result, record)
        for label, details in result['spectra'].items():
            arrays = retrieved_arrays(self.retrieved, f'{label}.npz')
            self.out(f'contributions.{label}', self._contributions(label, arrays, details, result))
        return self.judge_pressures(result)

    def _contributions(
        self,
        label: str,
        arrays: dict[str, Any],
        details: dict[str, Any],
        result: dict[str, Any],
    ) -> SpectrumData:
        settings = self.node.inputs.parameters.get_dict()
        instrument = result['instrument']
        total = arrays['contributions'].mean(axis=0, dtype=np.float64).sum(axis=(0, 1))
        if 'coherent' in arrays:
            total = total + arrays['coherent'].mean(axis=0)
        return SpectrumData(
            energy_transfer=arrays.pop('energy_transfer'),
            total=total,
            components=arrays,
            origin='simulated',
            instrument=instrument['name'],
            instrument_version=instrument['version'],
            bank=' '.join(instrument['banks']),
            temperature=settings['temperature'],
            pressure=pressure_from_label(label),
            sample=self._formula(label),
            quantity='S(Q(w),w) times cross-section, without kf/ki, without resolution',
            units=details.get('units'),
            details={**details, 'banks': instrument['banks'], 'settings': settings},
        )

    def _formula(self, label: str) -> str:
        inputs = self.node.inputs
        if 'force_constants' in inputs:
            formula: str = inputs.force_constants[label].get_unitcell().get_formula()
            return formula
        record = inputs.motions[label].base.attributes.get(RECORD)
        return str(Formula.from_list(record['symbols']).format('hill'))
