r"""What a self-consistent run with plane waves takes, before it is started: an estimate.

Counts are physics; time comes from them by rates measured once.

* Plane waves of one k point: those inside the sphere :math:`|G|^2 < E_\mathrm{cut}` (Ry, bohr):
  :math:`N_\mathrm{pw} = V E_\mathrm{cut}^{3/2} / 6\pi^2`.
* Points of the FFT grid: the box around the sphere of the density, :math:`\prod_i L_i
  \sqrt{E_\rho}/\pi`, with :math:`L_i` the lengths of the axes.
* k points of a Γ-centred mesh without symmetry but time reversal: those that are their own
  opposite once, of the others one in two. Crystals with symmetry have fewer.
* Time: some 28 applications of the Hamiltonian to all bands of each k point, two FFTs of the
  smooth grid and projections each; orthogonality, :math:`N_b^2 N_\mathrm{pw}`; and, where the
  cutoff of the density is above four times that of the wave functions (ultrasoft, PAW), the
  augmentation charges on the dense grid in each iteration.

Rates are of one core, from pw.x 6.7 with OpenBLAS: 40 runs of MgH2 (6 and 12 atoms, 50 Ry, 36 and
20 k points: 4.9 s and 12 s each), one of n-hexane (20 atoms, 50/400 Ry, 4 k points: 54 s); a busy
machine. Another core may be three times faster or slower. See Payne et al., *Rev. Mod. Phys.*
**64**, 1045 (1992), sections III and V.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units

from aiida_insbench.science.errors import InputError, format_error

#: Applications of the Hamiltonian to all bands in one run: 8 iterations of 3 to 4.
_APPLICATIONS = 28.0
#: Seconds of one core per floating-point operation, overheads shared out.
_FFT_SECONDS, _MATRIX_SECONDS = 2.0e-10, 1.0e-10
#: Augmentation charges: pairs of projectors of an atom, and times they are gone through; forces and
#: stress, with their derivatives, took more than all iterations (n-hexane, 20 atoms, PAW).
_AUGMENTATIONS, _PROJECTOR_PAIRS = 200.0, 36.0
_FIXED_SECONDS = 0.4
#: Factor by which the time of a run may be off, either way.
ACCURACY = 3.0
#: SCF cycles of a relaxation at one pressure: steps of cell and atoms, and runs that start again.
RELAXATION_CYCLES = 25
_COMPLEX = 16.0  # bytes
#: Copies of the wave functions of one k point in Davidson's method, beyond those kept.
_WORK_COPIES = 4.0
_GRID_ARRAYS = 12.0
_PROGRAM_BYTES = 60e6
#: More bands than filled ones where occupations are smeared.
_EXTRA_BANDS = 1.2


@dataclass(frozen=True)
class ScfCost:
    """What one run takes.

    Attributes
    ----------
    electrons : float
        Valence electrons.
    bands, k_points, plane_waves : int
        Bands and plane waves are those of one k point.
    core_seconds : float
        Time of one core; good to a factor of three.
    memory_bytes, disk_bytes : float
        At most in use, for one process.
    """

    electrons: float
    bands: int
    k_points: int
    plane_waves: int
    core_seconds: float
    memory_bytes: float
    disk_bytes: float


def scf_cost(
    *,
    atoms: Atoms,
    cutoffs: tuple[float, float],
    valence: Mapping[str, float],
    k_points: int,
    smeared: bool = False,
    spins: int = 1,
) -> ScfCost:
    """Estimate one self-consistent run.

    Parameters
    ----------
    atoms : Atoms
        The cell.
    cutoffs : tuple of two floats
        Of wave functions and density, Ry.
    valence : mapping
        Element to valence electrons of its pseudopotential.
    k_points : int
        As `points_of_mesh` counts them, or of a list.
    smeared : bool
        Whether occupations are smeared.
    spins : int
        2 for spin-polarised.

    Raises
    ------
    InputError
        If an element has no valence, or a cutoff is not positive.
    """
    _check(atoms, cutoffs, valence)
    volume = float(atoms.get_volume() / units.Bohr**3)
    electrons = float(sum(valence[symbol] for symbol in atoms.get_chemical_symbols()))
    bands = math.ceil(electrons / 2 * (_EXTRA_BANDS if smeared else 1.0))
    waves = volume * cutoffs[0] ** 1.5 / (6 * np.pi**2)
    dense, smooth = (_grid(atoms, cutoff) for cutoff in (cutoffs[1], 4 * cutoffs[0]))
    k_spins = k_points * spins
    wave_bytes = _COMPLEX * waves * bands
    return ScfCost(
        electrons=electrons,
        bands=bands,
        k_points=k_points,
        plane_waves=round(waves),
        core_seconds=_FIXED_SECONDS
        + k_spins * _seconds(bands, waves, smooth, electrons)
        + _augmentation_seconds(atoms, cutoffs, volume) * spins,
        memory_bytes=_PROGRAM_BYTES
        + wave_bytes * (k_spins + _WORK_COPIES)
        + _GRID_ARRAYS * _COMPLEX * dense * spins,
        disk_bytes=wave_bytes * k_spins + 3 * _COMPLEX * dense * spins,
    )


def parallel_seconds(core_seconds: float, ranks: int) -> float:
    """Wall time on so many MPI ranks, each of which is worth half a core: a guess."""
    return core_seconds / max(1.0, ranks / 2)


def points_of_mesh(mesh: Sequence[int]) -> int:
    """K points of a Γ-centred mesh that time reversal leaves.

    Of n points along an axis 1 is its own opposite if n is odd, 2 if n is even.
    """
    own = math.prod(1 if number % 2 else 2 for number in mesh)
    return (math.prod(mesh) + own) // 2


def _seconds(bands: int, waves: float, smooth: float, electrons: float) -> float:
    """Seconds for one k point."""
    transforms = 2 * 5 * smooth * math.log2(max(smooth, 2.0)) * bands
    projections = 8 * 2 * electrons * waves * bands
    orthogonal = 8 * 2 * bands**2 * waves
    return _APPLICATIONS * (
        _FFT_SECONDS * transforms + _MATRIX_SECONDS * (projections + orthogonal)
    )


def _augmentation_seconds(atoms: Atoms, cutoffs: tuple[float, float], volume: float) -> float:
    if cutoffs[1] <= 4.0 * cutoffs[0] + 1e-6:
        return 0.0
    dense_waves = volume * cutoffs[1] ** 1.5 / (6 * np.pi**2)
    operations = 8 * len(atoms) * _PROJECTOR_PAIRS * dense_waves
    return float(_MATRIX_SECONDS * _AUGMENTATIONS * operations)


def _grid(atoms: Atoms, cutoff: float) -> float:
    lengths = atoms.cell.lengths() / units.Bohr
    return float(np.prod(np.maximum(1.0, lengths * math.sqrt(cutoff) / np.pi)))


def _check(atoms: Atoms, cutoffs: tuple[float, float], valence: Mapping[str, float]) -> None:
    if not min(cutoffs) > 0:
        raise InputError(f'The cutoffs are {list(cutoffs)}; give two numbers above 0, in Ry.')
    lacking = sorted(set(atoms.get_chemical_symbols()) - set(valence))
    if lacking:
        raise InputError(
            format_error(
                f'No pseudopotential for {", ".join(lacking)}.',
                fix='Install a family that has them, and name it.',
            )
        )
