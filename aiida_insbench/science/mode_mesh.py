r"""Follow modes across pressure at every irreducible q-point of a mesh.

q-points are fixed in fractions of the reciprocal cell, which moves with the crystal. The dynamical
matrix is phonopy's, with the phase :math:`e^{iq\cdot(r_{jl}-r_i)}` of the distance between atoms,
so that a displacement is :math:`u_{jl} = e_j\,e^{iq\cdot r_{jl}}/\sqrt{m_j}`. Where an atom's
fractional coordinates change by δ from one pressure to the next, the same pattern of displacements
has another eigenvector, by the phase :math:`e^{-2\pi i q\cdot\delta_j}`. Eigenvectors are therefore
taken to the coordinates of the first pressure,

.. math:: \tilde e_j = e_j\,e^{2\pi i\,q\cdot\delta_j}, \qquad \delta_j = x_j - x_j^{(1)}

with δ to the nearest image. Overlaps of these are the overlaps of displacements atom by atom; they
are smooth where the coordinates are, and do not know on which image an atom was written.

The mean Grüneisen parameter at a temperature is

.. math:: \bar\gamma = \frac{\sum_{qj} w_q c_{qj}\gamma_{qj}}{\sum_{qj} w_q c_{qj}}, \qquad
          c = k_B\left(\frac{x/2}{\sinh x/2}\right)^2, \quad x = \hbar\omega/k_BT

Frequencies in cm⁻¹, negative for imaginary modes; pressures in GPa.

Source: Ashcroft & Mermin, *Solid State Physics* (1976), ch. 25 (mean Grüneisen parameter); Togo
& Tanaka, *Scripta Materialia* 108, 1 (2015) (phonopy).
"""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import units
from numpy.typing import NDArray
from phonopy import Phonopy

from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.ins.qpoint_mesh import check_mesh
from aiida_insbench.science.mode_sets import split_acoustic
from aiida_insbench.science.modes import (
    FloatArray,
    IntArray,
    ModeSet,
    follow,
    near_degenerate,
)
from aiida_insbench.science.shifts import Tolerances
from aiida_insbench.science.supercells import same_point_group
from aiida_insbench.science.thermal import MINIMUM_FREQUENCY

ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True)
class FollowedPoint:
    """Modes at one q-point, followed; at Γ the optical ones only.

    Attributes
    ----------
    qpoint : ndarray, shape (3,)
        In fractions of the reciprocal cell.
    weight : int
        Number of points of the mesh it stands for.
    frequencies : ndarray, shape (n_pressures, n_modes)
        In cm⁻¹; column i is the same mode at each pressure.
    overlaps : ndarray, shape (n_pressures - 1, n_modes)
        Weight of each mode in the near-degenerate set that it comes from, from one pressure to the
        next.
    """

    qpoint: FloatArray
    weight: int
    frequencies: FloatArray
    overlaps: FloatArray

    @property
    def overlap(self) -> FloatArray:
        """Smallest overlap of each mode, shape (n_modes,); 1 with a single pressure."""
        return np.asarray(self.overlaps.min(axis=0, initial=1.0))

    def slopes(self, pressures: Sequence[float]) -> FloatArray:
        """Least squares over pressure, cm⁻¹/GPa, shape (n_modes,)."""
        return np.asarray(np.polyfit(pressures, self.frequencies, 1)[0])

    def gruneisen(self, volumes: Sequence[float]) -> FloatArray:
        r""":math:`-d\ln\omega/d\ln V` by least squares, shape (n_modes,).

        NaN where a frequency is below `aiida_insbench.science.thermal.MINIMUM_FREQUENCY`.
        """
        values = np.full(self.frequencies.shape[1], np.nan)
        used = (self.frequencies >= MINIMUM_FREQUENCY).all(axis=0)
        if used.any():
            values[used] = -np.polyfit(np.log(volumes), np.log(self.frequencies[:, used]), 1)[0]
        return values


def follow_mesh(
    phonons: Mapping[str, Phonopy],
    orders: Mapping[str, IntArray],
    *,
    mesh: Sequence[int],
    tolerances: Tolerances | None = None,
) -> list[FollowedPoint]:
    """Follow modes at every irreducible q-point of a Γ-centred mesh.

    Parameters
    ----------
    phonons : mapping from str to Phonopy
        One crystal with force constants, by label, pressures rising.
    orders : mapping from str to ndarray of int, shape (n_atoms,)
        Atom k of the first crystal is atom ``order[k]`` of the primitive cell at a label.
    mesh : sequence of three int
        Divisions.
    tolerances : Tolerances, optional
        What counts as near-degenerate.

    Returns
    -------
    list of FollowedPoint
        Irreducible by the symmetry of the first crystal.

    Raises
    ------
    InputError
        If the mesh is not three positive whole numbers.
    ComputationError
        If acoustic modes at Γ cannot be told.
    """
    first = next(iter(phonons.values()))
    with warnings.catch_warnings():
        # a mesh of lower symmetry than the crystal's is meant, and phonopy then takes all points
        warnings.filterwarnings('ignore', message='Mesh .* is incompatible')
        found = first.run_mesh(
            check_mesh(mesh), is_gamma_center=True, is_mesh_symmetry=same_point_group(first)
        )
    width = (tolerances or Tolerances()).degeneracy
    points = np.array(found.qpoints, dtype=float)
    weights = np.array(found.weights, dtype=int)
    moves = _moves(phonons, orders)
    sets = {
        label: _mode_sets(phonon, points, order=orders[label], moved=moves[label])
        for label, phonon in phonons.items()
    }
    masses = np.asarray(first.primitive.masses, dtype=float)[next(iter(orders.values()))]
    followed = []
    for index, (point, weight) in enumerate(zip(points, weights, strict=True)):
        here = [sets[label][index] for label in phonons]
        if not point.any():
            here = [split_acoustic(one, masses, tolerance=width)[0] for one in here]
        one_by_one = follow(here, tolerance=width).sets
        followed.append(
            FollowedPoint(
                qpoint=point,
                weight=int(weight),
                frequencies=np.array([one.frequencies for one in one_by_one]),
                overlaps=_overlaps(one_by_one, width),
            )
        )
    return followed


def mean_gruneisen(
    points: Sequence[FollowedPoint],
    *,
    volumes: Sequence[float],
    temperature: float,
    at: int,
) -> float | None:
    """Mean Grüneisen parameter, each mode weighted by its heat capacity.

    Parameters
    ----------
    points : sequence of FollowedPoint
        Of a whole mesh.
    volumes : sequence of float
        At each pressure, in any one unit.
    temperature : float
        In K, > 0.
    at : int
        Number of the pressure whose frequencies give the heat capacities.

    Returns
    -------
    float or None
        None at 0 K, where no mode has a heat capacity, or with no mode above the minimum at every
        pressure.
    """
    total = weighted = 0.0
    for point in points:
        values = point.gruneisen(volumes)
        used = np.isfinite(values)
        heat = point.weight * heat_capacities(point.frequencies[at, used], temperature)
        total += float(heat.sum())
        weighted += float(heat @ values[used])
    return weighted / total if total > 0 else None


def heat_capacities(frequencies: FloatArray, temperature: float) -> FloatArray:
    """Heat capacity of harmonic modes, in units of k_B.

    Parameters
    ----------
    frequencies : ndarray
        In cm⁻¹, > 0.
    temperature : float
        In K; 0 gives 0.
    """
    if temperature <= 0:
        return np.zeros_like(frequencies)
    # beyond 700 the heat capacity is zero in double precision, and the exponential overflows
    half = np.minimum(0.5 * frequencies * units.invcm / (units.kB * temperature), 350.0)
    return np.asarray((half / np.sinh(half)) ** 2)


def _moves(phonons: Mapping[str, Phonopy], orders: Mapping[str, IntArray]) -> dict[str, FloatArray]:
    """Change of fractional coordinates against the first crystal, to the nearest image."""
    places = {
        label: one.primitive.scaled_positions[orders[label]] for label, one in phonons.items()
    }
    start = next(iter(places.values()))
    return {label: one - start - np.rint(one - start) for label, one in places.items()}


def _mode_sets(
    phonon: Phonopy, points: FloatArray, *, order: IntArray, moved: FloatArray
) -> list[ModeSet]:
    """Modes at all q-points, atoms in order, with the phases of the first crystal's coordinates."""
    found = phonon.run_qpoints(points, with_dynamical_matrices=True)
    sets = []
    for point, matrix in zip(points, np.asarray(found.dynamical_matrices), strict=True):
        eigenvalues, vectors = np.linalg.eigh(0.5 * (matrix + matrix.conj().T))
        frequencies = eigenvalues_to_wavenumbers(
            eigenvalues, factor=float(phonon.unit_conversion_factor)
        )
        size = len(frequencies)
        by_atom: ComplexArray = vectors.T.reshape(size, -1, 3)[:, order]
        by_atom = by_atom * np.exp(2j * np.pi * moved @ point)[None, :, None]
        sets.append(ModeSet(frequencies, by_atom.reshape(size, -1), ('',) * size))
    return sets


def _overlaps(sets: Sequence[ModeSet], width: float) -> FloatArray:
    """Weight of each mode in the near-degenerate set that it comes from.

    A set that is degenerate by chance and parts has no basis of its own, so that its modes are
    judged by the set.
    """
    rows = []
    for before, after in itertools.pairwise(sets):
        weight = np.abs(before.eigenvectors.conj() @ after.eigenvectors.T) ** 2
        row = np.empty(len(weight))
        for members in near_degenerate(before.frequencies, tolerance=width):
            row[members] = weight[np.ix_(members, members)].sum(axis=0)
        rows.append(row)
    return np.array(rows).reshape(len(sets) - 1, len(sets[0].frequencies))
