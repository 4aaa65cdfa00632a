"""Verdicts: each part fails for its own reason, and only then; limits that contradict."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from labelled_copper import copper

from aiida_insbench.science.birch_murnaghan import BirchMurnaghan
from aiida_insbench.science.errors import DatasetError, InputError
from aiida_insbench.science.parity import Properties, errors, labels
from aiida_insbench.science.validation.check import DYNAMICS, Check
from aiida_insbench.science.validation.dynamics_checks import dynamics_checks
from aiida_insbench.science.validation.extrapolation import AtomSpreads, extrapolation_checks
from aiida_insbench.science.validation.limits import ValidationLimits, read_limits
from aiida_insbench.science.validation.parity_checks import parity_checks, pressures_held_out
from aiida_insbench.science.validation.state_checks import state_checks
from aiida_insbench.science.validation.verdict import verdict

LIMITS = ValidationLimits()


def failed(checks):
    return [(one.name, one.where) for one in checks if not one.passed]


@pytest.fixture(scope='module')
def frames():
    return copper(9)


def predicted(frames, *, shift):
    """Forces of the frames at 1 GPa off by so much, in eV/Å."""
    truth = labels(frames)
    forces = truth.forces.copy()
    owner = np.repeat([frame.info['target_pressure'] for frame in frames], len(frames[0]))
    forces[owner == 1.0] += shift
    return errors(frames, predicted=Properties(truth.energy, forces, truth.stress))


def test_errors_fail_at_the_pressure_where_they_are(frames) -> None:
    checks = parity_checks(predicted(frames, shift=0.07), limits=LIMITS, held_out=['p_1000'])
    # 70 meV/Å on a third of the frames are 40 over all of them
    assert failed(checks) == [('forces', 'p_1000')]
    (found,) = [one for one in checks if not one.passed]
    assert found.value == pytest.approx(70.0)
    assert 'no frame was learnt from' in found.reason
    assert 'above the limit of 50 meV/Å' in found.reason
    assert failed(parity_checks(predicted(frames, shift=0.03), limits=LIMITS)) == []


def test_errors_fail_by_element_and_in_all(frames) -> None:
    checks = parity_checks(predicted(frames, shift=0.3), limits=LIMITS)
    assert failed(checks) == [('forces', 'all'), ('forces', 'Cu'), ('forces', 'p_1000')]


def test_pressures_that_no_frame_was_learnt_from(frames) -> None:
    labels = predicted(frames, shift=0.0)['by_pressure']
    assert pressures_held_out(labels, [0.0, 1.0]) == ['p_2000']
    assert pressures_held_out(['p_0000', 'p_1000'], [0.0, 1.0, 2.0]) == []


def crystals(v0, b0, *, pressures=(0, 1, 2, 4, 8), copies=1):
    state = BirchMurnaghan(v0=v0, b0=b0, b0_prime=4.5)
    found = {}
    for pressure in pressures:
        atoms = bulk('Cu', cubic=True) * (copies, 1, 1)
        volume = state.volume(float(pressure)) * copies
        atoms.set_cell(atoms.cell * (volume / atoms.get_volume()) ** (1 / 3), scale_atoms=True)
        found[f'p_{pressure * 1000:04d}'] = atoms
    return found


def test_equation_of_state_of_the_same_crystal_passes_whatever_its_cell() -> None:
    checks, table = state_checks(
        crystals(47.0, 140.0, copies=2), crystals(47.0, 140.0), limits=LIMITS
    )
    assert failed(checks) == []
    assert table['fits']['potential']['b0'] == pytest.approx(140.0, rel=1e-4)
    assert table['fits']['dft']['v0'] == pytest.approx(47.0 / 4, rel=1e-6)
    assert [row['percent'] for row in table['volumes']] == pytest.approx([0.0] * 5, abs=1e-9)


def test_soft_crystal_fails_by_its_modulus_and_a_wide_one_by_its_volume() -> None:
    soft, _ = state_checks(crystals(47.0, 120.0), crystals(47.0, 140.0), limits=LIMITS)
    assert failed(soft) == [('bulk_modulus', 'all')]
    wide, _ = state_checks(crystals(48.0, 140.0), crystals(47.0, 140.0), limits=LIMITS)
    assert failed(wide) == [('volume', f'{p} GPa') for p in (0, 1, 2, 4, 8)]
    assert wide[0].value == pytest.approx(100 * (48 / 47 - 1), rel=1e-6)


def test_too_few_points_for_a_fit_are_still_compared() -> None:
    checks, table = state_checks(
        crystals(47.0, 140.0, pressures=(0,)),
        crystals(45.0, 140.0, pressures=(0, 4)),
        limits=LIMITS,
    )
    assert failed(checks) == [('volume', '0 GPa')]
    assert table['fits'] is None
    assert 'No equation of state' in table['notes'][0]


def record(label, *, violations=(), length=10.0):
    pressure, _, ensemble = label.rpartition('_')
    return {
        'label': label,
        'pressure': int(pressure[2:]) / 1000,
        'ensemble': ensemble,
        'temperature': 300.0,
        'length_ps': length,
        'n_atoms': 72,
        'timestep_fs': 0.5,
        'sound': not violations,
        'averages': None,
        'violations': [
            {'check': name, 'time': time, 'step': int(2000 * time), 'value': 2.0, 'limit': 1.6}
            | {'unit': '1', 'reason': 'Mg0–H2 is 2 times as long as at the start.'}
            for name, time in violations
        ],
    }


def test_first_violation_is_named_with_its_time_and_the_lifetime_told() -> None:
    runs = {
        'p_0000_nvt': record('p_0000_nvt'),
        'p_1500_nvt': record('p_1500_nvt', violations=[('bond', 4.0), ('site', 5.0)], length=5.0),
    }
    checks, table = dynamics_checks(runs, pressures=['p_0000', 'p_1500', 'p_3000'])
    assert failed(checks) == [('bond', 'p_1500_nvt'), ('site', 'p_1500_nvt'), ('run', 'p_3000')]
    assert 'p_1500_nvt at 4.000 ps (step 8000): Mg0–H2' in checks[1].reason
    assert 'no crystal to start from' in checks[-1].reason
    assert table['lifetime']['mean'] == pytest.approx(14.0)
    assert table['runs'][1]['first_violation_ps'] == 4.0


def test_lifetime_of_sound_runs_is_a_bound() -> None:
    _, table = dynamics_checks({'p_0000_npt': record('p_0000_npt')}, pressures=['p_0000'])
    assert table['lifetime']['mean'] is None
    assert table['lifetime']['low'] == pytest.approx(10 / -np.log(1 - 0.6827))


def spreads(rng, *, frames, scale=(1.0, 1.0)):
    symbols = ('Mg', 'Mg', 'H') * frames
    sizes = np.where(np.array(symbols) == 'Mg', 0.01 * scale[0], 0.05 * scale[1])
    return AtomSpreads(symbols, (3,) * frames, np.abs(rng.normal(size=3 * frames)) * sizes)


def test_frames_like_those_learnt_from_are_no_extrapolation() -> None:
    rng = np.random.default_rng(1)
    training = spreads(rng, frames=2000)
    runs = {'p_0000_nvt': (spreads(rng, frames=2000), np.arange(2000) * 0.1)}
    checks, table = extrapolation_checks(
        runs, training, limits=read_limits({'spread_factor': 1.0, 'extrapolation': 0.05})
    )
    # by definition 1 % of atoms lie above the quantile of 99 %
    assert table['runs']['p_0000_nvt']['share'] == pytest.approx(0.01, abs=0.004)
    assert failed(checks) == []


def test_extrapolation_is_told_by_element() -> None:
    """Mg at the size of H's spread is unusual for Mg."""
    rng = np.random.default_rng(2)
    training = spreads(rng, frames=500)
    run = spreads(rng, frames=100, scale=(5.0, 1.0))
    checks, table = extrapolation_checks(
        {'p_0000_nvt': (run, np.arange(100) * 0.1)}, training, limits=LIMITS
    )
    row = table['runs']['p_0000_nvt']
    assert failed(checks) == [('share', 'p_0000_nvt')]
    # 2 × 2.576 σ on 5 σ: P(|z| > 1.03)
    assert row['by_element']['Mg'] == pytest.approx(0.303, abs=0.08)
    assert row['by_element']['H'] == 0.0
    worst = int(run.spreads.argmax())
    assert (row['atom'], row['time']) == (worst % 3, pytest.approx(worst // 3 * 0.1))


def test_element_never_learnt_is_refused() -> None:
    rng = np.random.default_rng(3)
    training = AtomSpreads(('H',), (1,), np.array([0.1]))
    with pytest.raises(DatasetError, match='holds Mg'):
        extrapolation_checks({'a': (spreads(rng, frames=1), [0.0])}, training, limits=LIMITS)
    with pytest.raises(DatasetError, match='2 spreads stand beside 1 atoms'):
        AtomSpreads(('H',), (1,), np.zeros(2))


def check(part, *, passed):
    return Check(part, 'name', 'all', 1.0, 2.0, '1', passed, f'{part}: because.')


def test_verdict_passes_only_with_dynamics() -> None:
    sound = check(DYNAMICS, passed=True)
    assert verdict([sound], warnings=[], unchecked={})['passed']
    errors_only = verdict(
        [check('parity', passed=True)], warnings=[], unchecked={DYNAMICS: 'None.'}
    )
    assert not errors_only['passed']
    assert errors_only['parts'][DYNAMICS] == {
        'state': 'not checked',
        'n_checks': 0,
        'n_failed': 0,
        'reason': 'None.',
    }
    broken = verdict([sound, check('parity', passed=False)], warnings=['w'], unchecked={})
    assert not broken['passed']
    assert broken['failures'] == ['parity: because.']
    assert broken['summary'] == (
        'The potential does not pass. Failed: errors on frames held out. Not checked: equation of '
        "state, the committee's spread."
    )


def test_number_that_is_none_fails() -> None:
    table = {'rmse_energy_mev_atom': np.nan, 'rmse_forces_mev_a': 1.0, 'rmse_stress_gpa': 0.1}
    checks = parity_checks({**table, 'by_element': {}, 'by_pressure': {}}, limits=LIMITS)
    assert failed(checks) == [('energy', 'all')]
    assert checks[0].to_dict()['value'] is None


@pytest.mark.parametrize(
    ('limits', 'said'),
    [
        ({'force': 1.0}, 'Unknown limits: force; known are energy, forces'),
        ({'forces': 0.0}, '`forces` is 0.0; give a number above 0'),
        ({'energy': float('nan')}, '`energy`'),
        ({'energy': True}, '`energy`'),
        ({'extrapolation': 1.5}, 'give a share'),
        ({'spread_factor': 1.0, 'extrapolation': 0.005}, 'Even the training frames'),
    ],
)
def test_limits_without_sense_are_refused(limits, said) -> None:
    with pytest.raises(InputError, match=said):
        read_limits(limits)


def test_volumes_of_something_else_are_said() -> None:
    other = {'p_0000': Atoms('Cu', cell=[5, 5, 5], pbc=True)}
    checks, _ = state_checks(other, crystals(47.0, 140.0), limits=LIMITS)
    assert failed(checks)
