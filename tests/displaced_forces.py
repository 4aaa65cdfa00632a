"""Forces of displaced supercells, as a job of the stage ``fit`` takes them."""

from aiida_insbench.science.supercells import build_phonopy, to_ase


def displaced_forces(atoms, calculator, matrix):
    """Arrays of a job; `calculator` makes a calculator of ASE for each supercell."""
    phonon = build_phonopy(atoms=atoms, supercell_matrix=matrix, symprec=1e-4)
    phonon.generate_displacements(distance=0.01, is_plusminus=True)
    forces = []
    for cell in phonon.supercells_with_displacements:
        frame = to_ase(cell)
        frame.calc = calculator()
        forces.append(frame.get_forces())
    entries = phonon.dataset['first_atoms']
    return {
        'displaced_atoms': [one['number'] for one in entries],
        'displacements': [one['displacement'] for one in entries],
        'forces': forces,
    }
