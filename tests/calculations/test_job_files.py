"""Job files as the engine would send them, read by the stages that will get them."""

import json

import numpy as np
import pytest
from aiida.common.folders import SandboxFolder
from aiida.orm import (
    ArrayData,
    Data,
    Dict,
    Int,
    List,
    RemoteData,
    Str,
    StructureData,
    to_aiida_type,
)
from ase.build import bulk
from fake_nodes import (
    LEVEL,
    code,
    crystal,
    dataset,
    force_constants,
    potential,
    process,
    retrieved,
    structure,
)

from aiida_insbench.calculations.analyse import AnalyseCalculation
from aiida_insbench.calculations.evaluate import EvaluateCalculation
from aiida_insbench.calculations.ins import InsCalculation
from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.calculations.sample import SampleCalculation
from aiida_insbench.calculations.train import TrainCalculation
from aiida_insbench.jobs import ins as ins_stage
from aiida_insbench.jobs import phonons as phonons_stage
from aiida_insbench.jobs import sample as sample_stage
from aiida_insbench.jobs.evaluate import read_labelled
from aiida_insbench.jobs.md_motion import read_motions
from aiida_insbench.jobs.program import STAGES, read_job
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.training_settings import read_training_settings
from aiida_insbench.science.errors import JobFileError
from aiida_insbench.science.frames import read_frames
from aiida_insbench.science.ins.mode_files import open_modes
from aiida_insbench.science.phonons import load_force_constants
from aiida_insbench.science.potentials import read_potential
from aiida_insbench.science.structures import atoms_from_dict

COMMON = ['result.json', 'error.json', 'progress.jsonl', 'insbench-job.out']
UNIT = np.eye(3, dtype=int).tolist()
INS = {
    'temperature': 10.0,
    'instrument': 'TOSCA',
    'max_order': 10,
    'energy_range': [0.0, 2000.0],
    'bin_width': 1.0,
    'mesh': [2, 2, 2],
}
OF_RUN = {name: value for name, value in INS.items() if name != 'mesh'}


def prepare(process_class, tmp_path, **inputs):
    """Files in `tmp_path` as they would be uploaded, the job read as the program does."""
    made = process(process_class, {'code': code(), **inputs})
    with SandboxFolder() as folder:
        info = made.prepare_for_submission(folder)
        for name in folder.get_content_list():
            with folder.open(name, 'rb') as handle:
                (tmp_path / name).write_bytes(handle.read())
    stage = process_class.STAGE
    (code_info,) = info.codes_info
    assert code_info.cmdline_params == [stage, 'job.json']
    assert code_info.code_uuid == code().uuid
    assert stage in STAGES
    assert made.node.get_option('parser_name') == f'insbench.{stage}'
    assert made.node.get_option('withmpi') is False
    assert info.retrieve_list[:4] == COMMON
    job = read_job(tmp_path / 'job.json', stage)
    assert (job['schema'], job['stage']) == (1, stage)
    return job, info.retrieve_list[4:]


def refusal(process_class, **inputs):
    """Message with which the engine refuses the inputs."""
    with pytest.raises(ValueError, match='Error occurred validating port') as caught:
        process(process_class, {'code': code(), **inputs})
    return str(caught.value)


STRAIN_RATTLE = {
    'volume_range': [0.95, 1.01],
    'strain': 0.005,
    'rattle': {'Mg': [0.01, 0.02], 'H': [0.02, 0.06]},
}


def sampling(**changes):
    """Inputs of a sampling; plain values become nodes, None leaves an input out."""
    given = {
        'method': 'strain-rattle',
        'prefix': 'r1',
        'structure': structure(),
        'pressures': [2, 0],
        'seed': 7,
        'cells': [{'supercell_matrix': UNIT, 'count': 3}],
        'settings': STRAIN_RATTLE,
    }
    given.update(changes)
    return {
        key: value if isinstance(value, Data) else to_aiida_type(value)
        for key, value in given.items()
        if value is not None
    }


class TestSample:
    def test_strain_rattle(self, tmp_path):
        job, files = prepare(SampleCalculation, tmp_path, **sampling())
        assert files == ['frames.extxyz']
        assert set(job) == {
            'schema', 'stage', 'method', 'prefix', 'settings', 'seed', 'structure', 'pressures',
            'cells',
        }  # fmt: skip
        assert (job['method'], job['prefix'], job['seed']) == ('strain-rattle', 'r1', 7)
        assert job['pressures'] == [0.0, 2.0]
        np.testing.assert_allclose(
            atoms_from_dict(job['structure']).positions, crystal().positions, atol=1e-12
        )
        assert sample_stage.run(job, tmp_path, Progress(tmp_path, 'sample'))['n_frames'] == 3
        assert len(read_frames((tmp_path / 'frames.extxyz').read_text())) == 3

    def test_seed_changes_the_job(self, tmp_path):
        jobs = [prepare(SampleCalculation, tmp_path, **sampling(seed=seed))[0] for seed in (1, 2)]
        assert [job['seed'] for job in jobs] == [1, 2]

    def test_equal_energy(self, tmp_path):
        job, _ = prepare(
            SampleCalculation,
            tmp_path,
            **sampling(
                method='equal-energy',
                potential=potential(),
                settings={'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004},
            ),
        )
        assert job['potential'] == 'potential'
        assert read_potential(tmp_path / job['potential']).metadata.elements == ('H', 'Mg')
        assert job['settings']['temperature'] == 60.0

    def test_frozen_phonon(self, tmp_path):
        job, _ = prepare(
            SampleCalculation,
            tmp_path,
            method=Str('frozen-phonon'),
            prefix=Str('fp'),
            structures={'p_0000': structure(), 'p_2000': structure(a=4.35)},
            settings=Dict({'displacement': 0.02}),
        )
        assert set(job['structures']) == {'p_0000', 'p_2000'}
        assert job['seed'] == -1
        result = sample_stage.run(job, tmp_path, Progress(tmp_path, 'sample'))
        assert set(result['details']['frames_by_pressure']) == {'p_0000', 'p_2000'}

    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ({'method': 'guess'}, "`method` is 'guess'; it must be one of strain-rattle"),
            ({'pressures': []}, 'The list of pressures is empty'),
            ({'pressures': [0, 'high']}, "'high' is not a pressure"),
            ({'pressures': [0, 1, 1.0001]}, 'share the label p_1000'),
            ({'seed': None, 'cells': None}, '`strain-rattle` needs the inputs seed, cells.'),
            ({'method': 'equal-energy'}, '`equal-energy` needs the inputs potential.'),
            ({'method': 'frozen-phonon'}, '`frozen-phonon` needs the inputs structures.'),
        ],
    )
    def test_refusals(self, changes, message):
        assert message in refusal(SampleCalculation, **sampling(**changes))


class TestTrain:
    def inputs(self, **changes):
        given = {
            'dataset': dataset(4),
            'validation': dataset(2, prefix='v'),
            'seed': Int(3),
            'settings': Dict({'learning_rate': 0.02, 'e0s': 'average'}),
        }
        return {**given, **changes}

    def test_from_scratch(self, tmp_path):
        job, files = prepare(TrainCalculation, tmp_path, **self.inputs())
        assert files == ['trained.json', 'trained.safetensors', 'training_curve.json']
        assert set(job) == {
            'schema', 'stage', 'dataset', 'validation', 'replay', 'start', 'resumed', 'settings',
            'provenance',
        }  # fmt: skip
        assert job['start'] is None
        assert job['replay'] is None
        assert job['resumed'] is False
        assert job['provenance'] == {'dft_level': LEVEL}
        assert len(read_labelled(tmp_path / job['dataset'])) == 4
        assert len(read_labelled(tmp_path / job['validation'])) == 2
        settings = read_training_settings(job['settings'], elements=('H', 'Mg'), start=None)
        assert settings.values['seed'] == 3
        assert settings.values['learning_rate'] == 0.02

    def test_fine_tuning(self, tmp_path):
        start = potential()
        job, _ = prepare(
            TrainCalculation,
            tmp_path,
            **self.inputs(start=start, settings=Dict({'e0s': 'foundation'})),
        )
        assert job['start'] == 'start'
        read = read_potential(tmp_path / job['start'])
        assert read.metadata.weights_sha256 == start.sha256

    def test_input_seed_wins(self, tmp_path):
        job, _ = prepare(TrainCalculation, tmp_path, **self.inputs(settings=Dict({'seed': 99})))
        assert job['settings']['seed'] == 3

    @pytest.mark.parametrize('name', ['dataset', 'validation'])
    def test_pool_is_refused(self, name):
        message = refusal(TrainCalculation, **self.inputs(**{name: dataset(2, labelled=False)}))
        assert 'pool without labels; label it first (insbench.label)' in message

    def test_start_without_an_element_is_refused(self):
        message = refusal(TrainCalculation, **self.inputs(start=potential(elements=('H',))))
        assert 'The start potential knows no Mg, which `dataset` holds.' in message

    def test_replay(self, tmp_path):
        inputs = self.inputs(
            start=potential(), replay=dataset(5, prefix='old'), settings=Dict({'e0s': 'estimated'})
        )
        job, _ = prepare(TrainCalculation, tmp_path, **inputs)
        assert len(read_labelled(tmp_path / job['replay'])) == 5

    def test_replay_without_start_is_refused(self):
        message = refusal(TrainCalculation, **self.inputs(replay=dataset(2)))
        assert 'no `start` potential to keep' in message

    def test_checkpoint_of_an_ended_run(self, tmp_path):
        parent = RemoteData(computer=code().computer, remote_path='/scratch/ended')
        made = process(
            TrainCalculation, {'code': code(), **self.inputs(parent_folder=parent.store())}
        )
        with SandboxFolder() as folder:
            info = made.prepare_for_submission(folder)
            with folder.open('job.json') as handle:
                assert json.load(handle)['resumed'] is True
        assert info.remote_copy_list == [
            (code().computer.uuid, '/scratch/ended/checkpoints', 'checkpoints')
        ]


class TestEvaluate:
    def test_job(self, tmp_path):
        job, _ = prepare(
            EvaluateCalculation,
            tmp_path,
            dataset=dataset(2),
            potentials={'base': potential(), 'finetuned': potential(scale=2)},
        )
        assert set(job) == {'schema', 'stage', 'dataset', 'potentials', 'settings'}
        assert len(read_labelled(tmp_path / job['dataset'])) == 2
        assert job['settings'] == {}
        read = {name: read_potential(tmp_path / path) for name, path in job['potentials'].items()}
        assert set(read) == {'base', 'finetuned'}
        assert read['base'].weights != read['finetuned'].weights

    def test_settings_and_finished_chunks(self, tmp_path):
        _, files = prepare(
            EvaluateCalculation,
            tmp_path,
            dataset=dataset(2, labelled=False),
            potentials={'base': potential()},
            settings=Dict({'chunk': 1}),
        )
        assert files == ['predictions.npz', ('chunks/chunk_??????.npz', '.', 2)]
        made = process(
            EvaluateCalculation,
            {
                'code': code(),
                'dataset': dataset(2),
                'potentials': {'base': potential()},
                'finished': retrieved({'chunk_000000.npz': b'what was done'}),
            },
        )
        with SandboxFolder() as folder:
            made.prepare_for_submission(folder)
            chunks = folder.get_subfolder('chunks')
            with chunks.open('chunk_000000.npz', 'rb') as handle:
                assert handle.read() == b'what was done'


class TestPhonons:
    def inputs(self, **changes):
        given = {
            'potential': potential(),
            'structure': structure(),
            'pressures': List([2, 0, 1]),
            'supercell_matrix': List([[2, 0, 0], [0, 2, 0], [0, 0, 3]]),
            'settings': Dict({'fmax': 1e-5, 'mesh': [4, 4, 4]}),
        }
        return {**given, **changes}

    def test_job(self, tmp_path):
        job, files = prepare(PhononsCalculation, tmp_path, **self.inputs())
        assert files == [
            ('[pm]_*.json', '.', 0), ('[pm]_*.npz', '.', 0),
            ('strained_*.json', '.', 0), ('strained_*.npz', '.', 0),
        ]  # fmt: skip
        assert set(job) == {
            'schema', 'stage', 'potential', 'structure', 'pressures', 'supercell_matrix',
            'settings', 'structures', 'finished', 'finished_arrays',
        }  # fmt: skip
        task = phonons_stage.read_task(job, tmp_path)
        assert task.pressures == (0.0, 1.0, 2.0)
        assert task.supercell_matrix == [[2, 0, 0], [0, 2, 0], [0, 0, 3]]
        assert task.settings['fmax'] == 1e-5
        assert task.finished == {}
        assert read_potential(tmp_path / job['potential']).metadata.cutoff == 3.5

    def test_finished_pressures(self, tmp_path):
        done = {'m_0500': structure(), 'p_0000': structure(a=4.3)}
        constants = {'p_0000': force_constants()}
        job, _ = prepare(
            PhononsCalculation,
            tmp_path,
            **self.inputs(finished=done, finished_force_constants=constants),
        )
        task = phonons_stage.read_task(job, tmp_path)
        assert set(task.finished) == {'m_0500', 'p_0000'}
        before = task.finished['p_0000']
        assert before.structure.cell.lengths()[0] == pytest.approx(4.3)
        with np.load(before.arrays, allow_pickle=False) as arrays:
            assert arrays['force_constants'] == pytest.approx(constants['p_0000'].force_constants)
            assert arrays['supercell_matrix'].tolist() == constants['p_0000'].supercell_matrix
        assert task.finished['m_0500'].arrays is None

    def test_structures_at_single_pressures(self, tmp_path):
        given = {'p_1000': structure(a=4.2)}
        job, _ = prepare(PhononsCalculation, tmp_path, **self.inputs(structures=given))
        task = phonons_stage.read_task(job, tmp_path)
        assert task.structures['p_1000'].cell.lengths()[0] == pytest.approx(4.2)

    def test_what_is_retrieved_are_the_files_of_the_stage(self):
        from fnmatch import fnmatch

        for label in ('p_0000', 'm_0500'):
            assert fnmatch(f'{label}.json', '[pm]_*.json')
        for name in ('job.json', 'potential.json', 'result.json', 'progress.jsonl'):
            assert not fnmatch(name, '[pm]_*.json')

    def test_unknown_element_is_refused(self):
        aluminium = StructureData(ase=bulk('Al'))
        message = refusal(PhononsCalculation, **self.inputs(structure=aluminium))
        assert 'The potential knows no Al, which the structure holds.' in message

    def test_pressure_that_is_no_number_is_refused(self):
        message = refusal(PhononsCalculation, **self.inputs(pressures=List([True])))
        assert 'True is not a pressure' in message


def same_phonons(path, node):
    """The file describes the same crystal, supercell and force constants as the node."""
    read, stored = load_force_constants(path), node.get_phonopy_instance()
    np.testing.assert_array_equal(read.supercell_matrix, stored.supercell_matrix)
    np.testing.assert_allclose(read.unitcell.positions, crystal().positions, atol=1e-10)
    np.testing.assert_allclose(read.supercell.positions, stored.supercell.positions, atol=1e-10)
    q_point = [0.1, 0.2, 0.3]
    found = []
    for phonon in (read, stored):
        phonon.run_qpoints([q_point])
        found.append(phonon.qpoints.frequencies)
    np.testing.assert_allclose(*found, rtol=1e-6)


class TestIns:
    def test_job(self, tmp_path):
        nodes = {label: force_constants(seed=n) for n, label in enumerate(('p_0000', 'p_1500'))}
        job, files = prepare(InsCalculation, tmp_path, force_constants=nodes, parameters=Dict(INS))
        assert files == [('[pm]_*.npz', '.', 0)]
        assert set(job) == {'schema', 'stage', 'force_constants', *INS}
        ins_stage.check_job(job, tmp_path)
        for label, node in nodes.items():
            same_phonons(tmp_path / job['force_constants'][label], node)

    def test_parameters_change_the_job(self, tmp_path):
        jobs = [
            prepare(
                InsCalculation,
                tmp_path,
                force_constants={'p_0000': force_constants()},
                parameters=Dict({**INS, 'temperature': temperature}),
            )[0]
            for temperature in (10.0, 20.0)
        ]
        assert [job['temperature'] for job in jobs] == [10.0, 20.0]

    def test_motions_of_runs(self, tmp_path):
        job, _ = prepare(
            InsCalculation, tmp_path, motions={'p_1500': motion()}, parameters=Dict(OF_RUN)
        )
        assert 'force_constants' not in job
        ins_stage.check_job(job, tmp_path)
        with np.load(tmp_path / job['motions']['p_1500']['file']) as arrays:
            whole, *_ = read_motions(job['motions']['p_1500']['record'], arrays)
        assert whole.labels == ('H',)
        assert whole.densities[0].tensor.shape == (6, 5)

    def test_sources_are_one(self, tmp_path):
        given = {'force_constants': {'p_0000': force_constants()}, 'motions': {'p_0000': motion()}}
        with pytest.raises(ValueError, match='not both and not neither'):
            prepare(InsCalculation, tmp_path, **given, parameters=Dict(INS))
        with pytest.raises(ValueError, match='no output `motions`'):
            prepare(
                InsCalculation, tmp_path, motions={'p_0000': ArrayData(np.ones(3))},
                parameters=Dict(OF_RUN),
            )  # fmt: skip
        job = {**INS, 'motions': {'p_0000': {'file': 'a.npz', 'record': {}}}, 'mesh': [2, 2, 2]}
        (tmp_path / 'a.npz').touch()
        with pytest.raises(JobFileError, match='`mesh` belong to force constants'):
            ins_stage.check_job(job, tmp_path)


def motion():
    """One hydrogen atom, five energies."""
    node = ArrayData()
    node.set_array('motion_tensor', np.ones((3, 1, 6, 5), dtype=np.float32))
    node.set_array('motion_masses', np.array([1.008]))
    record = {
        'symbols': ['H'], 'labels': ['H'], 'total_mass': 8.064, 'bin_width': 2.5, 'last': 4,
        'resolution': 10.0, 'timestep_fs': 0.5, 'n_copies': 8,
    }  # fmt: skip
    node.base.attributes.set('motion', record)
    return node


class TestAnalyse:
    def test_job_with_reference(self, tmp_path):
        nodes = {'base': force_constants(seed=1), 'finetuned': force_constants(seed=2)}
        job, files = prepare(
            AnalyseCalculation,
            tmp_path,
            phonons={name: {'p_0000': node} for name, node in nodes.items()},
            reference=dataset(2, prefix='fp'),
            reference_structures={'p_0000': structure(), 'p_1000': structure(a=4.4)},
            settings=Dict({'symprec': 1e-3}),
        )
        assert files == []
        assert set(job) == {
            'schema', 'stage', 'phonons', 'reference', 'reference_structures',
            'reference_phonons', 'strained', 'settings',
        }  # fmt: skip
        for name, node in nodes.items():
            same_phonons(tmp_path / job['phonons'][name]['p_0000'], node)
        assert len(read_labelled(tmp_path / job['reference'])) == 2
        assert set(job['reference_structures']) == {'p_0000', 'p_1000'}
        assert job['settings'] == {'symprec': 1e-3}

    def test_job_without_reference(self, tmp_path):
        job, _ = prepare(
            AnalyseCalculation,
            tmp_path,
            phonons={'base': {'p_0000': force_constants()}},
            settings=Dict({}),
        )
        assert job['reference'] is None
        assert job['reference_structures'] == {}
        assert job['reference_phonons'] == {}

    def test_job_with_force_constants_of_dft(self, tmp_path):
        """A potential may have any name, and no file takes another's place."""
        nodes = {seed: force_constants(seed=seed) for seed in (1, 2)}
        job, _ = prepare(
            AnalyseCalculation,
            tmp_path,
            phonons={'reference_phonons': {'p_0000': nodes[1]}},
            reference_phonons={'p_0000': nodes[2]},
            settings=Dict({}),
        )
        assert job['reference'] is None
        same_phonons(tmp_path / job['reference_phonons']['p_0000'], nodes[2])
        same_phonons(tmp_path / job['phonons']['reference_phonons']['p_0000'], nodes[1])

    def test_job_with_strained_states(self, tmp_path):
        node = force_constants(seed=3)
        inputs = {
            'phonons': {'base': {'p_0000': force_constants(), 'p_1000': force_constants()}},
            'settings': Dict({}),
        }
        job, _ = prepare(
            AnalyseCalculation, tmp_path, strained={'base': {'p_1000': node}}, **inputs
        )
        same_phonons(tmp_path / job['strained']['base']['p_1000'], node)
        message = refusal(AnalyseCalculation, strained={'bass': {'p_1000': node}}, **inputs)
        assert '`strained` names bass' in message

    def test_born_charges_reach_the_job(self, tmp_path):
        """Euphonic's and phonopy's files need charges, dielectric tensor and unit alike."""
        node = force_constants(seed=4)
        charges = np.array([2.0] * 2 + [-1.0] * 4)[:, None, None] * np.eye(3)
        node.set_born_charges(charges)
        node.set_dielectric(2.4 * np.eye(3))
        job, _ = prepare(
            AnalyseCalculation, tmp_path, phonons={'base': {'p_0000': node}}, settings=Dict({})
        )
        path = tmp_path / job['phonons']['base']['p_0000']
        read = load_force_constants(path).nac_params
        np.testing.assert_allclose(read['born'], charges, atol=1e-8)
        np.testing.assert_allclose(read['dielectric'], 2.4 * np.eye(3), atol=1e-8)
        assert read['factor'] == pytest.approx(14.399652, rel=1e-6)
        seen = open_modes(path, mesh=(2, 2, 2)).force_constants
        np.testing.assert_allclose(seen.born.to('e').magnitude, charges, atol=1e-8)

    def test_two_references_are_refused(self):
        message = refusal(
            AnalyseCalculation,
            phonons={'base': {'p_0000': force_constants()}},
            reference=dataset(2),
            reference_structures={'p_0000': structure()},
            reference_phonons={'p_0000': force_constants()},
            settings=Dict({}),
        )
        assert 'give one' in message

    def test_reference_without_structures_is_refused(self):
        message = refusal(
            AnalyseCalculation,
            phonons={'base': {'p_0000': force_constants()}},
            reference=dataset(2),
            settings=Dict({}),
        )
        assert '`reference` needs `reference_structures`' in message

    def test_pool_as_reference_is_refused(self):
        message = refusal(
            AnalyseCalculation,
            phonons={'base': {'p_0000': force_constants()}},
            reference=dataset(2, labelled=False),
            settings=Dict({}),
        )
        assert 'pool without labels' in message


def test_job_file_is_plain_json(tmp_path):
    prepare(SampleCalculation, tmp_path, **sampling())
    text = (tmp_path / 'job.json').read_text()
    assert 'NaN' not in text
    assert json.loads(text)['schema'] == 1
