"""Force constants of phonopy's YAML files as Euphonic's, for supercells of any shape.

Euphonic 1.5 takes the matrix of the file for one with the supercell's axes in its rows; phonopy
writes them in columns. For matrices that are not symmetric it then finds cell origins that are no
integers, or, where all atoms stand on sites that the wrong cell has too, pairs atoms of other cells
in silence. The supercell it has found is therefore compared with the lattice in the file, and where
the two differ the file is read again with its matrix transposed.

Reading is Euphonic's, which also takes the dipoles out of force constants that come with Born
charges (`ForceConstants.from_total_fc_with_dipole`).
"""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.errors import InputError

_MATRIX = re.compile(r'^supercell_matrix:[ \t]*\n((?:- *\[[^\]\n]*\][ \t]*\n){3})', re.MULTILINE)


def euphonic_force_constants(path: Path, content: dict[str, Any], *, beside: str = '') -> Any:
    """Read force constants with Euphonic and check the supercell.

    Parameters
    ----------
    path : Path
        YAML file of phonopy.
    content : dict
        What it holds.
    beside : str
        Name of the file of force constants in the same folder, if they are not in the YAML file.

    Returns
    -------
    euphonic.ForceConstants
        Short-ranged ones where there are Born charges.

    Raises
    ------
    InputError
        If the supercell is not that of the file either way.
    """
    matrix = np.array(content['supercell_matrix'])
    if (matrix == matrix.T).all():
        return _read(path.parent, path.name, path.parent / beside if beside else None)
    supercell, primitive = (
        np.array(content[key]['lattice'], dtype=float) for key in ('supercell', 'primitive_cell')
    )
    wanted = np.rint(supercell @ np.linalg.inv(primitive))
    text = path.read_text(encoding='utf-8')
    with tempfile.TemporaryDirectory() as folder:
        for candidate in (text, _transposed(text)):
            (Path(folder) / path.name).write_text(candidate, encoding='utf-8')
            try:
                found = _read(Path(folder), path.name, path.parent / beside if beside else None)
            except RuntimeError as exc:
                if 'cell origins' not in str(exc):
                    raise
                continue
            if (found.sc_matrix == wanted).all():
                return found
    raise InputError(
        f'{path.name}: the supercell of matrix {matrix.tolist()} is not that of its lattice.'
    )


def _read(folder: Path, name: str, beside: Path | None) -> Any:
    from euphonic import ForceConstants

    given = {} if beside is None else {'fc_name': str(beside)}
    return ForceConstants.from_phonopy(path=str(folder), summary_name=name, **given)


def _transposed(text: str) -> str:
    """The file with its supercell matrix transposed."""
    found = _MATRIX.search(text)
    if found is None:
        raise InputError('The supercell matrix is not written as phonopy does it.')
    rows = np.array([
        [int(float(value)) for value in re.findall(r'[-+\d.eE]+', line.strip('- '))]
        for line in found[1].splitlines()
    ])  # fmt: skip
    lines = ''.join(f'- [ {", ".join(map(str, row))} ]\n' for row in rows.T)
    return text[: found.start(1)] + lines + text[found.end(1) :]
