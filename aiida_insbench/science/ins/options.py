"""How a spectrum is computed, and what makes no sense."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.ins.almost_isotropic import check_quirks
from aiida_insbench.science.ins.arrays import FloatArray
from aiida_insbench.science.ins.census import MAXIMUM_IMAGINARY_WEIGHT, MINIMUM_FREQUENCY

PUBLISHED = 'published'
EXACT, ALMOST_ISOTROPIC = KERNELS = ('exact', 'almost-isotropic')
Resolution = str | Sequence[float] | Mapping[str, Any] | None


@dataclass(frozen=True)
class PowderOptions:
    """How a spectrum is computed.

    Parameters
    ----------
    max_order : int or None
        Largest number of phonons exchanged; fewer are used if `tolerance` allows. None: by need.
    tolerance : float
        Share of scattering that may be missing for orders left out, at the largest Q.
    directions : int or None
        Points of the sphere quadrature; None: for each atom as few as `direction_tolerance` lets.
    direction_tolerance : float
        Largest error of the quadrature, as a share of an atom's highest line at the largest Q; see
        `aiida_insbench.science.ins.directions.quadrature_error`.
    kernel : {'exact', 'almost-isotropic'}
        The second is that of CLIMAX, Abins and abinslib, for comparison.
    quirks : sequence of str
        What Abins does to order 2 besides; see `aiida_insbench.science.ins.almost_isotropic`.
    cross_section : {'total', 'incoherent'}
        See `cross_sections`.
    coherent : bool
        Whether the coherent part of order 1 is computed as such, see
        `aiida_insbench.science.ins.coherent`; needs force constants.
    coherent_points : int
        Directions on each sphere of constant Q for it.
    coherent_spacing : float
        Distance of those spheres in Å⁻¹.
    resolution : 'published', None, sequence of float or mapping
        The instrument's published model, no broadening, coefficients of σ(ω) in cm⁻¹, or the
        published model with other settings.
    minimum_frequency : float
        Modes below this many cm⁻¹ are left out.
    maximum_imaginary_weight : float
        Largest share of an element's motion that may be left out with them.
    displacements : mapping from str to float or 3×3 list, optional
        Mean-square displacements U in Å² for the Debye–Waller factors, measured ones say, by label
        or number of atom: where modes at Γ leave out those of the lattice.
    """

    max_order: int | None = None
    tolerance: float = 1e-4
    directions: int | None = None
    direction_tolerance: float = 1e-4
    kernel: str = EXACT
    quirks: Sequence[str] = ()
    cross_section: str = 'total'
    coherent: bool = False
    coherent_points: int = 500
    coherent_spacing: float = 0.05
    resolution: Resolution = PUBLISHED
    minimum_frequency: float = MINIMUM_FREQUENCY
    maximum_imaginary_weight: float = MAXIMUM_IMAGINARY_WEIGHT
    displacements: Mapping[str, Any] | None = None


def check_options(options: PowderOptions) -> None:
    """Refuse options that make no sense.

    Raises
    ------
    InputError
        Naming the option.
    """
    if options.kernel not in KERNELS:
        raise InputError(f'`kernel` must be one of {KERNELS}, not {options.kernel!r}.')
    if check_quirks(options.quirks) and options.kernel == EXACT:
        raise InputError('`quirks` belong to the kernel almost-isotropic; the exact one has none.')
    if not 0 < options.direction_tolerance < 1:
        raise InputError(
            f'`direction_tolerance` must lie between 0 and 1, not {options.direction_tolerance}.'
        )
    if options.coherent and options.cross_section != 'total':
        raise InputError(
            '`coherent` adds the coherent cross-section: it goes with `cross_section` total.'
        )
    if options.coherent_points < 2 or not options.coherent_spacing > 0:
        raise InputError(
            '`coherent_points` must be at least 2 and `coherent_spacing` > 0 Å⁻¹, not '
            f'{options.coherent_points} and {options.coherent_spacing}.'
        )


def damping_tensors(
    tensors: FloatArray, symbols: Sequence[str], given: Mapping[str, Any] | None
) -> FloatArray:
    """Mean-square displacements of the Debye–Waller factors.

    Parameters
    ----------
    tensors : ndarray, shape (n_atoms, 3, 3)
        Those of the modes, in Å².
    symbols : sequence of str
        Labels of the atoms.
    given : mapping or None
        Those from outside, by label or number of atom; numbers or 3×3 lists in Å².

    Returns
    -------
    ndarray, shape (n_atoms, 3, 3)
        In Å².

    Raises
    ------
    InputError
        If a key names no atom, or a value is neither a number ≥ 0 nor a symmetric 3×3 list.
    """
    result = tensors.copy()
    for key in sorted(given or {}, key=lambda name: name.isdigit()):
        atoms = [
            atom
            for atom, symbol in enumerate(symbols)
            if key == symbol or (key.isdigit() and int(key) == atom)
        ]
        if not atoms:
            raise InputError(
                format_error(
                    f'`displacements` names {key!r}.',
                    fix=f'Give one of {", ".join(dict.fromkeys(symbols))} or the number of an '
                    'atom from 0.',
                )
            )
        result[atoms] = _tensor(key, (given or {})[key])
    return result


def _tensor(key: str, value: Any) -> FloatArray:
    array = np.asarray(value, dtype=np.float64)
    tensor = array * np.eye(3) if array.ndim == 0 else array
    if tensor.shape != (3, 3) or not np.isfinite(tensor).all():
        raise InputError(f'`displacements` of {key} must be a number or 3×3 numbers in Å².')
    if not np.allclose(tensor, tensor.T) or (np.linalg.eigvalsh(tensor) < -1e-12).any():
        raise InputError(f'`displacements` of {key} must be symmetric and not negative.')
    return tensor
