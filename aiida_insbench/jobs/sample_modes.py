"""Methods of the sample stage that displace along the modes of a potential."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.sample_inputs import (
    Sampled,
    frames_by_pressure,
    read_cells,
    read_crystal,
    read_crystals,
    read_pressures,
    read_seed,
)
from aiida_insbench.jobs.sample_settings import read_sample_settings
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.structures import atoms_to_dict


def equal_energy(job: dict[str, Any], folder: Path, progress: Progress) -> Sampled:
    """Frames with the same energy in each mode."""
    from aiida_insbench.science.sampling import equal_energy as science

    sample, details = _along_modes(
        job,
        folder,
        progress,
        name='equal-energy',
        settings_class=science.EqualEnergy,
        relaxed=science.equal_energy_frames,
        about_each=science.equal_energy_about_each,
    )
    details |= {'modes_at_floor': sample.floored}
    return sample.frames, sample.refused, details


def thermal(job: dict[str, Any], folder: Path, progress: Progress) -> Sampled:
    """Frames with quantum amplitudes at a temperature."""
    from aiida_insbench.science.sampling import thermal as science

    sample, details = _along_modes(
        job,
        folder,
        progress,
        name='thermal',
        settings_class=science.Thermal,
        relaxed=science.thermal_frames,
        about_each=science.thermal_about_each,
    )
    details |= {'imaginary_modes': sample.imaginary, 'modes_at_rest': sample.at_rest}
    return sample.frames, sample.refused, details


def disputed_modes(job: dict[str, Any], folder: Path, progress: Progress) -> Sampled:
    """Frames with most energy in the modes that a committee disputes."""
    from aiida_insbench.science.sampling import disputed_modes as science
    from aiida_insbench.science.sampling.mode_disputes import most_disputed_modes, spectrum_spread

    sample, details = _along_modes(
        job,
        folder,
        progress,
        name='disputed-modes',
        settings_class=science.DisputedModes,
        relaxed=science.disputed_frames,
        about_each=science.disputed_about_each,
    )
    details |= {
        'modes_at_floor': sample.floored,
        'committee': sorted(job['potentials']),
        'spectrum_spread': {
            label: spectrum_spread(list(found.values())) for label, found in sample.disputes.items()
        },
        'disputed_modes': {
            label: most_disputed_modes(found) for label, found in sample.disputes.items()
        },
    }
    return sample.frames, sample.refused, details


def _along_modes(
    job: dict[str, Any],
    folder: Path,
    progress: Progress,
    *,
    name: str,
    settings_class: Callable[..., Any],
    relaxed: Callable[..., Any],
    about_each: Callable[..., Any],
) -> tuple[Any, dict[str, Any]]:
    """Read what these methods read, run one of them, report the crystals it used."""
    seed, cells, pressures = read_seed(job), read_cells(job), read_pressures(job)
    given = read_crystals(job) if job.get('structures') else None
    atoms = read_crystal(job, pressures=pressures or ()) if given is None else None
    settings = read_sample_settings(name, job['settings'])
    device = settings.pop('device')
    crystals = [atoms] if given is None else list(given.values())
    common = {
        **_engines(job, folder, crystals, device=device),
        'pressures': pressures,
        'cells': cells,
        'settings': settings_class(**settings),
        'seed': seed,
        'prefix': job['prefix'],
        'report': lambda what, done, total: progress.report(what, step=done, total=total),
    }
    sample = (
        relaxed(atoms=atoms, **common) if given is None else about_each(structures=given, **common)
    )
    return sample, {'seed': seed, **_crystals_used(sample, given=given is not None)}


def _engines(
    job: dict[str, Any], folder: Path, crystals: Sequence[Any], *, device: str
) -> dict[str, Any]:
    """`calculator` of the potential, or `calculators` of the committee, that knows the elements."""
    from aiida_insbench.science.potentials import calculator, read_potential

    committee = job.get('potentials') or {}
    made = {}
    for name, prefix in committee.items() or [('potential', *require(job, 'potential'))]:
        potential = read_potential(folder / prefix)
        where = f'structure (potential {name})' if committee else 'structure'
        for crystal in crystals:
            potential.metadata.check_elements(crystal.get_chemical_symbols(), name=where)
        made[name] = calculator(potential, device=device)
    return {'calculators': made} if committee else {'calculator': made['potential']}


def _crystals_used(sample: Any, *, given: bool) -> dict[str, Any]:
    states = sample.relaxations
    details = {
        'frames_by_pressure': frames_by_pressure(sample.frames),
        'lowest_frequency': sample.lowest,
        'structures': {label: atoms_to_dict(found.atoms) for label, found in states.items()},
        'space_groups': {label: found.space_group_after for label, found in states.items()},
        'relax_steps': {label: found.steps for label, found in states.items()},
    }
    if given:
        details['residual_forces'] = {
            label: found.residual_force for label, found in states.items()
        }
        details['residual_stresses'] = {
            label: found.residual_stress for label, found in states.items()
        }
    return details
