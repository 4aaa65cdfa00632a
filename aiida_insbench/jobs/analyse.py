"""Stage ``analyse``: follow the Γ modes of potentials across pressure and judge them by DFT's.

Job: ``phonons`` (phonopy YAML by potential and pressure label), ``reference`` (labelled
frozen-phonon frames of the unit cell, extended XYZ, or null), ``reference_structures`` (the
undisplaced cells by label), ``settings`` (see `Tolerances`; ``symprec`` in Å, for the symmetry of
the reference's cells; ``temperature`` in K, of the vibrational pressure). Frequencies in cm⁻¹,
negative for imaginary modes; pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from phonopy import Phonopy

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.attribution import explain_shifts
from aiida_insbench.science.errors import (
    DatasetError,
    JobFileError,
    StructureError,
    format_error,
)
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.modes import FloatArray, IntArray, ModeSet
from aiida_insbench.science.molecules import Molecule, find_molecules
from aiida_insbench.science.phonons import (
    FROZEN_PHONON,
    force_constants_from_frozen_phonon,
    load_force_constants,
)
from aiida_insbench.science.pressure import pressure_from_label, pressure_label
from aiida_insbench.science.quasi_harmonic import quasi_harmonic_pressure
from aiida_insbench.science.shifts import ModeSeries, Tolerances, mode_series, mode_table
from aiida_insbench.science.sites import site_order
from aiida_insbench.science.structures import atoms_from_dict
from aiida_insbench.science.verdict import judge

REFERENCE_SYMPREC = 1e-3
TEMPERATURE = 300.0  # K, of the vibrational pressure
#: Undisplaced atoms of frozen-phonon frames may be off their structure by this, Å.
POSITION_TOLERANCE = 1e-4
#: Cells whose axes differ by more than this strain are not taken for the same crystal.
MAX_STRAIN = 0.25


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
        (``modes`` of `mode_table`, ``acoustic_cm1``, ``pressures``, ``attribution``) or None,
        ``pressures`` (GPa by label), ``settings``.

    Raises
    ------
    JobFileError
        If there is nothing to analyse.
    InputError
        If files cannot be read, or cells are not the same crystal.
    """
    files: Mapping[str, Mapping[str, str]] = job.get('phonons') or {}
    if not any(files.values()):
        raise JobFileError('`phonons` names no force constants: there is nothing to analyse.')
    settings = dict(job.get('settings') or {})
    symprec = float(settings.pop('symprec', REFERENCE_SYMPREC))
    temperature = _temperature(settings.pop('temperature', TEMPERATURE))
    tolerances = Tolerances.from_settings(settings)
    phonons: dict[str, dict[str, Phonopy]] = {}
    if job.get('reference'):
        phonons[''] = _reference_phonons(job, folder, symprec)
        progress.report('DFT force constants from frozen-phonon frames')
    for name, by_label in files.items():
        phonons[name] = {
            label: load_force_constants(folder / path) for label, path in by_label.items()
        }
        progress.report(f'force constants of {name}')
    series, orders = _all_series(phonons, tolerances)
    reasons = {}
    for name, one in series.items():
        reasons[name] = _explain(one, phonons[name], orders[name])
        progress.report(f'shifts of {name or "DFT"} split into pairs of atoms')
    reference = series.pop('', None)
    return {
        'potentials': {
            name: {
                **judge(one, reference),
                'attribution': reasons[name],
                'vibrational_pressure': quasi_harmonic_pressure(
                    phonons[name], temperature=temperature
                ),
            }
            for name, one in series.items()
        },
        'reference': _reference_block(reference, reasons.get('')),
        'pressures': _pressures({label for by_label in phonons.values() for label in by_label}),
        'settings': {
            **tolerances.__dict__,
            'symprec': symprec,
            'temperature': temperature,
        },
    }


def _reference_phonons(job: dict[str, Any], folder: Path, symprec: float) -> dict[str, Phonopy]:
    path = folder / str(job['reference'])
    try:
        frames = read_frames(path.read_text(encoding='utf-8'), name=path.name)
    except OSError as exc:
        raise JobFileError(f'{path.name} cannot be read: {exc}') from exc
    frames = [frame for frame in frames if frame.info.get('method') == FROZEN_PHONON]
    check_frames(frames, labelled=True, name=path.name)
    structures = job.get('reference_structures') or {}
    by_label: dict[str, list[Atoms]] = {}
    for frame in frames:
        by_label.setdefault(pressure_label(frame.info['target_pressure']), []).append(frame)
    if not by_label or set(by_label) - set(structures):
        raise DatasetError(
            f'{path.name} holds frozen-phonon frames at {sorted(by_label)}; '
            f'`reference_structures` are given at {sorted(structures)}.'
        )
    phonons = {}
    for label, chosen in by_label.items():
        phonons[label] = force_constants_from_frozen_phonon(chosen, symprec=symprec)
        _check_reference_cell(
            phonons[label],
            atoms_from_dict(structures[label]),
            where=f'Frozen-phonon frames at {label}',
        )
    return phonons


def _check_reference_cell(phonon: Phonopy, structure: Atoms, *, where: str) -> None:
    """Refuse frozen-phonon frames that are not displaced from the structure given."""
    cell = _primitive(phonon)
    if cell.get_chemical_symbols() != structure.get_chemical_symbols():
        raise DatasetError(f'{where} do not hold the atoms of the reference structure.')
    if not np.allclose(cell.cell.array, structure.cell.array, atol=POSITION_TOLERANCE):
        raise DatasetError(f'{where} do not have the cell of the reference structure.')
    _, lengths = find_mic(cell.positions - structure.positions, structure.cell, pbc=True)
    if lengths.max() > POSITION_TOLERANCE:
        raise DatasetError(
            f'{where} are not displaced from the reference structure: atom {lengths.argmax()} '
            f'stands {lengths.max():.5f} Å off.'
        )


def _all_series(
    phonons: Mapping[str, Mapping[str, Phonopy]], tolerances: Tolerances
) -> tuple[dict[str, ModeSeries], dict[str, dict[str, IntArray]]]:
    """Followed modes of each source, all in the atom order of the first; and that order.

    Atom k of the modes is atom ``order[k]`` of the source's own cell.
    """
    standard = _primitive(next(iter(next(iter(phonons.values())).values())))
    series: dict[str, ModeSeries] = {}
    orders: dict[str, dict[str, IntArray]] = {}
    for name, by_label in phonons.items():
        modes, masses = {}, np.ones(len(standard))
        orders[name] = {}
        for label, phonon in by_label.items():
            where = f'{name or "DFT"}, {label}'
            modes[label], masses, orders[name][label] = _mode_set(phonon, standard, where=where)
        if modes:
            series[name] = mode_series(
                modes,
                pressures=_pressures(modes),
                symbols=standard.get_chemical_symbols(),
                masses=masses,
                tolerances=tolerances,
                volumes={label: float(one.primitive.volume) for label, one in by_label.items()},
                molecules=_molecules(by_label, orders[name]),
            )
    return series, orders


def _temperature(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value >= 0:
        raise JobFileError(f'`temperature` is {value!r}; give a number ≥ 0 in K.')
    return float(value)


def _molecules(
    phonons: Mapping[str, Phonopy], orders: Mapping[str, IntArray]
) -> tuple[Molecule, ...]:
    """Molecules at the lowest pressure, atoms as in the modes; none in a framework of bonds."""
    label = min(phonons, key=pressure_from_label)
    found = find_molecules(_primitive(phonons[label])[orders[label]])
    if found is None or all(len(one.atoms) == 1 for one in found):
        return ()
    return tuple(found)


def _explain(
    series: ModeSeries, phonons: Mapping[str, Phonopy], orders: Mapping[str, IntArray]
) -> dict[str, Any] | None:
    """Why the modes shift between the first and the last pressure; None with one pressure."""
    labels = list(series.pressures)
    if len(labels) < 2:
        return None
    ends = labels[0], labels[-1]
    sets = [
        _in_own_order(one, orders[label])
        for one, label in zip((series.optical.sets[0], series.optical.sets[-1]), ends, strict=True)
    ]
    return {
        'from': ends[0],
        'to': ends[1],
        **explain_shifts(
            (phonons[ends[0]], phonons[ends[1]]), (sets[0], sets[1]), series.optical.groups
        ),
    }


def _in_own_order(modes: ModeSet, order: IntArray) -> ModeSet:
    """Modes with their atoms as the source's own cell has them."""
    vectors = modes.eigenvectors.reshape(len(modes.frequencies), -1, 3)
    own = np.empty_like(vectors)
    own[:, order] = vectors
    return ModeSet(modes.frequencies, own.reshape(modes.eigenvectors.shape), modes.irreps)


def _mode_set(
    phonon: Phonopy, standard: Atoms, *, where: str
) -> tuple[ModeSet, FloatArray, IntArray]:
    cell = _primitive(phonon)
    strain = np.linalg.solve(standard.cell.array, cell.cell.array) - np.eye(3)
    if np.abs(strain).max() > MAX_STRAIN:
        raise StructureError(
            format_error(
                f'{where}: the axes differ from those of the first crystal by a strain of '
                f'{np.abs(strain).max():.2f}.',
                reason='Eigenvectors are compared in cartesian components.',
                fix='Give all crystals in one setting.',
            )
        )
    order = site_order(
        symbols=standard.get_chemical_symbols(),
        fractional=standard.get_scaled_positions(),
        other_symbols=cell.get_chemical_symbols(),
        other_fractional=cell.get_scaled_positions(),
        cell=standard.cell.array,
    )
    found = gamma_modes(phonon=phonon)
    vectors = found.eigenvectors[:, order].reshape(len(found.frequencies), -1)
    return ModeSet(found.frequencies, vectors, found.irreps), found.masses[order], order


def _primitive(phonon: Phonopy) -> Atoms:
    cell = phonon.primitive
    return Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)


def _pressures(labels: Mapping[str, Any] | set[str]) -> dict[str, float]:
    return {label: pressure_from_label(label) for label in sorted(labels, key=pressure_from_label)}


def _reference_block(
    reference: ModeSeries | None, attribution: dict[str, Any] | None
) -> dict[str, Any] | None:
    if reference is None:
        return None
    return {
        'modes': mode_table(reference),
        'acoustic_cm1': reference.acoustic,
        'pressures': reference.pressures,
        'attribution': attribution,
    }
