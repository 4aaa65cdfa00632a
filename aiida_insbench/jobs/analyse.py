"""Stage ``analyse``: follow the Γ modes of potentials across pressure and judge them by DFT's.

Job: ``phonons`` (phonopy YAML by potential and pressure label); what to judge by, one of
``reference_phonons`` (phonopy YAML by pressure label, in any supercell) and ``reference`` (labelled
frozen-phonon frames of the unit cell, extended XYZ, with ``reference_structures``, the undisplaced
cells by label), or neither; ``strained``, optional (phonopy YAML by potential and label of the last
pressure: its cell with the fractional coordinates of the first pressure); ``settings``
(`aiida_insbench.jobs.analyse_settings`). Frequencies in cm⁻¹, negative for imaginary modes;
pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.analyse_blocks import source_block
from aiida_insbench.jobs.analyse_committees import check_committees, committee_block
from aiida_insbench.jobs.analyse_phonons import DFT, read_phonons, read_strained
from aiida_insbench.jobs.analyse_settings import read_analyse_settings
from aiida_insbench.jobs.analyse_sources import Source, make_sources
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.segments import end_of_following, other_crystals
from aiida_insbench.science.shifts import mode_table
from aiida_insbench.science.verdict import crossings, judge


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
        ``potentials`` (`judge` and `source_block` of each), ``reference`` (``modes`` of
        `mode_table`, ``acoustic_cm1``, ``pressures``, ``avoided_crossings`` and `source_block`) or
        None, ``committees`` (`committee_block`), ``pressures`` (GPa by label), ``settings``.

    Raises
    ------
    JobFileError
        If there is nothing to analyse, or two references are given.
    InputError
        If files cannot be read, or cells are not the same crystal.
    """
    settings = read_analyse_settings(job.get('settings'))
    names = [name for name, files in (job.get('phonons') or {}).items() if files]
    check_committees(settings.committees, names)
    strained = read_strained(job, folder)
    phonons = read_phonons(job, folder, symprec=settings.symprec, progress=progress)
    sources = make_sources(phonons, settings)
    blocks = {}
    for name, source in sources.items():
        blocks[name] = source_block(source, settings, strained=strained.get(name, {}))
        progress.report(f'modes of {name or "DFT"} followed and their shifts split')
    reference = sources.pop(DFT, None)
    tables = {
        name: {**_judged(source, reference), **blocks[name]} for name, source in sources.items()
    }
    return {
        'potentials': tables,
        'reference': None
        if reference is None
        else {
            'modes': mode_table(reference.series),
            'acoustic_cm1': reference.series.acoustic,
            'pressures': reference.series.pressures,
            'avoided_crossings': crossings(reference.series),
            **blocks[DFT],
        },
        'committees': {
            name: committee_block(members, sources, tables)
            for name, members in settings.committees.items()
        },
        'pressures': _pressures({label for by_label in phonons.values() for label in by_label}),
        'settings': settings.as_dict(),
    }


def _judged(source: Source, reference: Source | None) -> dict[str, Any]:
    """Table and verdict: none on another crystal than DFT's, failed if it becomes one."""
    notes = [sentence for sentence in (end_of_following(source.segments),) if sentence]
    if reference is None:
        return judge(source.series, None, notes=notes)
    if source.apart:
        own, other = source.segments[0].crystal, reference.segments[0].crystal
        notes.append(f'The crystal is {own}, in DFT {other}: their modes cannot be compared.')
        return judge(source.series, None, notes=notes)
    others = other_crystals(source.segments, reference.segments)
    return judge(source.series, reference.series, notes=[*notes, *others], failed=bool(others))


def _pressures(labels: Mapping[str, Any] | set[str]) -> dict[str, float]:
    return {label: pressure_from_label(label) for label in sorted(labels, key=pressure_from_label)}
