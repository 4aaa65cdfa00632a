"""Parsers: each way a job can end, from the files it left."""

import numpy as np
import pytest
from aiida.orm import Dict
from fake_nodes import (
    JOB,
    crystal,
    force_constants,
    frames,
    job,
    npz,
    phonons_of,
    potential_files,
    retrieved,
)

from aiida_insbench.calculations.analyse import AnalyseCalculation
from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.calculations.fit import FitCalculation
from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.md import MDCalculation
from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.calculations.sample import SampleCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.calculations.validate import ValidateCalculation
from aiida_insbench.parsers.analyse import AnalyseParser
from aiida_insbench.parsers.evaluate import EvaluateParser
from aiida_insbench.parsers.fit import FitParser
from aiida_insbench.parsers.ins import InsParser
from aiida_insbench.parsers.md import MDParser
from aiida_insbench.parsers.phonons import PhononsParser
from aiida_insbench.parsers.sample import SampleParser
from aiida_insbench.parsers.train import TrainParser
from aiida_insbench.parsers.validate import ValidateParser
from aiida_insbench.science.frames import write_frames
from aiida_insbench.science.structures import atoms_to_dict
from aiida_insbench.science.supercells import compact_force_constants

STAGES = {
    SampleCalculation: SampleParser,
    TrainCalculation: TrainParser,
    EvaluateCalculation: EvaluateParser,
    PhononsCalculation: PhononsParser,
    FitCalculation: FitParser,
    MDCalculation: MDParser,
    ValidateCalculation: ValidateParser,
    InsCalculation: InsParser,
    AnalyseCalculation: AnalyseParser,
}
MATRIX = ((1, 1, 0), (0, 1, 0), (0, 0, 2))


def parse(calculation, files, *, inputs=None):
    """Outputs and process of parsing what a job left."""
    node = job(calculation, outputs={'retrieved': retrieved(files)}, inputs=inputs)
    return STAGES[calculation].parse_from_node(node, store_provenance=False)


def result(values):
    return {'result.json': {'schema': 1, 'stage': 'any', **JOB, 'result': values}}


def error(code, message='volume 0'):
    return {'error.json': {'type': 'SomeError', 'message': message, 'code': code}}


@pytest.mark.parametrize('calculation', STAGES)
@pytest.mark.parametrize(
    ('files', 'status', 'message'),
    [
        (error(10), 210, 'refused its input: volume 0'),
        (error(13), 310, 'has a fault: volume 0'),
        (error(99), 310, 'has a fault: volume 0'),
        (error(12), 410, 'asked to end before it had finished: volume 0'),
        ({}, 411, 'neither a result nor an error'),
        ({'progress.jsonl': b'{"step": 1'}, 411, 'neither a result nor an error'),
        (error(11), 412, 'failed: volume 0'),
    ],
)
def test_failures_of_every_stage(calculation, files, status, message):
    outputs, process = parse(calculation, files)
    assert process.exit_status == status
    assert message in process.exit_message
    assert not outputs


@pytest.mark.parametrize('calculation', STAGES)
@pytest.mark.parametrize(
    ('files', 'valid'),
    [
        (error(10), True),
        (error(11), True),
        (error(13), False),
        (error(12), False),
        ({}, False),
    ],
)
def test_a_job_that_was_killed_is_never_taken_from_the_cache(calculation, files, valid):
    """Else the base work chain would take the dead job again and again in place of a new run."""
    _, process = parse(calculation, files)
    code = next(
        code
        for code in calculation.spec().exit_codes.values()
        if code.status == process.exit_status
    )
    assert code.invalidates_cache is not valid


def test_message_with_braces_survives():
    """Messages hold dictionaries at times; they are no templates."""
    _, process = parse(EvaluateCalculation, error(10, "`settings` is {'a': {0}}"))
    assert "{'a': {0}}" in process.exit_message


@pytest.mark.parametrize(
    ('calculation', 'files'),
    [
        (EvaluateCalculation, {'predictions.npz': npz(base__energy=np.arange(3.0))}),
        (AnalyseCalculation, {}),
    ],
)
def test_tables(calculation, files):
    outputs, process = parse(
        calculation, {**result({'potentials': {'base': {'rmse': 1.5}}}), **files}
    )
    if files:
        assert outputs['predictions'].get_array('base__energy').tolist() == [0, 1, 2]
    assert process.is_finished_ok
    parameters = outputs['output_parameters'].get_dict()
    assert parameters['potentials'] == {'base': {'rmse': 1.5}}
    assert parameters['job'] == {'schema': 1, 'stage': 'any', **JOB}


def test_chunks_of_an_evaluation_outlive_its_end():
    outputs, process = parse(EvaluateCalculation, {'chunks/chunk_000000.npz': npz(a=np.arange(2))})
    assert process.exit_status == 411
    assert outputs['chunks'].base.repository.list_object_names() == ['chunk_000000.npz']


def test_sample():
    text = write_frames(frames(3, labelled=False))
    files = {**result({'n_frames': 3}), 'frames.extxyz': text.encode()}
    outputs, process = parse(SampleCalculation, files)
    assert process.is_finished_ok
    assert outputs['pool'].n_frames == 3
    assert not outputs['pool'].labelled
    assert outputs['output_parameters']['n_frames'] == 3


def test_train():
    text, weights = potential_files()
    files = {
        **result({'epochs': 2}),
        'trained.json': text.encode(),
        'trained.safetensors': weights,
        'training_curve.json': {'epoch': [0, 1], 'loss': [2.0, 1.0]},
    }
    outputs, process = parse(TrainCalculation, files)
    assert process.is_finished_ok
    assert outputs['potential'].get_weights() == weights
    assert outputs['training_curve']['loss'] == [2.0, 1.0]
    assert outputs['output_parameters']['epochs'] == 2


@pytest.mark.parametrize(
    ('kind', 'status'),
    [
        ('OutOfMemoryError', 414),
        ('DivergedError', 415),
        ('ZeroLossError', 416),
        ('TrainingError', 412),
    ],
)
def test_training_that_failed_keeps_its_curve(kind, status):
    files = {
        'error.json': {'type': kind, 'message': 'loss: nan', 'code': 11},
        'training_curve.json': {'epoch': [0], 'loss': [2.0]},
    }
    outputs, process = parse(TrainCalculation, files)
    assert process.exit_status == status
    assert 'loss: nan' in process.exit_message
    assert outputs['training_curve']['epoch'] == [0]


@pytest.mark.parametrize('files', [{}, error(12)])
@pytest.mark.parametrize('status', [110, 120])
def test_scheduler_knows_why_a_job_ended(files, status):
    outputs = {'retrieved': retrieved(files)}
    node = job(TrainCalculation, status, message='the scheduler says so', outputs=outputs)
    _, process = TrainParser.parse_from_node(node, store_provenance=False)
    assert process.exit_status == status


def pressure_files(label, *, seed=0, a=4.44):
    """What one pressure leaves, and its Phonopy object."""
    atoms = crystal(a=a)
    phonon = phonons_of(atoms, MATRIX, seed=seed)
    record = {
        'pressure': 0.0,
        'structure': atoms_to_dict(atoms),
        'symprec': 1e-4,
        'gamma': {'frequencies': [1.0], 'irreps': ['A1g']},
        'verdict': 'stable',
    }
    arrays = npz(
        force_constants=compact_force_constants(phonon),
        supercell_matrix=np.asarray(phonon.supercell_matrix),
        primitive_matrix=np.asarray(phonon.primitive_matrix),
    )
    return {f'{label}.json': record, f'{label}.npz': arrays}, phonon


class TestPhonons:
    def test_all_pressures(self):
        done = {'finished': ['p_0000', 'm_0500'], 'missing': [], 'reasons': {}, 'skipped': []}
        tension, phonon = pressure_files('m_0500', seed=5, a=4.5)
        files = {**result(done), **pressure_files('p_0000')[0], **tension}
        outputs, process = parse(PhononsCalculation, files)
        assert process.is_finished_ok
        for name in ('structure', 'force_constants', 'modes'):
            assert set(outputs[name]) == {'p_0000', 'm_0500'}
        assert outputs['modes']['m_0500']['gamma']['irreps'] == ['A1g']
        assert 'structure' not in outputs['modes']['m_0500'].get_dict()
        np.testing.assert_allclose(
            outputs['structure']['m_0500'].get_ase().positions, crystal(a=4.5).positions, atol=1e-12
        )
        stored = outputs['force_constants']['m_0500'].get_phonopy_instance()
        np.testing.assert_array_equal(stored.supercell_matrix, phonon.supercell_matrix)
        found = []
        for one in (phonon, stored):
            one.run_qpoints([[0.1, 0.2, 0.3]])
            found.append(one.qpoints.frequencies)
        np.testing.assert_allclose(*found, rtol=1e-8)

    def test_some_pressures_missing(self):
        reasons = {'p_9000': 'The cell collapsed.'}
        ended = {'finished': ['p_0000'], 'missing': ['p_9000'], 'reasons': reasons, 'skipped': []}
        outputs, process = parse(
            PhononsCalculation, {**result(ended), **pressure_files('p_0000')[0]}
        )
        assert process.exit_status == 413
        assert process.exit_message == 'Not finished: p_9000. p_9000: The cell collapsed.'
        assert set(outputs['force_constants']) == {'p_0000'}
        assert outputs['output_parameters']['missing'] == ['p_9000']

    @pytest.mark.parametrize(('left', 'status'), [(error(12), 410), ({}, 411), (error(11), 412)])
    def test_finished_pressures_outlive_an_early_end(self, left, status):
        outputs, process = parse(PhononsCalculation, {**left, **pressure_files('p_0000')[0]})
        assert process.exit_status == status
        assert set(outputs['structure']) == set(outputs['modes']) == {'p_0000'}

    def test_half_a_pressure_is_left_out(self):
        """The arrays come first; without the record they do not count, nor the other way round."""
        one, two = pressure_files('p_0000')[0], pressure_files('p_1000')[0]
        files = {'p_0000.npz': one['p_0000.npz'], 'p_1000.json': two['p_1000.json']}
        outputs, process = parse(PhononsCalculation, files)
        assert process.exit_status == 411
        assert not outputs


def test_fit_attaches_no_crystal_of_its_own():
    """The crystals are what was given; the rest is as from phonons."""
    reasons = {'p_2000': '9 % of the forces are unexplained.'}
    ended = {'finished': ['p_0000'], 'missing': ['p_2000'], 'reasons': reasons}
    outputs, process = parse(FitCalculation, {**result(ended), **pressure_files('p_0000')[0]})
    assert process.exit_status == 413
    assert process.exit_message == f'Not finished: p_2000. p_2000: {reasons["p_2000"]}'
    assert set(outputs) == {'force_constants', 'modes', 'output_parameters'}
    assert set(outputs['force_constants']) == set(outputs['modes']) == {'p_0000'}


class TestIns:
    def files(self, label, *, height=1.0):
        axis = np.arange(0.5, 20)
        values = np.full((2, 3, 4, len(axis)), height, dtype=np.float32)
        return {
            f'{label}.npz': npz(
                energy_transfer=axis,
                contributions=values,
                momentum_transfer=np.tile(axis, (2, 1)),
                coherent=np.tile(axis, (2, 1)),
            )
        }

    def inputs(self):
        nodes = {f'force_constants__{label}': force_constants() for label in ('p_0000', 'm_0500')}
        return {'parameters': Dict({'instrument': 'TOSCA', 'temperature': 10.0}), **nodes}

    def result(self, **values):
        instrument = {'name': 'TOSCA', 'version': 'now', 'banks': ['forward', 'backward']}
        return result({'instrument': instrument, 'missing': [], **values})

    def test_contributions(self):
        details = {'sites': [{'name': 'H1'}], 'units': {'total': 'barn cm'}}
        files = {
            **self.result(spectra={'p_0000': details, 'm_0500': details}),
            **self.files('p_0000'),
            **self.files('m_0500', height=2.0),
        }
        outputs, process = parse(InsCalculation, files, inputs=self.inputs())
        assert process.is_finished_ok
        assert set(outputs['contributions']) == {'p_0000', 'm_0500'}
        node = outputs['contributions']['m_0500']
        assert node.has_contributions
        assert (node.pressure, node.origin) == (-0.5, 'simulated')
        assert (node.instrument, node.temperature) == ('TOSCA', 10.0)
        assert node.base.attributes.get('instrument_version') == 'now'
        assert node.base.attributes.get('bank') == 'forward backward'
        assert node.base.attributes.get('sample') == 'H4Mg2'
        # mean of banks, sum of 3 sites and 4 orders, and the coherent part
        np.testing.assert_allclose(node.total, 24 + np.arange(0.5, 20))
        assert node.get_array('contributions').dtype == np.float32
        assert node.details['sites'] == details['sites']
        assert node.details['settings'] == {'instrument': 'TOSCA', 'temperature': 10.0}

    def test_missing_pressure_is_not_silent(self):
        ended = {
            'spectra': {'p_0000': {}},
            'finished': ['p_0000'],
            'missing': ['p_2000'],
            'reasons': {'p_2000': 'Imaginary modes.'},
        }
        files = {**self.result(**ended), **self.files('p_0000')}
        outputs, process = parse(InsCalculation, files, inputs=self.inputs())
        assert set(outputs['contributions']) == {'p_0000'}
        assert process.exit_status == 413
        assert 'p_2000: Imaginary modes.' in process.exit_message
