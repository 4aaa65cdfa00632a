r"""Crossing diatomic chains: a rock-salt lattice whose springs resist stretching only.

Motion along each axis is that of independent chains of masses m and M with springs C, of which all
is known in closed form (Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), § 5):

.. math:: \omega^2_\pm(q) = C\left(\frac1m + \frac1M\right) \pm
          C\sqrt{\left(\frac1m+\frac1M\right)^2 - \frac{4\sin^2(qa/2)}{mM}}
"""

import numpy as np
import pytest
from ins_crystals import save_crystal, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.ins.density import displacement_density
from aiida_insbench.science.ins.directions import sphere_rule
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.kernel import powder_orders
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.vibrations import gather_vibrations

STRETCH = 3.0  # eV/Å², of each spring
EDGE = 4.0  # Å; neighbours are half of it apart
N = 6
ZERO_POINT = 16.857629168  # ħ/2mω of 1 u at 1 cm⁻¹ in Å²
PER_FORCE = 521.4708983725064  # cm⁻¹ of 1 eV/(Å² u): √(e/u)·1e10/(2πc)
LIGHT, HEAVY = 1, 0  # numbers of the atoms


@pytest.fixture(scope='module')
def source(tmp_path_factory):
    """Two atoms: primitive rock salt, NaH in place of LiH, whose masses are far apart."""
    cell = EDGE / 2 * (np.ones((3, 3)) - np.eye(3))
    crystal = spring_crystal(
        PhonopyAtoms(symbols=['Na', 'H'], cell=cell, scaled_positions=[[0] * 3, [0.5] * 3]),
        {EDGE / 2 + 0.1: (STRETCH, 0.0)},
        supercell=(3, 3, 3),
    )
    path = save_crystal(crystal, tmp_path_factory.mktemp('chain') / 'c.yaml')
    return open_modes(path, mesh=(N, N, N))


def chain(masses):
    """Frequencies in cm⁻¹ of q = (i + ½)/n, and the light atom's share in each, of both branches.

    The primitive mesh's projections onto an axis are these q, in steps of a chain's own cell
    `EDGE`.
    """
    light, heavy = masses
    phase = np.pi * (np.arange(N) + 0.5) / N  # qa/2
    both = 1 / light + 1 / heavy
    root = np.sqrt(both**2 - 4 * np.sin(phase) ** 2 / (light * heavy))
    squared = STRETCH * np.array([both - root, both + root])  # two springs: 2C/m at its largest
    # (2C/m − ω²) e_light = 2C cos(qa/2)/√(mM) e_heavy
    ratio = (2 * STRETCH / light - squared) * np.sqrt(light * heavy)
    ratio = (ratio / (2 * STRETCH * np.cos(phase))) ** 2
    return PER_FORCE * np.sqrt(squared), 1 / (1 + ratio)


def masses_of(source):
    return source.masses[LIGHT], source.masses[HEAVY]


def test_frequencies_are_those_of_chains(source):
    modes = source.collect()
    expected = np.sort(np.unique(np.round(chain(masses_of(source))[0], 6)))
    found = np.unique(np.round(modes.frequencies, 4))
    nearest = expected[np.abs(found[:, None] - expected).argmin(axis=1)]
    assert found == pytest.approx(nearest, rel=1e-6)
    assert modes.frequencies.max() == pytest.approx(expected.max(), rel=1e-6)


@pytest.mark.parametrize('temperature', [0.0, 300.0])
def test_displacements_are_sums_over_the_chain(source, temperature):
    """U of the light atom, isotropic: Σ_q Σ_± ħ/2mω |e|² coth(ħω/2kT)."""
    frequencies, share = chain(masses_of(source))
    thermal = 1.0
    if temperature:
        thermal = 1 / np.tanh(frequencies / (2 * 0.6950348 * temperature))
    mass = source.masses[LIGHT]
    expected = (ZERO_POINT / (mass * frequencies) * share * thermal).sum() / N
    tensors = gather_vibrations(source, temperature=temperature, bin_width=1.0).tensors
    assert tensors[LIGHT] == pytest.approx(expected * np.eye(3), rel=1e-6, abs=1e-9)


def test_order_one_by_closed_form(source):
    """Q² e^{-Q²U} ħ/2mω |e|² at each frequency: U is isotropic, so the powder average is exact."""
    frequencies, share = chain(masses_of(source))
    mass = source.masses[LIGHT]
    weights = ZERO_POINT / (mass * frequencies) * share / N
    momentum = 6.0
    factor = momentum**2 * np.exp(-(momentum**2) * weights.sum())
    density = displacement_density(source.collect(), atom=LIGHT, temperature=0.0, bin_width=0.5)
    grid = EnergyGrid(0.5, 0, int(frequencies.max() / 0.5) + 4)
    directions, rule = sphere_rule(302)
    orders = powder_orders(
        density,
        grid=grid,
        momentum_transfer=np.full((1, len(grid.energies)), momentum),
        orders=1,
        directions=directions,
        weights=rule,
    )[0, 0] * 0.5  # fmt: skip
    assert orders.sum() == pytest.approx(factor * weights.sum(), rel=1e-6)
    # moments of the lines, which sharing between bins keeps
    assert orders @ grid.energies == pytest.approx(factor * (weights * frequencies).sum(), rel=1e-6)
    # up to behind each line of the acoustic branch; q and −q have the same
    ends = np.unique(frequencies[0].round(6)) + 0.6
    running = [orders[grid.energies < end].sum() for end in ends]
    expected = [weights[frequencies < end].sum() for end in ends]
    assert running == pytest.approx(factor * np.array(expected), rel=1e-6)


def test_spectrum_of_the_chain_keeps_its_sum_rules(source):
    result = powder_spectrum(
        source,
        instrument=get_instrument('TOSCA'),
        temperature=10.0,
        energy_range=(0.0, 2000.0),
        bin_width=2.0,
        options=PowderOptions(tolerance=1e-7),
    )
    assert result.sum_rules.norm == pytest.approx(1, abs=1e-6)
    assert result.sum_rules.first_moment == pytest.approx(1, abs=1e-3)
    assert [len(site.atoms) for site in result.spectrum.sites] == [1, 1]
