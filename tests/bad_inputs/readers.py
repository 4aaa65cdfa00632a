"""Every reader of files and words, as fuzzing calls it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import job_seeds
import seeds
from mutations import BINARY, STRUCTURED, TEXT, Mutation

from aiida_insbench.science.errors import InputError


@dataclass(frozen=True)
class Reader:
    """A reader, the sound files it is given changed, and how they are changed."""

    name: str
    seeds: Callable[[], tuple[seeds.Seed, ...]]
    read: Callable[[Path, str], object]
    mutations: tuple[Mutation, ...] = TEXT


class JobFaultError(Exception):
    """A stage ended as faults of the program do."""


def _spectrum(place: Path, target: str) -> object:
    from aiida_insbench.science.measured.read import read_all_blocks

    return read_all_blocks((place / target).read_bytes(), name=target)


def _spectrum_on_tosca(place: Path, target: str) -> object:
    from aiida_insbench.science.measured.read import read_spectrum_file
    from aiida_insbench.science.measured.reading_options import ReadingOptions

    return read_spectrum_file(place / target, ReadingOptions(instrument='TOSCA'))


def _band_shifts(place: Path, target: str) -> object:
    from aiida_insbench.science.measured.band_shifts import read_band_shifts

    return read_band_shifts((place / target).read_bytes(), name=target)


def _conditions(place: Path, target: str) -> object:
    from aiida_insbench.science.measured.conditions import check_conditions

    given = _json(place / target)
    if not isinstance(given, dict):
        raise InputError('only dictionaries are meant here')
    return check_conditions(given)


def _dataset(place: Path, target: str) -> object:
    from aiida_insbench.science.dataset_import import import_frames
    from aiida_insbench.science.import_settings import import_settings

    text = _text(place / target)
    return import_frames(text, name=target, settings=import_settings({}))


def _frames(place: Path, target: str) -> object:
    from aiida_insbench.science.frames import check_frames, read_frames, split_frames

    text = _text(place / target)
    check_frames(read_frames(text, name=target), labelled=True, name=target)
    return split_frames(text, name=target)


def _structure(place: Path, target: str) -> object:
    from aiida_insbench.science.structure_files import read_crystal_file

    return read_crystal_file(place / target)


def _potential(place: Path, target: str) -> object:
    from aiida_insbench.science.potential_files import read_potential

    return read_potential(place / target.split('.')[0])


def _weights(place: Path, target: str) -> object:
    from aiida_insbench.science.weights_header import tensors_of_weights

    return tensors_of_weights((place / target).read_bytes())


def _modes(place: Path, target: str) -> object:
    from aiida_insbench.science.ins.mode_files import read_modes

    name = 'phonopy.yaml' if target == 'FORCE_CONSTANTS' else target
    return read_modes(place / name, mesh=(1, 1, 2))


def _force_constants(place: Path, target: str) -> object:
    from aiida_insbench.science.phonons import load_force_constants

    return load_force_constants(place / target)


def _instrument(place: Path, target: str) -> object:
    from aiida_insbench.science.ins.instruments import get_instrument

    return get_instrument(str(place / target))


def _campaign(place: Path, target: str) -> object:
    from aiida_insbench.science.campaign.config import read_config

    return read_config(place / target)


def _cutoffs(place: Path, target: str) -> object:
    from aiida_insbench.science.pseudo_cutoffs import cutoffs_of_json, cutoffs_of_toml

    text = _text(place / target)
    if target.endswith('.toml'):
        return cutoffs_of_toml(text, name=target)
    return cutoffs_of_json(text, name=target, md5={'Mg': 'x', 'H': 'y'})


def _archive(place: Path, target: str) -> object:
    from aiida_insbench.cli.pseudo_files import opened

    with opened(place / target) as folder:
        return sorted(folder.rglob('*'))


def _words(place: Path, target: str) -> object:
    from aiida_insbench.cli.dataset_dft import read_lists, read_meshes
    from aiida_insbench.cli.phonon_modes import read_qpoint
    from aiida_insbench.science.campaign.composition import parse_formula
    from aiida_insbench.science.pressure import parse_pressures, pressure_from_label

    read: dict[str, Callable[[str], object]] = {
        'pressures': parse_pressures,
        'meshes': read_meshes,
        'lists': lambda text: read_lists(text, ':', 2, 'cutoffs'),
        'qpoint': lambda text: read_qpoint(text.split()[:3]),
        'formula': parse_formula,
        'label': pressure_from_label,
    }
    return read[target](_text(place / target))


def _training_settings(place: Path, target: str) -> object:
    from aiida_insbench.jobs.training_settings import read_training_settings

    return read_training_settings(_json(place / target), elements=('Cu',), start=None)


def _job(stage: str) -> Callable[[Path, str], object]:
    def read(place: Path, _target: str) -> object:
        from aiida_insbench.jobs.program import EXIT_BAD_INPUT, EXIT_FAILED, run_stage

        code = run_stage(stage, place / 'job.json')
        if code == 0:
            return json.loads((place / 'result.json').read_text())
        error = json.loads((place / 'error.json').read_text())
        if code not in (EXIT_BAD_INPUT, EXIT_FAILED):
            raise JobFaultError(f'{code}: {error["type"]}: {error["message"]}')
        if (place / 'result.json').exists() or list(place.glob('*.part*')):
            raise JobFaultError(f'half-written: {sorted(one.name for one in place.iterdir())}')
        raise InputError(error['message'])

    return read


def _md(place: Path, _target: str) -> object:
    """What is checked before a run begins: how long it then takes is up to its settings."""
    from aiida_insbench.jobs.md import checked_engine
    from aiida_insbench.jobs.md_task import read_task
    from aiida_insbench.jobs.program import read_job
    from aiida_insbench.jobs.settings import require

    job = read_job(place / 'job.json', 'md')
    (prefix,) = require(job, 'potential')
    return checked_engine(place / prefix, read_task(job))


def _json(path: Path) -> object:
    """JSON; what is none is refused before, by the reader that is not meant here."""
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (ValueError, RecursionError) as exc:
        raise InputError(f'{path.name} is no JSON.') from exc


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding='utf-8')
    except UnicodeDecodeError as exc:
        raise InputError(f'{path.name} is no text.') from exc


_ALL = (
    Reader('spectra', seeds.spectra, _spectrum),
    Reader('spectra-on-tosca', seeds.spectra, _spectrum_on_tosca),
    Reader('band-shifts', seeds.band_shifts, _band_shifts),
    Reader('conditions', seeds.conditions, _conditions, STRUCTURED),
    Reader('dataset', seeds.frames, _dataset),
    Reader('frames', seeds.frames, _frames),
    Reader('structures', seeds.structures, _structure),
    Reader('potentials', seeds.potentials, _potential, STRUCTURED),
    Reader('weights', lambda: seeds.potentials()[1:2], _weights, BINARY),
    Reader('modes', seeds.phonons, _modes, STRUCTURED),
    Reader('force-constants', lambda: seeds.phonons()[:1], _force_constants, STRUCTURED),
    Reader('instruments', seeds.instruments, _instrument, STRUCTURED),
    Reader('campaigns', seeds.campaigns, _campaign, STRUCTURED),
    Reader('cutoffs', seeds.cutoffs, _cutoffs, STRUCTURED),
    Reader('archives', seeds.archives, _archive, BINARY),
    Reader('words', seeds.lines, _words),
    Reader('training-settings', job_seeds.training_settings, _training_settings, STRUCTURED),
    Reader('job-md', job_seeds.md, _md, STRUCTURED),
    *(
        Reader(f'job-{stage}', getattr(job_seeds, stage), _job(stage), STRUCTURED)
        for stage in (
            'sample', 'select', 'fit', 'ins', 'analyse', 'evaluate', 'phonons', 'validate',
        )
    ),
)  # fmt: skip
#: By name.
READERS = {reader.name: reader for reader in _ALL}
