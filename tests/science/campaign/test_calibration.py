"""Calibration of committees whose errors are drawn, so that the factor is known."""

from __future__ import annotations

import numpy as np
import pytest

from aiida_insbench.science.campaign.calibration import calibrate
from aiida_insbench.science.errors import InputError


def drawn(common: float, own: float, *, n_members: int = 4, n_atoms: int = 20_000):
    """Members with an error of their own and one that all share, normal, eV/Å."""
    rng = np.random.default_rng(5)
    truth = rng.normal(size=(n_atoms, 3))
    shared = common * rng.normal(size=(n_atoms, 3))
    members = {
        f'seed_{k}': truth + shared + own * rng.normal(size=(n_atoms, 3)) for k in range(n_members)
    }
    return members, truth


def test_independent_errors_are_seen_as_they_are():
    """Two members differ by √2 of the error of each."""
    found = calibrate(*drawn(0.0, 0.05))
    assert found['factor'] == pytest.approx(1 / np.sqrt(2), rel=0.02)


def test_an_error_that_all_share_is_not_seen_by_the_committee():
    found = calibrate(*drawn(0.12, 0.05))
    assert found['factor'] == pytest.approx(np.hypot(0.12, 0.05) / (0.05 * np.sqrt(2)), rel=0.02)
    assert found['rms_error_mev_a'] == pytest.approx(1000 * np.hypot(0.12, 0.05) * 3**0.5, rel=0.02)


def test_quality_rises_with_what_distance_knows_of_error():
    rng = np.random.default_rng(1)
    scale = rng.uniform(0.01, 0.3, size=(5000, 1))
    truth = np.zeros((5000, 3))
    members = {f'm{k}': scale * rng.normal(size=(5000, 3)) for k in range(3)}
    found = calibrate(members, truth)
    assert found['rank_correlation'] > 0.7
    errors = [one['error_mev_a'] for one in found['fifths']]
    assert errors == sorted(errors)
    assert abs(calibrate(*drawn(0.1, 0.02))['rank_correlation']) < 0.3


def test_a_committee_that_agrees_exactly_has_no_factor():
    same = np.ones((10, 3))
    found = calibrate({'a': same, 'b': same}, np.zeros((10, 3)))
    assert found['factor'] is None
    assert found['rank_correlation'] is None


def test_one_member_or_other_atoms_are_refused():
    with pytest.raises(InputError, match='committee of one'):
        calibrate({'a': np.zeros((3, 3))}, np.zeros((3, 3)))
    with pytest.raises(InputError, match='same atoms'):
        calibrate({'a': np.zeros((3, 3)), 'b': np.zeros((3, 3))}, np.zeros((4, 3)))
