"""Frames from trajectories: correlation times that are known, frames far enough apart."""

import numpy as np
import pytest
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import DatasetError, InputError
from aiida_insbench.science.frames import check_frames, read_frames, write_frames
from aiida_insbench.science.sampling.decorrelation import (
    autocorrelation,
    correlation_time,
    displacement_time,
)
from aiida_insbench.science.sampling.trajectory import TrajectoryChoice, trajectory_frames

UNIT = np.eye(3, dtype=np.int64)


def noise(count, *, memory, components=1, seed=0, period=None):
    """x ← φ x + √(1 − φ²) ξ, turned by 2π/period a frame if given."""
    rng = np.random.default_rng(seed)
    turn = 1.0 if period is None else np.exp(2j * np.pi / period)
    kick = np.sqrt(1 - memory**2)
    values = np.zeros((count, components), dtype=complex)
    state = rng.normal(size=components) + 1j * rng.normal(size=components)
    for number in range(count):
        values[number] = state
        fresh = rng.normal(size=components) + 1j * rng.normal(size=components)
        state = memory * turn * state + kick * fresh
    return values.real


def trajectory(count=400, *, memory=0.8, seed=0, energies=True, pressure=2.0, sigma=0.05):
    """Atoms of argon, each an oscillator with memory; sometimes wrapped into the cell."""
    start = bulk('Ar', 'fcc', a=5.3, cubic=True)
    moves = sigma * noise(count, memory=memory, components=12, seed=seed).reshape(count, 4, 3)
    frames = []
    for move in moves:
        frame = start.copy()
        frame.positions += move
        frame.wrap()
        frame.info['target_pressure'] = pressure
        if energies:
            frame.info['potential_energy'] = -3e4 + float((move**2).sum())
        frames.append(frame)
    return frames


def take(frames, *, count=5, seed=1, pressure=None, matrix=UNIT, **choice):
    return trajectory_frames(
        trajectory=frames,
        count=count,
        supercell_matrix=matrix,
        pressure=pressure,
        choice=TrajectoryChoice(**choice),
        seed=seed,
        prefix='t1',
    )


@pytest.mark.parametrize('memory', [0.0, 0.5, 0.9])
def test_correlation_time_of_noise_with_memory(memory):
    """C(k) = φᵏ gives g = (1 + φ)/(1 − φ)."""
    series = noise(4000, memory=memory, components=30)
    expected = (1 + memory) / (1 - memory)
    assert correlation_time(series) == pytest.approx(expected, rel=0.1, abs=0.1)
    lags = np.arange(6)
    assert autocorrelation(series)[:6] == pytest.approx(memory**lags, abs=0.03)


def test_vibration_does_not_hide_memory():
    """A quarter period of 2 frames, but the motion repeats itself for 50: g of C² is (1+φ²)/(1−φ²).

    cos² averages to ½ over a period, so that only half of the sum is left, 1 for k = 0 excepted.
    """
    memory = 0.99
    series = noise(20000, memory=memory, components=30, period=8)
    full = (1 + memory**2) / (1 - memory**2)
    assert correlation_time(series) == pytest.approx((1 + full) / 2, rel=0.15)
    assert correlation_time(series) > 20


def test_energy_far_from_zero_does_fluctuate():
    """−30000 eV with fluctuations of 0.01 eV."""
    series = -3e4 + 0.01 * noise(4000, memory=0.8)[:, 0]
    assert correlation_time(series) == pytest.approx(9.0, rel=0.35)


@pytest.mark.parametrize('length', [1, 2, 3, 50])
def test_what_does_not_move_has_no_memory(length):
    assert correlation_time(np.full(length, -292.38850981)) == 1.0


@given(st.integers(2, 60), st.integers(0, 100))
def test_correlation_time_is_finite_and_at_least_one(length, seed):
    series = noise(length, memory=0.7, components=3, seed=seed)
    found = correlation_time(series)
    assert np.isfinite(found)
    assert found >= 1.0
    assert correlation_time(5.0 + 3.0 * series) == pytest.approx(found)


def test_images_and_drift_do_not_count():
    frames = trajectory()
    found = displacement_time(frames)
    drifting = [frame.copy() for frame in frames]
    for number, frame in enumerate(drifting):
        frame.positions += 0.02 * number
        frame.wrap()
    assert displacement_time(drifting) == pytest.approx(found, rel=1e-6)
    # twelve components less the centre of mass; φ = 0.8
    assert found == pytest.approx(9.0, rel=0.3)


def test_frames_are_a_correlation_time_apart():
    frames = trajectory(400)
    sample = take(frames, count=8)
    numbers = [frame.info['source_frame'] for frame in sample.frames]
    assert sample.stride >= max(sample.energy_time, sample.displacement_time)
    assert sample.stride < max(sample.energy_time, sample.displacement_time) + 1
    assert np.diff(numbers).min() >= sample.stride
    assert numbers[-1] - numbers[0] > 300
    for frame, number in zip(sample.frames, numbers, strict=True):
        assert frame.positions == pytest.approx(frames[number].positions)
        assert frame.info['target_pressure'] == 2.0
        assert frame.info['method'] == 'trajectory'
    again = read_frames(write_frames(sample.frames))
    check_frames(again, labelled=False)
    assert int(again[3].info['source_frame']) == numbers[3]


def test_first_frames_are_dropped_and_the_seed_moves_the_first():
    frames = trajectory(400)
    firsts = set()
    for seed in range(8):
        sample = take(frames, discard=100, seed=seed, stride=12)
        numbers = [frame.info['source_frame'] for frame in sample.frames]
        assert numbers == [
            f.info['source_frame'] for f in take(frames, discard=100, seed=seed, stride=12).frames
        ]
        assert min(numbers) >= 100
        assert max(numbers) < 400
        assert np.diff(numbers).min() >= 12
        firsts.add(numbers[0])
    assert len(firsts) > 3
    assert sample.length == 300


@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 15), st.integers(0, 20))
def test_what_fits_is_taken(length, count, stride, seed):
    start = bulk('Ar', 'fcc', a=5.3, cubic=True)
    frames = [start.copy() for _ in range(length)]
    fits = (length - 1) // stride + 1
    if count > fits:
        with pytest.raises(InputError, match=f'only {fits} independent'):
            take(frames, count=count, stride=stride, seed=seed, pressure=0.0)
        return
    sample = take(frames, count=count, stride=stride, seed=seed, pressure=0.0)
    numbers = [frame.info['source_frame'] for frame in sample.frames]
    assert len(numbers) == count
    assert sample.independent == fits
    assert count == 1 or np.diff(numbers).min() >= stride


def test_too_few_independent_frames_are_refused():
    with pytest.raises(InputError, match=r'100 frames are asked for, but only \d+ independent'):
        take(trajectory(200), count=100)


def test_frames_with_atoms_too_close_are_passed_over():
    frames = trajectory(100)
    numbers = [f.info['source_frame'] for f in take(frames, count=3, stride=5).frames]
    frames[numbers[0]].positions[0] = frames[numbers[0]].positions[1] + 0.3
    sample = take(frames, count=3, stride=5)
    assert sample.refused == 1
    assert sample.frames[0].info['source_frame'] == numbers[0] + 1
    for frame in frames:
        frame.positions[0] = frame.positions[1] + 0.3
    with pytest.raises(InputError, match='Only 0 of 3 frames'):
        take(frames, count=3, stride=5)


def test_no_energy_is_said():
    sample = take(trajectory(energies=False))
    assert np.isnan(sample.energy_time)
    assert sample.displacement_time > 1


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda f: f.positions.__setitem__((0, 0), np.nan), r'frame 7: positions or cell'),
        (lambda f: f.symbols.__setitem__(0, 'Ne'), r'frame 7 holds Ar3Ne'),
        (lambda f: f.set_pbc([True, True, False]), r'frame 7 is not periodic'),
        (lambda f: f.info.pop('target_pressure'), r'frame 7 has no `target_pressure`'),
        (lambda f: f.info.update(supercell_matrix=2 * UNIT), r'frame 7 has the supercell matrix'),
    ],
)
def test_bad_frames_are_named(spoil, words):
    frames = trajectory(20)
    spoil(frames[7])
    with pytest.raises(DatasetError, match=words):
        take(frames, count=2, stride=1)


@pytest.mark.parametrize(
    ('choice', 'words'),
    [({'discard': 20}, 'discard'), ({'discard': -1}, 'discard'), ({'stride': -1}, 'stride')],
)
def test_wrong_choices_are_refused(choice, words):
    with pytest.raises(InputError, match=words):
        take(trajectory(20), count=2, **choice)
    with pytest.raises(InputError, match='count'):
        take(trajectory(20), count=0)
