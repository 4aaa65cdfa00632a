"""Calculators of other packages as potentials: names and arguments on a list, numbers theirs."""

import dataclasses
import json

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.fd import calculate_numerical_forces, calculate_numerical_stress

from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.potentials import (
    Potential,
    batched,
    calculator,
    mace_from_potential,
    potential_from_ase,
    read_potential,
    read_potential_metadata,
    write_potential,
)

ARGON = {'sigma': 3.4, 'epsilon': 0.01, 'rc': 12.0}


def results(engine, atoms):
    atoms = atoms.copy()
    atoms.calc = engine
    return atoms.get_potential_energy(), atoms.get_forces(), atoms.get_stress()


def shaken(atoms, seed=1):
    atoms.rattle(0.05, seed=seed)
    return atoms


def test_numbers_are_those_of_the_calculator(tmp_path):
    write_potential(potential_from_ase('emt'), tmp_path / 'copper')
    there = calculator(read_potential(tmp_path / 'copper'))
    atoms = shaken(bulk('Cu', cubic=True))
    for mine, theirs in zip(results(there, atoms), results(EMT(), atoms), strict=True):
        assert mine == pytest.approx(theirs, rel=1e-14, abs=1e-14)


def test_two_argon_atoms_are_bound_by_epsilon():
    """The minimum of 4ε((σ/r)¹² − (σ/r)⁶) is −ε, at 2^(1/6) σ."""
    engine = calculator(potential_from_ase('lj', {**ARGON, 'smooth': False}))
    distance = 2 ** (1 / 6) * ARGON['sigma']
    atoms = Atoms('Ar2', positions=[[0, 0, 0], [distance, 0, 0]], cell=[50, 50, 50], pbc=True)
    energy, forces, _ = results(engine, atoms)
    shift = 4 * ARGON['epsilon'] * ((3.4 / 12) ** 12 - (3.4 / 12) ** 6)
    assert energy == pytest.approx(-ARGON['epsilon'] - shift, rel=1e-12)
    assert np.abs(forces).max() < 1e-12


def test_arguments_change_the_numbers_and_are_kept():
    atoms = shaken(bulk('Ar', a=5.3, cubic=True))
    weak = potential_from_ase('lj', ARGON)
    strong = potential_from_ase('lj', {**ARGON, 'epsilon': 0.02})
    assert results(calculator(strong), atoms)[0] == pytest.approx(
        2 * results(calculator(weak), atoms)[0]
    )
    assert weak.metadata.hyperparameters == {**ARGON, 'smooth': True}
    assert weak.metadata.cutoff == 12.0
    assert weak.metadata.to_json() != strong.metadata.to_json()


@pytest.mark.parametrize(
    ('name', 'arguments', 'named'),
    [
        ('os.system', {}, "'os.system' is not on the list of calculators: chgnet"),
        ('emt', {'asap_cutoff': True}, 'emt has no argument asap_cutoff; known: none'),
        ('lj', {'sigma': -1.0}, 'Argument sigma of lj is -1.0'),
        ('lj', {'sigma': float('inf')}, 'Argument sigma'),
        ('lj', {'epsilon': True}, 'Argument epsilon'),
        ('lj', [1], 'give a dictionary'),
        ('chgnet', {'model_name': '/evil.pth'}, 'Argument model_name'),
        ('chgnet', {'model_name': '../evil'}, 'Argument model_name'),
        ('sevenn', {'model': 'evil/checkpoint.pth'}, 'Argument model'),
    ],
)
def test_what_is_not_on_the_list_is_refused(name, arguments, named):
    with pytest.raises(PotentialError, match=named.replace('(', r'\(')):
        potential_from_ase(name, arguments, package_version='1.0')


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'model_class': 'subprocess.Popen'}, 'Popen'),
        ({'model_class': 'ScaleShiftMACE'}, 'ScaleShiftMACE'),
        ({'hyperparameters': {'model_name': 'x/y', 'extra': 1}}, 'extra'),
        ({'flavour': 'mace'}, 'chgnet'),
    ],
)
def test_metadata_changed_by_hand_are_refused(changes, named):
    written = json.loads(potential_from_ase('chgnet', package_version='1').metadata.to_json())
    with pytest.raises(PotentialError, match=named):
        read_potential_metadata(json.dumps({**written, **changes}))


def test_package_of_another_version_is_refused():
    potential = potential_from_ase('emt', package_version='3.0')
    with pytest.raises(PotentialError, match=r'that of ase 3\.0; here is .* Install ase==3\.0'):
        calculator(potential)


def test_package_that_is_absent_is_named():
    with pytest.raises(PotentialError, match=r'sevenn is not installed here.*give its version'):
        potential_from_ase('sevenn')
    elsewhere = potential_from_ase('sevenn', package_version='0.13.0')
    assert elsewhere.metadata.versions == {'sevenn': '0.13.0'}
    with pytest.raises(PotentialError, match='sevenn is not installed here'):
        calculator(elsewhere)


def test_elements_results_heads_and_devices_are_checked():
    potential = potential_from_ase('emt')
    with pytest.raises(PotentialError, match='`structure` holds Fe'):
        results(calculator(potential), bulk('Fe'))
    with pytest.raises(PotentialError, match='the head Default only'):
        calculator(potential, head='pbe')
    with pytest.raises(ValueError, match='torch finds no GPU'):
        calculator(potential, device='cuda')


def test_it_is_no_mace_model():
    potential = potential_from_ase('emt')
    assert batched(potential, device='cpu') is None
    with pytest.raises(PotentialError, match="flavour 'ase': it is no MACE model"):
        mace_from_potential(potential)


def test_weights_that_do_not_belong_there_are_refused():
    import safetensors.numpy

    potential = potential_from_ase('emt')
    weights = safetensors.numpy.save({'a': np.zeros(3)})
    with pytest.raises(PotentialError):
        Potential(potential.metadata, weights)


@pytest.mark.real
@pytest.mark.filterwarnings('ignore')
class TestChgnet:
    """A potential whose weights come in a wheel."""

    @pytest.fixture(scope='class')
    def engine(self):
        pytest.importorskip('chgnet')
        return calculator(potential_from_ase('chgnet'))

    @pytest.fixture(scope='class')
    def atoms(self):
        return shaken(bulk('MgO', 'rocksalt', a=4.21, cubic=True))

    def test_numbers_are_those_of_the_package(self, engine, atoms):
        from chgnet.model.dynamics import CHGNetCalculator

        for mine, theirs in zip(
            results(engine, atoms), results(CHGNetCalculator(use_device='cpu'), atoms), strict=True
        ):
            assert mine == pytest.approx(theirs, rel=1e-4, abs=1e-5)

    def test_units_and_signs_are_ours(self, engine, atoms):
        """Forces (eV/Å) and stress (eV/Å³) are derivatives of the energy; the model is float32."""
        moved = atoms.copy()
        moved.calc = engine
        forces = calculate_numerical_forces(moved, eps=5e-3, iatoms=[0])
        assert moved.get_forces()[:1] == pytest.approx(forces, abs=5e-3)
        stress = calculate_numerical_stress(moved, eps=1e-3, force_consistent=False)
        assert moved.get_stress() == pytest.approx(stress, abs=5e-4)
        assert np.abs(moved.get_stress()).max() > 2e-3

    def test_versions_are_on_record(self):
        metadata = potential_from_ase('chgnet').metadata
        assert metadata.provenance['dft_level']['functional'] == 'PBE+U'
        assert metadata.provenance['source']['package'] == 'chgnet'
        assert dataclasses.asdict(metadata)['dtype'] == 'float32'
        assert len(metadata.elements) == 89
