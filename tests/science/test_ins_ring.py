"""Convolutions on short rings agree with direct ones, to any order and temperature."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from aiida_insbench.science.ins.ring import ring_for


def sides(rng, size, thermal):
    """A density in balance: gain(E) = loss(E) exp(−E/kT)."""
    loss = rng.random(size)
    loss[0] = 0
    gain = loss * np.exp(-np.arange(size) / thermal) if thermal else np.zeros(size)
    return loss / (loss + gain).sum(), gain / (loss + gain).sum()


def directly(loss, gain, order):
    """The n-fold convolution by numpy, on bins −n(size−1) to n(size−1)."""
    line = np.concatenate((gain[:0:-1], [loss[0] + gain[0]], loss[1:]))
    result = np.ones(1)
    for _ in range(order):
        result = np.convolve(result, line)
    return result


def by_ring(loss, gain, order, first, last, thermal):
    ring = ring_for(loss, gain, first=first, last=last, orders=order, thermal=thermal)
    power = fft.rfft(ring.place(loss, gain)) ** order
    return ring.read(fft.irfft(power, n=ring.length), first=first, last=last), ring


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    thermal=st.sampled_from([0.0, 1.0, 5.0, 30.0]),
    order=st.integers(1, 12),
    first=st.integers(-20, 30),
    span=st.integers(1, 150),
)
def test_short_rings_give_the_same(seed, thermal, order, first, span):
    loss, gain = sides(np.random.default_rng(seed), 60, thermal)
    line, _ = by_ring(loss, gain, order, first, first + span, thermal)
    whole = directly(loss, gain, order)
    middle = order * (len(loss) - 1)
    places = middle + np.arange(first, first + span + 1)
    inside = (places >= 0) & (places < len(whole))
    expected = np.where(inside, whole[np.clip(places, 0, len(whole) - 1)], 0.0)
    assert line == pytest.approx(expected, abs=1e-9)


def test_length_does_not_grow_with_the_order():
    loss, gain = sides(np.random.default_rng(1), 500, 5.0)
    lengths = [by_ring(loss, gain, n, 0, 400, 5.0)[1].length for n in (4, 10, 50)]
    assert lengths[0] == lengths[1] == lengths[2] < 1500


def test_nothing_is_tilted_where_all_fits():
    loss, gain = sides(np.random.default_rng(1), 50, 0.0)
    assert by_ring(loss, gain, 2, 0, 400, 0.0)[1].tilt == 0
