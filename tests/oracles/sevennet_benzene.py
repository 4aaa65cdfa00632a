"""Force constants of benzene by SevenNet-l3i5: ``sevennet_benzene.py CRYSTAL.cif OUTPUT.yaml``.

Run in an environment of its own (``pip install torch==2.13.0``, then ``pip install sevenn==0.13.0
dftd3==1.7.0 phonopy==4.10.0``); the weights come with the wheel. CRYSTAL.cif is benzene I of the
Crystallography Open Database, 2100348, in the shared data. OUTPUT.yaml is phonopy's file with force
constants, for the pictures of ``docs/make_ins_pictures.py`` and their oracle, ``irma_benzene.py``.

The potential has learned PBE, so that dispersion, D3(BJ), is added to it. Positions and cell relax
at 0 GPa with the crystal's symmetry, which gives 457 Å³ and no imaginary modes at Γ. SevenNet-0
would leave molecules that turn downhill: six imaginary modes at Γ in the cell as measured.
"""

import sys

import numpy as np
import phonopy
from ase import Atoms
from ase.calculators.mixing import SumCalculator
from ase.constraints import FixSymmetry
from ase.filters import FrechetCellFilter
from ase.io import read
from ase.optimize import BFGS
from dftd3.ase import DFTD3
from phonopy.structure.atoms import PhonopyAtoms
from sevenn.calculator import SevenNetCalculator

SUPERCELL = (2, 1, 2)
FORCE = 1e-3  # eV/Å, largest that is left; of the cell, in eV a strain
DISPLACEMENT = 0.01  # Å


def main(source: str, target: str) -> None:
    """Relax, displace and write."""
    calculator = SumCalculator(
        [SevenNetCalculator('7net-l3i5', device='cpu'), DFTD3(method='PBE', damping='d3bj')]
    )
    crystal = read(source)
    crystal.calc = calculator
    crystal.set_constraint(FixSymmetry(crystal, symprec=1e-3))
    if not BFGS(FrechetCellFilter(crystal), logfile=None).run(fmax=FORCE, steps=1000):
        sys.exit(f'Forces stay above {FORCE} eV/Å.')
    print(f'Cell: {crystal.cell.lengths().round(3)} Å, {crystal.get_volume():.1f} Å³')  # noqa: T201
    phonon = phonopy.Phonopy(
        PhonopyAtoms(
            symbols=crystal.get_chemical_symbols(),
            cell=crystal.cell[:],
            scaled_positions=crystal.get_scaled_positions(),
        ),
        supercell_matrix=np.diag(SUPERCELL),
        primitive_matrix=np.eye(3),
        symprec=1e-3,
    )
    phonon.generate_displacements(distance=DISPLACEMENT)
    phonon.forces = [forces(cell, calculator) for cell in phonon.supercells_with_displacements]
    phonon.produce_force_constants()
    phonon.symmetrize_force_constants()
    phonon.save(filename=target, settings={'force_constants': True, 'force_sets': False})


def forces(cell: PhonopyAtoms, calculator: SumCalculator) -> np.ndarray:
    """Forces in eV/Å, shape (n_atoms, 3)."""
    atoms = Atoms(cell.symbols, cell=cell.cell, scaled_positions=cell.scaled_positions, pbc=True)
    atoms.calc = calculator
    return atoms.get_forces()


if __name__ == '__main__':
    main(*sys.argv[1:])
