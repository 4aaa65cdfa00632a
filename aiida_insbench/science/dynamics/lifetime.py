r"""Mean time to failure of several runs, some of which did not fail.

If failures come at a constant rate, then with r failures in the time T that all runs together
lasted until they failed or ended

.. math:: \hat\tau = T / r, \qquad
          \frac{2T}{\chi^2_{0.84}(2r + 2)} \le \tau \le \frac{2T}{\chi^2_{0.16}(2r)}

(Epstein & Sobel, *J. Am. Stat. Assoc.* **48**, 486 (1953); the interval, for tests that end at a
given time, Epstein, *Technometrics* **2**, 447 (1960)). Times in ps.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.stats import chi2

from aiida_insbench.science.errors import InputError

_CONFIDENCE = 0.6827


@dataclass(frozen=True)
class Lifetime:
    """Mean time to the first violation.

    Attributes
    ----------
    mean : float
        In ps; infinite if no run failed.
    low, high : float
        68 % interval; without failures one-sided, `high` infinite.
    failures : int
        Runs that failed.
    total : float
        Time all runs lasted, ps.
    """

    mean: float
    low: float
    high: float
    failures: int
    total: float


def lifetime(failures: Sequence[float | None], lengths: Sequence[float]) -> Lifetime:
    """Estimate the mean lifetime of runs.

    Parameters
    ----------
    failures : sequence of float or None
        Time of each run's first violation, ps; None if it is sound.
    lengths : sequence of float
        Of each run, ps.

    Raises
    ------
    InputError
        If there is no run, a length is not above 0, or a violation is after the end of its run.
    """
    if not lengths or len(failures) != len(lengths):
        raise InputError(
            f'There are {len(lengths)} lengths of {len(failures)} runs; give one for each, and '
            'at least one.'
        )
    total = 0.0
    for number, (failure, length) in enumerate(zip(failures, lengths, strict=True)):
        if not (math.isfinite(length) and length > 0):
            raise InputError(f'The length of run {number} is {length} ps; give a number above 0.')
        end = length if failure is None else failure
        if not 0 <= end <= length * (1 + 1e-9):
            raise InputError(f'Run {number} is {length:g} ps long and failed at {end:g} ps.')
        total += end
    return _estimate(total, sum(one is not None for one in failures))


def _estimate(total: float, failures: int) -> Lifetime:
    if not failures:
        return Lifetime(math.inf, total / -math.log(1 - _CONFIDENCE), math.inf, 0, total)
    tail = (1 - _CONFIDENCE) / 2
    low = 2 * total / float(chi2.ppf(1 - tail, 2 * failures + 2))
    high = 2 * total / float(chi2.ppf(tail, 2 * failures))
    return Lifetime(total / failures, low, high, failures, total)
