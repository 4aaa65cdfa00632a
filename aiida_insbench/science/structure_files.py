"""Crystals from files of other programs: only formats that hold data, read without surprises.

ASE tells a format by the content of a file and knows some hundred; among them are databases on
other machines, folders, binary files that say how much memory to fill, and formats for which it
starts a program (CASTEP). What may be read is therefore on a list of formats of text, and a file is
never unpacked or taken for a pattern of names.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

from aiida_insbench.science.campaign.composition import occupancy_faults
from aiida_insbench.science.errors import StructureError, format_error
from aiida_insbench.science.frames import check_counts
from aiida_insbench.science.structures import check_crystal

#: ASE's names of formats that may be read.
FORMATS = frozenset({
    'abinit-in', 'aims', 'aims-output', 'cif', 'cjson', 'crystal', 'cube', 'dftb', 'elk',
    'espresso-in', 'espresso-out', 'exciting', 'extxyz', 'gen', 'proteindatabank', 'res', 'rmc6f',
    'siesta-xv', 'struct', 'struct_out', 'turbomole', 'vasp', 'vasp-out', 'vasp-xdatcar',
    'vasp-xml', 'xsd', 'xsf', 'xyz',
})  # fmt: skip
#: No crystal of thousands of atoms needs more.
LARGEST = 64 * 1024**2
_PACKED = ('.gz', '.bz2', '.xz')
_GIVE = 'Give a CIF, POSCAR, extended XYZ or another format of ASE.'


def read_crystal_file(path: Path) -> Atoms:
    """Read a crystal; of several in a file the last.

    Parameters
    ----------
    path : Path
        A file of one of `FORMATS`, which is found in its content and name.

    Returns
    -------
    Atoms
        Checked to be a crystal whose sites are wholly occupied.

    Raises
    ------
    StructureError
        If the file is missing, too large, of no such format or cannot be read, or if it is no
        crystal.
    """
    _check_file(path)
    atoms = _read(path)
    if not (np.isfinite(atoms.positions).all() and np.isfinite(atoms.cell.array).all()):
        raise StructureError(f'`{path.name}` holds positions or axes that are not finite.')
    check_crystal(atoms, name=path.name)
    faults = occupancy_faults(atoms, name=path.name)
    if faults:
        raise StructureError(faults[0])
    return atoms


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise StructureError(f'{path}: no such file.')
    size = path.stat().st_size
    if size > LARGEST:
        raise StructureError(
            format_error(
                f'{path.name} has {size / 1024**2:.0f} MB, more than {LARGEST // 1024**2}.',
                fix='Give a file of one crystal.',
            )
        )
    if path.suffix.lower() in _PACKED:
        raise StructureError(f'{path.name} is compressed. Decompress it first.')


def _read(path: Path) -> Atoms:
    import ase.io
    from ase.io.formats import filetype

    # absolute, as ASE takes other names for patterns or for addresses of databases
    place = str(path.resolve())
    try:
        form = filetype(place)
        if form in ('extxyz', 'xyz'):
            check_counts(path.read_text(encoding='utf-8'), name=path.name)
        atoms = ase.io.read(place, format=_known(form), do_not_split_by_at_sign=True)
    except Exception as exc:
        raise StructureError(
            format_error(
                f'{path} cannot be read as a structure: {type(exc).__name__}: {str(exc)[:300]}.',
                fix=_GIVE,
            )
        ) from exc
    if not isinstance(atoms, Atoms):
        raise StructureError(format_error(f'{path} holds no structure.', fix=_GIVE))
    return atoms


def _known(form: str) -> str:
    if form not in FORMATS:
        raise StructureError(f'{form} is no format that is read')
    return form
