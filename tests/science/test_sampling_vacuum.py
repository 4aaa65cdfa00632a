"""Structures with vacuum: told from crystals, and refused under pressure."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, graphene, molecule
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import StructureError
from aiida_insbench.science.vacuum import WIDEST_GAP, refuse_vacuum_under_pressure, widest_gap


def graphite(spacing=3.35):
    layers = graphene(vacuum=spacing / 2)
    layers.pbc = True
    return layers


def test_gap_of_layers_is_their_spacing():
    gap = widest_gap(graphite())
    assert gap.axis == 2
    assert gap.width == pytest.approx(3.35)


def test_one_atom_is_as_far_from_itself_as_lattice_planes():
    """Primitive fcc: planes (111) stand a/√3 apart along each primitive axis."""
    assert widest_gap(bulk('Cu', 'fcc', a=3.6)).width == pytest.approx(3.6 / np.sqrt(3))


@given(st.floats(0, 1), st.integers(0, 2), st.floats(-0.4, 0.4))
def test_gap_does_not_depend_on_the_origin_nor_on_shear(shift, axis, shear):
    atoms = graphite(spacing=9.0)
    atoms.positions += shift * atoms.cell.array[axis]
    sheared = atoms.cell.array
    sheared[2] += shear * sheared[0]
    fractions = atoms.get_scaled_positions()
    leaning = Atoms(atoms.symbols, cell=sheared, scaled_positions=fractions, pbc=True)
    assert widest_gap(leaning).width == pytest.approx(9.0)


@pytest.mark.parametrize('kind', ['slab', 'molecule'])
def test_vacuum_under_pressure_is_refused(kind):
    if kind == 'slab':
        atoms = fcc111('Cu', (1, 1, 3), a=3.6, vacuum=5.0)
        atoms.pbc = True
    else:
        atoms = molecule('C6H6', vacuum=5.0)
        atoms.pbc = True
    with pytest.raises(StructureError, match=r'gap of 1\d\.\d Å.*pressure of 2\.0 GPa'):
        refuse_vacuum_under_pressure(atoms, pressures=[0.0, 2.0])
    with pytest.raises(StructureError, match=r'structures\.m_0500'):
        refuse_vacuum_under_pressure(atoms, pressures=[-0.5], name='structures.m_0500')
    refuse_vacuum_under_pressure(atoms, pressures=[0.0])
    refuse_vacuum_under_pressure(atoms, pressures=[])


def test_crystals_are_not_refused():
    for atoms in (graphite(), bulk('NaCl', 'rocksalt', a=5.64, cubic=True), bulk('Si')):
        assert widest_gap(atoms).width < WIDEST_GAP
        refuse_vacuum_under_pressure(atoms, pressures=[10.0])
