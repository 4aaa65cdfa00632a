"""A sample deuterated in part: its fraction is fitted between the bounds that its import states."""

from __future__ import annotations

import io

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, SinglefileData, StructureData
from spring_nodes import spring_node

from aiida_insbench.calculations.measured import import_spectrum
from aiida_insbench.data import PotentialData
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.science.supercells import to_ase
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

FRACTION = 0.93
INS = {
    'instrument': 'TOSCA',
    'temperature': 10.0,
    'energy_range': [0.0, 1700.0],
    'bin_width': 4.0,
    'mesh': [3, 3, 4],
}


@pytest.fixture(scope='module')
def constants():
    return spring_node(0).store()


def spectrum_of(job_code, constants, **isotopes):
    settings = {**INS, **({'isotopes': isotopes} if isotopes else {})}
    results, node = run_get_node(
        InsWorkChain,
        ins={
            'code': job_code,
            'force_constants': {'p_0000': constants},
            'parameters': Dict(settings),
            'metadata': job_metadata(1),
        },
    )
    assert node.is_finished_ok, node.exit_message
    return results['spectrum']['p_0000']


@pytest.fixture(scope='module')
def measured(job_code, constants):
    """What an instrument would see of the mixture, on another scale and a background."""
    light, heavy = (spectrum_of(job_code, constants, **one) for one in ({}, {'H': '2H'}))
    kept = light.energy_transfer > 30
    mixture = (1 - FRACTION) * light.total + FRACTION * heavy.total
    counts = (300 * mixture / mixture.max() + 10)[kept]
    rows = zip(light.energy_transfer[kept], counts, np.sqrt(counts), strict=True)
    text = '# X (cm-1) , Y , E\n' + '\n'.join(f'{e:.3f} {y:.4f} {s:.4f}' for e, y, s in rows)
    settings = {
        'instrument': 'TOSCA', 'temperature': 10.0, 'pressure': 0.0, 'sample': 'Mg(H,D)2',
        'deuterium_fraction': [0.5, 1.0], 'counts_per_bin': False, 'unit': 'cm-1',
    }  # fmt: skip
    return import_spectrum(SinglefileData(io.BytesIO(text.encode()), 'mixture.dat'), Dict(settings))


def test_the_fraction_is_found_and_listed(job_code, constants, measured):
    potential = PotentialData.from_potential(
        potential_from_ase('lj', {'epsilon': 0.02, 'sigma': 1.75})
    )
    builder = BenchmarkWorkChain.get_builder_from_protocol(
        job_code,
        {'springs': potential.store()},
        StructureData(ase=to_ase(constants.get_phonopy_instance().unitcell)),
        [0.0],
        measured={'mixture': measured},
        force_constants={'springs': {'p_0000': constants}},
        protocol='fast',
        overrides={'ins': {name: INS[name] for name in ('bin_width', 'mesh')}},
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    assert set(results['spectrum']['springs']) == {'measured_1', 'measured_1_deuterated'}
    score = results['scores']['springs']['mixture'].get_dict()
    (fitted,) = [
        one for one in score['score']['fit']['values'] if one['name'] == 'deuterium fraction'
    ]
    assert fitted['value'] == pytest.approx(FRACTION, abs=0.01)
    assert (fitted['lower'], fitted['upper'], fitted['at_bound']) == (0.5, 1.0, None)
    assert score['headline'] < 0.05
