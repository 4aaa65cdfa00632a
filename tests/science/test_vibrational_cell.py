"""Static pressures of crystals with vibrations: against formulas and a minimum of G(V)."""

from __future__ import annotations

import numpy as np
import pytest
from ase import units
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import ConvergenceError, InputError
from aiida_insbench.science.vibrational_cell import (
    StaticState,
    static_pressure_for,
    vibrational_pressure_of,
)

VOLUME, STIFFNESS = 10.0, 30.0


def state(static, *, slope, curvature=0.0):
    """ln V falls by 1/B a GPa; F is a parabola in V."""
    volume = VOLUME * np.exp(-static / STIFFNESS)
    moved = volume - VOLUME
    free = 0.1 + slope * moved + 0.5 * curvature * moved**2
    return StaticState(static, volume, 0.0, free)


def states(statics, **shape):
    return [state(value, **shape) for value in statics]


@given(
    st.floats(-0.02, 0.0), st.floats(-0.004, 0.004), st.floats(0, 3)
)  # 0.01 eV/Å³ are 1.6 GPa; 0.004 eV/Å⁶ turn it by 0.2 GPa over the list
def test_the_equation_is_solved(slope, curvature, pressure):
    """P_vib = −F′(V) is known here in closed form."""
    static = static_pressure_for(
        pressure, states([-1, 0, 1, 2, 3], slope=slope, curvature=curvature)
    )
    moved = state(static, slope=slope).volume - VOLUME
    exact = -(slope + curvature * moved) / units.GPa
    assert static + exact == pytest.approx(pressure, abs=1e-4)


def test_pressure_of_vibrations_at_a_state():
    """0.01 eV/Å³ are 1.602 GPa."""
    known = states([0, 1], slope=-0.01)
    assert vibrational_pressure_of(known[0], known) == pytest.approx(1.602177, rel=1e-5)


def test_no_vibrational_pressure_changes_nothing():
    assert static_pressure_for(1.5, states([0, 1, 2], slope=0.0)) == pytest.approx(1.5, abs=1e-5)


def test_one_volume_is_too_few():
    with pytest.raises(InputError, match='second pressure'):
        static_pressure_for(1.0, states([0.0, 0.0], slope=-0.01))


def test_free_energies_that_make_no_sense_are_named():
    """F rises so fast with V that no static pressure near by will do."""
    with pytest.raises(ConvergenceError, match='does not vary smoothly'):
        static_pressure_for(0.0, states([0, 1, 2], slope=50.0))
