"""Errors of predictions: numbers by hand, invariants, and a calculator that is its own label."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.units import GPa
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import ComputationError, DatasetError
from aiida_insbench.science.parity import Properties, errors, labels, predict


def frame(symbols, *, energy, stress=(0, 0, 0, 0, 0, 0), pressure=None):
    count = len(symbols)
    atoms = Atoms(symbols, positions=np.arange(3 * count).reshape(-1, 3), cell=[9, 9, 9], pbc=True)
    atoms.info |= {'REF_energy': energy, 'REF_stress': np.asarray(stress, dtype=float)}
    atoms.arrays['REF_forces'] = np.zeros((count, 3))
    if pressure is not None:
        atoms.info['target_pressure'] = pressure
    return atoms


FRAMES = [
    frame(['Mg', 'H', 'H'], energy=-3.0, pressure=0.0),
    frame(['H'], energy=-1.0, pressure=1.5),
]


def test_numbers_by_hand():
    """3 meV/atom and 1 meV/atom; 1 meV/Å on one of twelve components; 0.1 GPa on one of twelve."""
    forces = np.zeros((4, 3))
    forces[1, 2] = 0.001
    stress = np.zeros((2, 6))
    stress[1, 5] = 0.1 * GPa
    predicted = Properties(np.array([-3.0 + 0.009, -1.0 + 0.001]), forces, stress)
    found = errors(FRAMES, predicted=predicted)
    assert found['rmse_energy_mev_atom'] == pytest.approx(np.sqrt((9 + 1) / 2))
    assert found['mean_energy_error_mev_atom'] == pytest.approx(2.0)
    assert found['rmse_forces_mev_a'] == pytest.approx(1 / np.sqrt(12))
    assert found['mae_forces_mev_a'] == pytest.approx(1 / 12)
    assert found['rmse_stress_gpa'] == pytest.approx(0.1 / np.sqrt(12))
    assert found['n_frames'] == 2
    assert found['by_element']['Mg'] == {
        'rmse_forces_mev_a': 0.0,
        'mae_forces_mev_a': 0.0,
        'n_atoms': 1,
    }
    assert found['by_element']['H']['rmse_forces_mev_a'] == pytest.approx(1 / 3)
    assert list(found['by_pressure']) == ['p_0000', 'p_1500']
    assert found['by_pressure']['p_1500']['rmse_energy_mev_atom'] == pytest.approx(1.0)
    assert found['by_pressure']['p_1500']['rmse_forces_mev_a'] == 0.0
    assert found['by_pressure']['p_1500']['rmse_stress_gpa'] == pytest.approx(0.1 / np.sqrt(6))


def test_a_potential_that_is_its_own_label_has_no_error():
    atoms = bulk('Cu', cubic=True)
    atoms.rattle(0.1, seed=1)
    reference = predict([atoms], calculator=EMT())
    atoms.info |= {'REF_energy': reference.energy[0], 'REF_stress': reference.stress[0]}
    atoms.arrays['REF_forces'] = reference.forces
    found = errors([atoms], predicted=predict([atoms], calculator=EMT()))
    assert found['rmse_forces_mev_a'] == found['rmse_energy_mev_atom'] == 0.0
    assert found['by_pressure'] == {}
    assert atoms.calc is None


@given(shift=st.floats(-5, 5), seed=st.integers(0, 99))
def test_totals_are_the_weighted_sum_of_the_parts(shift, seed):
    rng = np.random.default_rng(seed)
    predicted = Properties(
        rng.normal(size=2) + shift, rng.normal(size=(4, 3)), rng.normal(size=(2, 6))
    )
    found = errors(FRAMES, predicted=predicted)
    square = sum(
        part['n_atoms'] * part['rmse_forces_mev_a'] ** 2 for part in found['by_element'].values()
    )
    assert square / 4 == pytest.approx(found['rmse_forces_mev_a'] ** 2)
    square = sum(part['rmse_energy_mev_atom'] ** 2 for part in found['by_pressure'].values())
    assert square / 2 == pytest.approx(found['rmse_energy_mev_atom'] ** 2)
    assert found['rmse_energy_mev_atom'] >= abs(found['mean_energy_error_mev_atom']) - 1e-9
    assert found['rmse_forces_mev_a'] >= found['mae_forces_mev_a'] - 1e-9


def test_full_stress_tensor_is_read_in_voigt_order():
    tensor = np.array([[1.0, 6.0, 5.0], [6.0, 2.0, 4.0], [5.0, 4.0, 3.0]])
    assert labels([frame(['H'], energy=0.0, stress=tensor)]).stress.tolist() == [[1, 2, 3, 4, 5, 6]]
    with pytest.raises(DatasetError, match='3 numbers'):
        labels([frame(['H'], energy=0.0, stress=np.zeros(3))])


def test_predictions_of_other_frames_are_refused():
    predicted = labels(FRAMES)
    with pytest.raises(DatasetError, match='2 predictions'):
        errors(FRAMES[:1], predicted=predicted)
    with pytest.raises(DatasetError, match='0 frames'):
        errors([], predicted=predicted)


def test_predictions_that_are_not_finite_are_refused():
    class Broken(EMT):
        def calculate(self, *args, **kwargs):
            super().calculate(*args, **kwargs)
            self.results['forces'] = self.results['forces'] * np.nan

    with pytest.raises(ComputationError, match='forces'):
        predict([bulk('Cu', cubic=True)], calculator=Broken())
