"""Force constants to tables of modes by the real program, with everything that can be asked for."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, StructureData
from aiida_phonopy.data import ForceConstantsData
from ase import Atoms
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, spring_crystal
from phonopy.structure.atoms import PhonopyAtoms

from aiida_insbench.workflows.analyse_base import AnalyseBaseWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

EDGES = {'p_0000': 1.0, 'p_2000': 0.99, 'p_4000': 0.98}
GRUNEISEN = 1.5
SETTINGS = {
    'mesh': [1, 1, 2],
    'committees': {'springs': ['base', 'stiff']},
    'isotopes': {'H': '2H'},
}


def node_of(edge, *, stiffness=1.0, supercell=(1, 1, 2), charged=False):
    """Springs that stiffen with the volume by one Grüneisen parameter."""
    cell = PhonopyAtoms(
        symbols=MAGNESIUM_HYDRIDE.symbols,
        cell=MAGNESIUM_HYDRIDE.cell * edge,
        scaled_positions=MAGNESIUM_HYDRIDE.scaled_positions,
    )
    phonon = spring_crystal(cell, MAGNESIUM_HYDRIDE_SPRINGS, supercell=supercell)
    node = ForceConstantsData(
        structure=StructureData(
            ase=Atoms(cell.symbols, cell=cell.cell, positions=cell.positions, pbc=True)
        ),
        supercell_matrix=np.diag(supercell).tolist(),
        primitive_matrix=np.eye(3).tolist(),
    )
    factor = stiffness**2 * edge ** (-6 * GRUNEISEN)
    node.set_force_constants(phonon.force_constants * factor)
    if charged:
        node.set_born_charges(np.array([1.9] * 2 + [-0.95] * 4)[:, None, None] * np.eye(3))
        node.set_dielectric(3.8 * np.eye(3))
    return node.store()


@pytest.fixture(scope='module')
def analysed(job_code):
    base = {label: node_of(edge, charged=True) for label, edge in EDGES.items()}
    results, node = run_get_node(
        AnalyseBaseWorkChain,
        analyse={
            'code': job_code,
            'phonons': {
                'base': base,
                'stiff': {label: node_of(edge, stiffness=1.1) for label, edge in EDGES.items()},
            },
            'reference_phonons': {
                label: node_of(edge, stiffness=1.02, supercell=(1, 1, 1))
                for label, edge in EDGES.items()
            },
            'strained': {'base': {'p_4000': base['p_4000']}},
            'settings': Dict(SETTINGS),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    return results['output_parameters'].get_dict()


def test_modes_are_judged_by_force_constants_in_another_supercell(analysed):
    block = analysed['potentials']['base']
    assert block['verdict']['passed'] is True
    for row in block['modes']:
        for label, value in row['reference'].items():
            assert row['frequencies'][label] == pytest.approx(value / 1.02, rel=1e-3)
        assert row['gruneisen'] == pytest.approx(GRUNEISEN, abs=1e-3)
    assert block['segments'][0]['labels'] == list(EDGES)
    assert block['ins_weighted_rms_error_all_cm1'] > 0


def test_everything_that_was_asked_for_is_there(analysed):
    block = analysed['potentials']['base']
    assert block['mesh']['summary']['mean_gruneisen']['p_2000'] == pytest.approx(
        GRUNEISEN, abs=0.01
    )
    assert analysed['reference']['mesh']['reason'] is not None
    assert block['attribution']['steps_reason'] is None
    for row in block['attribution']['modes']:
        assert row['steps']['strain']['shift'] == pytest.approx(row['shift'], abs=0.05)
    for row in block['modes']:
        spread = row['frequencies']['p_0000'] * 0.1 / np.sqrt(2)
        assert row['sigma']['p_0000'] == pytest.approx(spread, rel=1e-3)
    assert set(block['lo_to']) == set(EDGES)
    assert max(block['lo_to']['p_0000']['c*']['split']) > 10
    assert 'off' in analysed['potentials']['stiff']['lo_to_note']
    assert max(row['frequencies']['p_0000'] for row in block['modes']) < 1400  # deuterium
    assert analysed['settings']['isotopes'] == {'H': '2H'}
