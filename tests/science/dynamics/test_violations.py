"""Violations of whole runs: planted ones found by the right check, sound runs left alone."""

import json
from dataclasses import replace

import numpy as np
import pytest
from md_trajectories import BROKEN, SOUND, brucite, energy_drifts, not_a_number, silicon, simulated

from aiida_insbench.science.dynamics.averages import run_averages
from aiida_insbench.science.dynamics.lifetime import lifetime
from aiida_insbench.science.dynamics.run_checks import slope_of, statistical_inefficiency
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.violations import Violation, find_violations
from aiida_insbench.science.errors import InputError


@pytest.mark.parametrize('name', SOUND)
def test_sound_runs_pass(name) -> None:
    assert SOUND[name]().violations() == []


@pytest.mark.parametrize('name', BROKEN)
def test_plants_are_found(name) -> None:
    """By the right check, at the right time; the earliest first, each check once, JSON-ready."""
    trajectory = BROKEN[name]()
    found = trajectory.violations()
    assert trajectory.is_right(found), found
    times = [one.time for one in found]
    assert times == sorted(times)
    assert len({one.check for one in found}) == len(found)
    for one in found:
        assert one.reason.endswith('.')
        text = json.dumps(one.to_dict(), allow_nan=False)
        assert Violation.from_dict(json.loads(text)) == one


def test_there_are_ten_of_each_and_all_checks_among_them() -> None:
    assert len(SOUND) >= 10
    assert len(BROKEN) >= 10


def check(trajectory, **changes):
    given = {
        'reference': trajectory.reference,
        'ensemble': trajectory.ensemble,
        'temperature': 300.0,
        'pressure': 2.0,
        'thresholds': Thresholds(),
        'equilibration_ps': 0.5,
        **changes,
    }
    return find_violations(trajectory.run, **given)


def test_nothing_left_after_equilibration() -> None:
    with pytest.raises(InputError, match=r'Zero frames are left after equilibration of 3 ps.*2.99'):
        check(silicon(), equilibration_ps=3.0)
    # a run that broke before is not refused: it says why
    assert [one.check for one in check(not_a_number(), equilibration_ps=3.0)] == ['finite']


def test_bad_input() -> None:
    sound = silicon()
    with pytest.raises(InputError, match="ensemble is 'nph'"):
        check(sound, ensemble='nph')
    with pytest.raises(InputError, match='equilibration is -1'):
        check(sound, equilibration_ps=-1)
    with pytest.raises(InputError, match='its atoms in the same order'):
        check(sound, reference=brucite().reference)


def test_drift_is_of_nve_alone_and_temperature_of_the_others() -> None:
    drifting = energy_drifts()
    assert [one.check for one in check(drifting, ensemble='nve')] == ['drift']
    assert 'drift' not in {one.check for one in check(drifting, ensemble='nvt')}
    run = silicon().run
    warm = replace(run, series={**run.series, 'temperature': run.series['temperature'] + 60})
    warm = replace(silicon(), run=warm)
    assert [one.check for one in check(warm)] == ['temperature']
    assert check(warm, ensemble='nve') == []


def test_short_and_small_runs_may_be_off_by_more() -> None:
    """The same mean temperature is sound of a short run and not of a long one."""
    base = silicon()
    rng = np.random.default_rng(0)
    noise = rng.standard_normal(3000) * 300 * np.sqrt(2 / 189)
    off = 300 + 18.0
    for count, expected in ((6, []), (3000, ['temperature'])):
        values = noise[:count] - noise[:count].mean() + off
        series = {name: np.resize(array, count) for name, array in base.run.series.items()}
        series |= {'time': np.linspace(0, 2.9, count), 'temperature': values}
        found = check(replace(base, run=replace(base.run, series=series)), equilibration_ps=0.0)
        assert [one.check for one in found] == expected


def test_pressure_is_said_where_the_volume_is_wrong() -> None:
    base = silicon()
    scale = 1.1
    run = replace(base.run, cells=base.run.cells * scale, positions=base.run.positions * scale)
    found = check(replace(base, run=run))
    assert found[0].check == 'volume'
    assert found[0].value == pytest.approx(scale**3)
    assert 'at 2 GPa' in found[0].reason


def test_isotopes_weigh_what_the_run_says() -> None:
    """Deuterium moves slower at the same temperature: with the wrong mass the run would be cold."""
    base = brucite()
    run = replace(base.run, masses=base.run.masses * 4, velocities=base.run.velocities / 2)
    assert check(replace(base, run=run)) == []
    hot = replace(base.run, masses=base.run.masses * 4)
    assert 'temperature_explosion' in {one.check for one in check(replace(base, run=hot))}


def test_slope_and_its_error() -> None:
    """Coverage: the slope under coloured noise is within two errors nine times of ten."""
    rng = np.random.default_rng(5)
    times, inside = np.arange(2000) * 0.01, 0
    for _ in range(200):
        noise = np.convolve(rng.standard_normal(2100), np.ones(20) / 20)[50:2050]
        slope, error = slope_of(times, 0.3 * times + noise)
        inside += abs(slope - 0.3) < 2 * error
    assert 170 < inside <= 198


def test_statistical_inefficiency_of_an_autoregressive_series() -> None:
    """(1 + a) / (1 − a), by hand."""
    rng = np.random.default_rng(2)
    values, keep = [0.0], 0.9
    for _ in range(40000):
        values.append(keep * values[-1] + rng.standard_normal())
    assert statistical_inefficiency(np.array(values)) == pytest.approx(19, rel=0.1)
    assert statistical_inefficiency(rng.standard_normal(10000)) == pytest.approx(1, abs=0.1)


def test_averages() -> None:
    trajectory = simulated(seed=1)
    found = run_averages(trajectory.run, equilibration_ps=0.5)
    for name in ('temperature', 'pressure', 'volume', 'potential_energy'):
        values = trajectory.run.series[name][trajectory.run.series['time'] >= 0.5]
        assert found[name]['mean'] == pytest.approx(values.mean())
        assert 0 <= found[name]['error'] <= values.std()
    assert set(found['drift']) == {'mean', 'error'}
    with pytest.raises(InputError, match='0 samples are left'):
        run_averages(trajectory.run, equilibration_ps=50.0)


def test_lifetime_by_hand() -> None:
    """30 ps and two failures; the interval by χ² of 6 and 4 degrees of freedom, from tables."""
    found = lifetime([4.0, None, 6.0], [20.0, 20.0, 8.0])
    assert (found.mean, found.failures, found.total) == (15.0, 2, 30.0)
    # χ²(0.84135; 6) = 9.274, χ²(0.15865; 4) = 1.416
    assert found.low == pytest.approx(60 / 9.274, rel=2e-3)
    assert found.high == pytest.approx(60 / 1.416, rel=2e-3)


def test_lifetime_without_failure_is_a_bound() -> None:
    found = lifetime([None, None], [10.0, 30.0])
    assert np.isinf([found.mean, found.high]).all()
    assert np.exp(-40 / found.low) == pytest.approx(1 - 0.6827)


def test_lifetime_covers() -> None:
    """Exponential lifetimes, runs cut off: at least 68 % of intervals hold the truth."""
    rng = np.random.default_rng(8)
    inside = 0
    for _ in range(400):
        ends = rng.exponential(15.0, 6)
        found = lifetime([t if t < 20 else None for t in ends], [20.0] * 6)
        inside += found.low <= 15 <= found.high
    assert 0.66 < inside / 400 < 0.9


@pytest.mark.parametrize(
    ('failures', 'lengths', 'said'),
    [
        ([], [], 'at least one'),
        ([None], [1.0, 2.0], '2 lengths of 1 runs'),
        ([None], [0.0], 'length of run 0 is 0'),
        ([3.0], [2.0], 'failed at 3 ps'),
    ],
)
def test_lifetime_refuses(failures, lengths, said) -> None:
    with pytest.raises(InputError, match=said):
        lifetime(failures, lengths)
