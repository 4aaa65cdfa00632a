"""Displaced supercells and pw.x trajectories as nodes, made by hand."""

import numpy as np
from aiida.orm import ArrayData, Float, List, TrajectoryData
from fake_nodes import crystal, structure

from aiida_insbench.workflows.displaced_cells import prepare_displacements

UNIT = np.eye(3, dtype=int).tolist()
SQRT2 = [[1, 1, 0], [-1, 1, 0], [0, 0, 1]]


def trajectory(forces, *, stress=None, energy=None):
    """Of a pw.x run: one structure, several sets of forces, the last of which counts."""
    node = TrajectoryData()
    atoms = crystal()
    node.set_trajectory(
        symbols=atoms.get_chemical_symbols(),
        positions=atoms.positions[None],
        cells=atoms.cell.array[None],
        stepids=np.arange(1),
    )
    node.set_array('forces', np.array([np.full_like(forces, 9.0), forces]))
    if stress is not None:
        node.set_array('stress', np.array([np.eye(3), stress]))
    if energy is not None:
        node.set_array('energy', np.array([0.0, energy]))
    return node


def phonopy_data(*, matrix=SQRT2, a=4.44, symprec=1e-4, springs=5.0):
    """Forces of springs that hold each atom to its place: Φ is −diagonal, all modes known."""
    prepared = prepare_displacements(structure(a=a), List(matrix), Float(0.02), Float(symprec))
    supercells = prepared.calcfunctions.get_supercells_with_displacements()
    place = prepared.get_phonopy_instance().supercell.positions
    forces = {}
    for name, node in supercells.items():
        array = ArrayData()
        array.set_array('forces', -springs * (node.get_ase().positions - place))
        forces[name.replace('supercell', 'forces')] = array
    return prepared.calcfunctions.generate_phonopy_data(**forces)
