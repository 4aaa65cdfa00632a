"""The coherent part of order 1 against its limits."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import save_crystal, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.coherent import coherent_one_phonon, sphere_points
from aiida_insbench.science.ins.density import displacement_density
from aiida_insbench.science.ins.directions import sphere_rule
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.kernel import powder_orders
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.vibrations import gather_vibrations

MESH = (8, 8, 8)


def cubic(symbols, positions, tmp_path_factory, springs):
    cell = PhonopyAtoms(symbols=symbols, cell=3.0 * np.eye(3), scaled_positions=positions)
    crystal = spring_crystal(cell, springs, supercell=(3, 3, 3))
    path = save_crystal(crystal, tmp_path_factory.mktemp('crystal') / 'c.yaml')
    return open_modes(path, mesh=MESH)


@pytest.fixture(scope='module')
def carbon(tmp_path_factory):
    """Simple cubic, one atom."""
    return cubic(['C'], [[0, 0, 0]], tmp_path_factory, {3.1: (4.0, 1.5), 4.3: (1.0, 0.3)})


@pytest.fixture(scope='module')
def pair(tmp_path_factory):
    return cubic(
        ['C', 'N'],
        [[0, 0, 0], [0.5, 0.5, 0.5]],
        tmp_path_factory,
        {2.7: (4.0, 1.0), 3.1: (1.0, 0.4)},
    )


def coherent_of(source, *, momentum, grid, points=2000, temperature=10.0):
    vibrations = gather_vibrations(source, temperature=temperature, bin_width=grid.bin_width)
    halves = coherent_one_phonon(
        source,
        tensors=vibrations.tensors,
        temperature=temperature,
        grid=grid,
        momentum_transfer=np.full((1, len(grid.energies)), momentum),
        highest_frequency=2000.0,
        minimum_frequency=1.0,
        points=points,
        spacing=0.1,
    )
    return vibrations, halves


def test_points_are_spread_evenly():
    points = sphere_points(500)
    assert np.linalg.norm(points, axis=1) == pytest.approx(np.ones(500))
    assert points.T @ points / 500 == pytest.approx(np.eye(3) / 3, abs=1e-3)


@pytest.mark.parametrize('temperature', [10.0, 300.0])
def test_at_large_momentum_it_is_the_incoherent_approximation(carbon, temperature):
    """Where the spheres cut many Brillouin zones interference averages out: σ_coh instead of σ_inc.

    Weight, and mean energy, of order 1 at the mean of several Q.
    """
    grid = EnergyGrid(4.0, -150 if temperature > 100 else 0, 300)
    expected, found = 0.0, 0.0
    directions, weights = sphere_rule(110)
    for momentum in (14.0, 14.3, 14.6, 14.9):
        vibrations, halves = coherent_of(
            carbon, momentum=momentum, grid=grid, temperature=temperature
        )
        found = found + halves.mean(axis=0)[0]
        expected = (
            expected
            + 5.551
            * powder_orders(
                vibrations.densities[0],
                grid=grid,
                momentum_transfer=np.full((1, len(grid.energies)), momentum),
                orders=1,
                directions=directions,
                weights=weights,
            )[0, 0]
        )
    assert found.sum() == pytest.approx(expected.sum(), rel=0.02)
    assert found @ grid.energies == pytest.approx(expected @ grid.energies, rel=0.03)


def test_two_atoms_interfere_but_not_on_the_mean(pair):
    grid = EnergyGrid(4.0, 0, 400)
    sections = {0: 5.551, 1: 11.01}
    directions, weights = sphere_rule(110)
    single, mean, reference = [], 0.0, 0.0
    for momentum in np.arange(12.0, 14.0, 0.2):
        vibrations, halves = coherent_of(pair, momentum=momentum, grid=grid, points=600)
        approximate = sum(
            sections[atom]
            * powder_orders(
                density,
                grid=grid,
                momentum_transfer=np.full((1, len(grid.energies)), momentum),
                orders=1,
                directions=directions,
                weights=weights,
            )[0, 0]
            for atom, density in vibrations.densities.items()
        )
        line = halves.mean(axis=0)[0]
        single.append(np.abs(line - approximate).sum() / approximate.sum())
        mean, reference = mean + line, reference + approximate
    assert min(single) > 0.05
    assert mean.sum() == pytest.approx(reference.sum(), rel=0.03)


def test_between_spheres_it_is_interpolated(carbon):
    grid = EnergyGrid(4.0, 0, 300)
    low, high, middle = (
        coherent_of(carbon, momentum=q, grid=grid, points=100)[1] for q in (5.0, 5.1, 5.04)
    )
    assert middle == pytest.approx(0.6 * low + 0.4 * high, rel=1e-9, abs=1e-15)


def test_acoustic_modes_of_long_waves_scatter_as_q_along_q(carbon):
    """At small Q only the longitudinal acoustic mode is seen: S = ħQ²/2mω ∝ Q."""
    grid = EnergyGrid(2.0, 0, 600)
    weights = [
        coherent_of(carbon, momentum=q, grid=grid, points=200)[1].mean(axis=0).sum() * 2.0
        for q in (0.1, 0.2)
    ]
    assert weights[1] / weights[0] == pytest.approx(2.0, rel=0.03)


def test_coherent_option_replaces_the_coherent_part_of_order_one(carbon):
    arguments = {
        'instrument': get_instrument('TOSCA'),
        'temperature': 10.0,
        'energy_range': (0.0, 1200.0),
        'bin_width': 4.0,
    }
    plain = powder_spectrum(carbon, **arguments)
    options = PowderOptions(coherent=True, coherent_points=200, coherent_spacing=0.1)
    result = powder_spectrum(carbon, options=options, **arguments)
    assert any('`coherent` computes it' in text for text in plain.warnings)
    assert not any('`coherent`' in text for text in result.warnings)
    spectrum = result.spectrum
    assert spectrum.by_order[1:] == pytest.approx(plain.spectrum.by_order[1:])
    incoherent = plain.spectrum.by_order[0] * 0.001 / (0.001 + 5.551)
    assert spectrum.by_order[0] == pytest.approx(incoherent + spectrum.coherent_total)
    assert sum(spectrum.by_order) == pytest.approx(spectrum.total)
    assert sum(spectrum.by_bank.values()) / 2 == pytest.approx(spectrum.total)
    assert sum(spectrum.by_element.values()) + spectrum.coherent_total == pytest.approx(
        spectrum.total
    )
    assert 0 < np.abs(result.coherent_error).sum() < 0.3 * spectrum.coherent_total.sum()


@pytest.mark.parametrize(
    ('options', 'named'),
    [
        (PowderOptions(coherent=True, cross_section='incoherent'), 'cross_section'),
        (PowderOptions(coherent=True, coherent_points=1), 'coherent_points'),
        (PowderOptions(coherent=True, coherent_spacing=0.0), 'coherent_spacing'),
    ],
)
def test_coherent_options_that_make_no_sense(carbon, options, named):
    with pytest.raises(InputError, match=named):
        powder_spectrum(
            carbon, instrument=get_instrument('TOSCA'), temperature=10.0,
            energy_range=(0.0, 100.0), bin_width=4.0, options=options,
        )  # fmt: skip


def test_modes_as_they_stand_have_no_coherent_part(carbon):
    with pytest.raises(InputError, match='force constants'):
        powder_spectrum(
            carbon.collect(), instrument=get_instrument('TOSCA'), temperature=10.0,
            energy_range=(0.0, 100.0), bin_width=4.0, options=PowderOptions(coherent=True),
        )  # fmt: skip


def test_density_and_coherent_part_share_their_units(carbon):
    """One sphere point along x: 4πb² Q² ħ/2mω of the longitudinal mode, by Euphonic's modes."""
    grid = EnergyGrid(1.0, 0, 1500)
    modes = carbon.collect()
    density = displacement_density(modes, atom=0, temperature=0.0, bin_width=1.0)
    assert dataclasses.is_dataclass(density)
    vibrations, halves = coherent_of(carbon, momentum=3.0, grid=grid, points=4000)
    moment = halves.mean(axis=0)[0] @ grid.energies * grid.bin_width
    damping = np.exp(-9.0 * np.trace(vibrations.tensors[0]) / 3)
    # first moment of order 1, damping of an isotropic site: σ ħ²Q²/2M e^{-2W}
    assert moment == pytest.approx(5.551 * 9.0 * 16.857629168 / 12.011 * damping, rel=0.01)
