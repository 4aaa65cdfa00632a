"""Conditions of a measurement: what is missing is named at once, what is impossible is refused."""

import pytest

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.measured.conditions import as_masks, check_conditions
from aiida_insbench.science.measured.spectrum import Mask

GIVEN = {
    'instrument': 'TOSCA',
    'temperature': 20,
    'pressure': 0.5,
    'pressure_error': 0.05,
    'sample': 'benzene, 1.5 g',
    'isotopes': {'H': {'2H': 0.98, '1H': 0.02}, 'C': '12C'},
    'doi': 'https://doi.org/10.5286/ISIS.E.12345678',
    'pressure_read_at': 295.0,
    'gauge': 'ruby',
    'medium': 'none',
    'cell': 'TiZr clamp',
    'background': 'empty cell subtracted',
    'intensity': 'relative',
    'masks': [(-10, 24, 'elastic line'), [100.0, 120.0, 'phonons of the cell']],
}


def test_all_of_it():
    conditions = check_conditions(GIVEN)
    assert conditions.temperature == 20.0
    assert conditions.doi == '10.5286/ISIS.E.12345678'
    assert conditions.masks[1] == Mask(100.0, 120.0, 'phonons of the cell')
    assert conditions.isotopes['H'] == {'2H': 0.98, '1H': 0.02}
    assert check_conditions(conditions.as_dict()) == conditions


def test_what_is_needed_is_little():
    conditions = check_conditions(
        {'instrument': 'TFXA', 'temperature': 20, 'pressure': 0, 'sample': 'n-hexane'}
    )
    assert conditions.pressure_error == 0
    assert conditions.intensity == 'relative'
    assert conditions.remarks() == ()


def test_bounds_of_a_fraction_of_deuterium():
    given = {'instrument': 'TFXA', 'temperature': 20, 'pressure': 0, 'sample': 'benzene-d6'}
    conditions = check_conditions({**given, 'deuterium_fraction': [0.9, 1]})
    assert conditions.deuterium_fraction == (0.9, 1.0)
    assert check_conditions(conditions.as_dict()) == conditions


@pytest.mark.parametrize('fraction', [0.9, [0.9], [1, 0.9], [0.5, 1.2], ['a', 'b'], [0.3, 0.3]])
def test_a_fraction_of_deuterium_needs_rising_bounds(fraction):
    given = {'instrument': 'TFXA', 'temperature': 20, 'pressure': 0, 'sample': 'benzene-d6'}
    with pytest.raises(InputError, match='lowest and highest value, within 0 to 1'):
        check_conditions({**given, 'deuterium_fraction': fraction})


def test_a_resolution_of_its_own():
    given = {'instrument': 'TFXA', 'temperature': 20, 'pressure': 0, 'sample': 'n-hexane'}
    conditions = check_conditions({**given, 'resolution': ['2.5', '0.0085']})
    assert conditions.resolution == (2.5, 0.0085)
    assert check_conditions(conditions.as_dict()) == conditions


@pytest.mark.parametrize('resolution', [3.0, [-1.0], [0.0, 0.1], ['wide'], [2.0, float('nan')]])
def test_a_resolution_is_a_polynomial_above_zero(resolution):
    given = {'instrument': 'TFXA', 'temperature': 20, 'pressure': 0, 'sample': 'n-hexane'}
    with pytest.raises(InputError, match='coefficients of the standard deviation'):
        check_conditions({**given, 'resolution': resolution})


def test_a_fraction_is_fitted_or_known():
    with pytest.raises(InputError, match='Give one of them'):
        check_conditions({**GIVEN, 'deuterium_fraction': [0.9, 1.0]})


def test_all_that_is_missing_is_in_one_message():
    with pytest.raises(InputError, match='missing: instrument, temperature, pressure, sample'):
        check_conditions({})
    with pytest.raises(InputError, match=r'missing: temperature, sample, pressure_error\. '):
        check_conditions({'instrument': 'TOSCA', 'pressure': 1.0, 'sample': ''})
    with pytest.raises(InputError, match='missing: sample, incident_energy'):
        check_conditions({'instrument': 'MAPS', 'temperature': 5, 'pressure': 0})


def test_what_makes_a_pressure_uncertain_is_remarked():
    remarks = ' '.join(check_conditions(GIVEN).remarks())
    assert 'read at 295 K, the spectrum measured at 20 K' in remarks
    exact = {**GIVEN, 'pressure_error': 0, 'pressure_read_at': None, 'gauge': ''}
    remarks = check_conditions(exact).remarks()
    assert remarks == (
        'it is not said at which temperature the pressure was read',
        'the pressure is said to be exact',
        'not said: gauge',
    )


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'temperatur': 20}, "'temperatur' is no condition.*Known are"),
        ({'instrument': 'TOSKA'}, "no instrument 'TOSKA'"),
        ({'incident_energy': 100.0}, 'has no incident energy'),
        ({'temperature': 0}, '`temperature` must be a number > 0 in K'),
        ({'temperature': 'cold'}, '`temperature` must be a number'),
        ({'temperature': True}, '`temperature` must be a number'),
        ({'pressure': -1.0}, '`pressure` must be a number ≥ 0 in GPa'),
        ({'pressure': 500}, 'Is it in MPa or kbar'),
        ({'pressure_error': float('nan')}, '`pressure_error` must be a number'),
        ({'isotopes': {'H': '12C'}}, "'12C' is no isotope of H"),
        ({'isotopes': {'H': {'2H': 0.9}}}, 'must add up to 1'),
        ({'isotopes': 'D'}, '`isotopes` maps symbols'),
        ({'doi': 'in the drawer'}, 'is no DOI'),
        ({'intensity': 'loud'}, '`intensity` must be one of relative, absolute'),
        ({'masks': [(20, 10, 'x')]}, 'from a lower to a higher energy'),
        ({'masks': [(10, 20, ' ')]}, 'says no reason'),
        ({'masks': [(10, 20)]}, r'A mask is \(low, high, reason\)'),
    ],
)
def test_what_is_impossible(change, message):
    with pytest.raises(InputError, match=message):
        check_conditions({**GIVEN, **change})


def test_masks_may_be_masks():
    mask = Mask(1.0, 2.0, 'x')
    assert as_masks([mask]) == (mask,)
