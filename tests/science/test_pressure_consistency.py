"""Energies, volumes and pressures that belong together, and some that do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.pressure_consistency import RelaxedState, inconsistencies


def murnaghan(pressure, *, volume=10.0, bulk=50.0, slope=4.0):
    """Murnaghan's solid: V(P) and E(P) in closed form, per atom."""
    squeezed = volume * (1 + slope * pressure / bulk) ** (-1 / slope)
    ratio = (volume / squeezed) ** slope
    energy = bulk * squeezed / slope * (ratio / (slope - 1) + 1) * units.GPa
    return RelaxedState(pressure, squeezed, energy)


@given(st.floats(5, 200), st.floats(2, 8), st.lists(st.floats(-1, 20), min_size=2, max_size=5))
def test_a_solid_is_consistent(bulk, slope, pressures):
    pressures = [value for value in pressures if 1 + slope * value / bulk > 0.2]
    states = {f'p{i}': murnaghan(p, bulk=bulk, slope=slope) for i, p in enumerate(pressures)}
    assert inconsistencies(states) == []


@pytest.mark.parametrize('factor', [0.5, 1.7])
def test_a_stress_that_is_no_derivative_is_named(factor):
    states = {
        label: dataclasses.replace(murnaghan(p), energy=factor * murnaghan(p).energy)
        for label, p in (('p_5000', 5.0), ('p_8000', 8.0))
    }
    [text] = inconsistencies(states)
    assert 'Energies and stresses disagree from p_5000 to p_8000' in text


def test_a_volume_that_rises_is_named():
    first, second = murnaghan(0.0), murnaghan(2.0)
    states = {'p_0000': first, 'p_2000': dataclasses.replace(second, volume=first.volume + 0.1)}
    assert 'volume does not fall from p_0000 to p_2000' in inconsistencies(states)[0]


def test_order_does_not_matter():
    states = {f'p{i}': murnaghan(p) for i, p in enumerate([3.0, 0.0, 1.0])}
    assert inconsistencies(states) == []
    assert np.isfinite(states['p0'].energy)
