r"""Classical intermediate scattering function of single atoms, averaged over a powder.

.. math:: I_i(Q,t) = \left\langle\left\langle e^{iQ\hat u\cdot[r_i(t_0+t)-r_i(t_0)]}
          \right\rangle_{t_0}\right\rangle_{\hat u}
          = A_i(Q) + \left\langle\left\langle \rho(t_0+t)\,\rho^*(t_0)\right\rangle_{t_0}
          \right\rangle_{\hat u}, \quad
          \rho = e^{iQ\hat u\cdot r_i} - \overline{e^{iQ\hat u\cdot r_i}}

with the elastic part :math:`A_i = \langle|\overline{e^{iQ\hat u\cdot r_i}}|^2\rangle_{\hat u}`, the
mean being that over all frames (its weight is too large by about (1 − A) correlation time / run
length). At t = 0 both parts together are 1.

Coordinates are relative to the centre of mass, and where the cell changes they are the fractional
ones in the mean cell. Q in Å⁻¹, times in ps.

Cost: one transform of all frames for each atom, Q and direction, 2.3 ms at 25,000 frames on one
core: 42 s for 72 atoms, 10 values of Q and 25 directions; it grows in proportion to each. Memory:
96 MiB, the reduced coordinates, and one float per segment, Q, label and lag.

Source: Squires, *Introduction to the Theory of Thermal Neutron Scattering* (1978), ch. 4 and 5; van
Hove, *Physical Review* 95, 249 (1954).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from aiida_insbench.science.dynamics.correlations import Segments
from aiida_insbench.science.dynamics.run import FloatArray, MDRun
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.directions import enough_directions, sphere_rule

_NUMBERS_AT_ONCE = 2**21  # complex: 32 MiB, and as much for their transform


@dataclass(frozen=True)
class IntermediateScattering:
    """Intermediate scattering functions, means over the atoms of each label.

    Attributes
    ----------
    momentum_transfers : ndarray, shape (n_q,)
        Å⁻¹.
    labels : tuple of str
        Of the atoms, without repetition.
    counts : ndarray of float, shape (n_labels,)
        Number of atoms of each.
    elastic : ndarray, shape (n_q, n_labels)
        Elastic incoherent structure factor A(Q).
    inelastic : ndarray, shape (n_segments, n_q, n_labels, n_lags)
        I(Q, t) − A(Q) by segment; their mean, weighted by their frames, is that of the runs.
    shares : ndarray, shape (n_segments,)
        Frames of each segment over those of all.
    directions : dict from str to int
        Points of the sphere quadrature for each label.
    segments : Segments
        How the runs were cut.
    """

    momentum_transfers: FloatArray
    labels: tuple[str, ...]
    counts: FloatArray
    elastic: FloatArray
    inelastic: FloatArray
    shares: FloatArray
    directions: dict[str, int]
    segments: Segments

    @property
    def function(self) -> FloatArray:
        """I(Q, t) of each label, shape (n_q, n_labels, n_lags)."""
        return np.asarray(
            np.einsum('s,sqlt->qlt', self.shares, self.inelastic) + self.elastic[..., None]
        )


def reduced_coordinates(run: MDRun) -> FloatArray:
    """Positions relative to the centre of mass, in the mean cell where cells differ.

    Returns
    -------
    ndarray, shape (n_atoms, n_frames, 3)
        In Å.
    """
    positions = run.positions
    if not (run.cells == run.cells[0]).all():
        fractions = np.linalg.solve(run.cells.swapaxes(1, 2), positions.swapaxes(1, 2))
        positions = fractions.swapaxes(1, 2) @ run.cells.mean(axis=0)
    centre = np.einsum('i,tia->ta', run.masses / run.masses.sum(), positions)
    return np.ascontiguousarray((positions - centre[:, None]).swapaxes(0, 1))


def displacement_tensors_of(
    coordinates: Sequence[FloatArray],
) -> FloatArray:
    """Classical mean-square displacements about the mean position of all runs.

    Parameters
    ----------
    coordinates : sequence of ndarray, shape (n_atoms, n_frames, 3)
        Of each run, see `reduced_coordinates`.

    Returns
    -------
    ndarray, shape (n_atoms, 3, 3)
        In Å².
    """
    frames = sum(one.shape[1] for one in coordinates)
    mean = sum(one.sum(axis=1) for one in coordinates) / frames
    tensors = np.zeros((len(coordinates[0]), 3, 3))
    for one in coordinates:
        moved = one - np.asarray(mean)[:, None]
        tensors += moved.swapaxes(1, 2) @ moved / frames
    return tensors


def intermediate_scattering(
    runs: Sequence[MDRun],
    *,
    segments: Segments,
    momentum_transfers: FloatArray,
    labels: Sequence[str] | None = None,
    directions: int | None = None,
    direction_tolerance: float = 1e-3,
) -> IntermediateScattering:
    """Intermediate scattering functions of runs of a solid.

    Parameters
    ----------
    runs : sequence of MDRun
        Of one crystal, checked by `as_runs`.
    segments : Segments
        See `cut_segments`.
    momentum_transfers : ndarray, shape (n_q,)
        Q in Å⁻¹, > 0.
    labels : sequence of str, length n_atoms, optional
        Kinds of atoms, isotopes say; elements by default.
    directions : int, optional
        Points of the sphere quadrature; by default as many as a harmonic atom of the same
        displacements needs, for the most mobile one of each label.
    direction_tolerance : float
        For that choice, as a share of the highest line.

    Returns
    -------
    IntermediateScattering
        Means over the atoms of each label.

    Raises
    ------
    InputError
        If a Q is not positive, there is no such quadrature, or the labels are too many or too few.
    """
    if len(momentum_transfers) == 0 or not (momentum_transfers > 0).all():
        raise InputError('Every momentum transfer must be > 0 Å⁻¹.')
    names = np.array(labels or runs[0].symbols)
    if len(names) != runs[0].n_atoms:
        raise InputError(f'{len(names)} labels for {runs[0].n_atoms} atoms.')
    kinds = tuple(dict.fromkeys(names.tolist()))
    coordinates = [reduced_coordinates(run) for run in runs]
    tensors = displacement_tensors_of(coordinates)
    shape = (len(segments.parts), len(momentum_transfers), len(kinds), segments.n_lags)
    inelastic, elastic = np.zeros(shape), np.zeros(shape[1:3])
    chosen = {}
    for place, kind in enumerate(kinds):
        atoms = np.flatnonzero(names == kind)
        widest = atoms[np.linalg.eigvalsh(tensors[atoms])[:, -1].argmax()]
        chosen[kind] = (
            directions
            or enough_directions(
                tensors[widest],
                momentum_transfer=float(momentum_transfers.max()),
                tolerance=direction_tolerance,
            )[0]
        )
        rule = sphere_rule(chosen[kind])
        for row, momentum in enumerate(momentum_transfers):
            found = self_functions(
                coordinates, atoms, segments=segments, vectors=momentum * rule[0], weights=rule[1]
            )
            inelastic[:, row, place], elastic[row, place] = found
    sizes = np.array([part.stop - part.start for _, part in segments.parts], dtype=float)
    return IntermediateScattering(
        momentum_transfers=np.asarray(momentum_transfers, dtype=np.float64),
        labels=kinds,
        counts=np.array([np.count_nonzero(names == kind) for kind in kinds], dtype=np.float64),
        elastic=elastic,
        inelastic=inelastic,
        shares=sizes / sizes.sum(),
        directions=chosen,
        segments=segments,
    )


def self_functions(
    coordinates: Sequence[FloatArray],
    atoms: Sequence[int] | np.typing.NDArray[np.int64],
    *,
    segments: Segments,
    vectors: FloatArray,
    weights: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """Inelastic part by segment and elastic part, means over atoms and vectors.

    Parameters
    ----------
    coordinates : sequence of ndarray, shape (n_atoms, n_frames, 3)
        Of each run in Å.
    atoms : sequence of int
        Which atoms.
    segments : Segments
        See `cut_segments`.
    vectors : ndarray, shape (n_vectors, 3)
        Q in Å⁻¹.
    weights : ndarray, shape (n_vectors,)
        Of the vectors, with sum 1.

    Returns
    -------
    inelastic : ndarray, shape (n_segments, n_lags)
        Real part: a powder has −Q with every Q.
    elastic : ndarray, shape ()
        A(Q).
    """
    counts = [part.stop - part.start for _, part in segments.parts]
    lengths = [int(fft.next_fast_len(count + segments.n_lags)) for count in counts]
    powers = [np.zeros(length) for length in lengths]
    elastic = 0.0
    step = max(1, _NUMBERS_AT_ONCE // sum(counts))
    for atom in atoms:
        for start in range(0, len(vectors), step):
            chunk = slice(start, start + step)
            waves = [
                np.exp(1j * (vectors[chunk] @ coordinates[run][atom, part].T))
                for run, part in segments.parts
            ]
            mean = sum(wave.sum(axis=1) for wave in waves) / sum(counts)
            elastic += float(weights[chunk] @ np.abs(np.asarray(mean)) ** 2)
            for wave, length, power in zip(waves, lengths, powers, strict=True):
                wave -= np.asarray(mean)[:, None]
                transformed = fft.fft(wave, n=length, axis=-1, overwrite_x=True)
                power += weights[chunk] @ (transformed.real**2 + transformed.imag**2)
    lags = np.arange(segments.n_lags)
    inelastic = [
        fft.ifft(power)[: segments.n_lags].real / (count - lags)
        for power, count in zip(powers, counts, strict=True)
    ]
    return np.array(inelastic) / len(atoms), np.asarray(elastic / len(atoms))
