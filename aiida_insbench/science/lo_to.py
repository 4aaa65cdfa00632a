r"""Γ modes of polar crystals in the limit q → 0: longitudinal and transverse ones apart.

A longitudinal mode of a polar crystal carries a macroscopic field, which force constants of any
finite supercell lack. With Born charges Z* and the high-frequency dielectric tensor ε the dynamical
matrix gains, for q → 0 along a direction q̂, the non-analytical term

.. math:: D^\mathrm{NA}_{i\alpha,j\beta}(\hat q) = \frac{4\pi e^2}{V\sqrt{m_im_j}}\,
          \frac{(\hat q Z^*_i)_\alpha(\hat q Z^*_j)_\beta}{\hat q\,\varepsilon\,\hat q}.

phonopy adds it. Frequencies in cm⁻¹, negative for imaginary modes.

Source: Gonze & Lee, *Physical Review B* 55, 10355 (1997), eq. 60; Born & Huang, *Dynamical Theory
of Crystal Lattices* (1954), § 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from phonopy import Phonopy

from aiida_insbench.science.errors import ComputationError
from aiida_insbench.science.gamma_modes import eigenvalues_to_wavenumbers
from aiida_insbench.science.modes import ModeSet, follow, split_acoustic

#: Directions of q → 0 along the reciprocal axes, in their fractions.
AXES = {'a*': (1, 0, 0), 'b*': (0, 1, 0), 'c*': (0, 0, 1)}
OFF = 'non-analytical correction: off (no Born charges)'
ON = 'non-analytical correction: on'


def lo_to_splitting(phonons: Mapping[str, Phonopy]) -> dict[str, Any]:
    """LO-TO splitting along the reciprocal axes at each pressure, JSON-ready.

    Parameters
    ----------
    phonons : mapping from str to Phonopy
        With force constants, by pressure label; with or without Born charges.

    Returns
    -------
    dict
        ``lo_to``: by label and axis (`AXES`) the optical modes, ``frequencies`` with the term,
        ``to`` those of the same modes without, and their difference ``split``, in order of ``to``;
        only labels with Born charges. ``lo_to_note``: whether the term is on, and where it is not
        and why.
    """
    found: dict[str, Any] = {}
    failed = {}
    charged = [label for label, one in phonons.items() if one.nac_params is not None]
    for label in charged:
        try:
            found[label] = _along_axes(phonons[label])
        except ComputationError as exc:
            failed[label] = str(exc)
    if not charged:
        return {'lo_to': {}, 'lo_to_note': OFF}
    bare = [label for label in phonons if label not in charged]
    notes = [ON]
    if bare:
        notes.append(f'off at {", ".join(bare)} (no Born charges)')
    notes += [f'none at {label} ({why})' for label, why in failed.items()]
    return {'lo_to': found, 'lo_to_note': '; '.join(notes)}


def _along_axes(phonon: Phonopy) -> dict[str, dict[str, list[float]]]:
    masses = np.asarray(phonon.primitive.masses, dtype=float)
    transverse, _ = split_acoustic(_modes(phonon, None), masses)
    rows = {}
    for name, direction in AXES.items():
        limit, _ = split_acoustic(_modes(phonon, direction), masses)
        before, after = (one.frequencies for one in follow([transverse, limit]).sets)
        rows[name] = {
            'frequencies': after.tolist(),
            'to': before.tolist(),
            'split': (after - before).tolist(),
        }
    return rows


def _modes(phonon: Phonopy, direction: tuple[int, int, int] | None) -> ModeSet:
    """Modes at Γ, in the limit along a direction or without the term."""
    found = phonon.run_qpoints(
        [[0.0, 0.0, 0.0]], with_dynamical_matrices=True, nac_q_direction=direction
    )
    matrix = np.asarray(found.dynamical_matrices[0]).real
    eigenvalues, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    frequencies = eigenvalues_to_wavenumbers(
        eigenvalues, factor=float(phonon.unit_conversion_factor)
    )
    return ModeSet(frequencies, vectors.T, ('',) * len(frequencies))
