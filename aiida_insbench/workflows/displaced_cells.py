"""calcfunctions between crystals, their displaced supercells and the forces on these.

Supercell matrices of inputs have the supercell's axes in their rows; aiida-phonopy's nodes keep
phonopy's convention, columns. The primitive cell is always the unit cell given, so that atoms keep
their order, and every displacement has both signs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.engine import calcfunction
from aiida.orm import ArrayData, Dict, Float, KpointsData, List, Str, StructureData, TrajectoryData
from aiida_phonopy.data import PhonopyData, PreProcessData
from ase import Atoms

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import FORCES_KEY
from aiida_insbench.science.kpoints import (
    CommensurateMesh,
    check_supercell_matrix,
    commensurate_mesh,
)
from aiida_insbench.science.phonons import FROZEN_PHONON
from aiida_insbench.science.pressure import pressure_label

#: With which `insbench.sample` looks for symmetry where its settings do not say, Å.
SYMPREC = 1e-3


@calcfunction
def prepare_displacements(
    structure: StructureData,
    supercell_matrix: List,
    displacement: Float,
    symmetry_tolerance: Float,
) -> PreProcessData:
    """Symmetry-reduced displacements of a supercell, both signs of each."""
    made = _preprocess(structure, supercell_matrix.get_list(), symmetry_tolerance.value)
    made.set_displacements(distance=displacement.value, is_plusminus=True)
    return made


@calcfunction
def supercell_kpoints(
    structure: StructureData, supercell_matrix: List, kpoints_mesh: List
) -> KpointsData:
    """K points of a supercell, commensurate with the unit cell's mesh."""
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh(
        list(mesh_of_supercell(structure, supercell_matrix, kpoints_mesh).mesh)
    )
    return kpoints


@calcfunction
def final_forces(trajectory: TrajectoryData) -> ArrayData:
    """Forces of a pw.x run as ``forces``, shape (n_atoms, 3), eV/Å."""
    node = ArrayData()
    node.set_array('forces', np.asarray(trajectory.get_array('forces'))[-1])
    return node


@calcfunction
def forces_of_frames(
    dataset: DatasetData, structure: StructureData, label: Str, settings: Dict
) -> PhonopyData:
    """Forces of the frozen-phonon frames of one pressure, the unit cell being its own supercell.

    `settings` are those with which `insbench.sample` made the frames.
    """
    frames = frozen_phonon_frames_at(dataset, label.value)
    if not frames:
        raise DatasetError(f'The dataset holds no frozen-phonon frame at {label.value}.')
    made = _preprocess(
        structure, np.eye(3, dtype=int).tolist(), settings.get_dict().get('symprec', SYMPREC)
    )
    entries = [
        {
            'number': int(frame.info['displaced_atom']),
            'displacement': np.asarray(frame.info['displacement_vector'], dtype=float).tolist(),
        }
        for frame in frames
    ]
    made.set_displacements_from_dataset({'natom': len(frames[0]), 'first_atoms': entries})
    found = PhonopyData(preprocess_data=made)
    found.set_forces(sets_of_forces=[frame.arrays[FORCES_KEY] for frame in frames])
    return found


def frozen_phonon_frames_at(dataset: DatasetData, label: str) -> list[Atoms]:
    """Frozen-phonon frames of one pressure."""
    return [
        frame
        for frame in dataset.get_frames()
        if frame.info.get('method') == FROZEN_PHONON
        and pressure_label(frame.info['target_pressure']) == label
    ]


def mesh_of_supercell(
    structure: StructureData, supercell_matrix: List, kpoints_mesh: List
) -> CommensurateMesh:
    """K mesh of a supercell, and whether it holds exactly the k points of the unit cell's."""
    return commensurate_mesh(
        unit_mesh=kpoints_mesh.get_list(),
        supercell_matrix=supercell_matrix.get_list(),
        cell=structure.cell,
    )


def _preprocess(structure: StructureData, matrix: Any, symprec: float) -> PreProcessData:
    return PreProcessData(
        structure=structure,
        supercell_matrix=check_supercell_matrix(matrix).T.tolist(),
        primitive_matrix=np.eye(3).tolist(),
        symprec=float(symprec),
        is_symmetry=True,
    )
