"""Force constants as phonopy YAML: written, and read as data only, with every size checked.

Units: Å, eV/Å².
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray
from phonopy import Phonopy
from phonopy.interface.phonopy_yaml import load_phonopy_yaml

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.safe_yaml import load_yaml
from aiida_insbench.science.structures import check_cell
from aiida_insbench.science.supercells import require_force_constants

FloatArray = NDArray[np.float64]
_YAML_CONTENT = {'force_sets': False, 'displacements': False, 'force_constants': True}
#: eV/Å²; diamond's largest is about 60.
_STIFFEST = 1e4
#: What phonopy raises where a file does not hold what it looks for.
_UNREADABLE = (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError)


def force_constants_yaml(phonon: Phonopy) -> str:
    """Structure and force constants as phonopy YAML text, which `load_force_constants` reads.

    Raises
    ------
    InputError
        If the Phonopy object has no force constants.
    """
    require_force_constants(phonon)
    return str(phonon.to_phonopy_yaml(settings=_YAML_CONTENT))


def save_force_constants(*, phonon: Phonopy, path: Path) -> None:
    """Write `force_constants_yaml` to a file; a kill leaves no half file under its name."""
    partial = path.with_name(path.name + '.part')
    partial.write_text(force_constants_yaml(phonon), encoding='utf-8')
    partial.replace(path)


def load_force_constants(path: Path, *, symprec: float | None = None) -> Phonopy:
    """Read structure and force constants from phonopy YAML.

    Unlike ``phonopy.load`` it looks for no other files in the current folder and parses YAML with
    the safe loader, so that the file can hold data only.

    Parameters
    ----------
    path : Path
        A file `save_force_constants` or phonopy wrote.
    symprec : float, optional
        Tolerance of positions for the symmetry, Å; the file's own by default.

    Returns
    -------
    Phonopy
        With force constants and, if the file has them, Born charges.

    Raises
    ------
    InputError
        If the file cannot be read or holds no force constants.
    """
    try:
        content = load_yaml(path.read_text(encoding='utf-8'))
        data = load_phonopy_yaml(content)
        return _loaded(path, content, data, symprec)
    except InputError:
        raise
    except (OSError, yaml.YAMLError, *_UNREADABLE) as exc:
        raise InputError(f'{path.name} cannot be read as phonopy YAML: {exc!r}') from exc


def _loaded(path: Path, content: Any, data: Any, symprec: float | None) -> Phonopy:
    if data.force_constants is None or data.unitcell is None or data.supercell_matrix is None:
        raise InputError(
            format_error(
                f'{path.name} holds no force constants.',
                fix='Write it with `save_force_constants` or `phonopy --include-fc`.',
            )
        )
    check_cell(data.unitcell.cell, name=path.name)
    check_supercell_size(
        data.supercell_matrix,
        n_atoms=len(data.unitcell),
        n_supercell=np.shape(data.force_constants)[1],
        name=path.name,
    )
    stored = content['phonopy'].get('symmetry_tolerance', 1e-5)
    phonon = Phonopy(
        data.unitcell,
        supercell_matrix=data.supercell_matrix,
        primitive_matrix=np.eye(3) if data.primitive_matrix is None else data.primitive_matrix,
        symprec=float(stored) if symprec is None else symprec,
        is_symmetry=True,
        calculator=data.calculator,
    )
    set_force_constants(phonon, data.force_constants)
    if data.nac_params is not None:
        phonon.nac_params = data.nac_params
    return phonon


def check_supercell_size(matrix: Any, *, n_atoms: int, n_supercell: int, name: str) -> None:
    """Refuse a supercell matrix that does not fit the atoms, before the supercell is built.

    Parameters
    ----------
    matrix : array_like, shape (3, 3)
        As a file has it.
    n_atoms, n_supercell : int
        Atoms of the unit cell and, by another entry of the file, of the supercell.
    name : str
        Of the file.

    Raises
    ------
    InputError
        If matrix and numbers contradict each other: a damaged matrix may ask for billions of atoms.
    """
    cells = abs(np.linalg.det(np.asarray(matrix, dtype=float)))
    if not abs(cells * n_atoms - n_supercell) < 0.5:
        raise InputError(
            f'{name}: the supercell matrix makes {cells * n_atoms:.6g} atoms, the file holds '
            f'{n_supercell}.'
        )


def set_force_constants(phonon: Phonopy, force_constants: FloatArray) -> None:
    """Give a Phonopy object its force constants (eV/Å²); raises `InputError` if they do not fit."""
    unit, full = len(phonon.primitive), len(phonon.supercell)
    if force_constants.shape not in ((unit, full, 3, 3), (full, full, 3, 3)):
        raise InputError(
            f'Force constants of shape {force_constants.shape} do not fit a primitive cell of '
            f'{unit} and a supercell of {full} atoms.'
        )
    if not np.isfinite(force_constants).all():
        raise InputError('Force constants hold numbers that are not finite.')
    largest = float(np.abs(force_constants).max(initial=0.0))
    if largest > _STIFFEST:
        raise InputError(f'Force constants up to {largest:.3g} eV/Å² are of no crystal.')
    phonon.force_constants = force_constants
