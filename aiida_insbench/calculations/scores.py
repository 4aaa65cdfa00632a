"""Calcfunctions of the benchmark: one score a cell, one ranking of all."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from aiida.engine import ExitCode, calcfunction
from aiida.orm import ArrayData, Dict, List

from aiida_insbench.calculations.cell_spectra import cell_spectra, own_spectra
from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.data.spectrum import BIN_EDGES, SpectrumData
from aiida_insbench.science.benchmark.table import benchmark_table
from aiida_insbench.science.errors import ComputationError, InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.instruments import Instrument, find_instrument
from aiida_insbench.science.ins.resolution import polynomial_resolution, published_resolution
from aiida_insbench.science.scoring.cell import CellSettings, Target, score_cell
from aiida_insbench.science.scoring.convergence_draws import total_percent
from aiida_insbench.science.scoring.spectra import Measurement

ERROR_BAD_INPUT = 210
#: Between the name of a potential and that of a target, in link labels; neither may hold it.
SEPARATOR = '__of__'
#: Before the name of a table of band shifts, in link labels.
SHIFTS = 'shifts_'
#: Before the name of a target at the higher of two pressures, in link labels.
DIFFERENCES = 'difference_'


@calcfunction  # type: ignore[untyped-decorator]
def score_spectra(
    target: SpectrumData, rules: Dict, **spectra: SpectrumData
) -> dict[str, Any] | ExitCode:
    """Score spectra of one potential over pressure against a target.

    Parameters
    ----------
    target : SpectrumData
        Measured, or the DFT reference's, with the instrument's resolution.
    rules : Dict
        See `CellSettings.from_dict`.
    spectra : SpectrumData
        By pressure label (``p_1500``); under ``reference_<label>`` those of DFT, as an anchor;
        under ``member_<n>_<label>`` those of further members of the potential's committee. Where
        the target's deuterium fraction is to be fitted, each again as ``deuterated_<label>``.

    Returns
    -------
    dict or ExitCode
        ``score`` (Dict, see `CellResult`), ``overlay`` (ArrayData); 210 with the reason if they
        cannot be scored.
    """
    mine = own_spectra(spectra)
    try:
        settings = CellSettings.from_dict(rules.get_dict())
        aim = target_of(target)
        simulated = cell_spectra(spectra, aim, settings.scoring.fit)
        found = score_cell(
            aim,
            simulated.own,
            settings,
            reference=simulated.reference or None,
            members=simulated.members,
            convergence=_off_by(mine.values()),
        )
    except (InputError, ComputationError) as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The spectra cannot be scored: {exc}')
    overlay = ArrayData()
    for name, values in found.arrays.items():
        overlay.set_array(name, values)
    table = {**found.table, 'warnings': _warnings(mine)}
    if table['score']['fit'] is not None:
        table['score']['fit']['values'] += simulated.fitted
    return {'score': Dict(table), 'overlay': overlay}


@calcfunction  # type: ignore[untyped-decorator]
def rank_scores(
    rules: Dict, cells: List, failures: Dict, comparison: Dict | None = None, **scores: Dict
) -> Dict:
    """Rank potentials, failures counted, with a verdict on each in words.

    Parameters
    ----------
    rules : Dict
        See `benchmark_table`.
    cells : List
        Targets: ``name``, ``kind`` (measured or dft), ``pressure`` (GPa), ``blind``, facts.
    failures : Dict
        Reasons by potential, then by target; what has no score and no reason counts as missing.
    comparison : Dict, optional
        Output of `insbench.analyse` on the same potentials.
    scores : Dict
        Outputs ``score``, as ``<potential>__of__<target>``; those of measured band shifts as
        ``<potential>__of__shifts_<table>``.

    Returns
    -------
    Dict
        See `benchmark_table`.
    """
    by_potential: dict[str, dict[str, Any]] = {}
    shifts: dict[str, dict[str, Any]] = {}
    for label, node in scores.items():
        potential, _, cell = label.partition(SEPARATOR)
        place = shifts if cell.startswith(SHIFTS) else by_potential
        place.setdefault(potential, {})[cell.removeprefix(SHIFTS)] = node.get_dict()
    return Dict(
        benchmark_table(
            by_potential,
            cells=cells.get_list(),
            failures=failures.get_dict(),
            comparison=comparison.get_dict() if comparison is not None else None,
            rules=rules.get_dict(),
            shifts=shifts,
        )
    )


def target_of(node: SpectrumData) -> Target:
    """Spectrum of a node as something to be reproduced.

    Raises
    ------
    InputError
        If it has no resolution yet, or its numbers are unsound.
    """
    if node.has_contributions:
        raise InputError('The target has no resolution yet; give a spectrum, not contributions.')
    names = node.get_arraynames()
    measured = node.origin == 'measured'
    conditions = conditions_of(node) if measured else None
    incident = (
        conditions.incident_energy
        if conditions
        else node.details.get('settings', {}).get('incident_energy')
    )
    instrument = find_instrument(node.instrument, incident_energy=incident)
    energies = node.energy_transfer
    data = Measurement(
        energies=energies,
        intensity=node.total,
        error=node.get_array('error') if 'error' in names else None,
        mask=node.get_array('kept') == 0 if 'kept' in names else None,
        resolution=_resolution(conditions, instrument, np.abs(energies)),
        bin_edges=node.get_array(BIN_EDGES) if BIN_EDGES in names else None,
    )
    return Target(
        data=data,
        pressure=node.pressure,
        pressure_error=conditions.pressure_error if conditions else 0.0,
        deuterium_fraction=conditions.deuterium_fraction if conditions else None,
    )


def _resolution(conditions: Any, instrument: Instrument, energies: FloatArray) -> FloatArray | None:
    """As the import states it, or as it is published; None where neither is known."""
    if conditions is not None and conditions.resolution:
        return polynomial_resolution(conditions.resolution, energy_transfer=energies)
    if not instrument.resolution:
        return None
    return published_resolution(instrument, energy_transfer=energies)


def _off_by(spectra: Iterable[SpectrumData]) -> float | None:
    """The largest error of convergence among spectra, in per cent of the area."""
    known = [
        percent
        for node in spectra
        if (percent := total_percent(node.details.get('convergence', {}).get('errors_percent', {})))
        is not None
    ]
    return max(known, default=None)


def _warnings(spectra: Mapping[str, SpectrumData]) -> list[str]:
    """What the simulations themselves say of their convergence."""
    return [
        f'{label}: {text}'
        for label, node in sorted(spectra.items())
        for text in node.details.get('warnings', [])
        if 'not converged' in text
    ]
