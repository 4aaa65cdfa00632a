"""What builders ask a queue for: a Slurm that is only configured, beside a computer without one."""

import warnings

import numpy as np
import pytest
from aiida.orm import Computer, Dict, InstalledCode, QueryBuilder, StructureData
from ase.build import bulk
from fake_nodes import code, dataset, job, potential, pseudo, pw_code, structure
from small_mace import HYPERPARAMETERS

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.data import PotentialData
from aiida_insbench.jobs import phonon_task
from aiida_insbench.science.ase_calculators import potential_from_ase
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.job_estimates import MaceSize, phonons_estimate
from aiida_insbench.science.label_plan import plan_cost, plan_frame
from aiida_insbench.workflows.benchmark import BenchmarkWorkChain
from aiida_insbench.workflows.campaign import CampaignWorkChain
from aiida_insbench.workflows.finetune import FinetuneWorkChain
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.protocols.pw_estimates import costliest_kinds, unit_frame
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.validate import ValidateWorkChain

#: Of a model whose phonons take hours.
LARGE = {**HYPERPARAMETERS, 'hidden_irreps': '128x0e+128x1o', 'max_ell': 3}
GB = 1e9 / 1024  # kB
GPU_LINE = '#SBATCH --gres=gpu:1'


def queued_code(scheduler='core.slurm', label='insbench-job', plugin='insbench.phonons'):
    name = scheduler.replace('.', '-')
    found = QueryBuilder().append(Computer, filters={'label': name}).first(flat=True)
    computer = found or Computer(
        label=name,
        hostname='localhost',
        workdir='/nowhere',
        transport_type='core.local',
        scheduler_type=scheduler,
    )
    return InstalledCode(
        label=label,
        computer=computer.store(),
        filepath_executable=f'/nowhere/{label}',
        default_calc_job_plugin=plugin,
    )


def phonons(options=None, *, by=None, **given):
    overrides = {'phonons': given.pop('phonons', {}), 'options': options or {}}
    return PhononsWorkChain.get_builder_from_protocol(
        by or queued_code(),
        potential(hyperparameters=LARGE),
        structure(),
        [0, 1],
        protocol='fast',
        overrides=overrides,
        **given,
    )


def options_of(builder):
    return dict(builder.phonons.metadata.options)


def campaign(options=None, *, by=None, pw=None, **given):
    return CampaignWorkChain.get_builder_from_protocol(
        pw or pw_code(),
        by or queued_code(),
        structure(),
        [0, 1],
        pseudos={element: pseudo(element) for element in ('Mg', 'H')},
        cutoffs=(50.0, 200.0),
        overrides={'options': options or {}},
        **given,
    )


def estimate_of(builder):
    return phonons_estimate(
        atoms=structure().get_ase(),
        supercell_matrix=builder.phonons.supercell_matrix.get_list(),
        model=MaceSize.of_potential(potential(hyperparameters=LARGE).get_metadata()),
        pressures=2,
        settings={**phonon_task.DEFAULTS, **builder.phonons.settings.get_dict()},
    )


class TestPhonons:
    def test_twice_the_time_and_half_as_much_memory_again(self):
        builder = phonons(phonons={'minimum_image_distance': 20.0})
        found, estimate = options_of(builder), estimate_of(builder)
        assert 0 <= found['max_wallclock_seconds'] - 2 * estimate.seconds < 900
        spare = found['max_memory_kb'] - 1.5 * estimate.memory_bytes / 1024
        assert spare >= 0
        assert found['max_memory_kb'] == 2 * 1024**2 or spare < 512 * 1024

    def test_a_larger_supercell_asks_for_more(self):
        larger = phonons(phonons={'minimum_image_distance': 30.0})
        found = [options_of(builder) for builder in (phonons(), larger)]
        for name in ('max_wallclock_seconds', 'max_memory_kb'):
            assert found[0][name] < found[1][name]

    def test_nothing_without_a_queue(self):
        found = {name for name, value in options_of(phonons(by=code())).items() if value}
        assert found == {'resources', 'environment_variables'}

    def test_a_user_speaks_without_a_queue_too(self):
        found = options_of(phonons({'phonons': {'walltime': '2 h'}}, by=code()))
        assert found['max_wallclock_seconds'] == 7200
        assert 'max_memory_kb' not in found

    def test_a_user_wins(self):
        wanted = {
            'all': {'walltime': '30 h', 'account': 'neutrons', 'queue_name': 'cpu'},
            'phonons': {'memory': '64 GB', 'queue_name': 'large'},
        }
        found = options_of(phonons(wanted))
        assert found['max_wallclock_seconds'] == 108000
        assert found['max_memory_kb'] == pytest.approx(64 * GB)
        assert (found['account'], found['queue_name']) == ('neutrons', 'large')

    def test_a_user_is_warned(self):
        with pytest.warns(UserWarning, match=r'phonons: .* h of walltime; up to .* h are expected'):
            found = options_of(phonons({'phonons': {'walltime': '1 s'}}))
        assert found['max_wallclock_seconds'] == 1

    def test_limit_of_the_queue(self):
        large = {'minimum_image_distance': 60.0}
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            found = options_of(phonons({'all': {'longest': '1 h'}}, phonons=large))
        assert found['max_wallclock_seconds'] == 3600

    def test_memory_in_which_the_job_would_not_begin(self):
        large = {'minimum_image_distance': 30.0}
        with pytest.raises(InputError, match=r'phonons: 0\.001 GB of memory; the job would refuse'):
            phonons({'phonons': {'memory': '1 MB'}}, phonons=large)

    def test_memory_of_the_nodes(self):
        by = queued_code()
        by.computer.set_default_memory_per_machine(1000)
        with pytest.raises(InputError, match='the job would refuse to begin'):
            phonons(by=by, phonons={'minimum_image_distance': 30.0})
        by.computer.set_default_memory_per_machine(None)

    def test_cores_as_many_as_threads(self):
        assert 'num_cores_per_mpiproc' not in options_of(phonons())['resources']
        assert options_of(phonons(threads=4))['resources']['num_cores_per_mpiproc'] == 4
        assert 'num_cores_per_mpiproc' not in options_of(phonons(by=code(), threads=4))['resources']
        given = {'num_machines': 1, 'num_mpiprocs_per_machine': 1, 'num_cores_per_mpiproc': 2}
        wanted = {'phonons': {'resources': given}}
        assert options_of(phonons(wanted, threads=4))['resources'] == given

    def test_variables_are_added(self):
        wanted = {'all': {'environment_variables': {'A': 'b'}}}
        found = options_of(phonons(wanted, threads=2))['environment_variables']
        assert found == {'OMP_NUM_THREADS': '2', 'INSBENCH_SLOTS': '2', 'A': 'b'}

    def test_settings_of_an_earlier_run_hold_beside_options(self, monkeypatch):
        from aiida_insbench.workflows.protocols import phonons as module

        class Earlier:
            inputs = phonons(phonons={'fmax': 0.5})

        monkeypatch.setattr(module, '_outputs_of', lambda _: {})
        for overrides, fmax in (({'options': {'all': {'qos': 'long'}}}, 0.5),
                                ({'phonons': {'fmax': 0.2}}, 0.2)):  # fmt: skip
            builder = PhononsWorkChain.get_builder_from_protocol(
                queued_code(), potential(), None, [0], previous=Earlier, overrides=overrides
            )
            assert builder.phonons.settings['fmax'] == fmax


class TestGpu:
    def test_slurm_is_asked_and_the_job_computes_there(self):
        builder = phonons({'all': {'gpus': 1}})
        assert options_of(builder)['custom_scheduler_commands'] == GPU_LINE
        assert builder.phonons.settings['device'] == 'cuda'

    def test_none_unless_asked_for(self):
        builder = phonons({'all': {'gpus': 1}, 'phonons': {'gpus': 0}})
        assert 'custom_scheduler_commands' not in options_of(builder)
        assert 'device' not in builder.phonons.settings.get_dict()

    def test_beside_other_lines(self):
        line = '#SBATCH --constraint=a100'
        builder = phonons({'phonons': {'gpus': 1, 'custom_scheduler_commands': line}})
        assert options_of(builder)['custom_scheduler_commands'] == f'{line}\n{GPU_LINE}'

    def test_a_device_that_is_said(self):
        builder = phonons({'all': {'gpus': 1}}, phonons={'device': 'auto'})
        assert builder.phonons.settings['device'] == 'auto'
        with pytest.raises(InputError, match='asks for a GPU, but `device` of the settings is cpu'):
            phonons({'all': {'gpus': 1}}, phonons={'device': 'cpu'})

    def test_other_schedulers(self):
        with pytest.raises(InputError, match=r'how core\.pbspro is asked for a GPU is not known'):
            phonons({'all': {'gpus': 1}}, by=queued_code('core.pbspro'))
        wanted = {'phonons': {'gpus': 1, 'custom_scheduler_commands': '#PBS -l ngpus=1'}}
        builder = phonons(wanted, by=queued_code('core.pbspro'))
        assert options_of(builder)['custom_scheduler_commands'] == '#PBS -l ngpus=1'
        direct = phonons({'all': {'gpus': 1}}, by=code())
        assert 'custom_scheduler_commands' not in options_of(direct)
        assert direct.phonons.settings['device'] == 'cuda'

    def test_of_a_training_and_what_follows_it(self):
        builder = FinetuneWorkChain.get_builder_from_protocol(
            queued_code(), dataset(), dataset(), overrides={'options': {'all': {'gpus': 1}}}
        )
        for one in (builder.training.train, builder.evaluate.evaluate):
            assert one.settings['device'] == 'cuda'
            assert one.metadata.options.custom_scheduler_commands == GPU_LINE


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'phonon': {}}, '`options` names phonon, no stage'),
        ({'ins': {'gpus': 1}}, 'uses no GPU of its own accord'),
        ({'pw': {'walltime': '-2 h'}}, r'`options\.pw\.walltime` is .-2 h.'),
        ({'phonons': {'colour': 'red'}}, r'`options\.phonons\.colour`: Unknown builder parameter'),
        ({'phonons': {'max_memory_kb': '3'}}, 'give a whole number'),
        ({'phonons': 3}, r'`options\.phonons` is 3'),
        (['gpus'], '`options` is .*give names and values'),
        ({'phonons': {'account': 3}}, r'`options\.phonons\.account`: '),
    ],
)
def test_refused(options, message):
    with pytest.raises(InputError, match=message):
        phonons(options)


class TestCampaign:
    def test_every_job_has_its_request(self):
        builder = campaign(protocol='balanced')
        jobs = {
            'train': builder.base_training.training.train,
            'tune': builder.fine_tuning.training.train,
            'phonons': builder.phonons.phonons,
            'ins': builder.ins.ins,
            'evaluate': builder.evaluate.evaluate,
            'analyse': builder.analyse.analyse,
            'sample': builder.first_round.sample.sample,
            'select': builder.later_rounds.select.select,
            'dynamics': builder.dynamics.md,
            'md': builder.validation.md.md,
            'judge': builder.validation.judge.validate,
            'fit': builder.reference.fit.fit,
        }
        hours = {}
        for name, one in jobs.items():
            options = dict(one.metadata.options)
            assert options['max_memory_kb'] >= 2 * 1024**2, name
            hours[name] = options['max_wallclock_seconds'] / 3600
        assert hours['train'] == hours['tune']
        assert hours['md'] > hours['dynamics']
        assert hours['fit'] == hours['ins'] == 8

    def test_more_epochs_take_longer(self):
        found = [
            campaign(protocol=name).base_training.training.train.metadata.options
            for name in ('fast', 'balanced')
        ]
        assert found[0].max_wallclock_seconds < found[1].max_wallclock_seconds

    def test_pw_in_steps_and_what_a_user_says(self):
        """Steps of 4 h: `max_seconds` is an input of pw.x, and an odd one would undo caching."""
        pw = queued_code(label='pw', plugin='quantumespresso.pw')
        builder, said = campaign(pw=pw), campaign({'pw': {'walltime': '3 h'}}, pw=pw)
        for name in ('relax', 'first_round', 'reference'):
            found, wanted = (
                (one.relax if name == 'relax' else one[name]['label']).pw_base.pw.metadata.options
                for one in (builder, said)
            )
            assert found.max_wallclock_seconds % (4 * 3600) == 0 < found.max_wallclock_seconds
            assert found.max_memory_kb >= 2 * 1024**2
            assert wanted.max_wallclock_seconds == 10800
        plain = campaign().relax.pw_base.pw.metadata.options
        assert 'max_wallclock_seconds' not in plain
        assert 'max_memory_kb' not in plain


class TestPw:
    def hours(self, **changes):
        given = {'protocol': 'balanced', 'ranks': 1, **changes}
        builder = ReferenceWorkChain.get_builder_from_protocol(
            queued_code(label='pw', plugin='quantumespresso.pw'),
            queued_code(),
            structure(),
            [0],
            pseudos={element: pseudo(element) for element in ('Mg', 'H')},
            cutoffs=(120.0, 480.0),
            **given,
        )
        return [
            one.pw_base.pw.metadata.options.max_wallclock_seconds / 3600
            for one in (builder.relax, builder.displacements)
        ]

    def test_relaxation_and_displaced_supercells(self):
        """Both by the counts of the estimate, tripled, doubled and rounded up to 4 h."""
        costs = [
            plan_cost(
                frame,
                plan_frame(frame, unit_mesh=[6, 6, 9]),
                cutoffs=(120.0, 480.0),
                valence={'Mg': 2.0, 'H': 2.0},
            ).core_seconds
            for frame in (
                unit_frame(structure().get_ase()),
                unit_frame(structure().get_ase(), np.diag([2, 2, 3]).tolist()),
            )
        ]
        wanted = [6 * 25 * costs[0] / 3600, 6 * costs[1] / 3600]
        assert self.hours() == [4 * np.ceil(hours / 4) for hours in wanted]

    def test_ranks_are_worth_half(self):
        one, eight = (self.hours(ranks=ranks)[1] for ranks in (1, 8))
        assert one / 4 <= eight <= one / 4 + 4

    def test_labels_of_the_costliest_frame(self):
        builder = LabelWorkChain.get_builder_from_protocol(
            queued_code(label='pw', plugin='quantumespresso.pw'),
            dataset(),
            pseudos={element: pseudo(element) for element in ('Mg', 'H')},
            cutoffs=(50.0, 200.0),
        )
        assert builder.pw_base.pw.metadata.options.max_wallclock_seconds == 4 * 3600

    def test_frames_by_kind(self):
        small, large = structure().get_ase(), structure(a=4.6).get_ase()
        doubled = unit_frame(small, np.diag([1, 1, 2]))
        found = costliest_kinds([small, large, small, doubled])
        assert sorted(len(frame) for frame in found) == [6, 12]
        assert found[0] is large


def test_campaign_that_knows_its_relaxed_crystal_alone():
    """Without a known committee its model is the one it will train."""
    plain, knowing = campaign(), campaign(known={'structure': structure()})
    for builder in (plain, knowing):
        assert builder.fine_tuning.training.train.metadata.options.max_wallclock_seconds > 0
    assert options_of(plain.phonons) == options_of(knowing.phonons)


def test_benchmark_of_the_slowest():
    def hours(committees):
        builder = BenchmarkWorkChain.get_builder_from_protocol(
            queued_code(),
            {'a': potential()},
            structure(),
            [0],
            committees=committees,
            overrides={'phonons': {'minimum_image_distance': 20.0}},
        )
        return builder.phonons.phonons.metadata.options.max_wallclock_seconds

    assert hours(None) < hours({'a': {'b': potential(hyperparameters=LARGE)}})


def test_other_potentials_ask_for_nothing():
    builder = ValidateWorkChain.get_builder_from_protocol(
        queued_code(),
        PotentialData.from_potential(potential_from_ase('emt')),
        [0],
        structure=StructureData(ase=bulk('Cu')),
    )
    for one in (builder.phonons.phonons, builder.md.md, builder.evaluate.evaluate):
        assert 'max_wallclock_seconds' not in one.metadata.options
    assert builder.judge.validate.metadata.options.max_wallclock_seconds == 8 * 3600


def test_requests_are_no_part_of_what_caching_compares():
    """The same job with another walltime and memory is the same; with a GPU it is another."""

    settings = Dict({'a': 1}).store()

    def hash_of(**options):
        return job(
            PhononsCalculation, inputs={'settings': settings}, options=options
        ).base.caching.compute_hash()

    assert hash_of() == hash_of(max_wallclock_seconds=60, max_memory_kb=5, account='a')
    assert hash_of() != hash_of(custom_scheduler_commands=GPU_LINE)
