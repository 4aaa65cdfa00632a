"""A potential of another package, with weights from its wheel, through phonons, INS and errors."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, List, StructureData
from ase.build import bulk

from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.science.potentials import calculator, potential_from_ase
from aiida_insbench.workflows.evaluate_base import EvaluateBaseWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytest.importorskip('chgnet')
pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

MGO = bulk('MgO', 'rocksalt', a=4.21)


@pytest.fixture(scope='module')
def potential(job_code):
    return PotentialData.from_potential(potential_from_ase('chgnet')).store()


@pytest.fixture(scope='module')
def phonons(job_code, potential):
    results, node = run_get_node(
        PhononsWorkChain,
        phonons={
            'code': job_code,
            'potential': potential,
            'structure': StructureData(ase=MGO),
            'pressures': List([0.0, 5.0]),
            'supercell_matrix': List([[2, 0, 0], [0, 2, 0], [0, 0, 2]]),
            'settings': Dict({'fmax': 1e-3, 'stress_tolerance': 0.05, 'mesh': [4, 4, 4]}),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    return results


def test_compression_shrinks_the_crystal_and_lifts_its_modes(phonons):
    """Measured: a = 4.21 Å, bulk modulus 160 GPa, TO mode at 401 cm⁻¹.

    The mode comes out a quarter too low: universal potentials are known to be too soft (Deng et
    al., npj Comput. Mater. 11, 9 (2025)).
    """
    free, pressed = (phonons['structure'][label].get_ase() for label in ('p_0000', 'p_5000'))
    edge = (4 * free.get_volume()) ** (1 / 3)
    assert edge == pytest.approx(4.21, abs=0.08)
    assert pressed.get_volume() / free.get_volume() == pytest.approx(1 - 5 / 160, abs=0.01)
    lowest, highest = (
        max(phonons['modes'][label]['gamma']['frequencies']) for label in ('p_0000', 'p_5000')
    )
    assert 250 < lowest < 420
    assert highest > lowest + 10


def test_spectrum_leads_back_to_the_package(job_code, phonons, potential):
    results, node = run_get_node(
        InsWorkChain,
        ins={
            'code': job_code,
            'force_constants': {'p_0000': phonons['force_constants']['p_0000']},
            'parameters': Dict(
                {
                    'temperature': 10.0,
                    'instrument': 'TOSCA',
                    'energy_range': [0.0, 2000.0],
                    'bin_width': 4.0,
                    'mesh': [4, 4, 4],
                    'max_order': 4,
                }
            ),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    spectrum = results['spectrum']['p_0000']
    assert np.isfinite(spectrum.total).all()
    behind = phonons['force_constants']['p_0000'].creator.inputs.potential
    assert behind.uuid == potential.uuid
    assert behind.provenance['source']['package'] == 'chgnet'


def test_errors_of_a_committee_of_different_kinds(job_code, potential):
    frames = []
    reference = calculator(potential_from_ase('lj', {'sigma': 1.9, 'rc': 4.0}))
    for index in range(3):
        atoms = MGO.repeat((2, 1, 1))
        atoms.rattle(0.03, seed=index)
        atoms.calc = reference
        atoms.info |= {
            'frame_id': f'f_{index}',
            'REF_energy': atoms.get_potential_energy(),
            'REF_stress': atoms.get_stress(),
        }
        atoms.arrays['REF_forces'] = atoms.get_forces()
        atoms.calc = None
        frames.append(atoms)
    other = PotentialData.from_potential(potential_from_ase('lj', {'sigma': 1.9, 'rc': 4.0}))
    results, node = run_get_node(
        EvaluateBaseWorkChain,
        evaluate={
            'code': job_code,
            'dataset': DatasetData(frames, dft_level={'code': 'Lennard-Jones'}),
            'potentials': {'chgnet': potential, 'lj': other},
            'settings': Dict({'committee': True}),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    table = results['output_parameters']['potentials']
    assert table['lj']['rmse_forces_mev_a'] < 1e-4
    assert table['chgnet']['rmse_forces_mev_a'] > 10
    assert results['output_parameters']['committee']['spread']['largest_force_frame_id']
