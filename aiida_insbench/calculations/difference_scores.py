"""Calcfunction of the benchmark on what pressure changes: S(P) − S(0) of one cell."""

from __future__ import annotations

from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import ArrayData, Dict

from aiida_insbench.calculations.cell_spectra import simulations_by_pressure
from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.calculations.scores import (
    ERROR_BAD_INPUT,
    target_of,
)
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.errors import ComputationError, InputError
from aiida_insbench.science.scoring.cell import CellSettings, spectrum_at
from aiida_insbench.science.scoring.difference_spectra import score_difference

_OF_A_CELL = ('sample', 'cell', 'background', 'instrument')


@calcfunction  # type: ignore[untyped-decorator]
def score_difference_spectra(
    lower: SpectrumData, higher: SpectrumData, rules: Dict, **spectra: SpectrumData
) -> dict[str, Any] | ExitCode:
    """Score what pressure changes in the spectra of one competitor.

    Parameters
    ----------
    lower : SpectrumData
        Target at the lower pressure.
    higher : SpectrumData
        Target of the same cell at the higher pressure, on the same bins.
    rules : Dict
        See `CellSettings.from_dict`; its ``scoring`` is used.
    spectra : SpectrumData
        Of the competitor, by pressure label, on both sides of either pressure.

    Returns
    -------
    dict or ExitCode
        ``score`` (Dict: ``cost``, ``windows``, see `DifferenceScore`; ``cell``, ``pressures`` in
        GPa), ``overlay`` (ArrayData); 210 with the reason if they cannot be scored.
    """
    try:
        settings = CellSettings.from_dict(rules.get_dict()).scoring
        targets = target_of(lower), target_of(higher)
        at = spectrum_at(simulations_by_pressure(spectra))
        found = score_difference(
            (targets[0].data, targets[1].data),
            (at(targets[0].pressure), at(targets[1].pressure)),
            settings,
            cells=(cell_of(lower), cell_of(higher)),
        )
    except (InputError, ComputationError) as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The difference cannot be scored: {exc}')
    overlay = ArrayData()
    for name, values in found.overlay.items():
        overlay.set_array(name, values)
    pressures = [one.pressure for one in targets]
    score = {**found.to_dict(), 'cell': cell_of(lower), 'pressures': pressures}
    return {'score': Dict(score), 'overlay': overlay}


def cell_of(node: SpectrumData) -> str:
    """Sample, cell, background and instrument; empty where the cell of a measurement is not said.

    What is simulated has no cell that could differ.
    """
    if node.origin != 'measured':
        return f'simulated, {node.instrument}'
    conditions = conditions_of(node)
    if not conditions.cell:
        return ''
    return ', '.join(str(getattr(conditions, name)) for name in _OF_A_CELL)
