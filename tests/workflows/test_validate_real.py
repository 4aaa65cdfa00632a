"""`insbench.validate` by the real program: a good potential passes, a bad one fails by its runs."""

from __future__ import annotations

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import StructureData
from ase.build import bulk
from labelled_copper import copper

from aiida_insbench.data import DatasetData, PotentialData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.validate import ValidateWorkChain

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

OVERRIDES = {
    'phonons': {'mesh': [2, 2, 2], 'supercell_matrix': np.eye(3, dtype=int).tolist()},
    'md': {
        'supercell_matrix': [[2, 0, 0], [0, 1, 0], [0, 0, 1]],
        'ensembles': ['nvt', 'npt'],
        'timestep': 4.0,
        'length': 2.0,
        'equilibration': 0.2,
        'frame_interval': 8.0,
        'resolution': 30.0,
    },
    'validation': {'spread_frames': 5},
    'ins': {'energy_range': [0.0, 400.0], 'bin_width': 4.0},
}
#: A fluid at 300 K in copper's volume: T = 1.3 ε/k_B, ρ = 0.6 σ⁻³; argon melts at 0.7 and 0.9.
WEAK = ('lj', {'epsilon': 0.02, 'sigma': 1.9})
LJ = ('lj', {'epsilon': 0.4, 'sigma': 2.3})


def node_of(name, arguments=None):
    return PotentialData.from_potential(potential_from_ase(name, arguments or {})).store()


def relaxed(*parameters):
    """Copper as EMT has it under pressure: lattice constants in Å by pressure label."""
    return {
        label: StructureData(ase=bulk('Cu', cubic=True, a=a)).store() for label, a in parameters
    }


def labelled(frames):
    for number, frame in enumerate(frames):
        frame.info['frame_id'] = f'f{number}'
    return DatasetData(frames, dft_level={'functional': 'EMT'}).store()


@pytest.fixture(scope='module')
def good(job_code):
    frames = copper(12, seed=3)
    training = [one for one in frames if one.info['target_pressure'] < 2]
    builder = ValidateWorkChain.get_builder_from_protocol(
        job_code,
        node_of('emt'),
        [0.0, 2.0],
        structure=StructureData(ase=bulk('Cu', cubic=True, a=3.6)),
        dft_structures=relaxed(('p_0000', 3.590), ('p_2000', 3.572)),
        held_out=labelled(frames),
        training=labelled(training),
        committee={'other': node_of(*LJ)},
        protocol='fast',
        overrides=OVERRIDES,
    )
    return run_get_node(builder)


def test_good_potential_passes(good) -> None:
    results, node = good
    assert node.is_finished_ok, node.exit_message
    verdict = results['verdict'].get_dict()
    states = {name: part['state'] for name, part in verdict['parts'].items()}
    assert verdict['failures'] == []
    assert verdict['passed'], verdict['summary']
    assert set(states.values()) == {'passed'}


def test_every_part_has_its_numbers(good) -> None:
    results, _ = good
    verdict = results['verdict'].get_dict()
    tables = verdict['tables']
    # labels are the potential's own
    assert tables['parity']['rmse_forces_mev_a'] == pytest.approx(0.0, abs=1e-3)
    assert tables['parity']['pressures_held_out'] == ['p_2000']
    assert len(tables['equation_of_state']['volumes']) == 2
    labels = {f'{p}_{e}' for p in ('p_0000', 'p_2000') for e in ('nvt', 'npt')}
    assert set(results['runs']) == labels
    assert {row['label'] for row in tables['dynamics']['runs']} == labels
    assert all(row['length_ps'] == pytest.approx(2.2) for row in tables['dynamics']['runs'])
    assert set(tables['extrapolation']['runs']) == labels
    assert tables['dynamics']['lifetime']['failures'] == 0


def test_density_of_the_run_is_compared_with_the_harmonic_one(good) -> None:
    results, _ = good
    verdict = results['verdict'].get_dict()
    found = verdict['anharmonicity']['p_0000_nvt']
    (window,) = [one for one in found['windows'] if one['label'] == 'total']
    assert window['states'] == pytest.approx(3 * 8 - 3, rel=0.05)
    assert window['harmonic_states'] == pytest.approx(3 * 8 - 3, rel=0.01)
    assert abs(window['shift']) < 15
    harmonic = results['harmonic_density']
    area = np.trapezoid(
        harmonic.get_array('p_0000_nvt__total'), harmonic.get_array('p_0000_nvt__energy')
    )
    assert area == pytest.approx(3 * 8 - 3, rel=0.02)


def test_spectrum_of_the_run_stands_beside_the_harmonic_one(good) -> None:
    """EMT's copper at 300 K is nearly harmonic; both leave out what the window cannot resolve."""
    results, _ = good
    for label in ('p_0000', 'p_2000'):
        run, modes = (results[f'{kind}_spectrum'][label] for kind in ('anharmonic', 'harmonic'))
        assert run.pressure == modes.pressure == (0.0 if label == 'p_0000' else 2.0)
        assert run.base.attributes.get('sample') == 'Cu4'
        assert run.details['broadened'] == 30.0
        assert run.details['convergence']['errors_percent']['statistics'] > 0
        assert any('more than the instrument would' in text for text in run.details['warnings'])
        np.testing.assert_array_equal(run.energy_transfer, modes.energy_transfer)
        assert run.total.sum() == pytest.approx(modes.total.sum(), rel=0.3)
        assert np.corrcoef(run.total, modes.total)[0, 1] > 0.9
        assert run.creator.inputs.contributions.creator.inputs.motions[label].creator is not None


def test_provenance_leads_from_the_verdict_to_the_potential(good) -> None:
    results, node = good
    job = results['verdict'].creator
    assert job.process_label == 'ValidateCalculation'
    assert job.inputs.runs.p_0000_npt.creator.inputs.potential.uuid == node.inputs.potential.uuid


def test_bad_potential_fails_by_its_dynamics(job_code) -> None:
    """Volumes are those of the crystal, so that only the motion betrays it."""
    builder = ValidateWorkChain.get_builder_from_protocol(
        job_code,
        node_of(*WEAK),
        [0.0],
        structures=relaxed(('p_0000', 3.60)),
        protocol='fast',
        overrides={**OVERRIDES, 'md': {**OVERRIDES['md'], 'ensembles': ['nvt']}},
    )
    results, node = run_get_node(builder)
    assert node.is_finished_ok, node.exit_message
    verdict = results['verdict'].get_dict()
    assert not verdict['passed']
    assert verdict['parts']['dynamics']['state'] == 'failed'
    assert verdict['parts']['parity']['state'] == 'not checked'
    first = min(results['runs']['p_0000_nvt']['violations'], key=lambda one: one['time'])
    assert first['check'] in ('site', 'diffusion')
    assert f'{first["time"]:.3f} ps' in verdict['failures'][0]
    assert verdict['tables']['dynamics']['lifetime']['failures'] == 1


def test_inputs_that_contradict_are_refused(job_code) -> None:
    given = {'protocol': 'fast', 'overrides': OVERRIDES}
    crystal = StructureData(ase=bulk('Cu', cubic=True))
    with pytest.raises(InputError, match='Give a `structure`'):
        ValidateWorkChain.get_builder_from_protocol(job_code, node_of('emt'), [0.0], **given)
    with pytest.raises(InputError, match='no crystal at p_2000'):
        ValidateWorkChain.get_builder_from_protocol(
            job_code, node_of('emt'), [0.0, 2.0], structures={'p_0000': crystal}, **given
        )
    builder = ValidateWorkChain.get_builder_from_protocol(
        job_code,
        node_of('emt'),
        [0.0],
        structures={'p_0000': crystal},
        committee={'other': node_of('emt')},
        **given,
    )
    with pytest.raises(ValueError, match='`committee` needs `training`'):
        run_get_node(builder)


def test_limits_that_contradict_are_refused_by_the_port(job_code) -> None:
    limits = {'spread_factor': 1.0, 'extrapolation': 0.005}
    with pytest.raises(ValueError, match='Even the training frames'):
        ValidateWorkChain.get_builder_from_protocol(
            job_code,
            node_of('emt'),
            [0.0],
            structure=StructureData(ase=bulk('Cu', cubic=True)),
            protocol='fast',
            overrides={'validation': {'limits': limits}},
        )
