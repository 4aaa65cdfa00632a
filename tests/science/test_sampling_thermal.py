"""Thermal frames: variances of quantum oscillators, imaginary modes counted, crystals given."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_insbench.science.errors import InputError, PressureError
from aiida_insbench.science.frames import check_frames, write_frames
from aiida_insbench.science.ins.debye_waller import mean_square_displacement
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.cells import frame_generator, sampling_cell
from aiida_insbench.science.sampling.equal_energy import (
    EqualEnergy,
    equal_energy_about_each,
    equal_energy_frames,
)
from aiida_insbench.science.sampling.optical_modes import optical_modes
from aiida_insbench.science.sampling.thermal import Thermal, thermal_about_each, thermal_frames
from aiida_insbench.science.sampling.thermal_cell import ThermalCell
from aiida_insbench.science.supercells import build_phonopy

UNIT = np.eye(3, dtype=int)
SQRT2 = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
TRIPLE = np.diag([3, 1, 1])


@pytest.fixture(scope='module')
def alloy():
    """Cu3Au, stable in EMT."""
    atoms = bulk('Cu', cubic=True, a=3.75)
    atoms.symbols[0] = 'Au'
    return relax(atoms=atoms, calculator=EMT(), pressure=0.0).atoms


def dumbbell(stiffness):
    """Phonopy's object of two atoms joined by an isotropic spring, eV/Å²; nothing else holds."""
    atoms = Atoms('HO', cell=[5, 5, 5], positions=[[0, 0, 0], [1, 0, 0]], pbc=True)
    phonon = build_phonopy(atoms=atoms, supercell_matrix=UNIT)
    block = stiffness * np.eye(3)
    phonon.force_constants = np.array([[block, -block], [-block, block]])
    return phonon


def variances(cell, count):
    """Mean square of each component of each atom's displacement, Å²."""
    drawn = [cell.displacements(frame_generator(seed=1, index=i)) for i in range(count)]
    return np.mean(np.square(drawn), axis=0)


@pytest.mark.parametrize('temperature', [0.0, 300.0, 2000.0])
def test_one_oscillator(temperature):
    """<u²> of the bond is ħ/2μω coth(ħω/2kT), ω² = k/μ, shared out as the masses' inverses."""
    phonon = dumbbell(5.0)
    masses = np.array(phonon.masses)
    reduced = masses.prod() / masses.sum()
    omega = np.sqrt(5.0 / reduced)  # √(eV/u)/Å
    hbar = units._hbar * units.J * units.second  # eV × ASE's time, Å √(u/eV)
    expected = hbar / (2 * reduced * omega)
    if temperature:
        expected /= np.tanh(hbar * omega / (2 * units.kB * temperature))
    cell = ThermalCell(phonon, temperature=temperature, frequency_cutoff=1.0)
    found = variances(cell, 4000).mean(axis=1)
    shares = (reduced / masses) ** 2
    # 12000 squares: known to 1.3 %
    assert found == pytest.approx(expected * shares, rel=0.05)


@pytest.mark.parametrize('temperature', [0.0, 300.0])
def test_variances_are_sums_over_modes(alloy, temperature):
    """Against modes of the supercell's Γ, which phonopy's q-points unfold, and our own coth."""
    phonon = calculate_force_constants(atoms=alloy, calculator=EMT(), supercell_matrix=TRIPLE)
    cell = ThermalCell(phonon, temperature=temperature, frequency_cutoff=1.0)
    _, modes = optical_modes(atoms=alloy, calculator=EMT(), supercell_matrix=TRIPLE)
    assert cell.frequencies[3:] == pytest.approx(modes.frequencies, abs=0.01)
    assert np.abs(cell.frequencies[:3]).max() < 0.1
    squares = mean_square_displacement(
        frequencies=modes.frequencies,
        masses=np.ones(len(modes.frequencies)),
        temperature=temperature,
    )
    expected = np.einsum('m,mia->ia', squares, modes.displacements**2)
    found = variances(cell, 1500)
    assert found.sum() == pytest.approx(expected.sum(), rel=0.03)
    # one component of one atom: 1500 squares, known to 3.7 %
    assert found == pytest.approx(expected, rel=0.2)


def thermal(atoms, *, seed=3, cells=((UNIT, 4),), pressures=(0.0,), **changes):
    settings = {'temperature': 300.0, 'strain': 0.0} | changes
    return thermal_frames(
        atoms=atoms,
        calculator=EMT(),
        pressures=pressures,
        cells=[sampling_cell(supercell_matrix=matrix, count=count) for matrix, count in cells],
        settings=Thermal(**settings),
        seed=seed,
        prefix='t1',
    )


def test_thermal_frames_are_repeatable_dealt_and_tagged(alloy):
    cells = ((UNIT, 3), (SQRT2, 2))
    samples = [
        thermal(alloy, seed=seed, cells=cells, pressures=[0, 5], strain=0.004) for seed in (3, 3, 4)
    ]
    texts = [write_frames(sample.frames) for sample in samples]
    assert texts[0] == texts[1] != texts[2]
    frames = samples[0].frames
    check_frames(frames, labelled=False)
    assert [frame.info['target_pressure'] for frame in frames] == [0, 5, 0, 5, 0]
    assert {frame.info['method'] for frame in frames} == {'thermal'}
    assert not any(frame.has('masses') for frame in frames)
    assert samples[0].imaginary == {'p_0000': 0, 'p_5000': 0}
    # three translations in each of two kinds of cell
    assert samples[0].at_rest == {'p_0000': 6, 'p_5000': 6}
    assert samples[0].lowest['p_5000'] > samples[0].lowest['p_0000'] - 200
    alone = thermal(alloy, cells=((UNIT, 1),), pressures=[0, 5], strain=0.004)
    assert write_frames(alone.frames) == write_frames(frames[:1])


def test_strain_and_temperature_matter(alloy):
    start = alloy.cell.array
    cold, hot, strained = (
        thermal(alloy, **changes).frames[1]
        for changes in ({'temperature': 0.0}, {'temperature': 900.0}, {'strain': 0.01})
    )
    assert cold.cell.array == pytest.approx(start, abs=1e-4)
    assert not np.allclose(strained.cell.array, start, atol=1e-3)
    spread = [np.abs(f.get_scaled_positions() - cold.get_scaled_positions()) for f in (hot, cold)]
    assert spread[0].max() > 0.005


def test_imaginary_modes_move_as_real_ones_and_are_counted():
    """phonopy takes |ω|: minus the spring, the same displacements."""
    frames = []
    for sign in (1, -1):
        cell = ThermalCell(dumbbell(sign * 5.0), temperature=100.0, frequency_cutoff=1.0)
        frames.append(cell.displacements(frame_generator(seed=1, index=0)))
        assert int((cell.frequencies < -1).sum()) == (0 if sign > 0 else 3)
    assert frames[0] == pytest.approx(frames[1])


def test_modes_below_the_cutoff_stay_at_rest():
    cell = ThermalCell(dumbbell(5.0), temperature=100.0, frequency_cutoff=4000.0)
    assert np.abs(cell.frequencies).max() < 4000
    assert np.abs(cell.displacements(frame_generator(seed=1, index=0))).max() == 0.0


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'temperature': -1.0}, 'temperature'),
        ({'temperature': np.nan}, 'temperature'),
        ({'frequency_cutoff': 0.0}, 'frequency_cutoff'),
        ({'displacement': 0.5}, 'displacement'),
        ({'strain': np.nan}, 'strain'),
    ],
)
def test_wrong_settings_are_refused(alloy, changes, words):
    with pytest.raises(InputError, match=words):
        thermal(alloy, **changes)


# --- crystals given instead of relaxed ------------------------------------------------------


def arguments(count=3):
    return {
        'calculator': EMT(),
        'cells': [sampling_cell(supercell_matrix=UNIT, count=count)],
        'seed': 2,
        'prefix': 'r',
    }


def test_given_crystals_that_are_relaxed_give_the_same_frames(alloy):
    """The potential's own relaxed crystals handed back: nothing changes but that none is moved."""
    settings = EqualEnergy(temperature=60, frequency_floor=20, strain=0.0)
    own = equal_energy_frames(atoms=alloy, pressures=[0, 5], settings=settings, **arguments())
    crystals = {label: found.atoms for label, found in own.relaxations.items()}
    given = equal_energy_about_each(structures=crystals, settings=settings, **arguments())
    assert write_frames(given.frames) == write_frames(own.frames)
    assert {found.steps for found in given.relaxations.values()} == {0}
    hot = Thermal(temperature=300, strain=0.0)
    own = thermal_frames(atoms=alloy, pressures=[0, 5], settings=hot, **arguments())
    given = thermal_about_each(structures=crystals, settings=hot, **arguments())
    assert write_frames(given.frames) == write_frames(own.frames)


def test_given_crystals_stay_where_they_are_and_residuals_are_told(alloy):
    shifted = alloy.copy()
    shifted.set_cell(alloy.cell.array * 1.01, scale_atoms=True)
    shifted.positions[1] += [0.02, 0, 0]
    settings = EqualEnergy(temperature=1, frequency_floor=20, strain=0.0)
    given = equal_energy_about_each(
        structures={'p_1000': shifted, 'p_3000': alloy},
        pressures=[1.0],
        settings=settings,
        **arguments(),
    )
    assert list(given.relaxations) == ['p_1000']
    assert given.relaxations['p_1000'].residual_force > 0.05
    for frame in given.frames:
        assert frame.cell.array == pytest.approx(shifted.cell.array)
        moved = frame.positions - shifted.positions
        assert np.abs(moved - np.rint(moved / 3.79) * 3.79).max() < 0.2
    with pytest.raises(PressureError, match='lacks p_0000'):
        equal_energy_about_each(
            structures={'p_1000': shifted}, pressures=[0.0], settings=settings, **arguments()
        )
