"""Phonons under pressure by the real program, with the potential EMT: extended, killed, resumed."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from aiida.engine import run_get_node
from aiida.orm import ArrayData, Dict, List, StructureData, to_aiida_type
from ase.build import bulk

from aiida_insbench.data import PotentialData
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

ALLOY = bulk('Cu', cubic=True, a=3.75)
ALLOY.symbols[0] = 'Au'
PRESSURES = [0.0, 2.0, 4.0, 5.0, 6.0]
SETTINGS = {'mesh': [2, 2, 2], 'displacements': 'auto', 'strained': True}


@pytest.fixture(scope='module')
def potential(job_code):
    return PotentialData.from_potential(potential_from_ase('emt')).store()


def inputs(job_code, potential, pressures, **changes):
    return {
        'phonons': {
            'code': job_code,
            'potential': potential,
            'structure': StructureData(ase=ALLOY),
            'pressures': List(pressures),
            'supercell_matrix': List(np.eye(3, dtype=int).tolist()),
            'settings': Dict(SETTINGS),
            'metadata': job_metadata(1),
            **changes,
        }
    }


@pytest.fixture(scope='module')
def whole(job_code, potential):
    results, node = run_get_node(PhononsWorkChain, **inputs(job_code, potential, PRESSURES))
    assert node.is_finished_ok, node.exit_message
    return results, node


def frequencies(results):
    return {label: node['gamma']['frequencies'] for label, node in results['modes'].items()}


def test_every_pressure_has_its_outputs(whole):
    results, _ = whole
    labels = {f'p_{1000 * value:04.0f}' for value in PRESSURES}
    assert set(results['structure']) == set(results['modes']) == labels
    assert set(results['force_constants']) == labels
    assert set(results['strained']) == {'p_6000'}
    report = results['output_parameters'].get_dict()
    assert report['missing'] == report['warnings'] == []
    strained = results['strained']['p_6000'].get_unitcell().get_ase()
    assert strained.cell.array == pytest.approx(results['structure']['p_6000'].get_ase().cell.array)


def test_an_earlier_run_is_extended(job_code, potential, whole):
    """0 and 4 GPa first, then 2 GPa beside them: only that one is computed."""
    _, first = run_get_node(PhononsWorkChain, **inputs(job_code, potential, [0.0, 4.0]))
    builder = PhononsWorkChain.get_builder_from_protocol(
        job_code, potential, None, [2.0], protocol='fast', previous=first
    )
    results, second = run_get_node(builder)
    assert second.is_finished_ok, second.exit_message
    assert results['output_parameters']['finished'] == ['p_2000']
    assert results['output_parameters']['skipped'] == ['p_0000', 'p_4000']
    expected = frequencies(whole[0])
    assert frequencies(results) == {**frequencies(first.outputs), 'p_2000': pytest.approx(
        expected['p_2000'], abs=0.01)}  # fmt: skip
    # what was there is returned, not copied
    kept = results['force_constants']['p_0000']
    assert kept.uuid == first.outputs.force_constants.p_0000.uuid
    for name in ('p_0000', 'p_4000'):
        assert frequencies(results)[name] == pytest.approx(expected[name], abs=0.01)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'settings': {**SETTINGS, 'fmax': 1e-2}}, r'another `settings\.fmax`'),
        ({'supercell_matrix': (2 * np.eye(3, dtype=int)).tolist()}, 'supercell_matrix'),
    ],
)
def test_results_of_other_settings_cannot_be_extended(job_code, potential, whole, changes, named):
    results, _ = whole
    previous = {name: dict(results[name]) for name in ('structure', 'force_constants', 'modes')}
    changes = {name: to_aiida_type(value) for name, value in changes.items()}
    given = inputs(job_code, potential, [1.0], **changes)
    with pytest.raises(ValueError, match=named):
        run_get_node(PhononsWorkChain, **given, previous=previous)


def test_settings_of_the_list_may_change(job_code, potential, whole):
    results, _ = whole
    previous = {name: dict(results[name]) for name in ('structure', 'force_constants', 'modes')}
    given = inputs(job_code, potential, [0.0], settings=Dict({**SETTINGS, 'check_supercell': True}))
    again, node = run_get_node(PhononsWorkChain, **given, previous=previous)
    assert node.is_finished_ok, node.exit_message
    assert again['output_parameters']['finished'] == []
    assert again['output_parameters']['supercell_convergence']['gamma_cm1']['max'] > 0
    assert frequencies(again) == frequencies(results)


def kill_after(pressures_done, folder):
    """Kill the job of this process, with a signal it cannot catch, after some pressures."""

    def watch():
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            for log in Path(folder).rglob('progress.jsonl'):
                text = log.read_text()
                if (
                    text.count('finished"') == pressures_done
                    and not (log.parent / 'result.json').exists()
                ):
                    victims = [
                        int(entry.name)
                        for entry in Path('/proc').iterdir()
                        if entry.name.isdigit() and runs_in(entry, log.parent)
                    ]
                    for pid in victims:
                        os.kill(pid, signal.SIGKILL)
                    if victims:
                        return
            time.sleep(0.002)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    return thread


def runs_in(entry, folder):
    try:
        words = (entry / 'cmdline').read_bytes()
        return b'insbench-job' in words and (entry / 'cwd').resolve() == folder.resolve()
    except OSError:
        return False


@pytest.mark.parametrize('done', [0, 1, 2])
def test_a_killed_job_resumes_with_identical_results(job_code, potential, whole, done):
    """kill -9 with none, one or two pressures or more finished: the same to the last digit."""
    folder = job_code.computer.get_workdir()
    before = {path.parent for path in Path(folder).rglob('progress.jsonl')}
    for path in before:
        (path / 'progress.jsonl').unlink()
    watcher = kill_after(done, folder)
    results, node = run_get_node(PhononsWorkChain, **inputs(job_code, potential, PRESSURES))
    watcher.join(timeout=1)
    assert node.is_finished_ok, node.exit_message
    jobs = [
        child
        for child in node.called_descendants
        if child.process_type == 'aiida.calculations:insbench.phonons'
    ]
    assert [child.exit_status for child in sorted(jobs, key=lambda one: one.pk)] == [411, 0]
    assert frequencies(results) == frequencies(whole[0])
    for label, structure in results['structure'].items():
        expected = whole[0]['structure'][label].get_ase()
        assert (structure.get_ase().positions == expected.positions).all()
        assert (structure.get_ase().cell.array == expected.cell.array).all()
    for label, constants in results['force_constants'].items():
        expected = whole[0]['force_constants'][label].force_constants
        assert np.array_equal(constants.force_constants, expected)


def test_born_charges_go_with_the_force_constants(job_code, potential):
    charges = np.zeros((4, 3, 3))
    charges[0], charges[1:] = 0.9 * np.eye(3), -0.3 * np.eye(3)
    node = ArrayData({'born_charges': charges, 'dielectric': 2.0 * np.eye(3)})
    results, process = run_get_node(
        PhononsWorkChain, **inputs(job_code, potential, [0.0], nac_parameters=node)
    )
    assert process.is_finished_ok, process.exit_message
    constants = results['force_constants']['p_0000']
    assert constants.born_charges == pytest.approx(charges)
    assert constants.dielectric == pytest.approx(2.0 * np.eye(3))
    # Γ modes are the transverse ones, with charges or without
    found = gamma_modes(phonon=constants.get_phonopy_instance()).frequencies
    assert found == pytest.approx(results['modes']['p_0000']['gamma']['frequencies'], abs=1e-3)


@pytest.mark.parametrize(
    ('arrays', 'named'),
    [
        ({'born_charges': np.zeros((4, 3, 3))}, '`dielectric` of shape'),
        ({'born_charges': np.zeros((2, 3, 3)), 'dielectric': np.eye(3)}, '`born_charges` of shape'),
        ({'born_charges': np.ones((4, 3, 3)), 'dielectric': np.eye(3)}, 'add up to 4.000 e'),
    ],
)
def test_wrong_charges_are_refused(job_code, potential, arrays, named):
    given = inputs(job_code, potential, [0.0], nac_parameters=ArrayData(arrays))
    with pytest.raises(ValueError, match=named):
        run_get_node(PhononsWorkChain, **given)


def test_nothing_to_extend_is_an_error(job_code, potential):
    with pytest.raises(InputError, match='Give a `structure`'):
        PhononsWorkChain.get_builder_from_protocol(job_code, potential, None, [0.0])
