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

Energies in cm⁻¹, Q in Å⁻¹, displacements in Å².

Source: Sjölander, *Arkiv för Fysik* 14, 315 (1958); Mitchell et al. (2005), ch. 2.
"""

from __future__ import annotations

import numpy as np
from scipy import fft
from scipy.special import gammaln

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.arrays import ComplexArray, FloatArray
from aiida_insbench.science.ins.density import DisplacementDensity, along, six_components
from aiida_insbench.science.ins.energies import EnergyGrid
from aiida_insbench.science.ins.ring import Ring, ring_for

_CHUNK = 2**22  # numbers held at once by the transform, 32 MiB
_NEVER = 1e-13  # Poisson weight below which an order is left out
_SHRUNK = 0.75  # of its directions, below which the interpolation is made anew
_INTERPOLATION_ERROR = 1e-9  # of a Debye–Waller factor


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
    damping = displacements if tensor is None else factors @ six_components(tensor)
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
    untilting = ring.untilting(first=grid.first, last=grid.last)
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
            poisson *= untilting
        poisson *= squared[:, None, :] * (highest / order)
        amplitudes *= ratios
        if order > 1:
            power[:held] *= kernels[:held]
        summed = _real_product(amplitudes.T, power[:held])
        lines = ring.window(
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
