"""Splits and filters: nothing is lost or in two parts, the seed decides, shares are kept."""

from collections import Counter

import numpy as np
import pytest
from ase import Atoms
from hypothesis import assume, given
from hypothesis import strategies as st

from aiida_insbench.science.dataset_filter import FrameFilter, filter_frames, frame_filter
from aiida_insbench.science.dataset_split import apportion, split_frames
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import is_gas_phase, is_isolated_atom, target_pressure_of

METHODS = ('strain-rattle', 'thermal')


def frame(name, *, pressure=0.0, method='strain-rattle', atoms='Mg2', energy=-1.0, force=0.1):
    box = 20.0 if len(Atoms(atoms)) == 1 else 4.0
    made = Atoms(atoms, positions=np.arange(3.0 * len(Atoms(atoms))).reshape(-1, 3), pbc=True)
    made.set_cell([box] * 3)
    made.info |= {'frame_id': name, 'method': method, 'REF_energy': energy * len(made)}
    made.info |= {'REF_stress': np.zeros(6)}
    if pressure is not None:
        made.info['target_pressure'] = pressure
    made.arrays['REF_forces'] = np.zeros((len(made), 3))
    made.arrays['REF_forces'][0, 0] = force
    return made


def frames(kinds):
    return [
        frame(f'f_{index}', pressure=float(pressure), method=METHODS[method])
        for index, (pressure, method) in enumerate(kinds)
    ]


def names(part):
    return [one.info['frame_id'] for one in part]


kinds = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 1)), min_size=4, max_size=40)


class TestSplit:
    @given(
        kinds=kinds,
        share=st.floats(0.05, 0.45),
        test=st.floats(0.05, 0.45),
        seed=st.integers(0, 9),
        strata=st.sets(st.sampled_from(('pressure', 'method'))),
    )
    def test_partition(self, kinds, share, test, seed, strata):
        given = frames(kinds)
        assume(round(share * len(given)) and round(test * len(given)))
        parts = split_frames(given, seed=seed, validation=share, test=test, stratify=sorted(strata))
        together = [name for part in parts.values() for name in names(part)]
        assert sorted(together) == sorted(names(given))
        assert len(parts['validation']) == round(share * len(given))
        assert len(parts['test']) == round(test * len(given))
        for part in parts.values():  # in the order given
            assert names(part) == [n for n in names(given) if n in set(names(part))]

    @given(kinds=kinds, seed=st.integers(0, 9))
    def test_seed_decides(self, kinds, seed):
        first, second = (split_frames(frames(kinds), seed=seed, validation=0.4) for _ in range(2))
        assert {k: names(v) for k, v in first.items()} == {k: names(v) for k, v in second.items()}

    def test_other_seed_other_frames(self):
        given = frames([(0, 0)] * 20)
        drawn = {
            tuple(names(split_frames(given, seed=s, validation=5)['validation'])) for s in range(9)
        }
        assert len(drawn) == 9

    @given(kinds=kinds, share=st.floats(0.1, 0.5), seed=st.integers(0, 9))
    def test_strata_have_their_share(self, kinds, share, seed):
        given = frames(kinds)
        assume(0 < round(share * len(given)) < len(given))
        drawn = split_frames(given, seed=seed, validation=share, stratify=('pressure', 'method'))[
            'validation'
        ]
        sizes, taken = (
            Counter((f.info['target_pressure'], f.info['method']) for f in part)
            for part in (given, drawn)
        )
        for kind, size in sizes.items():
            assert abs(taken[kind] - len(drawn) * size / len(given)) < 1

    @given(kinds=kinds, held=st.integers(0, 2), seed=st.integers(0, 9))
    def test_a_whole_pressure_is_held_out(self, kinds, held, seed):
        given = frames(kinds)
        there = [f for f in given if f.info['target_pressure'] == held]
        assume(there)
        assume(len(given) - len(there) > 2)
        parts = split_frames(
            given, seed=seed, validation=1, test=0, held_out_pressures=[float(held)]
        )
        assert names(parts['test']) == names(there)
        for name in ('training', 'validation'):
            assert all(f.info['target_pressure'] != held for f in parts[name])

    @given(kinds=kinds, seed=st.integers(0, 9))
    def test_isolated_atoms_stay_in_training(self, kinds, seed):
        atom = frame('atom', atoms='H', method='isolated-atom', pressure=None)
        parts = split_frames([atom, *frames(kinds)], seed=seed, validation=len(kinds) - 1)
        assert names(parts['training'])[0] == 'atom'
        assert len(parts['training']) == 2

    def test_held_out_pressure_leaves_the_gas_phase(self):
        molecule = frame('mol', method='molecule')
        molecule.info['gas_phase'] = True
        given = [*frames([(0, 0), (1, 0), (1, 0), (1, 0)]), molecule]
        parts = split_frames(given, seed=0, validation=0, held_out_pressures=[0.0])
        assert names(parts['test']) == ['f_0']
        assert 'validation' not in parts

    @pytest.mark.parametrize(
        ('options', 'said'),
        [
            ({'validation': 0}, '0 validation frames cannot be taken from 4'),
            ({'validation': 4}, '4 validation frames cannot be taken from 4'),
            ({'validation': 1.5}, '1.5 validation frames'),
            ({'validation': 0.01}, '0.01 validation frames'),
            ({'validation': 2, 'test': 2}, 'leave none of 4'),
            ({'validation': 1, 'held_out_pressures': [3.0]}, r'for 3 GPa.*There are 0, 1\.'),
            ({'validation': 1, 'stratify': ['colour']}, 'holds colour'),
            ({'validation': 0, 'held_out_pressures': [0.0, 1.0]}, 'is left to train on'),
        ],
    )
    def test_refused(self, options, said):
        with pytest.raises(DatasetError, match=said):
            split_frames(frames([(0, 0), (0, 0), (1, 0), (1, 0)]), seed=0, **options)


def test_what_stands_under_no_pressure():
    """A crystal may have one atom in its cell; a box is longer than 6 Å."""
    aluminium = Atoms('Al', cell=[[0, 2, 2], [2, 0, 2], [2, 2, 0]], pbc=True)
    boxed = Atoms('Al', cell=[12, 12, 12], pbc=True)
    molecule = Atoms('H2', [[0, 0, 0], [0, 0, 0.74]], cell=[8, 8, 8], pbc=True)
    for atoms in (aluminium, boxed, molecule):
        atoms.info['target_pressure'] = 2.0
    assert [is_isolated_atom(atoms) for atoms in (aluminium, boxed, molecule)] == [0, 1, 0]
    assert [target_pressure_of(atoms) for atoms in (aluminium, boxed, molecule)] == [2.0, None, 2.0]
    molecule.info['gas_phase'] = True
    assert is_gas_phase(molecule)
    assert target_pressure_of(molecule) is None


class TestApportion:
    @given(sizes=st.lists(st.integers(0, 50), min_size=1, max_size=6), data=st.data())
    def test_adds_up_and_fits(self, sizes, data):
        total = data.draw(st.integers(0, sum(sizes)))
        shares = apportion(total, sizes)
        assert sum(shares) == total
        for share, size in zip(shares, sizes, strict=True):
            assert share <= size
            assert abs(share * sum(sizes) - total * size) < max(sum(sizes), 1)

    def test_by_hand(self):
        assert apportion(5, [6, 3, 1]) == [3, 2, 0]


class TestFilter:
    several = (
        frame('a', pressure=0.0, energy=-2.0, force=1.0),
        frame('b', pressure=1.0, energy=-1.7, force=5.0, method='thermal'),
        frame('c', pressure=2.0, energy=-1.0, force=2.0, atoms='MgH'),
        frame('d', pressure=None, energy=-1.9, force=0.5),
    )

    @pytest.mark.parametrize(
        ('settings', 'kept', 'why'),
        [
            ({'pressure_range': [0, 1]}, 'ab', {'c': 'target pressure 2 GPa',
                                                'd': 'no target pressure on record'}),
            ({'methods': ['thermal']}, 'b', {'a': 'method strain-rattle'}),
            ({'max_force': 2.0}, 'acd', {'b': 'a force of 5.00 eV/Å'}),
            ({'energy_window': 0.2}, 'acd',
             {'b': '0.300 eV/atom above the lowest of its composition'}),
            ({'elements': ['Mg']}, 'abd', {'c': 'holds H'}),
            ({'frame_ids': ['b', 'd']}, 'bd', {'a': 'not chosen by name'}),
            ({'without': ['a']}, 'bcd', {'a': 'not chosen by name'}),
            ({'max_force': 2.0, 'methods': ['strain-rattle']}, 'acd',
             {'b': 'method thermal; a force of 5.00 eV/Å'}),
        ],
    )  # fmt: skip
    def test_rules(self, settings, kept, why):
        found, removed = filter_frames(self.several, frame_filter(settings))
        assert ''.join(names(found)) == kept
        assert set(removed) == set('abcd') - set(kept)
        assert why.items() <= removed.items()

    def test_gas_phase_stands_under_no_pressure(self):
        molecule = frame('mol', pressure=0.0)
        molecule.info['gas_phase'] = True
        kept, _ = filter_frames([molecule, *self.several], FrameFilter(pressure_range=(1.0, 2.0)))
        assert names(kept) == ['mol', 'b', 'c']

    @given(limits=st.lists(st.floats(0.6, 6), min_size=2, max_size=2).map(sorted))
    def test_a_wider_filter_keeps_more(self, limits):
        low, high = (
            set(names(filter_frames(self.several, FrameFilter(max_force=x))[0])) for x in limits
        )
        assert low <= high

    @pytest.mark.parametrize(
        ('settings', 'said'),
        [
            ({}, 'Nothing to filter by'),
            ({'colour': 1}, 'Unknown: colour'),
            ({'pressure_range': [2, 1]}, 'wrong way round'),
            ({'max_force': 0}, 'above 0'),
            ({'max_force': 0.01}, 'No frame is left of 4'),
            ({'frame_ids': ['z']}, 'No frame is called z'),
        ],
    )
    def test_refused(self, settings, said):
        with pytest.raises(DatasetError, match=said):
            filter_frames(self.several, frame_filter(settings))

    def test_pool_has_no_forces(self):
        bare = frame('a')
        del bare.info['REF_energy']
        with pytest.raises(DatasetError, match='Frame a has no labels'):
            filter_frames([bare], FrameFilter(max_force=1.0))
