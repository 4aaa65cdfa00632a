"""Selection in AiiDA: real jobs in this process, pools in and a pool out."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, Int, Str, to_aiida_type
from ase.build import bulk
from small_mace import mace_model

from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.science.potentials import potential_from_mace
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.select_base import SelectBaseWorkChain

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]
SOAP = {'soap': {'r_cut': 3.5, 'n_max': 3, 'l_max': 2}}


def frames(prefix, count, first, pressure=0.0):
    made = []
    for index in range(count):
        atoms = bulk('MgH', 'rocksalt', a=4.2)
        atoms = atoms.repeat((2, 1, 1))
        atoms.rattle(0.03, seed=first + index)
        atoms.info = {'frame_id': f'{prefix}_{index}', 'target_pressure': pressure}
        made.append(atoms)
    return made


def inputs(job_code, pools, **changes):
    return {
        'code': job_code,
        'pools': {name: DatasetData(some) for name, some in pools.items()},
        'count': Int(3),
        'seed': Int(1),
        'descriptors': Str('soap'),
        'settings': Dict(SOAP),
        'metadata': job_metadata(1),
    } | changes


def test_from_two_pools_beside_what_is_labelled(job_code):
    known = frames('k', 2, 50)
    for one in known:
        one.info |= {'REF_energy': 0.0, 'REF_stress': np.zeros(6)}
        one.arrays['REF_forces'] = np.zeros((4, 3))
    results, node = run_get_node(
        SelectBaseWorkChain,
        select=inputs(
            job_code,
            {'low': frames('l', 4, 0), 'high': frames('h', 4, 10, pressure=2.0)},
            known=DatasetData(known, dft_level={'functional': 'none'}),
            count=Int(4),
        ),
    )
    assert node.is_finished_ok, node.exit_message
    table = results['output_parameters']
    assert table['strata'] == {
        'p_0000': {'pool': 4, 'chosen': 2},
        'p_2000': {'pool': 4, 'chosen': 2},
    }
    assert table['n_known'] == 2
    assert results['pool'].n_frames == 4
    assert results['pool'].target_pressures == [0.0, 2.0]
    names = [one.info['frame_id'] for one in results['pool'].get_frames()]
    assert names == [row['frame_id'] for row in table['chosen']]
    assert not results['pool'].labelled


def test_by_a_committee(job_code):
    model = mace_model()
    potentials = {'one': PotentialData.from_potential(potential_from_mace(model, provenance={}))}
    model.scale_shift.scale *= 1.5
    potentials['two'] = PotentialData.from_potential(potential_from_mace(model, provenance={}))
    results, node = run_get_node(
        SelectBaseWorkChain,
        select=inputs(
            job_code,
            {'main': frames('m', 6, 0)},
            method=Str('committee'),
            descriptors=Str('mace'),
            potentials=potentials,
            count=Int(2),
            settings=Dict({}),
        ),
    )
    assert node.is_finished_ok, node.exit_message
    rows = results['output_parameters']['chosen']
    assert len(rows) == 2
    assert all(row['disagreement_mev_a'] > 0 for row in rows)


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'method': 'committee'}, 'committee of 0'),
        ({'descriptors': 'mace'}, 'needs one potential'),
        ({'count': 0}, 'count'),
        ({'settings': {'speed': 1}}, 'Unknown settings'),
    ],
)
def test_wrong_inputs_start_nothing(job_code, changes, words):
    nodes = {name: to_aiida_type(value) for name, value in changes.items()}
    with pytest.raises(ValueError, match=words):
        run_get_node(
            SelectBaseWorkChain, select=inputs(job_code, {'main': frames('m', 2, 0)}, **nodes)
        )


def test_labels_of_two_kinds_do_not_mix(job_code):
    labelled = frames('k', 2, 50)
    for one in labelled:
        one.info |= {'REF_energy': 0.0, 'REF_stress': np.zeros(6)}
        one.arrays['REF_forces'] = np.zeros((4, 3))
    pools = inputs(job_code, {'main': frames('m', 2, 0)}, count=Int(1))
    pools['pools']['other'] = DatasetData(labelled, dft_level={'functional': 'none'})
    with pytest.raises(ValueError, match='could not stand in one dataset'):
        run_get_node(SelectBaseWorkChain, select=pools)
    del pools['pools']['main']
    results, node = run_get_node(SelectBaseWorkChain, select=pools)
    assert node.is_finished_ok, node.exit_message
    assert results['pool'].dft_level == {'functional': 'none'}
