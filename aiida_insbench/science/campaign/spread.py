r"""How far the spectra of a committee of potentials are from each other.

Two distances, each a mean over all pairs of members, after every spectrum has been given the same
area. On the energy axis, the first Wasserstein distance

.. math:: W_1(a, b) = \int \left|F_a(\omega) - F_b(\omega)\right| d\omega

of the cumulated spectra F, in cm⁻¹: intensity that is shifted by δ as a whole has the distance δ.
And what does not overlap, in per cent of the area,

.. math:: A(a, b) = 50 \int \left|S_a(\omega) - S_b(\omega)\right| d\omega

0 for the same spectrum, 100 for two without a common energy. Bands that swap their intensities are
seen by the first, bands that broaden by the second. Neither is a score against a measurement: a
featureless spectrum cannot come out of a committee, so that what speaks against W₁ there does not
hold here.

Source: Rubner, Tomasi, Guibas, *Int. J. Comput. Vision* 40, 99 (2000), for W₁ in one dimension.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.scoring.spectra import Simulation


def spectrum_distance(first: Simulation, second: Simulation) -> tuple[float, float]:
    """Distance of two spectra.

    Parameters
    ----------
    first, second : Simulation
        On the same energies, evenly spaced or not.

    Returns
    -------
    shift : float
        W₁ in cm⁻¹.
    area : float
        What does not overlap, per cent.

    Raises
    ------
    InputError
        If energies differ, or a spectrum has no intensity.
    """
    energies = np.asarray(first.energies, dtype=np.float64)
    if energies.shape != np.shape(second.energies) or not np.allclose(energies, second.energies):
        raise InputError('Spectra of a committee must be on the same energies.')
    widths = np.gradient(energies)
    mine, theirs = (_shares(one, widths) for one in (first, second))
    gap = np.cumsum(mine - theirs)
    shift = float(np.sum(np.abs(gap[:-1]) * np.diff(energies)))
    return shift, float(50.0 * np.abs(mine - theirs).sum())


def committee_distances(
    members: Mapping[str, Mapping[str, Simulation]], labels: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Distances within a committee at each pressure.

    Parameters
    ----------
    members : mapping
        Spectra by member, then by pressure label.
    labels : sequence of str
        Pressures that are asked for.

    Returns
    -------
    dict of str to dict
        By label: ``shift_cm1`` and ``area_percent`` (means over pairs; None where fewer than two
        members have a spectrum), ``missing`` (members without one).
    """
    return {label: _at(members, label) for label in labels}


def distance_by_label(
    first: Mapping[str, Simulation], second: Mapping[str, Simulation]
) -> dict[str, dict[str, float]]:
    """Distances of two potentials at the pressures that both have."""
    found = {}
    for label in sorted(set(first) & set(second)):
        shift, area = spectrum_distance(first[label], second[label])
        found[label] = {'shift_cm1': shift, 'area_percent': area}
    return found


def _at(members: Mapping[str, Mapping[str, Simulation]], label: str) -> dict[str, Any]:
    there = [spectra[label] for spectra in members.values() if label in spectra]
    missing = [name for name, spectra in members.items() if label not in spectra]
    pairs = [spectrum_distance(a, b) for a, b in combinations(there, 2)]
    shift, area = np.mean(pairs, axis=0).tolist() if pairs else (None, None)
    return {'shift_cm1': shift, 'area_percent': area, 'missing': missing}


def _shares(spectrum: Simulation, widths: FloatArray) -> FloatArray:
    """Intensity of each bin as a share of the area."""
    intensity = np.asarray(spectrum.intensity, dtype=np.float64) * widths
    area = float(intensity.sum())
    if not np.isfinite(area) or area <= 0.0:
        raise InputError('A spectrum has no intensity, or one that is not finite.')
    return np.asarray(intensity / area)
