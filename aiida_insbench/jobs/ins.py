"""Stage ``ins``: contributions to powder spectra at every pressure, from force constants.

Job: ``force_constants`` (label → phonopy YAML) or ``motions`` (label → ``file`` and ``record`` of a
run's densities of states, see `aiida_insbench.jobs.md_motion`), ``temperature`` (K), ``instrument``
(a name, or a description as in ``science/ins/instruments``), ``energy_range`` and ``bin_width``
(cm⁻¹).

Optional: ``incident_energy`` (meV, of direct geometry only); ``tolerance`` (largest error in per
cent of the area, default 1; null: any); ``mesh`` (null: refined until the tolerance is met);
``supercell_matrix`` (in place of a mesh: the modes that fit this supercell; rows are its axes);
``max_order`` (null: by need); ``isotopes`` (see `labels_of_sites`); ``sum_rule`` (realspace or
reciprocal: impose the acoustic sum rule); ``map`` (lowest, highest and
step of Q in Å⁻¹ of a map S(Q, ω), of direct geometry only); ``keep`` (``site``: contributions of
each site, or ``element``); ``settings`` (the other fields of `PowderOptions`).

Each pressure writes ``<label>.npz``, without resolution and with a margin beyond the range:
``energy_transfer``, ``contributions`` (banks, sites, orders, energies), ``momentum_transfer``
(banks, energies); ``coherent`` (banks, energies) and ``map_total``, ``map_order_1``,
``map_accessible`` (Q, energies), ``map_momentum_transfer`` where asked for; a map has the
resolution applied and no margin. A pressure whose crystal is unstable is left out and named, unless
all are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.jobs.ins_checks import check_job
from aiida_insbench.jobs.program import write_arrays
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.pressure import pressure_from_label

if TYPE_CHECKING:
    from aiida_insbench.jobs.ins_sources import Found
    from aiida_insbench.science.ins.maps import ScatteringMap
    from aiida_insbench.science.ins.powder import PowderResult
    from aiida_insbench.science.ins.simulation import Simulation
    from aiida_insbench.science.ins.spectrum import PowderSpectrum


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Compute the spectra of a job.

    Parameters
    ----------
    job : dict
        See the module's description.
    folder : Path
        Working folder.
    progress : Progress
        Gets one line per pressure.

    Returns
    -------
    dict
        ``spectra``: per label sum rules, convergence, census of modes, displacements, sites;
        ``finished``, ``missing`` and ``reasons``; ``units``, ``instrument``, ``banks``.

    Raises
    ------
    InputError
        If the job file is wrong.
    ComputationError
        If no pressure gave a spectrum.
    """
    check_job(job, folder)
    from aiida_insbench.jobs.ins_sources import compute, labels_of
    from aiida_insbench.science.ins.spectrum import UNITS

    simulation = _simulation(job)
    instrument = simulation.instrument
    labels = labels_of(job)
    spectra: dict[str, Any] = {}
    reasons: dict[str, str] = {}
    failure: ComputationError | None = None
    for step, label in enumerate(labels, start=1):
        try:
            found = compute(job, folder, label, simulation)
            drawn = _map(job, found.result, simulation)
        except ComputationError as exc:
            failure = exc
            reasons[label] = str(exc)
            progress.report(f'{label}: {exc}', step=step, total=len(labels))
            continue
        sites = _write_contributions(folder / f'{label}.npz', job, found.result, drawn)
        spectra[label] = {**_summary(found), 'sites': sites}
        progress.report(
            f'spectrum at {label}',
            step=step,
            total=len(labels),
            pressure=pressure_from_label(label),
            norm=found.result.sum_rules.norm,
        )
    if failure is not None and not spectra:
        raise type(failure)(f'No pressure gave a spectrum. {labels[-1]}: {failure}') from failure
    return {
        'spectra': spectra,
        'finished': list(spectra),
        'missing': list(reasons),
        'reasons': reasons,
        'units': UNITS,
        'instrument': {
            'name': instrument.name,
            'version': instrument.version,
            'citation': instrument.citation,
            'banks': [bank.name for bank in instrument.banks],
        },
    }


def _simulation(job: Mapping[str, Any]) -> Simulation:
    """What is asked for, with the margin of the published resolution."""
    from aiida_insbench.science.ins.instruments import find_instrument
    from aiida_insbench.science.ins.options import PowderOptions
    from aiida_insbench.science.ins.resolution import usual_resolution
    from aiida_insbench.science.ins.simulation import Simulation

    instrument = find_instrument(job['instrument'], incident_energy=job.get('incident_energy'))
    options = PowderOptions(
        max_order=job.get('max_order'),
        resolution=usual_resolution(instrument),
        **job.get('settings', {}),
    )
    low, high = job['energy_range']
    return Simulation(
        instrument,
        float(job['temperature']),
        (float(low), float(high)),
        float(job['bin_width']),
        options,
    )


def _map(
    job: Mapping[str, Any], result: PowderResult, simulation: Simulation
) -> ScatteringMap | None:
    if job.get('map') is None:
        return None
    from aiida_insbench.science.ins.maps import map_rows, scattering_map

    rows = map_rows(*job['map'])
    return scattering_map(result.vibrations, simulation, momentum_transfer=rows)


def _write_contributions(
    path: Path, job: Mapping[str, Any], result: PowderResult, drawn: ScatteringMap | None
) -> list[dict[str, Any]]:
    """Write contributions and return what they belong to."""
    import numpy as np

    spectrum = result.spectrum
    values, sites = _kept(spectrum, by_element=job.get('keep', 'site') == 'element')
    arrays: dict[str, Any] = {
        'energy_transfer': spectrum.wide.energies,
        'momentum_transfer': spectrum.path,
        # single precision: 6e-8 of each number, half the size
        'contributions': values.astype(np.float32),
    }
    if spectrum.coherent is not None:
        arrays['coherent'] = spectrum.coherent
    if drawn is not None:
        arrays |= {
            'map_total': drawn.total,
            'map_order_1': drawn.order_1,
            'map_accessible': drawn.accessible,
            'map_momentum_transfer': drawn.momentum_transfer,
            'map_energy_transfer': drawn.energy_transfer,
        }
    write_arrays(path, arrays)
    return sites


def _kept(spectrum: PowderSpectrum, *, by_element: bool) -> tuple[Any, list[dict[str, Any]]]:
    """Contributions by site, or summed by element, and what they belong to."""
    import numpy as np

    if not by_element:
        sites = [
            {'name': site.name, 'label': site.label, 'atoms': list(site.atoms)}
            for site in spectrum.sites
        ]
        return spectrum.raw, sites
    labels = np.array([site.label for site in spectrum.sites])
    sums = [spectrum.raw[:, labels == label].sum(axis=1) for label in spectrum.elements]
    elements = [
        {
            'name': label,
            'label': label,
            'atoms': sorted(
                atom for site in spectrum.sites if site.label == label for atom in site.atoms
            ),
        }
        for label in spectrum.elements
    ]
    return np.stack(sums, axis=1), elements


def _summary(found: Found) -> dict[str, Any]:
    """What `result.json` says of one pressure."""
    from aiida_insbench.science.ins.spectrum import UNITS

    result, convergence = found.result, found.convergence
    spectrum, census, rules = result.spectrum, result.census, result.sum_rules
    return {
        'sum_rule': rules.norm,
        'first_moment': rules.first_moment,
        'missing_weight': rules.missing_weight,
        'elastic_weight': rules.elastic_weight,
        'largest_momentum_transfer': rules.momentum_transfer,
        'orders': spectrum.n_orders,
        'n_qpoints': result.vibrations.n_qpoints,
        'completeness': float(census.completeness.min()),
        'n_modes': census.n_modes,
        'n_imaginary': census.n_imaginary,
        'n_near_zero': census.n_near_zero,
        'n_translations': census.n_translations,
        'lowest_frequency': census.lowest_frequency,
        'imaginary_weight': max(census.left_out.values()),
        'imaginary_weight_by_element': dict(census.left_out),
        'msd': dict(result.displacements),
        'directions': dict(result.directions),
        'direction_error': result.direction_error,
        'convergence': {
            'errors_percent': {
                name: None if math.isnan(value) else value
                for name, value in convergence.errors.items()
            },
            'tolerance_percent': convergence.tolerance,
            'meshes': [list(mesh) for mesh in convergence.meshes],
        },
        'warnings': [*result.warnings, *convergence.warnings],
        'broadened': found.held,
        'units': UNITS,
    }
