"""Scores of simulated INS spectra against measured ones: shift and residual, window by window.

`score.score_spectrum` is the whole path. Everything is in cm⁻¹ and works on plain arrays. Windows
and their weights are set by the *measured* spectrum alone, so that all potentials are judged alike.
"""

from __future__ import annotations

#: Version of the rules; it changes with every change that can change a number.
VERSION = 'insbench-1'
