"""Sampling by the real program under AiiDA: modes of EMT, then frames of the pool it left."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import CalcJobNode, Dict, Int, List, Str, StructureData
from ase.build import bulk

from aiida_insbench.data import PotentialData
from aiida_insbench.science.ase_calculators import potential_from_ase
from aiida_insbench.workflows.protocols.options import job_metadata
from aiida_insbench.workflows.sample_base import SampleBaseWorkChain

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

UNIT = np.eye(3, dtype=int).tolist()


def sampled(job_code, method, settings, *, count=4, **inputs):
    """Outputs of a finished work chain and the one job in it."""
    outputs, node = run_get_node(
        SampleBaseWorkChain,
        sample={
            'code': job_code,
            'metadata': job_metadata(1),
            'method': Str(method),
            'prefix': Str('t'),
            'seed': Int(1),
            'cells': List([{'supercell_matrix': UNIT, 'count': count}]),
            'settings': Dict(settings),
            **inputs,
        },
    )
    assert node.is_finished_ok, node.exit_message
    (job,) = [child for child in node.called if isinstance(child, CalcJobNode)]
    return outputs, job


def test_thermal_frames_then_some_of_them(job_code):
    alloy = bulk('Cu', cubic=True, a=3.75)
    alloy.symbols[0] = 'Au'
    made = potential_from_ase('emt')
    inputs = {
        'structures': {'p_0000': StructureData(ase=alloy)},
        'potential': PotentialData(metadata_text=made.metadata.to_json(), weights=made.weights),
    }
    settings = {'temperature': 0.0, 'strain': 0.0}
    first, job = sampled(job_code, 'thermal', settings, **inputs)
    assert first['pool'].methods == {'thermal': 4}
    assert first['pool'].target_pressures == [0.0]
    assert first['output_parameters']['details']['modes_at_rest'] == {'p_0000': 3}
    with enable_caching(identifier='aiida.calculations:insbench.sample'):
        again, cached = sampled(job_code, 'thermal', settings, **inputs)
    assert cached.base.caching.get_cache_source() == job.uuid
    assert again['pool'].get_text() == first['pool'].get_text()

    second, taking = sampled(
        job_code, 'trajectory', {'stride': 1}, count=2, trajectory=first['pool']
    )
    assert taking.inputs.trajectory.uuid == first['pool'].uuid
    numbers = second['output_parameters']['details']['source_frames']
    for frame, number in zip(second['pool'].get_frames(), numbers, strict=True):
        source = first['pool'].get_frames()[number]
        assert frame.positions == pytest.approx(source.positions)
        assert frame.info['source_frame'] == number
