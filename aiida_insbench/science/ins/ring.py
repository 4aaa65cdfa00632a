r"""Self-convolutions of many orders on a ring of bins hardly longer than the energies asked for.

n-fold sums of energies reach n times as far as the phonons. A ring of bins that held them all would
grow with the order; on a shorter one, sums wrap round. They are kept out by a tilt: with
:math:`\tilde g_m = e^{-\alpha m} g_m` the convolutions are tilted alike,
:math:`\tilde g^{*n}_m = e^{-\alpha m} g^{*n}_m`, and what wraps round a ring of length L is
smaller by :math:`e^{-\alpha L}`. Rounding errors grow by :math:`e^{\alpha m}` at most, so that
:math:`\alpha L = 21` and :math:`L \ge 1.5\,m` keep both below 1e-9 of the whole.

Energy gained by the neutron needs room below zero, for what wraps round from there is larger by
:math:`e^{\alpha L}`. By detailed balance the weight of gaining E or more in any number of quanta is
at most :math:`e^{-E/k_BT}`: 60 kT are enough with the tilt, 39 kT without.

Source: the tilt is the damping of circular convolutions of Grübel & Hermesmeier, *ASTIN Bulletin*
29, 197 (1999); detailed balance: Mitchell et al. (2005), ch. 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import fft

from aiida_insbench.science.ins.arrays import FloatArray, IntArray

_SUPPRESSION = 21.0
_ROOM = 1.5
_NEGLIGIBLE = 1e-17  # of the whole: below the rounding error of the transform
_THERMAL_REACH, _THERMAL_REACH_TILTED = 39.0, 60.0


@dataclass(frozen=True)
class Ring:
    """A ring of bins.

    Parameters
    ----------
    length : int
        Number of bins.
    tilt : float
        α per bin; 0 where nothing can wrap round.
    """

    length: int
    tilt: float

    def place(self, loss: FloatArray, gain: FloatArray) -> FloatArray:
        """Put both sides, shape (..., n), onto the ring, tilted: shape (..., length)."""
        size = loss.shape[-1]
        steps = np.arange(size)
        ring = np.zeros((*loss.shape[:-1], self.length))
        _add(ring, steps % self.length, loss * np.exp(-self.tilt * steps))
        # what is negligible stays so: the tilt is less steep than detailed balance
        used = steps[: _reach(gain) + 1]
        tilted = gain[..., used] * np.exp(self.tilt * used)
        _add(ring, -used % self.length, tilted)
        return ring

    def read(self, ring: FloatArray, *, first: int, last: int) -> FloatArray:
        """Take bins `first` to `last` off a ring, shape (..., length), and undo the tilt."""
        values = self.window(ring, first=first, last=last)
        return np.asarray(values * self.untilting(first=first, last=last) if self.tilt else values)

    def untilting(self, *, first: int, last: int) -> FloatArray:
        """Factors that undo the tilt of bins `first` to `last`."""
        return np.asarray(np.exp(self.tilt * np.arange(first, last + 1)))

    def window(self, ring: FloatArray, *, first: int, last: int) -> FloatArray:
        """Take bins `first` to `last` off a ring as they are, tilted."""
        if first >= 0 and last < self.length:
            return ring[..., first : last + 1]
        return np.asarray(ring[..., np.arange(first, last + 1) % self.length])


def ring_for(
    loss: FloatArray, gain: FloatArray, *, first: int, last: int, orders: int, thermal: float
) -> Ring:
    """Shortest ring on which bins `first` to `last` of all orders are right.

    Parameters
    ----------
    loss, gain : ndarray, shape (..., n)
        What is convolved: energy lost by the neutron in bins 0 to n − 1, gained in 0 to −(n − 1).
    first, last : int
        Bins asked for.
    orders : int
        Highest order.
    thermal : float
        kT in bins; 0 if unknown or at zero temperature.
    """
    up, down = _reach(loss), _reach(gain)

    def below(reach: float) -> int:
        return min(orders * down, int(np.ceil(reach * thermal))) if thermal > 0 else orders * down

    plain = max(orders * up - first, last + below(_THERMAL_REACH), last - first) + 1
    plain = max(plain, loss.shape[-1])
    room = int(np.ceil(_ROOM * max(last, 1)))
    tilted = max(room, max(last, 0) + below(_THERMAL_REACH_TILTED), last - first) + 1
    if plain <= tilted or first < -tilted // 2:
        return Ring(int(fft.next_fast_len(plain, real=True)), 0.0)
    length = int(fft.next_fast_len(tilted, real=True))
    return Ring(length, _SUPPRESSION / length)


def _reach(side: FloatArray) -> int:
    """Last bin that holds more than rounding error."""
    size = np.abs(side).reshape(-1, side.shape[-1]).max(axis=0)
    return int(np.flatnonzero(size > _NEGLIGIBLE * max(size.sum(), 1e-300)).max(initial=0))


def _add(ring: FloatArray, bins: IntArray, values: FloatArray) -> None:
    """Add to bins of the ring, several of which may be the same."""
    length = ring.shape[-1]
    for row, line in zip(ring.reshape(-1, length), values.reshape(-1, len(bins)), strict=True):
        row += np.bincount(bins, line, minlength=length)
