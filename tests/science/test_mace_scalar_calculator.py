"""The calculator of models with scalar features gives what MACE's own gives, and the same twice."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given, settings
from hypothesis import strategies as st
from small_mace import mace_model

from aiida_insbench.science import mace_scalar_calculator
from aiida_insbench.science.mace_models import building, mace_parts
from aiida_insbench.science.mace_pairs import find_pairs
from aiida_insbench.science.mace_radial import piecewise_polynomials
from aiida_insbench.science.mace_scalar_calculator import with_scalar_path
from aiida_insbench.science.potentials import calculator, mace_from_potential, read_potential

# what MACE and e3nn say while they are imported and built is theirs
pytestmark = [
    pytest.mark.real,
    pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning'),
]

TRAINED = Path(__file__).parents[1] / 'benchmarks' / 'data' / 'mgh2_potential'
RESULTS = {'energy', 'free_energy', 'energies', 'node_energy', 'forces', 'stress'}


def rutile(repeat=(1, 1, 1), *, seed=None, shake=0.05):
    sites = [[0, 0, 0], [0.5, 0.5, 0.5], [0.3, 0.3, 0], [0.7, 0.7, 0], [0.8, 0.2, 0.5],
             [0.2, 0.8, 0.5]]  # fmt: skip
    atoms = Atoms('Mg2H4', cell=[4.4, 4.5, 3.0], scaled_positions=sites, pbc=True) * repeat
    if seed is not None:
        atoms.rattle(shake, seed=seed)
    return atoms


def sheared():
    atoms = rutile(seed=2)
    atoms.set_cell(atoms.cell[:] @ [[1, 0.1, 0.05], [0, 1, 0.2], [0, 0, 1]], scale_atoms=True)
    return atoms


def slab():
    atoms = rutile((2, 1, 1), seed=3)
    atoms.center(vacuum=6.0, axis=2)
    atoms.pbc = [True, True, False]
    return atoms


FRAMES = {
    'unit cell': rutile(),
    'supercell': rutile((2, 2, 3), seed=1),
    'hot': rutile((1, 1, 2), seed=4, shake=0.2),
    'order of atoms': rutile(seed=1)[[3, 0, 5, 1, 2, 4]],
    'left-handed': Atoms('MgH', [[0, 0, 0], [1.7, 0.2, 0.1]], cell=[4, 5, -6], pbc=True),
    'sheared': sheared(),
    'slab': slab(),
    'molecule': Atoms('HMgH', positions=[[-1.7, 0.1, 0], [0, 0, 0], [1.6, 0.2, 0.1]]),
    'isolated pair': Atoms('MgH', [[0, 0, 0], [1.7, 0.2, 0.1]], cell=[20] * 3, pbc=True),
    'one element': Atoms('H2', [[0, 0, 0], [0.75, 0, 0]], cell=[6] * 3, pbc=True),
    'atom and its images': Atoms('H', cell=[2.5, 2.6, 2.7], pbc=True),
}
#: Frames that the other way is not made for.
LEFT_TO_MACE = {
    'no neighbours': Atoms('H', cell=[20] * 3, pbc=True),
    'overlap': Atoms('H2', [[0, 0, 0], [0.3, 0, 0]], cell=[20] * 3, pbc=True),
}


def irreps(text):
    from e3nn import o3

    return o3.Irreps(text)


def modules():
    import mace.modules

    return mace.modules


#: Models whose features are scalars: what differs between them is read off each.
SCALAR = {
    'small': dict,
    'three layers, l = 3, degree 3': lambda: {
        'num_interactions': 3, 'max_ell': 3, 'correlation': 3,
    },
    'one layer, degree 1': lambda: {'num_interactions': 1, 'correlation': 1},
    'residual first layer': lambda: {
        'interaction_cls_first': modules().RealAgnosticResidualInteractionBlock
    },
    'plain second layer': lambda: {'interaction_cls': modules().RealAgnosticInteractionBlock},
    'other edge channels': lambda: {'edge_irreps': irreps('6x0e')},
    'cutoff after the network': lambda: {'apply_cutoff': False},
    'Gaussians': lambda: {'radial_type': 'gaussian', 'num_bessel': 8},
    'one product for all elements': lambda: {'use_agnostic_product': True},
    'last readout only': lambda: {'use_last_readout_only': True},
    'SO(3)': lambda: {'use_so3': True},
    'two heads': lambda: {
        'heads': ['coarse', 'fine'],
        'atomic_energies': np.array([[-13.0, -1.5], [-12.0, -2.5]]),
        'atomic_inter_scale': [0.7, 0.9],
        'atomic_inter_shift': [0.1, -0.2],
    },
}  # fmt: skip
#: Models with parts the other way does not know.
OTHER = {
    'vectors': lambda: {'hidden_irreps': irreps('4x0e+4x1o')},
    'repulsion': lambda: {'pair_repulsion': True},
    'scaled distances': lambda: {'distance_transform': 'Agnesi'},
    'density': lambda: {'interaction_cls': modules().RealAgnosticDensityResidualInteractionBlock},
    'degree 4': lambda: {'correlation': 4},
}


def model_of(changes):
    """A model with random weights, without the compilation that takes seconds."""
    parts = mace_parts()
    with building(parts['torch'], 'float64'):
        return mace_model(**changes)


def engines_of(model, head='Default'):
    """The calculator under test and MACE's own."""
    base = mace_parts()['calculator']
    options = {'models': [model], 'device': 'cpu', 'default_dtype': 'float64', 'head': head}
    return with_scalar_path(base)(**options), base(**options)


def compare(engine, reference, atoms):
    engine.calculate(atoms)
    reference.calculate(atoms)
    assert set(engine.results) == set(reference.results) == RESULTS
    for name, expected in reference.results.items():
        assert np.shape(engine.results[name]) == np.shape(expected), name
        largest = np.abs(expected).max()
        # in a symmetric crystal forces are differences of forces of some 0.01 eV/Å that cancel
        allowed = 1e-10 * max(largest, 1e-3)
        assert np.abs(engine.results[name] - expected).max() <= allowed, name


@pytest.fixture(scope='module')
def trained():
    potential = read_potential(TRAINED)
    engine = calculator(potential)
    assert engine.scalar is not None
    return engine, engines_of(mace_from_potential(potential))[1]


@pytest.mark.parametrize('name', [*FRAMES, *LEFT_TO_MACE])
def test_trained_model_agrees_with_mace_on_each_kind_of_frame(trained, name):
    compare(*trained, {**FRAMES, **LEFT_TO_MACE}[name])


@pytest.mark.parametrize('name', SCALAR)
def test_each_scalar_model_agrees_with_mace(name):
    model = model_of(SCALAR[name]())
    engine, reference = engines_of(model, model.heads[-1])
    assert engine.scalar is not None
    for frame in ('sheared', 'slab', 'one element'):
        compare(engine, reference, FRAMES[frame])


@pytest.mark.parametrize('name', OTHER)
def test_other_models_go_the_way_of_mace(name):
    engine, reference = engines_of(model_of(OTHER[name]()))
    assert engine.scalar is None
    compare(engine, reference, FRAMES['sheared'])


def test_single_precision_goes_the_way_of_mace():
    assert calculator(read_potential(TRAINED), dtype='float32').scalar is None


def test_model_read_wrongly_is_found_out(monkeypatch):
    """Where the comparison with MACE fails, MACE's results are given."""
    right = mace_scalar_calculator.compute

    def wrong(*args, **options):
        found = right(*args, **options)
        found.forces[0, 0] += 1e-9
        return found

    monkeypatch.setattr(mace_scalar_calculator, 'compute', wrong)
    engine, reference = engines_of(model_of({}))
    assert engine.scalar is None
    compare(engine, reference, FRAMES['sheared'])


def test_same_bits_whatever_came_before(trained):
    """Memory is kept from frame to frame; nothing in it may matter."""
    engine, _ = trained
    first = bits_of(engine, FRAMES['sheared'])
    for name in ('supercell', 'molecule', 'atom and its images'):
        engine.calculate(FRAMES[name])
        assert bits_of(engine, FRAMES['sheared']) == first


def test_same_bits_in_another_process(trained):
    program = (
        'import sys; sys.path[:0] = sys.argv[1:]\n'
        'import test_mace_scalar_calculator as t\n'
        'engine = t.calculator(t.read_potential(t.TRAINED))\n'
        "print(t.bits_of(engine, t.FRAMES['sheared']))"
    )
    folders = [str(Path(__file__).parent), str(Path(__file__).parents[1])]
    command = [sys.executable, '-W', 'ignore', '-c', program, *folders]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == bits_of(trained[0], FRAMES['sheared'])


def bits_of(engine, atoms):
    engine.calculate(atoms)
    return b''.join(np.asarray(engine.results[name]).tobytes() for name in sorted(RESULTS)).hex()


def test_results_of_one_frame_are_not_changed_by_the_next(trained):
    engine, _ = trained
    engine.calculate(FRAMES['sheared'])
    kept = engine.results['forces']
    copied = kept.copy()
    engine.calculate(FRAMES['hot'][:6])
    assert np.array_equal(kept, copied)


def test_descriptors_are_those_of_mace(trained):
    engine, reference = trained
    found = engine.get_descriptors(FRAMES['sheared'])
    assert np.array_equal(found, reference.get_descriptors(FRAMES['sheared']))
    compare(engine, reference, FRAMES['sheared'])


@given(places=st.lists(st.integers(0, 7), min_size=1, max_size=6), seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_slots_hold_both_directions_of_every_pair(places, seed):
    numbers = np.array([1, 12])
    random = np.random.default_rng(seed)
    atoms = Atoms(
        [int(numbers[place % 2]) for place in places],
        scaled_positions=random.uniform(size=(len(places), 3)),
        cell=np.diag([3.0, 3.5, 4.0]) + random.uniform(-0.5, 0.5, size=(3, 3)),
        pbc=random.integers(0, 2, size=3).astype(bool),
    )
    pairs = find_pairs(atoms, numbers=numbers, cutoff=3.1)
    assert (np.diff(pairs.lengths) >= 0).all()
    assert (np.diff(pairs.kinds) >= 0).all()
    count = len(pairs.ends)
    assert np.array_equal(pairs.edge_of_slot[pairs.slot_of_edge], np.arange(2 * count))
    assert (pairs.edge_of_slot == 2 * count).sum() == len(pairs.edge_of_slot) - 2 * count
    sender = np.concatenate([pairs.ends[:, 0], pairs.ends[:, 1]])
    receiver = np.concatenate([pairs.ends[:, 1], pairs.ends[:, 0]])
    assert np.array_equal(pairs.sender_of_slot[pairs.slot_of_edge], sender)
    assert np.array_equal(pairs.slot_of_edge // max(pairs.width, 1), receiver)
    from ase.neighborlist import neighbor_list

    expected = neighbor_list('d', atoms, 3.1)
    assert 2 * count == len(expected)
    assert np.repeat(pairs.lengths, 2) == pytest.approx(np.sort(expected), abs=1e-9)


def test_piecewise_polynomials_are_exact_for_a_smooth_function():
    """Values and slopes of waves as short as a quarter of the range, and of a Gaussian."""

    def function(lengths):
        return np.stack([np.sin(5.0 * lengths), np.exp(-((lengths - 2.0) ** 2))], axis=1)

    found = piecewise_polynomials(function, low=0.4, high=5.0)
    lengths = np.sort(np.random.default_rng(0).uniform(0.4, 5.0, 300))
    values, slopes, bounds = found.terms(lengths)
    assert bounds[0] == 0
    assert bounds[-1] == len(lengths)
    piece = np.searchsorted(bounds, np.arange(len(lengths)), side='right') - 1
    mine = np.einsum('nk,nkc->nc', values, found.coefficients[piece])
    assert mine == pytest.approx(function(lengths), abs=2e-14)
    slope = np.einsum('nk,nkc->nc', slopes, found.coefficients[piece])
    gauss = -2.0 * (lengths - 2.0) * np.exp(-((lengths - 2.0) ** 2))
    expected = np.stack([5.0 * np.cos(5.0 * lengths), gauss], axis=1)
    assert slope == pytest.approx(expected, abs=1e-11)


def test_functions_with_a_kink_are_given_up():
    kinked = piecewise_polynomials(
        lambda lengths: np.abs(lengths - 2.0123)[:, None], low=0.4, high=5.0
    )
    assert kinked is None
