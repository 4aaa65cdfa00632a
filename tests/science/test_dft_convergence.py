"""Convergence of cutoffs and meshes on labels with known errors."""

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT

from aiida_insbench.science.dft_convergence import (
    Tolerances,
    changes,
    check_rising,
    choose,
    convergence_record,
    convergence_warnings,
    pressure_range,
)
from aiida_insbench.science.errors import DatasetError, InputError
from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY


def labelled(*, energy=0.0, per_frame=0.0, forces=0.0, pressure=0.0):
    """Rattled copper by EMT, with errors: eV/atom, eV/atom of every other frame, eV/Å, GPa."""
    frames = []
    for index in range(4):
        atoms = bulk('Cu', cubic=True, a=3.55 + 0.02 * index)
        atoms.rattle(0.05, seed=index)
        atoms.calc = EMT()
        atoms.info['frame_id'] = f'cv_{index:03d}'
        error = energy + per_frame * (-1) ** index
        atoms.info[ENERGY_KEY] = atoms.get_potential_energy() + len(atoms) * error
        atoms.arrays[FORCES_KEY] = atoms.get_forces() + forces
        stress = atoms.get_stress()
        stress[:3] -= pressure * units.GPa
        atoms.info[STRESS_KEY] = stress
        frames.append(atoms)
    return frames


class TestChanges:
    def test_a_constant_energy_is_no_change(self):
        assert changes(labelled(energy=-5.0), labelled())['energy_mev_atom'] < 1e-6

    def test_energies_between_frames(self):
        found = changes(labelled(per_frame=0.001), labelled())
        assert found['energy_mev_atom'] == pytest.approx(1.0)

    def test_forces(self):
        assert changes(labelled(forces=0.003), labelled())['forces_mev_a'] == pytest.approx(3.0)

    def test_what_a_low_cutoff_leaves_is_to_be_added_to_its_pressure(self):
        """At too few plane waves pressures come out 0.24 GPa too low: 0.24 is missing."""
        found = changes(labelled(pressure=-0.24), labelled())
        assert found['stress_gpa'] == pytest.approx(0.24)
        assert found['pulay_stress_gpa'] == pytest.approx(0.24)

    def test_other_frames(self):
        with pytest.raises(DatasetError, match='different frames'):
            changes(labelled()[:3], labelled())


class TestChoice:
    def runs(self):
        """Forces converge at once, stress not before the third: its differences hide that."""
        return {
            '40': labelled(pressure=-0.9, forces=0.001),
            '60': labelled(pressure=-0.24),
            '80': labelled(pressure=-0.02),
            '100': labelled(),
        }

    def test_the_cheapest_that_agrees(self):
        chosen, table = choose(self.runs(), tolerances=Tolerances())
        assert chosen == '80'
        assert list(table) == ['40', '60', '80', '100']
        assert table['100']['stress_gpa'] == 0

    def test_looser(self):
        assert choose(self.runs(), tolerances=Tolerances(stress=0.3))[0] == '60'

    def test_agreement_by_chance_does_not_count(self):
        """A coarse run beside which a finer one disagrees is not converged."""
        runs = {'40': labelled(), '60': labelled(pressure=-0.5), '80': labelled()}
        assert choose(runs, tolerances=Tolerances())[0] is None

    def test_the_finest_is_not_judged_by_itself(self):
        runs = {'40': labelled(pressure=-0.5), '60': labelled()}
        assert choose(runs, tolerances=Tolerances())[0] is None

    def test_one_is_not_enough(self):
        with pytest.raises(InputError, match='at least two'):
            choose({'40': labelled()}, tolerances=Tolerances())


def test_pressure_range_is_that_of_the_labels():
    low, high = pressure_range(labelled())
    wider = pressure_range(labelled(pressure=10.0))
    assert low < high
    np.testing.assert_allclose(wider, [low + 10, high + 10], atol=2e-3)


@pytest.mark.parametrize(
    'values', [[[40, 160], [40, 160]], [[60, 240], [40, 320]], [[4, 4, 4], [4, 4, 2]]]
)
def test_lists_must_rise(values):
    with pytest.raises(InputError, match='is not finer than'):
        check_rising(values, name='cutoffs')


FOUND = {
    'cutoffs': [80.0, 320.0],
    'kpoints_mesh': [4, 4, 6],
    'pulay_stress_gpa': 0.02,
    'pressure_range': [-2.0, 6.0],
}


def test_record():
    assert convergence_record(FOUND)['pulay_stress_gpa'] == 0.02


@pytest.mark.parametrize(
    ('cutoff', 'mesh', 'count'), [(80, [4, 4, 6], 0), (60, [4, 4, 6], 1), (60, [4, 4, 4], 2)]
)
def test_warnings(cutoff, mesh, count):
    assert len(convergence_warnings(FOUND, {'ecutwfc': cutoff}, mesh)) == count
