"""Force constants to spectra by the real program: contributions once, any number of resolutions."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.manage.caching import enable_caching
from aiida.orm import CalcFunctionNode, CalcJobNode, Dict, StructureData
from aiida_phonopy.data import ForceConstantsData
from ase import Atoms
from ins_crystals import MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS, save_crystal, spring_crystal

from aiida_insbench.calculations.spectra import broaden_spectrum, rebin_spectrum
from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

PARAMETERS = {
    'temperature': 10.0,
    'instrument': 'TOSCA',
    'energy_range': [0.0, 1600.0],
    'bin_width': 4.0,
    'mesh': [3, 3, 4],
    'max_order': 4,
}


@pytest.fixture(scope='module')
def phonon():
    return spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)


@pytest.fixture(scope='module')
def node(phonon, job_code):
    atoms = Atoms(
        MAGNESIUM_HYDRIDE.symbols,
        cell=MAGNESIUM_HYDRIDE.cell,
        scaled_positions=MAGNESIUM_HYDRIDE.scaled_positions,
        pbc=True,
    )
    made = ForceConstantsData(
        structure=StructureData(ase=atoms),
        supercell_matrix=phonon.supercell_matrix.tolist(),
        primitive_matrix=np.eye(3).tolist(),
    )
    made.set_force_constants(phonon.force_constants)
    return made.store()


def spectra_of(job_code, node, *, broadening=None, **changes):
    inputs = {
        'ins': {
            'code': job_code,
            'force_constants': {'p_0000': node},
            'parameters': Dict({**PARAMETERS, **changes}),
            'metadata': job_metadata(1),
        }
    }
    if broadening is not None:
        inputs['broadening'] = Dict(broadening)
    return run_get_node(InsWorkChain, **inputs)


@pytest.fixture(scope='module')
def simulated(job_code, node):
    results, process = spectra_of(job_code, node)
    assert process.is_finished_ok, process.exit_message
    return results, process


def test_spectrum_is_that_of_the_library(simulated, phonon, tmp_path):
    spectrum = simulated[0]['spectrum']['p_0000']
    expected = powder_spectrum(
        read_modes(save_crystal(phonon, tmp_path / 'c.yaml'), mesh=(3, 3, 4)),
        instrument=get_instrument('TOSCA'),
        temperature=10.0,
        energy_range=(0.0, 1600.0),
        bin_width=4.0,
        options=PowderOptions(max_order=4),
    ).spectrum
    assert spectrum.energy_transfer == pytest.approx(expected.energy_transfer)
    assert spectrum.total == pytest.approx(expected.total, rel=1e-5, abs=1e-6 * max(expected.total))
    assert set(spectrum.components('element')) == {'Mg', 'H'}
    assert set(spectrum.components('bank')) == {'forward', 'backward'}
    assert spectrum.details['bands']
    assert spectrum.details['convergence']['errors_percent']['q_mesh'] > 0
    assert spectrum.base.attributes.get('instrument_version') == get_instrument('TOSCA').version


def test_provenance_leads_through_the_contributions(simulated, node):
    results, _ = simulated
    spectrum, contributions = (results[name]['p_0000'] for name in ('spectrum', 'contributions'))
    assert isinstance(spectrum.creator, CalcFunctionNode)
    assert spectrum.creator.inputs.contributions.uuid == contributions.uuid
    assert isinstance(contributions.creator, CalcJobNode)
    assert contributions.creator.inputs.force_constants.p_0000.uuid == node.uuid


def test_a_run_from_a_protocol_can_be_repeated_from_its_node(job_code, node):
    builder = InsWorkChain.get_builder_from_protocol(
        job_code,
        {'p_0000': node},
        protocol='fast',
        overrides={'ins': {'energy_range': [0.0, 800.0], 'bin_width': 4.0, 'tolerance': 10.0}},
    )
    with enable_caching(identifier='aiida.calculations:insbench.ins'):
        results, process = run_get_node(builder)
        again, repeated = run_get_node(InsWorkChain.get_builder_restart(process))
    assert process.is_finished_ok, process.exit_message
    spectrum = results['spectrum']['p_0000']
    assert spectrum.details['convergence']['errors_percent']['q_mesh'] <= 10.0
    assert again['spectrum']['p_0000'].total == pytest.approx(spectrum.total)
    assert repeated.is_finished_ok


def test_another_resolution_takes_the_job_from_the_cache(simulated, job_code, node):
    with enable_caching(identifier='aiida.calculations:insbench.ins'):
        results, process = spectra_of(job_code, node, broadening={'resolution': [20.0]})
    assert process.is_finished_ok, process.exit_message
    contributions = results['contributions']['p_0000']
    assert contributions.creator.base.caching.is_created_from_cache
    broad, sharp = results['spectrum']['p_0000'].total, simulated[0]['spectrum']['p_0000'].total
    assert broad.max() < 0.9 * sharp.max()
    assert broad.sum() == pytest.approx(sharp.sum(), rel=0.05)


def test_groups_add_up(simulated):
    contributions = simulated[0]['contributions']['p_0000']
    groups = {
        'hydrogen': {'elements': ['H']},
        'metal': {'sites': ['Mg1']},
        'first': {'orders': [1]},
        'rest': {'orders': [2, 3, 4]},
        'backward': {'banks': ['backward']},
    }
    made = broaden_spectrum(contributions, Dict({'groups': groups}))
    parts = made.components('group')
    assert set(parts) == set(groups)
    assert parts['hydrogen'] + parts['metal'] == pytest.approx(made.total)
    assert parts['first'] + parts['rest'] == pytest.approx(made.total)
    assert parts['backward'] == pytest.approx(made.components('bank')['backward'])
    assert made.total == pytest.approx(simulated[0]['spectrum']['p_0000'].total)


def test_other_units_and_bins_keep_the_area(simulated):
    spectrum = simulated[0]['spectrum']['p_0000']
    made = rebin_spectrum(spectrum, Dict({'unit': 'meV', 'bin_width': 1.0}))
    assert made.energy_transfer[[0, 1]] == pytest.approx([1.0, 2.0], abs=0.01)
    assert made.base.attributes.get('units')['energy_transfer'] == 'meV'
    assert made.base.attributes.get('units')['intensity'].startswith('barn / meV')
    assert made.total.sum() * 1.0 == pytest.approx(spectrum.total.sum() * 4.0, rel=0.01)
    assert made.pressure == spectrum.pressure
    assert made.base.attributes.get('sample') == 'H4Mg2'
    orders = sum(made.components('order').values())
    assert orders == pytest.approx(made.total)


@pytest.mark.parametrize(
    ('function', 'settings', 'named'),
    [
        (broaden_spectrum, {'resolution': 'book'}, "not 'book'"),
        (broaden_spectrum, {'resolution': [-5.0]}, 'must be > 0'),
        (broaden_spectrum, {'resolution': []}, 'must hold numbers'),
        (broaden_spectrum, {'width': 3}, 'unknown settings width'),
        (broaden_spectrum, {'groups': {'a': {'sites': ['O1']}}}, "['O1'] are not among Mg1, H1"),
        (broaden_spectrum, {'groups': {'a': {'orders': [9]}}}, 'not among 1, 2, 3, 4'),
        (broaden_spectrum, {'groups': {'a': {'atoms': [1]}}}, 'group a must give any of banks'),
        (broaden_spectrum, {'groups': {'a': {'sites': 'H1'}}}, 'sites of group a must be a list'),
        (rebin_spectrum, {'unit': 'THz'}, "not 'THz'"),
        (rebin_spectrum, {'bin_width': 1.0}, 'at least the old 4'),
    ],
)
def test_settings_that_make_no_sense_are_named(simulated, function, settings, named):
    name = 'contributions' if function is broaden_spectrum else 'spectrum'
    _, process = function.run_get_node(simulated[0][name]['p_0000'], Dict(settings))
    assert process.exit_status == 210
    assert named in process.exit_message


def test_a_spectrum_is_not_broadened_twice(simulated):
    _, process = broaden_spectrum.run_get_node(simulated[0]['spectrum']['p_0000'], Dict({}))
    assert process.exit_status == 210
    assert 'has its resolution already' in process.exit_message
    _, process = rebin_spectrum.run_get_node(simulated[0]['contributions']['p_0000'], Dict({}))
    assert process.exit_status == 210


@pytest.mark.parametrize(
    ('changes', 'broadening', 'named'),
    [
        ({'instrument': 'TFXA'}, None, 'No verified resolution'),
        ({'instrument': 'IN5'}, None, 'no instrument'),
        ({}, {'resolution': {'chopper': 'A'}}, "no setting 'chopper'"),
        ({}, {'groupings': {}}, 'unknown settings groupings'),
        ({}, {'groups': {'a': {'atoms': [1]}}}, 'group a must give any of banks'),
        ({'energy_range': [100.0, 0.0]}, None, 'two rising numbers'),
    ],
)
def test_a_resolution_that_does_not_fit_is_refused_before_the_job(
    job_code, node, changes, broadening, named
):
    with pytest.raises(ValueError, match='broadening') as refused:
        spectra_of(job_code, node, broadening=broadening, **changes)
    assert named in str(refused.value)


def test_map_and_own_instrument_and_isotopes(job_code, node):
    ours = {
        'name': 'ours',
        'version': 'built today',
        'geometry': 'direct',
        'citation': 'made up',
        'incident_energy': 250.0,
        'angle_range': [3.0, 120.0],
        'angles': 4,
        'resolution': {'polynomial': [20.0]},
    }
    results, process = spectra_of(
        job_code,
        node,
        instrument=ours,
        isotopes={'2': '2H', '3': {'1H': 0.5, '2H': 0.5}},
        map=[1.0, 8.0, 1.0],
        max_order=2,
    )
    assert process.is_finished_ok, process.exit_message
    spectrum = results['spectrum']['p_0000']
    assert spectrum.instrument == 'ours'
    assert spectrum.base.attributes.get('instrument_version') == 'built today'
    assert set(spectrum.components('element')) == {'Mg', 'H', '2H', 'H(1:0.5;2:0.5)'}
    assert sum(spectrum.components('element').values()) == pytest.approx(spectrum.total)
    assert [name.partition('_')[0] for name in spectrum.components('bank')] == ['angle'] * 4
    assert {'angle_17.6'} <= set(spectrum.components('bank'))
    assert spectrum.get_array('map_total').shape == (8, 401)
    assert set(np.unique(spectrum.get_array('map_accessible'))) <= {0.0, 1.0}


def test_unstable_crystal_is_named(job_code, node, phonon):
    constants = phonon.force_constants.copy()
    unstable = ForceConstantsData(
        structure=node.get_unitcell(),
        supercell_matrix=phonon.supercell_matrix.tolist(),
        primitive_matrix=np.eye(3).tolist(),
    )
    unstable.set_force_constants(-constants)
    inputs = {
        'code': job_code,
        'force_constants': {'p_0000': node, 'p_1000': unstable},
        'parameters': Dict(PARAMETERS),
        'metadata': job_metadata(1),
    }
    results, process = run_get_node(InsWorkChain, ins=inputs)
    assert process.exit_status == 421
    assert 'p_1000' in process.exit_message
    assert set(results['spectrum']) == {'p_0000'}
