"""Energies of isolated atoms (E0s, eV): what a potential adds up before any interaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from numpy.typing import ArrayLike

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import ENERGY_KEY


def estimate_isolated_atom_energies(
    frames: Sequence[Atoms], *, predicted: ArrayLike, e0s: Mapping[str, float]
) -> dict[str, float]:
    r"""Move the isolated-atom energies so that a potential fits total energies best.

    Another level of theory, or another pseudopotential, shifts every atom of an element by nearly
    the same energy; a potential that learned one level is brought to another by

    .. math:: E_0^Z \leftarrow E_0^Z + \Delta^Z, \qquad
       \Delta = \arg\min \sum_f \Bigl(E_f - E_f^\mathrm{pred} - \sum_Z n_f^Z \Delta^Z\Bigr)^2

    where frames of one composition alone leave Δ open: the shortest is taken.

    Parameters
    ----------
    frames : sequence of Atoms
        Labelled.
    predicted : array_like, shape (n_frames,)
        Energies in eV by the potential with `e0s`.
    e0s : mapping
        Element to energy in eV.

    Returns
    -------
    dict
        New energies in eV of every element of `e0s`; those in no frame stay.

    Raises
    ------
    DatasetError
        If there is no frame, or a frame has no energy.

    References
    ----------
    The least squares of MACE 0.3.16, ``--E0s estimated``, which fine-tuning then overwrites where
    start potential and frames hold the same elements.
    """
    if not frames:
        raise DatasetError('No frame: isolated-atom energies cannot be estimated.')
    lacking = [str(frame.info.get('frame_id')) for frame in frames if ENERGY_KEY not in frame.info]
    if lacking:
        raise DatasetError(f'No energy in {", ".join(lacking[:5])}.')
    elements = sorted({symbol for frame in frames for symbol in frame.get_chemical_symbols()})
    counts = np.array(
        [[frame.get_chemical_symbols().count(e) for e in elements] for frame in frames], dtype=float
    )
    labels = np.array([frame.info[ENERGY_KEY] for frame in frames])
    moved, *_ = np.linalg.lstsq(counts, labels - np.asarray(predicted), rcond=None)
    return {**e0s, **{e: e0s[e] + float(d) for e, d in zip(elements, moved, strict=True)}}
