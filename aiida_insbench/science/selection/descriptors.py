"""Descriptors of atomic environments: MACE's invariant features, or SOAP without a potential.

Both are invariant to rotation, translation, renumbering and repetition of the cell.

Source: MACE: Batatia et al., *NeurIPS* 35, 11423 (2022); SOAP: Bartók, Kondor, Csányi, *Phys. Rev.
B* **87**, 184115 (2013), as in DScribe: Laakso et al., *J. Chem. Phys.* **158**, 234802 (2023).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms

from aiida_insbench.science.errors import ComputationError, InputError, format_error

FloatArray = npt.NDArray[np.float64]
Report = Callable[[int, int], None]


@dataclass(frozen=True)
class Soap:
    """Settings of SOAP.

    Attributes
    ----------
    r_cut : float
        Reach of an environment, Å.
    n_max, l_max : int
        Radial functions, highest degree of spherical harmonics.
    sigma : float
        Width of the Gaussian on each atom, Å.
    """

    r_cut: float = 5.0
    n_max: int = 6
    l_max: int = 4
    sigma: float = 0.3


def mace_features(
    frames: Sequence[Atoms], *, calculator: Any, report: Report | None = None
) -> FloatArray:
    """Invariant features of MACE, all layers.

    Parameters
    ----------
    frames : sequence of Atoms
        Left as they are.
    calculator : Calculator
        As `aiida_insbench.science.potentials.calculator` makes it.
    report : callable, optional
        Called as ``report(done, total)`` after each frame.

    Returns
    -------
    ndarray, shape (n_atoms of all frames, n_features)
        Frame after frame.

    Raises
    ------
    InputError
        If the potential is of a kind that has none.
    ComputationError
        If a feature is not finite.
    """
    describe = getattr(calculator, 'get_descriptors', None)
    if describe is None:
        raise InputError(
            format_error(
                'A potential of this flavour has no descriptors.',
                fix='Give a MACE potential, or use `descriptors: soap`.',
            )
        )
    return _all(frames, lambda atoms: describe(atoms, invariants_only=True), report)


def soap_features(
    frames: Sequence[Atoms], *, settings: Soap | None = None, report: Report | None = None
) -> FloatArray:
    """SOAP power spectra, of the elements of all frames.

    Parameters
    ----------
    frames : sequence of Atoms
        Left as they are.
    settings : Soap, optional
        Reach and resolution.
    report : callable, optional
        Called as ``report(done, total)`` after each frame.

    Returns
    -------
    ndarray, shape (n_atoms of all frames, n_features)
        Frame after frame.

    Raises
    ------
    InputError
        If DScribe is not installed or refuses the settings.
    ComputationError
        If a feature is not finite.
    """
    chosen = settings or Soap()
    try:
        from dscribe.descriptors import SOAP
    except ImportError as exc:
        raise InputError(
            format_error(
                f'`descriptors: soap` needs DScribe ({exc}).',
                fix='Install it where the job runs: pip install "aiida-insbench[soap]". Or give a '
                'potential and use `descriptors: mace`.',
            )
        ) from exc
    species = sorted({int(number) for frame in frames for number in frame.numbers})
    made = {}
    for periodic in sorted({bool(frame.pbc.any()) for frame in frames}):
        try:
            made[periodic] = SOAP(
                species=species,
                r_cut=chosen.r_cut,
                n_max=chosen.n_max,
                l_max=chosen.l_max,
                sigma=chosen.sigma,
                periodic=periodic,
            )
        except ValueError as exc:
            raise InputError(f'DScribe refuses the settings of SOAP: {exc}') from exc
    return _all(frames, lambda atoms: made[bool(atoms.pbc.any())].create(atoms), report)


def _all(
    frames: Sequence[Atoms], describe: Callable[[Atoms], Any], report: Report | None
) -> FloatArray:
    rows = []
    for index, frame in enumerate(frames):
        atoms = Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)
        found = np.atleast_2d(np.asarray(describe(atoms), dtype=float))
        if not np.isfinite(found).all():
            name = frame.info.get('frame_id', index)
            raise ComputationError(f'Frame {name}: a descriptor is not finite.')
        rows.append(found)
        if report is not None:
            report(index + 1, len(frames))
    return np.concatenate(rows)
