"""The closed form of CLIMAX and Abins: exact where it should be, and wrong by as much as it is."""

import dataclasses
import math

import numpy as np
import pytest
from ins_crystals import anisotropic_oscillator, oscillator

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.almost_isotropic import (
    HALF_OVERTONES,
    LOSS_ONLY,
    WITHIN_QPOINT,
    abins_second_order,
    almost_isotropic_orders,
    check_quirks,
)
from aiida_insbench.science.ins.debye_waller import displacement_tensors
from aiida_insbench.science.ins.density import displacement_density
from aiida_insbench.science.ins.directions import sphere_rule
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.kernel import powder_orders
from aiida_insbench.science.ins.modes import PhononModes

GRID = EnergyGrid(1.0, -1500, 4000)


def both(modes, *, momentum, orders, temperature=0.0, atom=0, grid=GRID):
    """The approximation and the exact average of one atom at one Q."""
    density = displacement_density(modes, atom=atom, temperature=temperature, bin_width=1.0)
    transfers = np.full((1, grid.last - grid.first + 1), momentum)
    options = {'grid': grid, 'momentum_transfer': transfers, 'orders': orders}
    directions, weights = sphere_rule(770)
    exact = powder_orders(density, directions=directions, weights=weights, **options)
    return almost_isotropic_orders(density, **options)[0], exact[0]


@pytest.mark.parametrize('temperature', [0.0, 300.0])
def test_it_is_exact_for_an_isotropic_atom(temperature):
    modes = oscillator(frequency=300.0)
    approximate, exact = both(modes, momentum=8.0, orders=6, temperature=temperature)
    assert approximate == pytest.approx(exact, rel=1e-9, abs=1e-12 * exact.max())


def test_orders_one_and_two_by_hand():
    """Three frequencies along three axes: each formula written out for single modes."""
    frequencies, momentum = (200.0, 500.0, 900.0), 7.0
    modes = anisotropic_oscillator(frequencies)
    approximate, _ = both(modes, momentum=momentum, orders=2)
    lengths = [16.857629 / frequency for frequency in frequencies]
    total = sum(lengths)
    for frequency, length in zip(frequencies, lengths, strict=True):
        expected = momentum**2 * length / 3 * math.exp(-(momentum**2) * (total + 2 * length) / 5)
        place = int(frequency) - GRID.first
        assert approximate[0, place] == pytest.approx(expected, rel=1e-6)
    factor = momentum**4 / 2 / 15 * math.exp(-(momentum**2) * total / 3)
    overtone = factor * 3 * lengths[0] ** 2
    combination = factor * 2 * lengths[0] * lengths[1]
    assert approximate[1, 400 - GRID.first] == pytest.approx(overtone, rel=1e-6)
    assert approximate[1, 700 - GRID.first] == pytest.approx(combination, rel=1e-6)


def test_prefactors_are_exact_where_the_debye_waller_factor_is_one():
    modes = anisotropic_oscillator((150.0, 400.0, 1100.0))
    approximate, exact = both(modes, momentum=0.05, orders=2)
    for order in (0, 1):
        assert approximate[order].sum() == pytest.approx(exact[order].sum(), rel=2e-4)
        assert approximate[order] == pytest.approx(exact[order], abs=2e-4 * exact[order].max())


def test_error_at_large_momentum_transfer_is_of_the_known_size():
    """An atom with U = 0.14, 0.056 and 0.021 Å² along its axes, as in a soft molecular crystal."""
    frequencies = 16.857629 / np.array([0.14, 0.056, 0.021])
    approximate, exact = both(anisotropic_oscillator(frequencies), momentum=7.0, orders=1)
    error = np.abs(approximate - exact).max() / exact.max()
    assert 0.01 < error < 0.6


def test_two_qpoints_combine_unless_told_not_to():
    """Modes at 100 and at 300 cm⁻¹ at two q-points: 400 cm⁻¹ is a combination across them."""
    modes = PhononModes(
        frequencies=np.array([[100.0] * 3, [300.0] * 3]),
        eigenvectors=np.array([np.eye(3, dtype=complex).reshape(3, 1, 3)] * 2),
        weights=np.array([0.5, 0.5]),
        masses=np.ones(1),
        symbols=('H',),
    )
    tensor = displacement_tensors(modes, temperature=10.0)[0]
    transfers = np.full((1, GRID.last - GRID.first + 1), 5.0)

    def second(*quirks):
        return abins_second_order(
            modes, atom=0, temperature=10.0, grid=GRID, momentum_transfer=transfers,
            tensor=tensor, quirks=quirks,
        )[0]  # fmt: skip

    plain, within = second(), second(WITHIN_QPOINT)
    place = 400 - GRID.first
    assert plain[place] > 0.1 * plain.max()
    assert within[place] == pytest.approx(0, abs=1e-12)
    assert within.sum() == pytest.approx(
        0.5 * sum(second_of(modes, q, tensor, transfers) for q in (0, 1)), rel=1e-9
    )
    density = displacement_density(modes, atom=0, temperature=10.0, bin_width=1.0)
    again = almost_isotropic_orders(
        density, grid=GRID, momentum_transfer=transfers, orders=2, tensor=tensor
    )
    assert plain == pytest.approx(again[0, 1], abs=1e-12)


def second_of(modes, index, tensor, transfers):
    import dataclasses

    one = dataclasses.replace(
        modes,
        frequencies=modes.frequencies[[index]],
        eigenvectors=modes.eigenvectors[[index]],
        weights=np.ones(1),
    )
    return abins_second_order(
        one, atom=0, temperature=10.0, grid=GRID, momentum_transfer=transfers, tensor=tensor,
        quirks=(),
    ).sum()  # fmt: skip


def test_half_overtones_take_half_of_the_overtones_and_nothing_else():
    modes = anisotropic_oscillator((200.0, 500.0, 900.0))
    tensor = displacement_tensors(modes, temperature=0.0)[0]
    transfers = np.full((1, GRID.last - GRID.first + 1), 5.0)
    options = {
        'atom': 0, 'temperature': 0.0, 'grid': GRID, 'momentum_transfer': transfers,
        'tensor': tensor,
    }  # fmt: skip
    plain = abins_second_order(modes, quirks=(), **options)[0]
    halved = abins_second_order(modes, quirks=(HALF_OVERTONES,), **options)[0]
    for energy, share in ((400, 0.5), (1000, 0.5), (1800, 0.5), (700, 1), (1100, 1), (1400, 1)):
        place = energy - GRID.first
        assert halved[place] == pytest.approx(share * plain[place], rel=1e-9)


def test_difference_bands_are_left_out_on_request():
    modes = anisotropic_oscillator((200.0, 500.0, 900.0))
    tensor = displacement_tensors(modes, temperature=600.0)[0]
    transfers = np.full((1, GRID.last - GRID.first + 1), 5.0)
    options = {
        'atom': 0, 'temperature': 600.0, 'grid': GRID, 'momentum_transfer': transfers,
        'tensor': tensor,
    }  # fmt: skip
    place = 300 - GRID.first
    assert abins_second_order(modes, quirks=(), **options)[0, place] > 0
    lossy = abins_second_order(modes, quirks=(LOSS_ONLY,), **options)[0]
    assert lossy[place] == pytest.approx(0, abs=1e-15)


def test_unknown_quirk_is_refused():
    with pytest.raises(InputError, match='Known: within-qpoint'):
        check_quirks(['coth'])


def test_grids_must_fit():
    density = displacement_density(oscillator(), atom=0, temperature=0.0, bin_width=2.0)
    with pytest.raises(InputError, match='do not fit'):
        almost_isotropic_orders(density, grid=GRID, momentum_transfer=np.ones((1, 5501)), orders=1)


def test_noise_of_a_density_does_not_explode():
    """Where there is noise alone, G:U over tr G is anything; a bound keeps it harmless."""
    modes = oscillator()
    sound = displacement_density(modes, atom=0, temperature=0.0, bin_width=GRID.bin_width)
    spoilt = sound.loss.copy()
    spoilt[:3, 200:] += np.array([2e-15, -1e-15, -1e-15 + 1e-22])[:, None]
    density = dataclasses.replace(sound, loss=spoilt)
    anisotropic = np.diag([0.001, 0.02, 0.3])
    transfers = np.full((1, GRID.last - GRID.first + 1), 20.0)
    first, second = (
        almost_isotropic_orders(
            one, grid=GRID, momentum_transfer=transfers, orders=1, tensor=anisotropic
        )
        for one in (sound, density)
    )
    assert second == pytest.approx(first, abs=1e-12)
