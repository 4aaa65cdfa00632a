r"""Checks of whole runs of molecular dynamics, after equilibration.

- ``finite``: scalars are numbers.
- ``energy_explosion``: the potential energy leaves its first value by a multiple of the
  :math:`\frac32 N k_\mathrm{B}T` that a harmonic crystal takes up.
- ``drift`` (``nve``): slope of the conserved energy by linear regression.
- ``temperature`` (``nvt``, ``npt``): the mean, beyond a tolerance and three standard errors
  :math:`\sigma_T\sqrt{g/n}`, with :math:`\sigma_T = T\sqrt{2/N_\mathrm{dof}}` of the canonical
  ensemble and the statistical inefficiency g of the n values (Chodera et al., *J. Chem. Theory
  Comput.* **3**, 26 (2007), eq. 22).
- ``diffusion``: the mean-square displacement of a kind of atoms, ions or molecules from their sites
  is above a limit at the end and still grew over the second half; a vibrating crystal's is flat. It
  is read off the median, 0.789 times the mean of Gaussian displacements in three dimensions, since
  one that leaves alone is no diffusion but a ``site`` of `frame_checks`.

A slope counts as such if it is more than twice its standard error, from the scatter of ten blocks:
samples close in time know of each other. Drift and temperature are judged at the end of a run, and
have its time; diffusion has that of the first frame from which on it is above the limit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import numpy.typing as npt
from ase.units import kB

from aiida_insbench.science.dynamics.ensembles import degrees_of_freedom
from aiida_insbench.science.dynamics.run import MDRun
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.unit_sites import UnitSites
from aiida_insbench.science.dynamics.violation import Violation

FloatArray = npt.NDArray[np.float64]
Series = Mapping[str, FloatArray]

#: Of χ² with three degrees of freedom, over the mean.
_MEDIAN = 2.366 / 3
_BLOCKS = 10
_SLOPE_ERRORS, _MEAN_ERRORS = 2.0, 3.0
#: Growth over the second half that is no plateau's, as a share of the value.
_GROWTH = 0.2


def not_finite(run: MDRun) -> Violation | None:
    """First scalar that is no number."""
    bad = np.zeros(len(run.series['time']), dtype=bool)
    for values in run.series.values():
        bad |= ~np.isfinite(values)
    if not bad.any():
        return None
    row = int(bad.argmax())
    name = next(key for key, values in run.series.items() if not np.isfinite(values[row]))
    time = _time(run, row)
    return Violation(
        'finite',
        time,
        frame_at(run, time),
        (),
        float(sum(not np.isfinite(values[row]) for values in run.series.values())),
        0.0,
        '1',
        f'The {name.replace("_", " ")} is no number.',
    )


def energy_explosion(
    run: MDRun, series: Series, temperature: float, thresholds: Thresholds
) -> Iterator[Violation]:
    """Yield the first potential energy far from the beginning's."""
    harmonic = 1.5 * kB * temperature
    change = (series['potential_energy'] - series['potential_energy'][:1]) / run.n_atoms
    limit = thresholds.energy_explosion * harmonic
    for row in np.flatnonzero(np.abs(change) > limit)[:1]:
        time, value = float(series['time'][row]), float(change[row])
        reason = (
            f'The potential energy went {"up" if value > 0 else "down"} by {abs(value):.3g} eV '
        )
        reason += f'per atom; a crystal that vibrates takes up about {harmonic:.3f} eV.'
        yield Violation(
            'energy_explosion', time, frame_at(run, time), (), value, limit, 'eV/atom', reason
        )


def drift(run: MDRun, series: Series, thresholds: Thresholds) -> Iterator[Violation]:
    """Yield the slope of the conserved energy if it is too steep."""
    if len(series['time']) < 3:
        return
    slope, error = slope_of(series['time'], 1000 * series['conserved_energy'] / run.n_atoms)
    if abs(slope) - _SLOPE_ERRORS * error > thresholds.max_drift:
        reason = f'The energy that should be conserved drifts by {slope:.3g} ± {error:.1g} meV per '
        reason += 'atom and ps: the timestep is too long, or forces are not those of the energy.'
        yield _at_end('drift', run, series, slope, thresholds.max_drift, 'meV/atom/ps', reason)


def mean_temperature(
    run: MDRun, series: Series, temperature: float, thresholds: Thresholds
) -> Iterator[Violation]:
    """Yield the mean temperature if it is not the target."""
    values = series['temperature']
    fluctuation = temperature * np.sqrt(2 / degrees_of_freedom(run.n_atoms))
    error = fluctuation * np.sqrt(statistical_inefficiency(values) / len(values))
    limit = float(thresholds.temperature_tolerance * temperature + _MEAN_ERRORS * error)
    mean = float(values.mean())
    if abs(mean - temperature) > limit:
        reason = (
            f'The mean temperature is {mean:.1f} K instead of {temperature:g} K; {limit:.1f} K '
        )
        reason += 'is allowed for a run of this length and size.'
        yield _at_end('temperature', run, series, mean - temperature, limit, 'K', reason)


def diffusion(
    run: MDRun, frames: npt.NDArray[np.int64], sites: UnitSites, thresholds: Thresholds
) -> Iterator[Violation]:
    """Yield the first kind of atoms, ions or molecules that moves on and on."""
    if len(frames) < 4:
        return
    graph = sites.graph
    moved = np.array([sites.displacements(run.positions[k], run.cells[k]) for k in frames])
    squares, names = (moved**2).sum(axis=2), np.array(graph.names)
    found = []
    for name in sorted(set(graph.names)):
        own = names == name
        spread = np.median(squares[:, own], axis=1) / _MEDIAN
        limit = float((thresholds.diffusion_fraction * graph.spacing[own].mean()) ** 2)
        if _diffuses(run.times[frames], spread, limit):
            below = np.flatnonzero(spread <= limit)
            onset = min(int(below[-1]) + 1, len(frames) - 1) if len(below) else 0
            frame = int(frames[onset])
            atoms = tuple(np.flatnonzero(own[graph.units]).tolist())
            value = float(spread[-1])
            reason = f'{name} diffuses: the mean-square displacement is {value:.2f} Å² at the end.'
            time = float(run.times[frame])
            found.append(Violation('diffusion', time, frame, atoms, value, limit, 'Å²', reason))
    yield from sorted(found, key=lambda one: one.time)[:1]


def slope_of(times: FloatArray, values: FloatArray) -> tuple[float, float]:
    """Slope by linear regression and its standard error by blocks, per ps; see the module."""
    centred = times - times.mean()
    slope = float(centred @ values / (centred @ centred))
    blocks = np.array_split(np.arange(len(times)), min(_BLOCKS, len(times)))
    where = np.array([centred[block].mean() for block in blocks])
    means = np.array([values[block].mean() for block in blocks])
    rest = means - means.mean() - slope * where
    variance = float(rest @ rest) / max(len(blocks) - 2, 1)
    return slope, float(np.sqrt(variance / (where @ where)))


def statistical_inefficiency(values: FloatArray) -> float:
    """How many samples count as one: 1 + 2 × the integrated correlation time, at least 1."""
    rest = values - values.mean()
    size = len(rest)
    if size < 4 or not rest.any():
        return 1.0
    power = np.abs(np.fft.rfft(rest, 2 * size)) ** 2
    correlation = np.fft.irfft(power)[:size]
    correlation /= correlation[0]
    negative = np.flatnonzero(correlation <= 0)
    end = int(negative[0]) if len(negative) else size
    return float(max(1.0, 1 + 2 * correlation[1:end].sum()))


def frame_at(run: MDRun, time: float) -> int:
    """Last frame not after a time."""
    return max(int(np.searchsorted(run.times, time + 1e-9, side='right')) - 1, 0)


def _diffuses(times: FloatArray, spread: FloatArray, limit: float) -> bool:
    half = len(times) // 2
    slope, error = slope_of(times[half:], spread[half:])
    growth = slope * float(times[-1] - times[half])
    last = float(spread[-max(len(spread) // 4, 1) :].mean())
    return last > limit and slope > _SLOPE_ERRORS * error and growth > _GROWTH * last


def _time(run: MDRun, row: int) -> float:
    """Time of a row of scalars, of the row before if it is no number itself."""
    times = run.series['time'][: row + 1]
    times = times[np.isfinite(times)]
    return float(times[-1]) if len(times) else 0.0


def _at_end(
    check: str, run: MDRun, series: Series, value: float, limit: float, unit: str, reason: str
) -> Violation:
    time = float(series['time'][-1])
    return Violation(check, time, frame_at(run, time), (), value, limit, unit, reason)
