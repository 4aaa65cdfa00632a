"""Force constants of MgH2 with springs as nodes, as phonons, an analysis and a campaign leave them.

The bending springs grow soft with pressure, so that some modes go red.
"""

import numpy as np
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData
from fake_nodes import job, workchain
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.calculations.analyse import AnalyseCalculation
from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.science.phonons import phonopy_from_force_constants
from aiida_insbench.science.supercells import to_ase
from aiida_insbench.workflows.campaign import CampaignWorkChain


def spring_phonons(step, *, scale=1.0, metal='Mg'):
    """phonopy's object at `step` GPa, with its symmetry."""
    cell = PhonopyAtoms(
        symbols=[metal if symbol == 'Mg' else symbol for symbol in MAGNESIUM_HYDRIDE.symbols],
        cell=MAGNESIUM_HYDRIDE.cell * (1 - 0.01 * step),
        scaled_positions=MAGNESIUM_HYDRIDE.scaled_positions,
    )
    springs = {
        reach: (scale * stretch * (1 + 0.1 * step), scale * bend * (1 - 0.3 * step))
        for reach, (stretch, bend) in MAGNESIUM_HYDRIDE_SPRINGS.items()
    }
    made = spring_crystal(cell, springs, supercell=(1, 1, 2))
    return phonopy_from_force_constants(
        atoms=to_ase(made.unitcell),
        supercell_matrix=np.diag([1, 1, 2]),
        force_constants=made.force_constants,
    )


def spring_node(step, **options):
    """The same as a node, not stored."""
    phonon = spring_phonons(step, **options)
    node = ForceConstantsData(
        structure=StructureData(ase=to_ase(phonon.unitcell)),
        supercell_matrix=phonon.supercell_matrix.tolist(),
        primitive_matrix=np.eye(3).tolist(),
    )
    node.set_force_constants(phonon.force_constants)
    return node


def phonon_job(steps=(0, 1, 2), *, scale=1.0):
    """A finished `insbench.phonons`, and its force constants by label."""
    nodes = {f'p_{step}000': spring_node(step, scale=scale) for step in steps}
    return job(PhononsCalculation, outputs={'force_constants': nodes}), nodes


def campaign_of(sources, **settings):
    """A finished campaign whose analysis had these force constants."""
    settings = {'degeneracy': 1.5, 'symprec': 1e-3, **settings}
    comparison = Dict({'settings': settings})
    job(
        AnalyseCalculation,
        inputs={'phonons': sources, 'settings': Dict(settings)},
        outputs={'output_parameters': comparison},
    )
    return workchain(CampaignWorkChain, outputs={'comparison': comparison})
