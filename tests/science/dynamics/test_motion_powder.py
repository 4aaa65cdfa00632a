"""Spectra from densities of states that a run has left, as files keep them."""

import dataclasses

import numpy as np
import pytest
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from normal_mode_runs import harmonic_run, normal_modes

from aiida_insbench.jobs.md_motion import motion_of_run, read_motions
from aiida_insbench.science.dynamics.commensurate import commensurate_modes
from aiida_insbench.science.dynamics.motion_convergence import converged_motion
from aiida_insbench.science.dynamics.motion_powder import motion_powder, resampled
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.energies import energy_grid
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.ins.simulation import Simulation

TOSCA = get_instrument('TOSCA')
WINDOW = 10.0
RANGE = (60.0, 1900.0)


@pytest.fixture(scope='module')
def crystal():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def run(crystal):
    """One long run; atoms reordered cell by cell, as supercells of molecular dynamics are."""
    found = harmonic_run(
        crystal,
        seed=1,
        modes=normal_modes(crystal),
        temperature=300.0,
        n_frames=9000,
        stride=0.004,
        drawn=False,
    )
    sites = np.asarray(crystal.supercell.s2u_map)
    copies = [np.flatnonzero(sites == site) for site in dict.fromkeys(sites.tolist())]
    order = np.array(copies).T.ravel()
    return dataclasses.replace(
        found,
        symbols=tuple(found.symbols[atom] for atom in order),
        masses=found.masses[order],
        positions=found.positions[:, order],
        velocities=found.velocities[:, order],
    )


@pytest.fixture(scope='module')
def files(run):
    return motion_of_run(
        run,
        grid=energy_grid((0.0, 1900.0), WINDOW / 4),
        resolution=WINDOW,
        labels=run.symbols[:6],
        timestep=1e-3,
        temperature=300.0,
    )


def simulation(bin_width=4.0, temperature=10.0, resolution=25.0, **options):
    return Simulation(
        TOSCA, temperature, RANGE, bin_width, PowderOptions(resolution=[resolution], **options)
    )


def known(crystal, bin_width):
    return powder_spectrum(
        commensurate_modes(crystal, supercell_matrix=np.diag([2, 2, 3])),
        instrument=TOSCA,
        temperature=10.0,
        energy_range=RANGE,
        bin_width=bin_width,
        options=PowderOptions(resolution=[25.0]),
    ).spectrum


@pytest.mark.parametrize('bin_width', [1.0, 4.0])
def test_harmonic_run_gives_the_spectrum_of_its_modes(crystal, files, bin_width):
    """Bins finer and coarser than those the density is kept on."""
    found, *_ = read_motions(*files)
    mine = motion_powder(found, simulation(bin_width)).result.spectrum
    theirs = known(crystal, bin_width)
    assert mine.grid == theirs.grid
    assert mine.total.sum() == pytest.approx(theirs.total.sum(), rel=0.02)
    assert np.abs(mine.total - theirs.total).sum() < 0.04 * theirs.total.sum()


def test_intensity_is_that_of_one_cell(files):
    """Contributions are of the unit cell's six sites, each once."""
    found, *_ = read_motions(*files)
    spectrum = motion_powder(found, simulation()).result.spectrum
    assert len(spectrum.sites) == 6
    assert spectrum.elements == ('Mg', 'H')


def test_statistics_are_judged(files):
    result, convergence = converged_motion(read_motions(*files), simulation(), tolerance=1e-6)
    errors = convergence.errors
    assert set(errors) == {'bins', 'directions', 'orders', 'statistics'}
    # two halves of a harmonic run, whose phases alone differ
    assert 0 < errors['statistics'] < 5
    assert errors['bins'] < 2
    assert any('statistics' in text and 'Run longer' in text for text in convergence.warnings)
    assert result.spectrum.total.min() > -1e-3 * result.spectrum.total.max()


def test_a_smooth_density_is_drawn_finer_without_loss(files):
    """Area and mean energy stay; every fourth point is one that was known."""
    whole, *_ = read_motions(*files)
    coarse = whole.densities[2]
    fine = resampled(coarse, coarse.grid.bin_width / 4)
    assert np.abs(fine.tensor[:, ::4] - coarse.tensor).max() < 1e-9
    for power in (0, 1):
        sums = [
            (one.tensor[:3].sum(axis=0) * one.grid.energies**power).sum() * one.grid.bin_width
            for one in (fine, coarse)
        ]
        assert sums[0] == pytest.approx(sums[1], rel=1e-4)
    assert resampled(coarse, 2 * coarse.grid.bin_width) is coarse


def test_window_wider_than_the_instrument_is_told(files):
    whole, *_ = read_motions(*files)
    warnings = motion_powder(whole, simulation(resolution=5.0)).result.warnings
    assert any('σ = 10 cm⁻¹, more than the instrument would' in text for text in warnings)


def test_files_that_are_none_of_a_run_are_refused(files):
    record, arrays = files
    with pytest.raises(InputError, match='no densities of a run: labels, motion_tensor missing'):
        read_motions(
            {key: value for key, value in record.items() if key != 'labels'},
            {'motion_masses': arrays['motion_masses']},
        )
    with pytest.raises(InputError, match='the record asks for'):
        read_motions({**record, 'labels': ['H']}, arrays)
    whole, *_ = read_motions(record, arrays)
    with pytest.raises(InputError, match='at least a bin'):
        motion_powder(whole, simulation(bin_width=20.0))
