"""Potentials as JSON and safetensors: what was written comes back, what was changed is refused."""

import dataclasses
import hashlib
import json
import subprocess
import sys

import numpy as np
import pytest
import safetensors.numpy
from ase import Atoms
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress
from hypothesis import given
from hypothesis import strategies as st
from small_mace import HYPERPARAMETERS, mace_model

from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.potentials import (
    Potential,
    PotentialMetadata,
    calculator,
    check_weights,
    mace_from_potential,
    potential_from_mace,
    potential_paths,
    read_potential,
    read_potential_metadata,
    tensors_of_weights,
    write_potential,
)

# what MACE and e3nn say while they are imported and built is theirs
pytestmark = pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')

TENSORS = {'a': np.arange(6.0).reshape(2, 3), 'empty': np.zeros(0), 'b': np.array([1, 12])}


def metadata_of(weights, **changes):
    given = {
        'flavour': 'mace',
        'model_class': 'ScaleShiftMACE',
        'hyperparameters': HYPERPARAMETERS,
        'elements': ('H', 'Mg'),
        'cutoff': 3.5,
        'heads': ('Default',),
        'isolated_atom_energies': {'Default': {'H': -13.0, 'Mg': -1.5}},
        'dtype': 'float64',
        'weights_sha256': hashlib.sha256(weights).hexdigest(),
        'weights_size': len(weights),
        'tensors': tensors_of_weights(weights),
        'provenance': {'dft_level': 'LDA'},
        'versions': {'mace-torch': '0.3.16'},
    }
    return PotentialMetadata(**{**given, **changes})


def small():
    """A well-formed pair of files whose tensors make no model."""
    weights = safetensors.numpy.save(TENSORS)
    return Potential(metadata_of(weights), weights)


SMALL = small()


def text_with(**changes):
    data = json.loads(SMALL.metadata.to_json())
    for key, value in changes.items():
        name, _, inner = key.partition('__')
        if inner:
            data[name][inner] = value
        else:
            data[name] = value
    return json.dumps(data)


def test_what_is_written_comes_back(tmp_path):
    write_potential(SMALL, tmp_path / 'potential.v1')
    assert potential_paths(tmp_path / 'potential.v1')[0].name == 'potential.v1.json'
    assert read_potential(tmp_path / 'potential.v1') == SMALL
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        'potential.v1.json',
        'potential.v1.safetensors',
    ]


def test_missing_file_is_named(tmp_path):
    with pytest.raises(PotentialError, match='nowhere'):
        read_potential(tmp_path / 'nowhere')


def test_reading_needs_no_torch():
    program = (
        'import sys; import aiida_insbench.science.potentials; '
        "print([m for m in ('torch', 'mace', 'e3nn', 'aiida') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, '-c', program], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == '[]'


@given(place=st.integers(0, len(SMALL.weights) - 1), change=st.integers(1, 255))
def test_any_changed_byte_is_refused(place, change):
    changed = bytearray(SMALL.weights)
    changed[place] ^= change
    with pytest.raises(PotentialError, match='SHA-256'):
        check_weights(SMALL.metadata, bytes(changed))


@given(length=st.integers(0, len(SMALL.weights) - 1))
def test_truncated_weights_are_refused_even_if_the_sum_is_mended(length):
    cut = SMALL.weights[:length]
    with pytest.raises(PotentialError):
        check_weights(SMALL.metadata, cut)
    mended = dataclasses.replace(
        SMALL.metadata, weights_size=length, weights_sha256=hashlib.sha256(cut).hexdigest()
    )
    with pytest.raises(PotentialError):
        check_weights(mended, cut)


@given(junk=st.binary(max_size=200))
def test_junk_is_no_safetensors_file(junk):
    with pytest.raises(PotentialError):
        tensors_of_weights(junk)


@pytest.mark.parametrize(
    'tensors',
    [
        {key: value for key, value in TENSORS.items() if key != 'b'},
        {**TENSORS, 'c': np.zeros(1)},
        {**TENSORS, 'a': np.arange(6.0).reshape(3, 2)},
        {**TENSORS, 'a': np.arange(6.0, dtype=np.float32).reshape(2, 3)},
    ],
    ids=['missing', 'too many', 'shape', 'type'],
)
def test_other_tensors_than_the_metadata_say_are_refused(tensors):
    weights = safetensors.numpy.save(tensors)
    metadata = metadata_of(weights, tensors=SMALL.metadata.tensors)
    with pytest.raises(PotentialError, match=r'[Tt]ensor'):
        Potential(metadata, weights)


def test_weights_that_are_not_finite_are_refused():
    with pytest.raises(PotentialError, match='not finite'):
        tensors_of_weights(safetensors.numpy.save({'a': np.array([1.0, np.nan])}))


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'format_version': 2}, 'reads versions up to 1'),
        ({'format_version': 0}, 'is not of the format insbench-potential, version 1'),
        ({'model_class': 'os.system'}, 'os.system'),
        ({'flavour': 'nequip'}, 'nequip'),
        ({'elements': ['H', 'Xx']}, 'Xx'),
        ({'elements': ['Mg', 'H']}, 'rise'),
        ({'cutoff': -1.0}, 'cutoff'),
        ({'dtype': 'float16'}, 'float16'),
        ({'surprise': 1}, 'surprise'),
        ({'isolated_atom_energies': {'Default': {'H': 1.0}}}, 'each element'),
        ({'isolated_atom_energies': {'other': {'H': 1.0, 'Mg': 1.0}}}, 'heads'),
        ({'hyperparameters__interaction_cls': 'Popen'}, 'Popen'),
        ({'hyperparameters__hidden_irreps': '__import__("os")'}, 'hidden_irreps'),
        ({'hyperparameters__gate': 'eval'}, 'eval'),
        ({'hyperparameters__num_interactions': 10**6}, 'num_interactions'),
        ({'hyperparameters__radial_MLP': [10**9]}, 'radial_MLP'),
        ({'hyperparameters__correlation': True}, 'correlation'),
        ({'hyperparameters__extra': 1}, 'extra'),
        ({'hyperparameters': []}, 'hyperparameters'),
        ({'tensors': {'a': 1}}, 'cannot be read'),
        ({'provenance': float('nan')}, 'NaN'),
    ],
)
def test_metadata_out_of_bounds_are_refused(changes, named):
    with pytest.raises(PotentialError, match=named.replace('(', r'\(').replace(')', r'\)')):
        read_potential_metadata(text_with(**changes), name='p.json')


@pytest.mark.parametrize('text', ['', '[]', '{', 'null'])
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(PotentialError, match=r'p\.json'):
        read_potential_metadata(text, name='p.json')


def test_provenance_must_be_json():
    with pytest.raises(PotentialError, match='provenance'):
        dataclasses.replace(SMALL.metadata, provenance={'x': object()}).to_json()


def test_unknown_elements_are_named():
    with pytest.raises(PotentialError, match='O, Zn'):
        SMALL.metadata.check_elements(['H', 'Zn', 'O'])


# ---- with MACE -------------------------------------------------------------------------------


def crystal():
    atoms = Atoms(
        'Mg2H4',
        cell=[4.4, 4.5, 3.0],
        scaled_positions=[
            [0, 0, 0],
            [0.5, 0.5, 0.5],
            [0.3, 0.3, 0],
            [0.7, 0.7, 0],
            [0.8, 0.2, 0.5],
            [0.2, 0.8, 0.5],
        ],
        pbc=True,
    )
    atoms.rattle(0.05, seed=1)
    return atoms


@pytest.fixture(scope='module')
def model():
    return mace_model()


@pytest.fixture(scope='module')
def potential(model):
    return potential_from_mace(model, provenance={'dft_level': 'none'})


def results_of_mace(model, dtype='float64'):
    from mace.calculators import MACECalculator

    atoms = crystal()
    atoms.calc = MACECalculator(models=[model], device='cpu', default_dtype=dtype)
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


def results_of(potential, **options):
    atoms = crystal()
    atoms.calc = calculator(potential, **options)
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


@pytest.mark.real
def test_forces_survive_the_round_trip(model, potential, tmp_path):
    """The rebuilt model gives the numbers of the original, computed by MACE's own calculator."""
    write_potential(potential, tmp_path / 'p')
    there = results_of(read_potential(tmp_path / 'p'))
    for mine, original in zip(there, results_of_mace(model), strict=True):
        assert mine == pytest.approx(original, rel=1e-12, abs=1e-12)
    assert np.abs(there[1]).max() > 0.001


@pytest.mark.real
def test_what_is_stored_is_what_the_model_has(potential):
    assert potential.metadata.elements == ('H', 'Mg')
    assert potential.metadata.cutoff == 3.5
    assert potential.metadata.isolated_atom_energies == {'Default': {'H': -13.0, 'Mg': -1.5}}
    assert potential.metadata.hyperparameters == HYPERPARAMETERS
    assert potential.metadata.provenance == {'dft_level': 'none'}
    names = set(mace_from_potential(potential).state_dict())
    assert names == set(potential.metadata.tensors)


@pytest.mark.real
def test_the_same_model_gives_the_same_bytes(model, potential):
    again = potential_from_mace(model, provenance={'dft_level': 'none'})
    assert again.weights == potential.weights
    assert again.metadata.to_json() == potential.metadata.to_json()
    assert potential_from_mace(
        mace_from_potential(potential), provenance={'dft_level': 'none'}
    ) == dataclasses.replace(potential)


@pytest.mark.real
def test_forces_and_stress_are_gradients_of_the_energy(potential):
    atoms = crystal()
    atoms.calc = calculator(potential)
    forces, stress = atoms.get_forces(), atoms.get_stress()
    assert forces == pytest.approx(calculate_numerical_forces(atoms, eps=1e-4), abs=1e-6)
    numerical = calculate_numerical_stress(atoms, eps=1e-5, force_consistent=False)
    assert stress == pytest.approx(numerical, abs=1e-7)


@pytest.mark.real
def test_torch_is_left_as_it_was(potential):
    import torch

    torch.manual_seed(5)
    before = torch.get_rng_state()
    results_of(potential)
    assert torch.get_default_dtype() == torch.float32
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.real
def test_single_precision_is_kept_and_computed_in_double_on_request():
    model = mace_model('float32')
    potential = potential_from_mace(model, provenance={})
    assert potential.metadata.dtype == 'float32'
    single = results_of(potential, dtype='float32')
    assert single[1] == pytest.approx(results_of_mace(model, 'float32')[1], abs=1e-6)
    assert single[1] == pytest.approx(results_of(potential)[1], abs=1e-4)


@pytest.mark.real
def test_model_of_an_older_version_without_constant_buffers_is_completed(model, potential):
    import copy

    older = copy.deepcopy(model)
    for name, module in older.named_modules():
        if name.endswith('contractions.0'):
            del module._buffers['weights_max_zeroed']
    assert len(older.state_dict()) < len(potential.metadata.tensors)
    assert potential_from_mace(older, provenance={'dft_level': 'none'}) == potential


@pytest.mark.real
def test_model_with_a_part_that_is_not_stored_is_refused(model):
    """Neighbour numbers are no tensor: the comparison of forces finds what differs."""
    import copy

    odd = copy.deepcopy(model)
    odd.interactions[1].avg_num_neighbors = 20.0
    with pytest.raises(PotentialError, match='off by'):
        potential_from_mace(odd, provenance={})
    odd = copy.deepcopy(model)
    odd.extra = odd.node_embedding
    with pytest.raises(PotentialError, match='extra'):
        potential_from_mace(odd, provenance={})


@pytest.mark.real
def test_other_models_are_refused():
    import torch

    with pytest.raises(PotentialError, match='Linear'):
        potential_from_mace(torch.nn.Linear(2, 2), provenance={})


@pytest.mark.real
@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'cutoff': 4.0}, 'cutoff'),
        ({'elements': ('H', 'Ca')}, 'elements'),
        ({'isolated_atom_energies': {'Default': {'H': -13.1, 'Mg': -1.5}}}, 'isolated_atom'),
        ({'hyperparameters': {**HYPERPARAMETERS, 'hidden_irreps': '8x0e'}}, 'do not fit'),
        ({'hyperparameters': {**HYPERPARAMETERS, 'num_interactions': 1}}, 'do not fit'),
    ],
)
def test_metadata_changed_by_hand_are_refused(potential, changes, named):
    if 'elements' in changes:
        changes['isolated_atom_energies'] = {'Default': {'H': -13.0, 'Ca': -1.5}}
    metadata = dataclasses.replace(potential.metadata, **changes)
    with pytest.raises(PotentialError, match=named):
        mace_from_potential(Potential(metadata, potential.weights))


@pytest.mark.real
def test_calculator_names_elements_and_heads_it_lacks(potential):
    engine = calculator(potential)
    with pytest.raises(PotentialError, match='O'):
        engine.get_potential_energy(Atoms('MgO', positions=[[0, 0, 0], [2, 0, 0]], cell=[9, 9, 9]))
    with pytest.raises(PotentialError, match='Default'):
        calculator(potential, head='pbe')
