"""Selection: choices against all choices, distances against their formula, copies against truth."""

import itertools

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from small_mace import mace_model

from aiida_insbench.science.errors import (
    ComputationError,
    DatasetError,
    InputError,
    StructureError,
)
from aiida_insbench.science.parity import Properties
from aiida_insbench.science.potentials import calculator, potential_from_mace
from aiida_insbench.science.selection.descriptors import Soap, mace_features, soap_features
from aiida_insbench.science.selection.disagreement import (
    force_disagreement,
    most_disputed,
    neutron_atom_weights,
)
from aiida_insbench.science.selection.duplicates import Tolerance, find_duplicates
from aiida_insbench.science.selection.environments import Environments, scaled_features
from aiida_insbench.science.selection.farthest_points import farthest_points, take_turns

pytestmark = pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')
POINTS = arrays(
    float, st.tuples(st.integers(4, 9), st.just(2)), elements=st.floats(-5, 5, width=16)
)


def crystal(seed=0, amplitude=0.05, repeat=(1, 1, 1)):
    """MgH in rock salt, as small as two elements get, rattled."""
    atoms = bulk('MgH', 'rocksalt', a=4.2, cubic=True).repeat(repeat)
    atoms.rattle(amplitude, seed=seed)
    return atoms


@pytest.fixture(scope='module')
def describers():
    potential = potential_from_mace(mace_model(), provenance={})
    engine = calculator(potential)
    return {
        'mace': lambda frames: mace_features(frames, calculator=engine),
        'soap': lambda frames: soap_features(frames, settings=Soap(r_cut=3.5, n_max=4, l_max=3)),
    }


def environments_of(frames, describe):
    numbers = np.concatenate([frame.numbers for frame in frames])
    return Environments(
        scaled_features(describe(frames), numbers), numbers, np.array([len(f) for f in frames])
    )


# farthest points


@given(points=POINTS, count=st.integers(1, 4), first=st.integers(0, 1000))
def test_never_worse_than_twice_the_best_choice(points, count, first):
    """Gonzalez' bound, against every choice there is."""
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    choice = farthest_points(
        distances_to=lambda i: apart[i], candidates=range(len(points)), count=count, seed=first
    )
    best = min(
        apart[list(some)].min(axis=0).max()
        for some in itertools.combinations(range(len(points)), count)
    )
    assert choice.nearest.max() <= 2 * best + 1e-9
    assert len(set(choice.order)) == count


@given(points=POINTS, first=st.integers(0, 1000))
def test_distances_fall_and_are_to_all_chosen_before(points, first):
    apart = np.linalg.norm(points[:, None] - points[None], axis=2)
    choice = farthest_points(
        distances_to=lambda i: apart[i],
        candidates=range(len(points)),
        count=len(points),
        seed=first,
    )
    assert choice.distances[0] == np.inf
    assert (np.diff(choice.distances[1:]) <= 1e-9).all()
    for step in range(1, len(points)):
        expected = apart[choice.order[step], choice.order[:step]].min()
        assert choice.distances[step] == pytest.approx(expected)


def test_goes_on_from_what_is_known():
    line = np.array([0.0, 1.0, 2.0, 5.0, 9.0])
    choice = farthest_points(
        distances_to=lambda i: np.abs(line - line[i]), candidates=[1, 2, 3, 4], count=2, known=[0]
    )
    assert choice.order == [4, 3]
    assert choice.distances == [9.0, 4.0]


def test_seed_draws_the_first_and_only_the_first():
    line = np.arange(50.0)
    firsts = {
        farthest_points(
            distances_to=lambda i: np.abs(line - line[i]), candidates=range(50), count=2, seed=seed
        ).order[0]
        for seed in range(8)
    }
    assert len(firsts) > 3
    orders = [
        farthest_points(
            distances_to=lambda i: np.abs(line - line[i]),
            candidates=range(1, 50),
            count=5,
            known=[0],
            seed=seed,
        ).order
        for seed in (1, 2)
    ]
    assert orders[0] == orders[1]


def test_more_than_there_are():
    with pytest.raises(InputError, match='3 of 2'):
        farthest_points(distances_to=lambda i: np.zeros(2), candidates=[0, 1], count=3)


@given(sizes=st.dictionaries(st.floats(-1, 9), st.integers(1, 6), min_size=1), data=st.data())
def test_strata_share_alike(sizes, data):
    count = data.draw(st.integers(0, sum(sizes.values())))
    turns = take_turns(sizes, count)
    assert len(turns) == count
    given_ = {level: turns.count(level) for level in sizes}
    assert all(given_[level] <= sizes[level] for level in sizes)
    unfilled = [given_[level] for level in sizes if given_[level] < sizes[level]]
    assert not unfilled or max(given_.values()) <= min(unfilled) + 1
    assert not turns or turns[0] == max(sizes)


# distance of frames


@pytest.mark.parametrize('kind', ['mace', 'soap'])
def test_what_leaves_the_crystal_alone_leaves_the_distance_alone(describers, kind):
    """Rotation, translation, renumbering and a repeated cell: distance 0; another frame: not."""
    frame, other = crystal(0), crystal(1)
    turned = frame.copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    moved = frame.copy()
    moved.positions += [0.3, -1.2, 0.7]
    moved.wrap()
    shuffled = frame[np.random.default_rng(0).permutation(len(frame))]
    frames = [frame, turned, moved, shuffled, frame.repeat((1, 1, 2)), other]
    distances = environments_of(frames, describers[kind]).distances_to(0)
    assert distances[:5] == pytest.approx(np.zeros(5), abs=1e-6)
    assert distances[5] > 0.1


def naive(frames, features, first, second):
    """The formula, word by word."""
    starts = np.cumsum([0, *(len(frame) for frame in frames)])
    worst = 0.0
    for number in {*frames[first].numbers, *frames[second].numbers}:
        one, two = (
            features[starts[i] : starts[i + 1]][frames[i].numbers == number]
            for i in (first, second)
        )
        for some, others in ((one, two), (two, one)):
            for row in some:
                nearest = min((np.linalg.norm(row - x) for x in others), default=np.inf)
                worst = max(worst, nearest)
    return worst


def test_distance_is_the_formula(monkeypatch):
    from aiida_insbench.science.selection import environments

    monkeypatch.setattr(environments, '_BLOCK', 30)  # many blocks
    rng = np.random.default_rng(3)
    frames = [crystal(i, repeat=(1, 1, 1 + i % 2)) for i in range(5)]
    del frames[3][frames[3].numbers == 1]
    numbers = np.concatenate([frame.numbers for frame in frames])
    features = rng.normal(size=(len(numbers), 7))
    found = Environments(features, numbers, np.array([len(f) for f in frames]))
    for index in range(5):
        expected = [naive(frames, features, index, other) for other in range(5)]
        assert found.distances_to(index) == pytest.approx(expected)
        assert [found.distance(index, other) for other in range(5)] == pytest.approx(expected)
    assert np.isinf(found.distances_to(3)[0])
    assert found.distances_to(3)[3] == 0


def test_one_unusual_atom_is_not_diluted(describers):
    """The same atom moved by 0.6 Å in 8 and in 64 atoms: the distance is as large in both."""
    frames = [crystal(i, 0.03, repeat=(2, 2, 2)) for i in range(4)]
    small, large = crystal(9, 0.03), crystal(9, 0.03).repeat((2, 2, 2))
    for frame in (small, large):
        frame.positions[1] += [0.4, 0.4, 0.2]
    found = environments_of([*frames, small, large], describers['mace'])
    distances = found.distances_to(0)
    assert distances[5] > 3 * distances[1:4].max()
    assert distances[5] > 0.5 * distances[4]


def test_a_small_strain_counts(describers):
    still = [crystal(i, 0.005) for i in range(3)]
    pressed = still[0].copy()
    pressed.set_cell(pressed.cell * 0.97, scale_atoms=True)
    for describe in describers.values():
        distances = environments_of([*still, pressed], describe).distances_to(0)
        assert distances[3] > 1.5 * distances[1:3].max()


def test_scale_is_that_of_each_element_and_constants_count_nothing():
    numbers = np.array([1, 1, 12, 12])
    features = np.array([[0.0, 5.0, 1e3], [2.0, 5.0, 1e3], [0.0, 5.0, 0.0], [200.0, 7.0, 0.0]])
    scaled = scaled_features(features, numbers)
    assert scaled[0] == pytest.approx([-1, 0, 0])
    assert np.linalg.norm(scaled[3] - scaled[2]) == pytest.approx(2.0)


def test_features_that_are_not_finite():
    class Broken:
        def get_descriptors(self, atoms, invariants_only):
            return np.full((len(atoms), 2), np.nan)

    frame = crystal()
    frame.info['frame_id'] = 'f_1'
    with pytest.raises(ComputationError, match='f_1'):
        mace_features([frame], calculator=Broken())
    with pytest.raises(InputError, match='soap'):
        mace_features([frame], calculator=object())


def test_without_dscribe_the_message_says_what_to_install(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'dscribe.descriptors', None)
    with pytest.raises(InputError, match=r'pip install "aiida-insbench\[soap\]"'):
        soap_features([crystal()])


def test_soap_knows_molecules_and_refuses_nonsense():
    molecule = crystal()
    molecule.pbc = False
    both = soap_features([crystal(), molecule], settings=Soap(r_cut=3.0, n_max=2, l_max=1))
    assert len(both) == 16
    assert not np.allclose(both[:8], both[8:])
    with pytest.raises(InputError, match='DScribe refuses'):
        soap_features([crystal()], settings=Soap(r_cut=0.5))


# copies


def copies_of(frames, describe, **tolerance):
    return find_duplicates(
        frames=frames,
        environments=environments_of(frames, describe),
        tolerance=Tolerance(**tolerance),
    )


def test_copies_are_found_and_nothing_else(describers):
    frames = [crystal(i) for i in range(4)]
    turned = frames[1].copy()
    turned.rotate(40, (1, 2, 3), rotate_cell=True)
    near = frames[2].copy()
    near.positions[0] += 1e-4
    frames += [turned, frames[0].repeat((1, 2, 1)), near]
    for describe in describers.values():
        assert copies_of(frames, describe) == {4: 1, 5: 0, 6: 2}


def test_length_keeps_apart_what_a_wide_pool_would_join(describers):
    """Beside a frame far off, two that differ by 0.05 Å are alike in standard deviations."""
    still = [crystal(0, 0.0), crystal(1, 0.05)]
    wild = [crystal(i, 0.8) for i in (2, 3)]
    frames = [*still, *wild]
    assert copies_of(frames, describers['mace'], distance=5.0, length=1.0).get(1) == 0
    assert copies_of(frames, describers['mace'], distance=5.0, length=0.005) == {}


def test_other_elements_or_volumes_are_no_copies(describers):
    frame = crystal()
    swapped, stretched = frame.copy(), frame.copy()
    swapped.numbers = np.where(frame.numbers == 1, 12, 1)
    stretched.set_cell(frame.cell * 1.02, scale_atoms=True)
    assert copies_of([frame, swapped, stretched], describers['soap'], distance=1e9) == {}


def test_a_pool_of_one_frame_many_times(describers):
    assert copies_of([crystal()] * 5, describers['mace']) == {1: 0, 2: 0, 3: 0, 4: 0}


# committees


def test_worst_atom_of_each_frame():
    """Two members that differ by d have the spread d/√2."""
    forces = np.zeros((5, 3))
    forces[1], forces[3], forces[4] = [0.3, 0, 0.4], [0.1, 0, 0], [0, 0.2, 0]
    members = [Properties(np.zeros(2), f, np.zeros((2, 6))) for f in (forces, -forces)]
    found = force_disagreement(members, counts=[2, 3])
    assert found == pytest.approx(np.array([1.0, 0.4]) / np.sqrt(2))
    with pytest.raises(DatasetError, match='two are needed'):
        force_disagreement(members[:1], counts=[2, 3])


def test_neutrons_weigh_the_atoms():
    """H of MgH: √(82.02/1.008) is 1, Mg √(3.71/24.305) over that; an atom alone counts in full."""
    frame = Atoms('MgH', positions=[[0, 0, 0], [0, 0, 1.7]])
    weights = neutron_atom_weights(frame)
    assert weights == pytest.approx([np.sqrt(3.71 / 24.305 * 1.008 / 82.02), 1.0], rel=2e-3)
    assert neutron_atom_weights(Atoms('Mg')) == pytest.approx([1.0])
    forces = np.array([[0.4, 0, 0], [0.1, 0, 0], [0, 0.3, 0]])
    members = [Properties(np.zeros(2), f, np.zeros((2, 6))) for f in (forces, -forces)]
    counts = [2, 1]
    plain = force_disagreement(members, counts=counts)
    seen = force_disagreement(members, counts=counts, weights=np.append(weights, 1.0))
    assert plain == pytest.approx(np.array([0.8, 0.6]) / np.sqrt(2))
    assert seen == pytest.approx(np.array([0.2, 0.6]) / np.sqrt(2))
    with pytest.raises(StructureError, match='Po is not known'):
        neutron_atom_weights(Atoms('HPo'))


def test_upper_share():
    disputed = {7: 0.1, 3: 0.5, 4: 0.5, 9: 0.3}
    assert most_disputed([9, 7, 4, 3], disputed, share=0.5, at_least=1) == [3, 4]
    assert most_disputed([9, 7, 4, 3], disputed, share=0.0, at_least=3) == [3, 4, 9]
    assert most_disputed([9, 7, 4, 3], disputed, share=0.0, at_least=1) == [3]
