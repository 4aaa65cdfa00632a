"""Stage ``analyse``: follow the Γ modes of potentials across pressure and judge them by DFT's.

Job: ``phonons`` (phonopy YAML by potential and pressure label); what to judge by, one of
``reference_phonons`` (phonopy YAML by pressure label, in any supercell) and ``reference`` (labelled
frozen-phonon frames of the unit cell, extended XYZ, with ``reference_structures``, the undisplaced
cells by label), or neither; ``settings`` (`aiida_insbench.jobs.analyse_settings`). Frequencies in
cm⁻¹, negative for imaginary modes; pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from phonopy import Phonopy

from aiida_insbench.jobs.analyse_phonons import DFT, read_phonons
from aiida_insbench.jobs.analyse_settings import read_analyse_settings
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.attribution import explain_shifts
from aiida_insbench.science.gamma_series import atom_orders, gamma_series, in_own_order
from aiida_insbench.science.mode_table import mode_table
from aiida_insbench.science.modes import IntArray
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.quasi_harmonic import quasi_harmonic_pressure
from aiida_insbench.science.shifts import ModeSeries
from aiida_insbench.science.supercells import to_ase
from aiida_insbench.science.verdict import judge


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Run the stage.

    Parameters
    ----------
    job : dict
        As described at the top of this module.
    folder : Path
        Where the files named in `job` lie.
    progress : Progress
        Gets one line a set of force constants.

    Returns
    -------
    dict
        ``potentials`` (`judge` of each, ``attribution`` of `explain_shifts` and
        ``vibrational_pressure``: GPa at 0 K and at the temperature, by label), ``reference``
        (``modes`` of `mode_table`, ``acoustic_cm1``, ``pressures``, ``attribution``,
        ``vibrational_pressure``) or None, ``pressures`` (GPa by label), ``settings``.

    Raises
    ------
    JobFileError
        If there is nothing to analyse, or two references are given.
    InputError
        If files cannot be read, or cells are not the same crystal.
    """
    settings = read_analyse_settings(job.get('settings'))
    phonons = read_phonons(job, folder, symprec=settings.symprec, progress=progress)
    series, orders = {}, {}
    standard = to_ase(next(iter(next(iter(phonons.values())).values())).primitive)
    for name, by_pressure in phonons.items():
        orders[name] = atom_orders(by_pressure, standard, name=name or 'DFT')
        series[name] = gamma_series(by_pressure, orders[name], tolerances=settings.tolerances)
    reasons = {}
    for name, one in series.items():
        reasons[name] = _explain(one, phonons[name], orders[name])
        progress.report(f'shifts of {name or "DFT"} split into pairs of atoms')
    pressures = {
        name: _vibrational_pressure(name, by_label, temperature=settings.temperature)
        for name, by_label in phonons.items()
    }
    reference = series.pop(DFT, None)
    return {
        'potentials': {
            name: {
                **judge(one, reference),
                'attribution': reasons[name],
                'vibrational_pressure': pressures[name],
            }
            for name, one in series.items()
        },
        'reference': None
        if reference is None
        else {
            'modes': mode_table(reference),
            'acoustic_cm1': reference.acoustic,
            'pressures': reference.pressures,
            'attribution': reasons[DFT],
            'vibrational_pressure': pressures[DFT],
        },
        'pressures': _pressures({label for by_label in phonons.values() for label in by_label}),
        'settings': settings.as_dict(),
    }


def _vibrational_pressure(
    name: str, phonons: Mapping[str, Phonopy], *, temperature: float
) -> dict[str, Any]:
    """P_vib; none of a reference at Γ alone, whose dispersion nobody has computed."""
    if name == DFT and any(len(one.supercell) == len(one.primitive) for one in phonons.values()):
        return {
            'reason': 'The reference is of the unit cell alone: it has modes at Γ, and no free '
            'energy.'
        }
    return quasi_harmonic_pressure(phonons, temperature=temperature)


def _explain(
    series: ModeSeries, phonons: Mapping[str, Phonopy], orders: Mapping[str, IntArray]
) -> dict[str, Any] | None:
    """Why the modes shift between the first and the last pressure; None with one pressure."""
    labels = list(series.pressures)
    if len(labels) < 2:
        return None
    ends = labels[0], labels[-1]
    sets = [
        in_own_order(one, orders[label])
        for one, label in zip((series.optical.sets[0], series.optical.sets[-1]), ends, strict=True)
    ]
    return {
        'from': ends[0],
        'to': ends[1],
        **explain_shifts(
            (phonons[ends[0]], phonons[ends[1]]), (sets[0], sets[1]), series.optical.groups
        ),
    }


def _pressures(labels: Mapping[str, Any] | set[str]) -> dict[str, float]:
    return {label: pressure_from_label(label) for label in sorted(labels, key=pressure_from_label)}
