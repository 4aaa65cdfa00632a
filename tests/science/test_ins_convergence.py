"""Errors of a spectrum, against spectra that are much better."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    oscillator,
    save_crystal,
    spring_crystal,
)

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.convergence import area_difference, converged_spectrum
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import simulate
from aiida_insbench.science.ins.simulation import Simulation

SIMULATION = Simulation(
    get_instrument('TOSCA'), 10.0, (0.0, 1600.0), 4.0, PowderOptions(tolerance=1e-3)
)


@pytest.fixture(scope='module')
def path(tmp_path_factory):
    crystal = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    return save_crystal(crystal, tmp_path_factory.mktemp('crystal') / 'c.yaml')


@pytest.fixture(scope='module')
def best(path):
    """Fine bins on a fine mesh, every fourth of them."""
    fine = dataclasses.replace(
        SIMULATION, bin_width=1.0, options=PowderOptions(tolerance=1e-5, direction_tolerance=1e-6)
    )
    return simulate(open_modes(path, mesh=(24, 24, 36)), fine).spectrum.total[::4]


def test_the_mesh_is_refined_until_the_spectrum_stands(path, best):
    source = open_modes(path, spacing=0.6)
    result, convergence = converged_spectrum(source, SIMULATION, tolerance=3.0, refine=True)
    assert convergence.q_mesh <= 3.0
    assert len(convergence.meshes) > 2
    assert convergence.meshes[0] == source.mesh
    assert not convergence.warnings
    assert area_difference(result.spectrum.total, best) <= sum(convergence.errors.values())


def test_error_of_a_given_mesh_is_found_by_a_coarser_one(path, best):
    source = open_modes(path, mesh=(6, 6, 9))
    result, convergence = converged_spectrum(source, SIMULATION, tolerance=None, refine=False)
    assert convergence.meshes == ((4, 4, 6), (6, 6, 9))
    true = area_difference(result.spectrum.total, best)
    assert true < convergence.q_mesh < 20 * true
    assert result.spectrum.total == pytest.approx(simulate(source, SIMULATION).spectrum.total)
    assert not convergence.warnings


def test_error_of_bins_is_as_estimated(path):
    """Bins of 8 cm⁻¹ against bins of 1, on the same modes."""
    modes = open_modes(path, mesh=(6, 6, 9))
    coarse = dataclasses.replace(SIMULATION, bin_width=8.0)
    fine = dataclasses.replace(SIMULATION, bin_width=1.0)
    result, convergence = converged_spectrum(modes, coarse, tolerance=None, refine=False)
    true = area_difference(result.spectrum.total, simulate(modes, fine).spectrum.total[::8])
    assert true / 3 < convergence.bins < 3 * true


def test_error_of_orders_is_what_they_miss(path):
    few = dataclasses.replace(SIMULATION, options=PowderOptions(max_order=2))
    source = open_modes(path, mesh=(3, 3, 4))
    result, convergence = converged_spectrum(source, few, tolerance=1.0, refine=False)
    rules = result.sum_rules
    assert convergence.orders == pytest.approx(
        100 * rules.missing_weight / (1 - rules.elastic_weight)
    )
    assert any('orders' in text and 'max_order' in text for text in convergence.warnings)


def test_error_of_directions_is_that_of_the_area(path):
    source = open_modes(path, mesh=(3, 3, 4))
    few, many = (
        dataclasses.replace(SIMULATION, options=PowderOptions(directions=count))
        for count in (14, 590)
    )
    result, convergence = converged_spectrum(source, few, tolerance=None, refine=False)
    true = area_difference(result.spectrum.total, simulate(source, many).spectrum.total)
    assert 0.1 * true < convergence.directions
    assert convergence.directions > 0.1


def test_a_smaller_tolerance_tightens_the_parts(path):
    source = open_modes(path, mesh=(3, 3, 4))
    loose, tight = (
        converged_spectrum(source, SIMULATION, tolerance=tolerance, refine=False)
        for tolerance in (10.0, 0.01)
    )
    assert tight[0].spectrum.n_orders > loose[0].spectrum.n_orders
    assert tight[1].directions < loose[1].directions
    assert tight[1].warnings


def test_a_mesh_that_would_be_too_large_is_not_taken(path):
    source = open_modes(path, mesh=(2, 2, 3))
    result, convergence = converged_spectrum(
        source, SIMULATION, tolerance=1e-6, refine=True, most_qpoints=30
    )
    assert result.vibrations.n_qpoints <= 30
    assert any('q_mesh' in text for text in convergence.warnings)


def test_a_first_mesh_that_cannot_be_refined_is_judged_by_a_coarser_one(path):
    source = open_modes(path, mesh=(3, 3, 4))
    _, convergence = converged_spectrum(
        source, SIMULATION, tolerance=1e-6, refine=True, most_qpoints=20
    )
    assert convergence.meshes == ((2, 2, 3), (3, 3, 4))
    assert any('q_mesh' in text for text in convergence.warnings)


def test_modes_as_they_stand_have_no_mesh_to_judge():
    _, convergence = converged_spectrum(
        oscillator(frequency=400.0), SIMULATION, tolerance=1.0, refine=True
    )
    assert convergence.q_mesh is None
    assert set(convergence.errors) == {'bins', 'directions', 'orders'}


def test_without_resolution_it_is_judged_with_one(path):
    plain = dataclasses.replace(SIMULATION, options=PowderOptions(resolution=None))
    _, convergence = converged_spectrum(
        open_modes(path, mesh=(6, 6, 9)), plain, tolerance=None, refine=False
    )
    assert 0 < convergence.q_mesh < 50
    assert 0 < convergence.bins < 20


def test_error_of_a_mesh_does_not_know_the_coherent_part(path):
    """It is that of the incoherent approximation, on a mesh that is given and on one refined."""
    coherent = PowderOptions(
        coherent=True, coherent_points=20, coherent_spacing=0.5, tolerance=1e-3
    )
    for refine in (False, True):
        plain, other = (
            converged_spectrum(
                open_modes(path, mesh=(3, 3, 4)),
                dataclasses.replace(SIMULATION, options=options),
                tolerance=20.0,
                refine=refine,
            )
            for options in (SIMULATION.options, coherent)
        )
        assert other[1].q_mesh == pytest.approx(plain[1].q_mesh)
        assert other[1].bins == pytest.approx(plain[1].bins)
        assert other[0].spectrum.coherent is not None
        assert plain[0].spectrum.coherent is None


def test_the_coherent_part_has_a_statistical_error(path):
    options = PowderOptions(coherent=True, coherent_points=40, coherent_spacing=0.5, max_order=2)
    simulation = dataclasses.replace(SIMULATION, options=options)
    source = open_modes(path, mesh=(3, 3, 4))
    few = converged_spectrum(source, simulation, tolerance=None, refine=False)[1]
    more = dataclasses.replace(
        simulation, options=dataclasses.replace(options, coherent_points=400)
    )
    many = converged_spectrum(source, more, tolerance=None, refine=False)[1]
    assert 0 < many.coherent < few.coherent
    assert few.bins == pytest.approx(
        converged_spectrum(
            source,
            dataclasses.replace(SIMULATION, options=PowderOptions(max_order=2)),
            tolerance=None,
            refine=False,
        )[1].bins,
        rel=1e-6,
    )


@pytest.mark.parametrize(('tolerance', 'refine'), [(0.0, False), (-1.0, True), (None, True)])
def test_tolerances_that_make_no_sense(path, tolerance, refine):
    with pytest.raises(InputError, match='tolerance'):
        converged_spectrum(
            open_modes(path, mesh=(2, 2, 2)), SIMULATION, tolerance=tolerance, refine=refine
        )


def test_area_between_two_spectra_by_hand():
    assert area_difference(np.array([1.0, 3.0]), np.array([2.0, 2.0])) == pytest.approx(50.0)
