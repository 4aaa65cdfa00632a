r"""The ``exact`` kernel: harmonic incoherent scattering of a powder without approximation.

For atom i and direction û of Q the one-phonon kernel is

.. math:: g_{\hat u}(\omega) = \sum_q w_q\sum_j \frac{\hbar}{2m_i\omega_{qj}}
          |\hat u\cdot e_{qj,i}|^2 \left[(n_{qj}+1)\,\delta(\omega-\omega_{qj})
          + n_{qj}\,\delta(\omega+\omega_{qj})\right]

with :math:`\int g_{\hat u} = \hat u\cdot U_i\cdot\hat u`, and order n of the scattering function is

.. math:: S_n(Q,\omega) = \left\langle e^{-Q^2\hat u\cdot U_i\cdot\hat u}\,\frac{Q^{2n}}{n!}\,
          g_{\hat u}^{*n}(\omega) \right\rangle_{\hat u}

with the average over directions taken last. The orders 0 to ∞ add up to 1 and their first moment is
ħ²Q²/2M at every Q. Self-convolutions are powers of the Fourier transform on a ring of bins from
which nothing wraps round into the energies asked for, see `aiida_insbench.science.ins.ring`.

Delta functions are shared between the two nearest bins in proportion, which keeps their position
exactly in the mean. Energies in cm⁻¹, Q in Å⁻¹, displacements in Å².

Source: Sjölander, *Arkiv för Fysik* 14, 315 (1958); Mitchell et al. (2005), ch. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft
from scipy.special import gammaln

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import ComplexArray, FloatArray, IntArray
from aiida_insbench.science.ins.census import MINIMUM_FREQUENCY
from aiida_insbench.science.ins.debye_waller import mean_square_displacement, occupation
from aiida_insbench.science.ins.modes import PhononModes
from aiida_insbench.science.ins.ring import Ring, ring_for
from aiida_insbench.science.ins.units import KELVIN_TO_WAVENUMBER

# Components of a symmetric tensor, and how often each stands in û·T·û.
_ROWS = np.array([0, 1, 2, 1, 0, 0])
_COLUMNS = np.array([0, 1, 2, 2, 2, 1])
_MULTIPLICITY = np.array([1.0, 1.0, 1.0, 2.0, 2.0, 2.0])
_CHUNK = 2**22  # numbers held at once by the transform, 32 MiB
_NEVER = 1e-13  # Poisson weight below which an order is left out
_SHRUNK = 0.75  # of its directions, below which the interpolation is made anew
_INTERPOLATION_ERROR = 1e-10  # of a Debye–Waller factor


@dataclass(frozen=True)
class EnergyGrid:
    """Bins centred on whole multiples of their width.

    Parameters
    ----------
    bin_width : float
        In cm⁻¹.
    first, last : int
        Number of the first and the last bin; bin 0 is centred on zero energy transfer.

    Raises
    ------
    InputError
        If the width is not positive or the range is empty.
    """

    bin_width: float
    first: int
    last: int

    def __post_init__(self) -> None:
        if not (np.isfinite(self.bin_width) and self.bin_width > 0):
            raise InputError(f'`bin_width` must be > 0 cm⁻¹, not {self.bin_width}.')
        if self.last <= self.first:
            raise InputError(
                f'The energy range holds no bins of {self.bin_width} cm⁻¹: '
                f'{self.first} to {self.last}.'
            )

    @property
    def energies(self) -> FloatArray:
        """Bin centres in cm⁻¹, shape (last − first + 1,)."""
        return np.arange(self.first, self.last + 1, dtype=np.float64) * self.bin_width


@dataclass(frozen=True)
class DisplacementDensity:
    """Displacement-weighted density of states of one atom, a tensor in every bin.

    Parameters
    ----------
    bin_width : float
        In cm⁻¹.
    loss : ndarray, shape (6, n_bins)
        The neutron loses energy: bins 0 to n − 1; components xx, yy, zz, yz, xz, xy in Å² a bin.
    gain : ndarray, shape (6, n_bins)
        The neutron gains energy: bins 0 to −(n − 1).
    thermal_energy : float
        kT in cm⁻¹.
    """

    bin_width: float
    loss: FloatArray
    gain: FloatArray
    thermal_energy: float

    def tensor(self) -> FloatArray:
        """Mean-square displacement tensor: the sum over all bins, shape (3, 3), in Å²."""
        sums = (self.loss + self.gain).sum(axis=1)
        tensor = np.zeros((3, 3))
        tensor[_ROWS, _COLUMNS] = tensor[_COLUMNS, _ROWS] = sums
        return tensor

    def first_moment(self) -> FloatArray:
        """Tensor of first moments ħ²/2M, components as in `loss`, in Å² cm⁻¹."""
        energies = np.arange(self.loss.shape[1]) * self.bin_width
        return np.asarray((self.loss - self.gain) @ energies)


def displacement_density(
    modes: PhononModes,
    *,
    atom: int,
    temperature: float,
    bin_width: float,
    minimum_frequency: float = MINIMUM_FREQUENCY,
) -> DisplacementDensity:
    r"""Displacement-weighted density of states of one atom.

    Parameters
    ----------
    modes : PhononModes
        Modes on a mesh.
    atom : int
        Index of the atom.
    temperature : float
        In K.
    bin_width : float
        In cm⁻¹.
    minimum_frequency : float
        In cm⁻¹; modes below it, and so all imaginary ones, are left out.

    Returns
    -------
    DisplacementDensity
        :math:`G_{ab}(\omega)` with :math:`g_{\hat u} = \hat u\cdot G\cdot\hat u`.
    """
    used = modes.frequencies >= minimum_frequency
    frequencies = modes.frequencies[used]
    vectors = modes.eigenvectors[:, :, atom][used]
    strength = np.broadcast_to(modes.weights[:, None], used.shape)[used] * mean_square_displacement(
        frequencies=frequencies,
        masses=np.full_like(frequencies, modes.masses[atom]),
        temperature=0.0,
    )
    outer = (vectors[:, _ROWS] * vectors[:, _COLUMNS].conj()).real * strength[:, None]
    thermal = occupation(frequencies=frequencies, temperature=temperature)
    bins, parts = share_between_bins(frequencies, bin_width=bin_width)
    size = int(bins.max(initial=1)) + 1

    def binned(amplitude: FloatArray) -> FloatArray:
        values = np.tile(outer * amplitude[:, None], (2, 1)) * parts[:, None]
        return np.array([np.bincount(bins, column, minlength=size) for column in values.T])

    return DisplacementDensity(
        bin_width=bin_width,
        loss=binned(thermal + 1),
        gain=binned(thermal),
        thermal_energy=KELVIN_TO_WAVENUMBER * temperature,
    )


def share_between_bins(frequencies: FloatArray, *, bin_width: float) -> tuple[IntArray, FloatArray]:
    """Share lines between the two nearest bins, so that their mean position is kept.

    Parameters
    ----------
    frequencies : ndarray, shape (n,)
        In cm⁻¹, ≥ 0.
    bin_width : float
        In cm⁻¹; bin k is centred on k times this.

    Returns
    -------
    bins : ndarray of int, shape (2 n,)
        The lower bins of all lines, then the upper ones.
    shares : ndarray, shape (2 n,)
        Of each line in its bin.
    """
    lower = np.floor(frequencies / bin_width).astype(np.int64)
    share = frequencies / bin_width - lower
    return np.concatenate((lower, lower + 1)), np.concatenate((1 - share, share))


def along(directions: FloatArray) -> FloatArray:
    """Factors that contract the six components of a symmetric tensor with directions.

    Parameters
    ----------
    directions : ndarray, shape (n_directions, 3)
        Unit vectors û.

    Returns
    -------
    ndarray, shape (n_directions, 6)
        û·T·û is this times the components xx, yy, zz, yz, xz, xy.
    """
    return np.asarray(directions[:, _ROWS] * directions[:, _COLUMNS] * _MULTIPLICITY)


def powder_orders(
    density: DisplacementDensity,
    *,
    grid: EnergyGrid,
    momentum_transfer: FloatArray,
    orders: int,
    directions: FloatArray,
    weights: FloatArray,
    tensor: FloatArray | None = None,
) -> FloatArray:
    """Powder average of each order of one atom's scattering function.

    Parameters
    ----------
    density : DisplacementDensity
        Of the atom, on bins as wide as the grid's.
    grid : EnergyGrid
        Energies asked for.
    momentum_transfer : ndarray, shape (n_banks, n_energies)
        Q in Å⁻¹ at the grid's energies, for each bank.
    orders : int
        Highest order N ≥ 1.
    directions, weights : ndarray, shapes (n_directions, 3) and (n_directions,)
        Quadrature over the sphere, weights with sum 1.
    tensor : ndarray, shape (3, 3), optional
        U in Å² of the Debye–Waller factors, where it is not that of `density`: one measured, say.

    Returns
    -------
    ndarray, shape (n_banks, orders, n_energies)
        S_n(Q(ω), ω) in 1/cm⁻¹, orders 1 to N; the elastic line, order 0, is left out.

    Raises
    ------
    InputError
        If the density's bins are not the grid's.
    """
    if density.bin_width != grid.bin_width:
        raise InputError(f'Bins of {density.bin_width} and {grid.bin_width} cm⁻¹ do not fit.')
    squared = momentum_transfer**2
    result = np.zeros((squared.shape[0], orders, squared.shape[1]))
    factors = along(directions)
    displacements = factors @ (density.loss + density.gain).sum(axis=1)
    damping = displacements if tensor is None else factors @ tensor[_ROWS, _COLUMNS]
    ring = ring_of(density, grid=grid, orders=orders)
    transformed = fft.rfft(ring.place(density.loss, density.gain), axis=-1)
    # along a direction without motion the kernel is zero, whatever it is divided by
    factors /= np.where(displacements > 0, displacements, 1.0)[:, None]
    step = max(1, _CHUNK // ring.length)
    for start in range(0, len(directions), step):
        chunk = slice(start, start + step)
        _add_directions(
            result,
            kernels=_real_product(factors[chunk], transformed),
            displacements=displacements[chunk],
            damping=damping[chunk],
            squared=squared,
            weights=weights[chunk],
            grid=grid,
            ring=ring,
        )
    return result / grid.bin_width


def _add_directions(
    result: FloatArray,
    *,
    kernels: ComplexArray,
    displacements: FloatArray,
    damping: FloatArray,
    squared: FloatArray,
    weights: FloatArray,
    grid: EnergyGrid,
    ring: Ring,
) -> None:
    """Add Σ w e^{-Q²Λ} (Q²λ)ⁿ/n! pⁿ(ω), p being g normalised to 1, of some directions.

    With e^{-Q²Λ} interpolated between a few Λ the sum over directions comes before the transform
    back, which then is made for each of those few and not for each direction. High orders are
    summed over those directions only that move so far.
    """
    falling = np.argsort(-displacements)
    displacements, damping, weights = (
        values[falling] for values in (displacements, damping, weights)
    )
    kernels = kernels[falling]
    largest = float(squared.max())
    highest = max(float(displacements[0]), 1e-300)
    power = kernels.copy()
    held = len(weights) + 1
    for order in range(1, result.shape[1] + 1):
        active = _reaching(largest * displacements, order)
        if not active:
            break
        if order == 1 or active < _SHRUNK * held:
            held = active
            nodes, shares = damping_nodes(damping[:active], largest=largest)
            ratios = displacements[:active, None] / highest
            amplitudes = shares * weights[:active, None] * ratios ** (order - 1)
            scale = (order - 1) * np.log(np.maximum(squared * highest, 1e-300)) - gammaln(order)
            poisson = np.exp(scale[:, None, :] - squared[:, None, :] * nodes[None, :, None])
        poisson *= squared[:, None, :] * (highest / order)
        amplitudes *= ratios
        if order > 1:
            power[:held] *= kernels[:held]
        summed = _real_product(amplitudes.T, power[:held])
        lines = ring.read(
            fft.irfft(summed, n=ring.length, axis=-1), first=grid.first, last=grid.last
        )
        result[:, order - 1] += np.einsum('bre,re->be', poisson, lines)


def _reaching(exponents: FloatArray, order: int) -> int:
    """How many of falling λ, each the largest of its direction, exchange so many phonons."""
    floor = np.maximum(exponents, 1e-300)
    likely = order * np.log(floor) - floor - gammaln(order + 1) > np.log(_NEVER)
    return int(np.count_nonzero(likely | (exponents >= order)))


def _real_product(left: FloatArray, right: ComplexArray) -> ComplexArray:
    """Matrix product of a real and a complex array as one of real ones, at half the work."""
    return np.asarray((left @ right.view(np.float64)).view(np.complex128))


def damping_nodes(damping: FloatArray, *, largest: float) -> tuple[FloatArray, FloatArray]:
    r"""Few exponents between which Debye–Waller factors of all directions are interpolated.

    .. math:: e^{-x\Lambda_d} \approx \sum_r \ell_r(\Lambda_d)\, e^{-x\Lambda_r},
              \quad 0 \le x \le x_\mathrm{max}

    with Chebyshev's nodes and Lagrange's polynomials. On an interval of half-width h, R nodes err
    by less than :math:`2(xh/2)^R/R!` of the value at its middle.

    Parameters
    ----------
    damping : ndarray, shape (n_directions,)
        Λ = û·U·û in Å².
    largest : float
        x_max, the largest Q² in Å⁻².

    Returns
    -------
    nodes : ndarray, shape (n_nodes,)
        Λ_r in Å²; the directions' own where no fewer would do.
    shares : ndarray, shape (n_directions, n_nodes)
        ℓ_r(Λ_d), rows with sum 1.

    References
    ----------
    Trefethen, *Approximation Theory and Approximation Practice* (2013), ch. 8 and 15.
    """
    low, high = float(damping.min()), float(damping.max())
    middle, half = (low + high) / 2, (high - low) / 2
    exponent = largest * half
    if exponent < _INTERPOLATION_ERROR:
        return np.array([middle]), np.ones((len(damping), 1))
    error = 2 * np.exp(exponent)  # at R = 0, of the smallest value on the interval
    count = 0
    while error > _INTERPOLATION_ERROR and count < len(damping):
        count += 1
        error *= exponent / 2 / count
    if count >= len(damping):
        return damping, np.eye(len(damping))
    points = np.cos(np.pi * (np.arange(count) + 0.5) / count)
    return middle + half * points, _lagrange((damping - middle) / half, points)


def _lagrange(positions: FloatArray, points: FloatArray) -> FloatArray:
    """Values at `positions` of the polynomials that are 1 at one of `points`, 0 at the others."""
    count = len(points)
    degrees = np.arange(count)
    # by orthogonality of Chebyshev's polynomials at their nodes
    scale = np.where(degrees == 0, 1.0, 2.0) / count
    at_points = np.cos(degrees * np.arccos(points)[:, None]) * scale
    at_positions = np.cos(degrees * np.arccos(np.clip(positions, -1, 1))[:, None])
    return np.asarray(at_positions @ at_points.T)


def ring_of(density: DisplacementDensity, *, grid: EnergyGrid, orders: int) -> Ring:
    """Ring of bins for the self-convolutions of a density up to an order."""
    return ring_for(
        density.loss,
        density.gain,
        first=grid.first,
        last=grid.last,
        orders=orders,
        thermal=density.thermal_energy / density.bin_width,
    )
