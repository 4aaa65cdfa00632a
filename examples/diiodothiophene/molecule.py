"""Modes of one 2,5-diiodothiophene molecule by DFT, and what the one nearest 453 cm-1 is."""

import argparse

import numpy as np
from aiida import load_profile
from aiida.engine import submit
from aiida.orm import StructureData, load_code, load_group, load_node
from ase import Atoms

from aiida_insbench.workflows.reference import ReferenceWorkChain

#: Thiophene's ring from microwave spectra (Bak et al., J. Mol. Spectrosc. 7, 58 (1961)), Å and
#: degrees, and usual lengths of C-H and C-I: where the relaxation begins.
S_C, C_C, C_C_OPPOSITE, C_S_C = 1.714, 1.370, 1.423, 92.2
C_H, C_I = 1.08, 2.07
MODE = 453.0  # cm-1


def main() -> None:
    """Submit, or read what has ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('process', nargs='?', help='PK of a run that has ended: print its modes')
    parser.add_argument('--pseudo-family', default='SSSP/1.3/PBE/efficiency')
    parser.add_argument('--cutoffs', type=float, nargs=2, default=[45.0, 360.0], help='Ry')
    parser.add_argument('--vacuum', type=float, default=7.0, help='between images, Å')
    options = parser.parse_args()

    load_profile()
    if options.process:
        print_modes(load_node(options.process))
        return
    node = submit(reference_builder(options))
    print(f'Submitted {node.pk}; then: python molecule.py {node.pk}')


def molecule() -> Atoms:
    """Return the planar molecule, its twofold axis along y and sulphur at the origin."""
    half = np.radians(C_S_C / 2)
    beside = S_C * np.array([np.sin(half), np.cos(half), 0])
    across = C_C_OPPOSITE / 2
    far = np.array([across, beside[1] + np.sqrt(C_C**2 - (beside[0] - across) ** 2), 0])
    iodine = beside + C_I * outward(beside, np.zeros(3), far)
    mirrored = np.array([-1, 1, 1])
    hydrogen = far + C_H * outward(far, beside, far * mirrored)
    right = np.array([beside, far, iodine, hydrogen])
    return Atoms('SC2IHC2IH', [np.zeros(3), *right, *right * mirrored])


def outward(place, first, second):
    """Return the unit vector at `place` that points away from its two neighbours."""
    vectors = [(other - place) / np.linalg.norm(other - place) for other in (first, second)]
    away = -sum(vectors)
    return away / np.linalg.norm(away)


def reference_builder(options):
    """Relax the positions in a box, then displace every atom: modes at Γ."""
    atoms = molecule()
    atoms.center(vacuum=options.vacuum / 2)
    atoms.pbc = True
    structure = StructureData(ase=atoms)
    family = load_group(options.pseudo_family)
    return ReferenceWorkChain.get_builder_from_protocol(
        load_code('pw@insbench-local'),
        load_code('insbench-job@insbench-local'),
        structure,
        [0.0],
        pseudos=family.get_pseudos(structure=structure),
        cutoffs=tuple(options.cutoffs),
        protocol='fast',
        overrides={'kpoints_mesh': [1, 1, 1], 'dispersion': 'd3'},
        fixed_cell=True,
    )


def print_modes(node) -> None:
    """Print frequencies below 1200 cm-1, and mark the one nearest 453."""
    gamma = node.outputs.modes['p_0000'].get_dict()['gamma']
    inside = [one for one in gamma['frequencies'] if 20 < one < 1200]
    nearest = min(inside, key=lambda one: abs(one - MODE))
    for frequency in inside:
        print(f'{frequency:8.1f} cm-1{"   <- nearest 453" if frequency == nearest else ""}')


if __name__ == '__main__':
    main()
