"""Estimates of jobs, by counts made by hand and measured numbers; what is asked for from them."""

from types import SimpleNamespace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from small_mace import HYPERPARAMETERS

from aiida_insbench.jobs.phonon_task import DEFAULTS
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.job_estimates import (
    GUESS,
    JobEstimate,
    MaceSize,
    edges_by_density,
    evaluate_estimate,
    largest_of,
    md_estimate,
    phonons_estimate,
    train_estimate,
)
from aiida_insbench.science.job_requests import WantedOptions, read_options, request_for
from aiida_insbench.science.memory_estimate import memory_of_phonons

MAGNESIA = bulk('MgO', 'rocksalt', a=4.21)
MODEL = MaceSize(cutoff=5.0, hidden_irreps='64x0e+64x1o', max_ell=3)
#: Channels, max_ell, max_L; seconds of forces and of a training step, measured, of an edge.
MEASURED = [
    (16, 1, 0, 3.5e-6, None),
    (32, 2, 0, 5.0e-6, 111e-6),
    (64, 3, 0, 15e-6, 266e-6),
    (128, 3, 0, 22e-6, None),
    (32, 2, 1, 34e-6, 173e-6),
    (64, 3, 1, 198e-6, 613e-6),
    (128, 3, 1, 339e-6, 1400e-6),
    (64, 3, 2, 357e-6, None),
]


def size(channels, max_ell, max_l):
    return MaceSize.of_settings(
        {'r_max': 5.0, 'num_channels': channels, 'max_L': max_l, 'max_ell': max_ell}
    )


@pytest.mark.parametrize(('channels', 'max_ell', 'max_l', 'forces', 'training'), MEASURED)
def test_bounds_of_measured_times(channels, max_ell, max_l, forces, training):
    """Not below what was measured, and not above four times it."""
    model, edges = size(channels, max_ell, max_l), 1e5
    found = (model.call_seconds(edges) - model.call_seconds(0)) / edges
    assert forces <= found * 1.01 <= 4 * forces
    if training:
        settings = {'max_epochs': 100, 'batch_size': 1}
        one, two = (
            train_estimate(edges=times * edges, largest=1, model=model, settings=settings).seconds
            for times in (1, 2)
        )
        assert training <= (two - one) / (100 * edges) <= 2 * training


def test_size_of_settings_and_of_a_potential():
    assert size(32, 2, 1).hidden_irreps == '32x0e+32x1o'
    known = SimpleNamespace(flavour='mace', cutoff=3.5, hyperparameters=HYPERPARAMETERS)
    assert MaceSize.of_potential(known) == MaceSize(3.5, '4x0e', 1)
    assert MaceSize.of_potential(SimpleNamespace(flavour='ase')) is None


def test_edges_by_density():
    assert edges_by_density(MAGNESIA, 5.0) == pytest.approx(MODEL.edges(MAGNESIA), rel=0.05)
    water = Atoms('OH2', [[0, 0, 0], [0.76, 0.59, 0], [-0.76, 0.59, 0]], cell=[12] * 3, pbc=True)
    water.info['gas_phase'] = True
    assert edges_by_density(water, 5.0) == 6 == MODEL.edges(water)


def phonons(matrix=3, pressures=2, **settings):
    return phonons_estimate(
        atoms=MAGNESIA,
        supercell_matrix=matrix * np.eye(3),
        model=MODEL,
        pressures=pressures,
        settings={**DEFAULTS, **settings},
    )


def test_calls_of_phonons_by_hand():
    """13 supercells (6 coordinates twice, and one at rest) and 500 steps at each pressure."""
    edges = MODEL.edges(MAGNESIA)
    one = 500 * MODEL.call_seconds(edges) + 13 * MODEL.call_seconds(27 * edges)
    assert phonons(pressures=5).seconds - phonons(pressures=2).seconds == pytest.approx(3 * one)
    known = SimpleNamespace(
        flavour='mace',
        cutoff=5.0,
        hyperparameters={'hidden_irreps': MODEL.hidden_irreps, 'max_ell': MODEL.max_ell},
    )
    wanted = memory_of_phonons(atoms=MAGNESIA, supercell_matrix=3 * np.eye(3), metadata=known)
    assert phonons().least_bytes == pytest.approx(wanted)


@pytest.mark.parametrize(
    'more',
    [
        {'adaptive_overlap': 0.5},
        {'sweep': 'both'},
        {'strained': True},
        {'imaginary': 'follow'},
        {'cell_policy': 'vibrational'},
        {'check_supercell': True},
        {'max_steps': 1000},
    ],
)
def test_what_makes_phonons_longer(more):
    assert phonons(**more).seconds > phonons().seconds
    assert (phonons(**more).memory_bytes > phonons().memory_bytes) is ('check_supercell' in more)


def test_steps_of_dynamics_by_hand():
    """Magnesium and oxygen: 1.95 fs; 2 ps are 1026 steps; three runs on two processes are two."""

    def estimate(processes):
        return md_estimate(
            atoms=MAGNESIA,
            supercell_matrix=2 * np.eye(3),
            model=MODEL,
            crystals=1,
            settings={
                'length': 1.5,
                'equilibration': 0.5,
                'timestep': 0.0,
                'ensembles': ['nve', 'nvt', 'npt'],
                'processes': processes,
            },
        )

    run = 1026 * MODEL.call_seconds(8 * MODEL.edges(MAGNESIA))
    # the job starts once, each process for each of its runs
    assert estimate(2).seconds == pytest.approx(60 + 2 * (60 + run))
    assert estimate(1).seconds - estimate(3).seconds == pytest.approx(2 * (60 + run))
    assert estimate(2).memory_bytes > 1.4 * estimate(1).memory_bytes


def test_batches_and_members():
    settings = {'max_epochs': 1, 'batch_size': 1}
    one, four = (
        train_estimate(
            edges=1e4, largest=1e3, model=MODEL, settings={**settings, 'batch_size': batch}
        )
        for batch in (1, 4)
    )
    assert four.seconds == one.seconds
    assert four.memory_bytes - one.memory_bytes == pytest.approx(3e3 * 4.5 * MODEL.mace_edge_bytes)
    alone, three = (
        evaluate_estimate(frames=10, largest=1e3, model=MODEL, members=n) for n in (1, 3)
    )
    assert three.seconds - alone.seconds == pytest.approx(20 * MODEL.call_seconds(1e3))


def test_largest_of_several():
    first, second = JobEstimate(10, 5e9), JobEstimate(20, 1e9, 2e8)
    assert largest_of([first, second]) == JobEstimate(20, 5e9, 2e8)
    assert largest_of([first, None]) is None
    assert largest_of([]) is None


HOUR = 3600
ESTIMATE = JobEstimate(seconds=5 * HOUR, memory_bytes=4e9, least_bytes=3e9)


class TestRequest:
    def test_safety_and_rounding(self):
        """10 h; 6 GB are 5 859 375 kB, twelve times 512 MiB."""
        found = request_for(ESTIMATE, WantedOptions(), stage='phonons')
        assert (found.walltime, found.memory, found.warnings) == (10 * HOUR, 12 * 512 * 1024, ())

    def test_floor_and_steps(self):
        small = JobEstimate(seconds=1, memory_bytes=1)
        found = request_for(small, WantedOptions(), stage='fit')
        assert (found.walltime, found.memory) == (1800, 2 * 1024**2)
        found = request_for(small, WantedOptions(), stage='pw', walltime_step=4 * HOUR)
        assert found.walltime == 4 * HOUR

    def test_never_beyond_a_limit(self):
        wanted = WantedOptions(longest=6 * HOUR)
        found = request_for(ESTIMATE, wanted, stage='phonons', most_memory=4_000_000)
        assert (found.walltime, found.memory, found.warnings) == (6 * HOUR, 4_000_000, ())
        found = request_for(ESTIMATE, WantedOptions(longest=HOUR), stage='phonons')
        assert found.walltime == HOUR
        assert found.warnings == ('phonons: 1 h of walltime; up to 5 h are expected on one core.',)

    def test_a_user_wins_and_is_warned(self):
        wanted = WantedOptions(walltime=600, memory=3_500_000, longest=60)
        found = request_for(ESTIMATE, wanted, stage='train')
        assert (found.walltime, found.memory) == (600, 3_500_000)
        assert [text.split(';')[0] for text in found.warnings] == [
            'train: 0.167 h of walltime',
            'train: 3.58 GB of memory',
        ]

    @pytest.mark.parametrize('options', [{'wanted': WantedOptions(memory=1000)},
                                         {'most_memory': 1000}])  # fmt: skip
    def test_less_than_the_stage_begins_with(self, options):
        with pytest.raises(InputError, match=r'0\.00102 GB of memory; .* less than 3 GB'):
            request_for(ESTIMATE, stage='phonons', **{'wanted': WantedOptions(), **options})

    def test_nobody_is_warned_by_a_guess(self):
        wanted = WantedOptions(walltime=60, memory=1000)
        assert request_for(GUESS, wanted, stage='ins').warnings == ()

    def test_nothing_known_nothing_asked(self):
        found = request_for(None, WantedOptions(memory=7, longest=9), stage='md')
        assert (found.walltime, found.memory) == (None, 7)

    @given(
        seconds=st.floats(0, 1e7),
        memory=st.floats(0, 1e13),
        longest=st.integers(1, 10**8),
        most=st.integers(1, 10**11),
    )
    def test_between_estimate_and_limit(self, seconds, memory, longest, most):
        found = request_for(
            JobEstimate(seconds, memory),
            WantedOptions(longest=longest),
            stage='train',
            most_memory=most,
        )
        assert found.walltime <= longest
        assert found.memory <= most
        assert found.walltime >= seconds or found.walltime == longest
        assert found.memory * 1024 >= memory or found.memory == most


class TestOptions:
    def test_units(self):
        found = read_options(
            {'walltime': '1.5 h', 'longest': '2d', 'memory': '16 GB', 'gpus': 1, 'account': 'a'},
            where='options.train',
        )
        assert found == WantedOptions(5400, 172800, 15625000, 1, {'account': 'a'})
        assert read_options({'memory': '2 GiB'}, where='').memory == 2 * 1024**2

    def test_names_of_aiida(self):
        found = read_options({'max_wallclock_seconds': 60, 'max_memory_kb': 5}, where='')
        assert found == WantedOptions(walltime=60, memory=5)

    @pytest.mark.parametrize(
        ('given', 'message'),
        [
            ({'walltime': '-1 h'}, "walltime` is '-1 h'; give a number above 0"),
            ({'walltime': '0 h'}, 'above 0'),
            ({'walltime': '3 weeks'}, 'one of s, min, h, d'),
            ({'walltime': 3600}, 'its unit'),
            ({'walltime': '1.2.3 h'}, 'its unit'),
            ({'memory': '16 gb'}, 'one of MB, GB, TB, MiB, GiB, TiB'),
            ({'memory': '1e999 GB'}, 'above 0'),
            ({'longest': None, 'memory': True}, 'memory` is True'),
            ({'max_wallclock_seconds': -5}, 'max_wallclock_seconds` is -5; give a whole number'),
            ({'max_memory_kb': 1.5}, 'max_memory_kb` is 1.5'),
            ({'walltime': '1 h', 'max_wallclock_seconds': 3600}, 'has both'),
            ({'gpus': 2}, 'uses one GPU or none'),
            ({'gpus': True}, 'gpus` is True'),
        ],
    )
    def test_refused(self, given, message):
        with pytest.raises(InputError, match=r'options\.md') as caught:
            read_options(given, where='options.md')
        assert message in str(caught.value)
