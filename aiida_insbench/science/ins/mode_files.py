"""Modes from the files people have: force constants to interpolate, or modes as they stand.

``*.yaml``, ``*.yml`` of phonopy
    Force constants in it; or made from displacements and forces in it; or from
    ``FORCE_CONSTANTS``, ``force_constants.hdf5`` or ``FORCE_SETS`` beside it.
``*.castep_bin``, ``*.check`` of CASTEP
    Force constants.
``*.phonon`` of CASTEP
    Modes at the q-points it holds.
``*.json`` of Euphonic
    Force constants, or modes at the q-points it holds.

Reading is Euphonic's and phonopy's.
"""

from __future__ import annotations

import dataclasses
import re
import struct
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.force_constant_files import check_supercell_size
from aiida_insbench.science.ins.interpolation import (
    InterpolatedModes,
    refuse_isotopes,
    with_isotopes,
)
from aiida_insbench.science.ins.modes import PhononModes, phonon_modes
from aiida_insbench.science.ins.phonopy_reader import euphonic_force_constants
from aiida_insbench.science.ins.qpoint_mesh import check_mesh, mesh_of_spacing
from aiida_insbench.science.safe_json import load_json
from aiida_insbench.science.safe_yaml import load_yaml
from aiida_insbench.science.structures import check_cell

_YAML = ('.yaml', '.yml')
_CASTEP = ('.castep_bin', '.check')
_CELLS = ('unit_cell', 'supercell', 'supercell_matrix')
_BESIDE = ('FORCE_CONSTANTS', 'force_constants.hdf5')
_UNREADABLE = (
    AttributeError,
    EOFError,
    IndexError,
    KeyError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    yaml.YAMLError,
)


def read_modes(
    path: Path,
    *,
    mesh: Sequence[int] | None = None,
    spacing: float | None = None,
    shift: Sequence[float] | None = None,
) -> PhononModes:
    """Read a file of force constants or of modes; all modes in memory.

    Parameters
    ----------
    path : Path
        See the list of this module.
    mesh : sequence of int, shape (3,), optional
        Number of q-points along each reciprocal axis, where there are force constants.
    spacing : float, optional
        Where there is no `mesh`: largest distance of neighbouring q-points, Å⁻¹ (with 2π).
    shift : sequence of float, optional
        Of the mesh, in steps; the default is chosen by the crystal's symmetry.

    Returns
    -------
    PhononModes
        On the mesh, or at the file's own q-points.

    Raises
    ------
    InputError
        As `open_modes`.
    """
    source = open_modes(path, mesh=mesh, spacing=spacing)
    if isinstance(source, PhononModes):
        return source
    if shift is not None:
        first, second, third = (float(value) for value in shift)
        source = dataclasses.replace(source, shift=(first, second, third))
    return source.collect()


def open_modes(
    path: Path,
    *,
    mesh: Sequence[int] | None = None,
    spacing: float | None = None,
    isotopes: Mapping[str, str | Mapping[str, float]] | None = None,
    sum_rule: str | None = None,
) -> InterpolatedModes | PhononModes:
    """Open a file of force constants or of modes.

    Parameters
    ----------
    path : Path
        See the list of this module.
    mesh, spacing
        As for `read_modes`.
    isotopes : mapping, optional
        See `aiida_insbench.science.ins.isotopes.labels_of_sites`.
    sum_rule : {'realspace', 'reciprocal'}, optional
        See `InterpolatedModes`.

    Returns
    -------
    InterpolatedModes or PhononModes
        From force constants, on the mesh; or at the file's own q-points.

    Raises
    ------
    InputError
        If the file is missing, of another kind, cut short, or without what it should hold; there
        are force constants and no mesh; or isotopes without force constants.
    """
    found = _read(path)
    if type(found).__name__ == 'QpointPhononModes':
        refuse_isotopes(isotopes)
        return phonon_modes(found)
    if mesh is None:
        if spacing is None:
            raise InputError(f'{path.name} holds force constants: give a `mesh` of q-points.')
        mesh = mesh_of_spacing(found.crystal.reciprocal_cell().to('1/angstrom').magnitude, spacing)
    return InterpolatedModes(with_isotopes(found, isotopes), check_mesh(mesh), None, sum_rule)


def _read(path: Path) -> Any:
    """What Euphonic makes of a file."""
    if not path.is_file():
        raise InputError(f'{path}: no such file.')
    reader = _reader(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            return reader(path)
    except InputError:
        raise
    except _UNREADABLE as exc:
        raise InputError(
            format_error(
                f'{path.name} cannot be read: {type(exc).__name__}: {exc}',
                fix='Give a phonopy YAML file, a CASTEP .castep_bin or .phonon file, or a JSON '
                'file of Euphonic.',
            )
        ) from exc


def _reader(path: Path) -> Any:
    suffix = path.suffix.lower()
    if suffix in _YAML:
        return _read_phonopy
    if suffix in _CASTEP:
        return _read_castep
    if suffix == '.phonon':
        return _read_castep_modes
    if suffix == '.json':
        return _read_json
    raise InputError(
        f'{path.name} is of no kind known: give .yaml, .castep_bin, .check, .phonon or .json.'
    )


def _read_castep(path: Path) -> Any:
    from euphonic import ForceConstants

    return ForceConstants.from_castep(path)


def _read_castep_modes(path: Path) -> Any:
    from euphonic import QpointPhononModes

    _check_castep_header(path)
    return QpointPhononModes.from_castep(path)


def _check_castep_header(path: Path) -> None:
    """Refuse what Euphonic would look for without end: the cell, and atoms that are not there."""
    text = path.read_text(encoding='utf-8', errors='replace')
    counts = [int(one) for one in re.findall(r'Number of (?:ions|branches)\s+(\d{1,9})\b', text)]
    if 'Unit cell vectors' not in text or len(counts) != 2 or max(counts) > text.count('\n'):
        raise InputError(f'{path.name} is cut short, or no .phonon file of CASTEP.')


def _read_json(path: Path) -> Any:
    import euphonic

    content = load_json(path.read_text(encoding='utf-8'), name=path.name)
    kind = content.get('__euphonic_class__') if isinstance(content, dict) else None
    if kind not in ('ForceConstants', 'QpointPhononModes'):
        raise InputError(
            f'{path.name} holds {kind or "nothing of Euphonic"}; needed are ForceConstants or '
            'QpointPhononModes.'
        )
    return getattr(euphonic, kind).from_json_file(str(path))


def _read_phonopy(path: Path) -> Any:
    content = load_yaml(path.read_text(encoding='utf-8'))
    if not isinstance(content, dict) or 'phonopy' not in content:
        raise InputError(f'{path.name} is no YAML file of phonopy.')
    missing = [key for key in _CELLS if key not in content]
    if missing:
        raise InputError(f'{path.name} lacks {", ".join(missing)}, which phonopy writes.')
    check_cell(content['unit_cell']['lattice'], name=path.name)
    check_supercell_size(
        content['supercell_matrix'],
        n_atoms=len(content['unit_cell']['points']),
        n_supercell=len(content['supercell']['points']),
        name=path.name,
    )
    if 'force_constants' in content:
        return euphonic_force_constants(path, content)
    for name in _BESIDE:
        if (path.parent / name).is_file():
            return euphonic_force_constants(path, content, beside=name)
    return _made_by_phonopy(path, content)


def _made_by_phonopy(path: Path, content: dict[str, Any]) -> Any:
    """Let phonopy make force constants from forces in the file, or from FORCE_SETS beside it."""
    import phonopy

    sets = path.parent / 'FORCE_SETS'
    if not sets.is_file() and 'displacements' not in content:
        raise InputError(
            f'{path.name} holds neither force constants nor forces, and there is no FORCE_SETS, '
            f'{" or ".join(_BESIDE)} beside it.'
        )
    # phonopy's own loader would run what a file says; this one was parsed as data only before
    # phonopy 4 guesses a primitive cell where none is given
    primitive = content.get('primitive_matrix')
    phonon = phonopy.load(
        path,
        force_sets_filename=sets if sets.is_file() else None,
        primitive_matrix=primitive or np.eye(3).tolist(),
        symmetrize_fc=True,
        log_level=0,
    )
    if phonon.force_constants is None:
        raise InputError(f'phonopy finds no forces for {path.name}.')
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / 'made.yaml'
        phonon.save(filename=str(made), settings={'force_constants': True})
        return euphonic_force_constants(made, load_yaml(made.read_text(encoding='utf-8')))
