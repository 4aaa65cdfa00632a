r"""Are labels in the units they are said to have? Energies, forces and stress check each other.

For two frames of the same atoms, the work done by forces and stress on the way from one to the
other is the difference of their energies. With fractional coordinates s, cell h (rows are axes) and
its mean :math:`\bar h`,

.. math:: E_2 - E_1 \approx -\tfrac12 \sum_i (F_1 + F_2)_i \cdot (\Delta s_i \bar h)
   + \tfrac12 (V_1 \sigma_1 + V_2 \sigma_2) : \epsilon, \qquad
   \epsilon = \mathrm{sym}\,\bar h^{-1} (h_2 - h_1)

exactly where the energy is quadratic. A third term, a constant pressure times the change of volume,
takes up the Pulay stress of a finite cutoff. The least-squares factors of the first two over many
pairs are 1; forces in Ha/bohr taken for eV/Å make the first 51.4, a stress of the other sign makes
the second −1. Pairs weigh as 1/d² with d their distance, since the error grows as d³. Nothing of
this depends on the chemistry. How well a factor is known follows from the correlation: molecules
that turn far between frames leave it open by a factor of 1.5, and then only coarser faults show.
Where pairs do not determine a factor, magnitudes must do: forces of 0.01 to 50 eV/Å, stresses below
1 eV/Å³ (160 GPa).

What the pairs cannot see: a file wholly in one foreign system of lengths in Å (kcal/mol and
kcal/mol/Å).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray

from aiida_insbench.science.frames import ENERGY_KEY, FORCES_KEY, STRESS_KEY

FloatArray = NDArray[np.float64]

#: Frames of one composition that are paired; of more, these are spread over the file.
MOST_FRAMES = 120
#: Nearest neighbours that each frame is paired with.
_NEIGHBOURS = 3
#: Root mean square distance (Å) beyond which a pair is no neighbourhood.
_FARTHEST = 0.6
#: A factor is determined if the squared partial correlation of energy and work is above this, and
#: its t statistic squared above that: 4 standard deviations.
_CORRELATION = 0.15
#: And what the other terms leave of the energies is more than this share: anharmonicity makes as
#: much of their error.
_SHARE = 0.1
_SIGNIFICANCE = 16.0
_FEWEST_PAIRS = 8
#: Distance (Å) below which rounding in the file, not anharmonicity, makes the error.
_CLOSEST = 0.01


@dataclass(frozen=True)
class _Pair:
    """Energy difference (eV), work of forces and of stress (eV), change of volume (Å³), how far."""

    energy: float
    forces: float
    stress: float
    volume: float
    distance: float


@dataclass(frozen=True)
class Factor:
    """A factor and how far, as a natural logarithm, it may be off either way."""

    value: float
    width: float


@dataclass(frozen=True)
class WorkFactors:
    """Factors of the work of forces and of stress; 1 if units agree.

    Attributes
    ----------
    forces, stress : Factor or None
        None where the pairs do not determine it.
    pairs : int
        Pairs of frames used.
    """

    forces: Factor | None
    stress: Factor | None
    pairs: int


def work_factors(frames: Sequence[Atoms]) -> WorkFactors:
    """Determine both factors from labelled frames (eV, eV/Å, eV/Å³ as they claim to be)."""
    pairs = [pair for group in _groups(frames) for pair in _pairs(group)]
    if len(pairs) < _FEWEST_PAIRS:
        return WorkFactors(None, None, len(pairs))
    weight = 1 / np.array([max(pair.distance, _CLOSEST) ** 2 for pair in pairs])
    energy = weight * np.array([pair.energy for pair in pairs])
    work = weight[:, None] * np.array([(p.forces, p.stress, p.volume) for p in pairs])
    kept = _without_outliers(energy, work)
    energy, work = energy[kept], work[kept]
    return WorkFactors(_factor(energy, work, 0), _factor(energy, work, 1), len(energy))


def rms_force(frames: Sequence[Atoms]) -> float:
    """Root mean square of the force components of frames with more than one atom, eV/Å."""
    forces = [np.asarray(f.arrays[FORCES_KEY]).ravel() for f in frames if len(f) > 1]
    return float(np.sqrt(np.mean(np.concatenate(forces) ** 2))) if forces else 0.0


def rms_stress(frames: Sequence[Atoms]) -> float:
    """Root mean square of the stress components, eV/Å³."""
    stress = np.array([frame.info[STRESS_KEY] for frame in frames])
    return float(np.sqrt(np.mean(stress**2)))


def _without_outliers(energy: FloatArray, work: FloatArray) -> NDArray[np.bool_]:
    """Pairs within four standard deviations, from the median, of what all together explain."""
    rest = np.abs(_rest(energy, work))
    kept = np.asarray(rest <= max(4 * 1.4826 * float(np.median(rest)), 1e-12))
    return kept if kept.sum() >= _FEWEST_PAIRS else np.ones(len(energy), dtype=bool)


def _factor(energy: FloatArray, work: FloatArray, term: int) -> Factor | None:
    """Factor of one term, once the others have explained what they can; None if undetermined.

    Both sides have errors. The factor lies between the direct regression and the inverse of the
    reverse one (Frisch): their geometric mean times or by the partial correlation.
    """
    others = np.delete(work, term, axis=1)
    own = _rest(work[:, term], others)
    left = _rest(energy, others)
    here, there, both = float(own @ own), float(left @ left), float(own @ left)
    whole = float(work[:, term] @ work[:, term])
    if here <= 1e-10 * max(whole, 1e-300) or there <= _SHARE**2 * float(energy @ energy):
        return None
    squared = both**2 / (here * there)
    free = len(energy) - work.shape[1] - 1
    if squared < _CORRELATION or squared * free < _SIGNIFICANCE * (1 - squared):
        return None
    return Factor(math.copysign(math.sqrt(there / here), both), max(-math.log(squared) / 2, 0.0))


def _rest(values: FloatArray, columns: FloatArray) -> FloatArray:
    """What a least-squares fit of the columns leaves; columns of nothing explain nothing."""
    scale = np.sqrt(np.mean(columns**2, axis=0))
    used = scale > 1e-12 * max(float(scale.max()), 1e-300)
    scaled = columns[:, used] / scale[used]
    solution, *_ = np.linalg.lstsq(scaled, values, rcond=1e-8)
    return np.asarray(values - scaled @ solution)


def _groups(frames: Sequence[Atoms]) -> list[list[Atoms]]:
    """Frames of the same atoms in the same order."""
    groups: dict[tuple[int, ...], list[Atoms]] = {}
    for frame in frames:
        if len(frame) > 1:
            groups.setdefault(tuple(frame.numbers.tolist()), []).append(frame)
    return [_thinned(group) for group in groups.values() if len(group) > 1]


def _thinned(group: list[Atoms]) -> list[Atoms]:
    if len(group) <= MOST_FRAMES:
        return group
    chosen = np.linspace(0, len(group) - 1, MOST_FRAMES).round().astype(int)
    return [group[index] for index in chosen]


def _pairs(group: list[Atoms]) -> list[_Pair]:
    """Each frame with its nearest neighbours; how far is displacement and strain together."""
    scaled = np.array([frame.get_scaled_positions(wrap=False) for frame in group])
    cells = np.array([frame.cell.array for frame in group])
    pairs, seen = [], set()
    for first in range(len(group)):
        step = scaled - scaled[first]
        step -= np.round(step)
        means = (cells + cells[first]) / 2
        moved = np.einsum('fia,fab->fib', step, means)
        strain = np.linalg.solve(means, cells - cells[first])
        strain = (strain + strain.transpose(0, 2, 1)) / 2
        size = np.abs(np.linalg.det(means)) ** (1 / 3)
        distance = np.sqrt(
            (moved**2).sum(axis=2).mean(axis=1) + size**2 * (strain**2).sum(axis=(1, 2)) / 12
        )
        distance[first] = math.inf
        for second in np.argsort(distance, kind='stable')[:_NEIGHBOURS].tolist():
            names = (min(first, second), max(first, second))
            if distance[second] <= _FARTHEST and names not in seen:
                seen.add(names)
                work = _work(group[first], group[second], moved[second], strain[second])
                pairs.append(_Pair(*work, distance=float(distance[second])))
    return pairs


def _work(
    first: Atoms, second: Atoms, moved: FloatArray, strain: FloatArray
) -> tuple[float, float, float, float]:
    energy = float(second.info[ENERGY_KEY] - first.info[ENERGY_KEY])
    forces = first.arrays[FORCES_KEY] + second.arrays[FORCES_KEY]
    volumes = [frame.get_volume() for frame in (first, second)]
    pull = sum(
        volume * voigt_6_to_full_3x3_stress(frame.info[STRESS_KEY])
        for volume, frame in zip(volumes, (first, second), strict=True)
    )
    return (
        energy,
        float(-np.sum(forces * moved) / 2),
        float(np.sum(pull * strain) / 2),
        float(sum(volumes) / 2 * np.trace(strain)),
    )
