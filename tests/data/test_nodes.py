"""Nodes: what is stored comes back, can be asked for, and what is wrong is refused."""

import importlib
import warnings

import numpy as np
import pytest
from aiida.common.exceptions import ValidationError
from aiida.orm import QueryBuilder, load_node
from fake_nodes import LEVEL, dataset, frames, potential, potential_files

from aiida_insbench.data import DatasetData, PotentialData, SpectrumData
from aiida_insbench.science.errors import DatasetError, PotentialError


def values_of(node, *names):
    """Ask the database, not the node."""
    query = QueryBuilder()
    query.append(
        type(node), filters={'id': node.pk}, project=[f'attributes.{name}' for name in names]
    )
    return query.one()


def pks_with(node_class, **attributes):
    filters = {f'attributes.{name}': value for name, value in attributes.items()}
    return QueryBuilder().append(node_class, filters=filters, project='id').all(flat=True)


class TestDataset:
    def test_frames_come_back(self):
        given = frames(3)
        node = DatasetData(given, dft_level=LEVEL, failed={'r1_009': 'no SCF'}).store()
        loaded = load_node(node.pk)
        assert isinstance(loaded, DatasetData)
        for before, after in zip(given, loaded.get_frames(), strict=True):
            assert after.get_chemical_symbols() == before.get_chemical_symbols()
            assert all(after.pbc)
            np.testing.assert_allclose(after.positions, before.positions, atol=1e-8)
            np.testing.assert_allclose(after.cell.array, before.cell.array, atol=1e-8)
            assert after.info['REF_energy'] == pytest.approx(before.info['REF_energy'], abs=1e-8)
            for name in ('frame_id', 'method', 'target_pressure', 'seed'):
                assert after.info[name] == before.info[name]
            np.testing.assert_allclose(after.info['REF_stress'], before.info['REF_stress'], 1e-7)
            np.testing.assert_allclose(
                after.arrays['REF_forces'], before.arrays['REF_forces'], atol=1e-8
            )
            np.testing.assert_array_equal(after.info['supercell_matrix'], np.eye(3))

    def test_attributes(self):
        node = DatasetData(frames(3), dft_level=LEVEL, failed={'r1_009': 'no SCF'}).store()
        loaded = load_node(node.pk)
        assert loaded.n_frames == 3
        assert loaded.labelled
        assert loaded.elements == ['H', 'Mg']
        assert loaded.methods == {'strain-rattle': 3}
        assert loaded.target_pressures == [0.0, 1.0]
        assert loaded.dft_level == LEVEL
        assert loaded.failed == {'r1_009': 'no SCF'}
        assert values_of(node, 'n_frames', 'labelled', 'target_pressures') == [3, True, [0.0, 1.0]]

    def test_can_be_asked_for(self):
        pool, labelled = dataset(2, labelled=False).store(), dataset(5).store()
        assert pool.pk in pks_with(DatasetData, labelled=False)
        assert labelled.pk not in pks_with(DatasetData, labelled=False)
        assert labelled.pk in pks_with(DatasetData, n_frames={'>': 4})
        assert labelled.pk in pks_with(DatasetData, elements={'contains': ['Mg']})
        assert labelled.pk in pks_with(DatasetData, **{'dft_level.version': '6.7'})

    @pytest.mark.parametrize('given', [[], [*frames(2), *frames(1, prefix='r2', labelled=False)]])
    def test_mixed_or_no_frames_are_refused(self, given):
        with pytest.raises(DatasetError, match='all labelled or all unlabelled'):
            DatasetData(given, dft_level=LEVEL)

    def test_repeated_frame_is_refused(self):
        with pytest.raises(DatasetError, match='r1_000 occurs twice'):
            DatasetData([*frames(1), *frames(1)], dft_level=LEVEL)

    def test_frame_without_name_is_refused(self):
        given = frames(2)
        del given[1].info['frame_id']
        with pytest.raises(DatasetError, match='frame 1: `frame_id` is None'):
            DatasetData(given, dft_level=LEVEL)

    @pytest.mark.parametrize('key', ['REF_energy', 'REF_stress', 'REF_forces'])
    def test_label_that_is_not_finite_is_refused(self, key):
        given = frames(2)
        if key == 'REF_forces':
            given[1].arrays[key][2, 1] = np.nan
        else:
            given[1].info[key] = np.inf * np.ones_like(given[1].info[key])
        with pytest.raises(DatasetError, match=r'r1_001.*not finite'):
            DatasetData(given, dft_level=LEVEL)

    @pytest.mark.parametrize('labelled', [True, False])
    def test_position_that_is_not_finite_is_refused(self, labelled):
        given = frames(2, labelled=labelled)
        given[1].positions[0, 0] = np.nan
        with pytest.raises(DatasetError, match='r1_001'):
            DatasetData(given, dft_level=LEVEL)

    def test_labels_without_level_are_refused_at_store(self):
        with pytest.raises(ValidationError, match='dft_level'):
            DatasetData(frames(2)).store()

    def test_empty_node_is_refused_at_store(self):
        with pytest.raises(ValidationError, match='no frames'):
            DatasetData().store()


class TestPotential:
    def test_what_is_stored_comes_back(self):
        text, weights = potential_files()
        node = PotentialData(metadata_text=text, weights=weights).store()
        loaded = load_node(node.pk)
        assert isinstance(loaded, PotentialData)
        assert loaded.get_metadata_text() == text
        assert loaded.get_weights() == weights
        assert (loaded.flavour, loaded.elements, loaded.heads) == ('mace', ['H', 'Mg'], ['Default'])
        assert (loaded.cutoff, loaded.dtype) == (3.5, 'float64')
        assert loaded.isolated_atom_energies == {'Default': {'H': -1.5, 'Mg': -1.5}}
        assert loaded.provenance == {'dft_level': LEVEL}
        assert values_of(node, 'sha256', 'cutoff') == [loaded.sha256, 3.5]

    # Another module's potentials may be in the profile, and the list has to be this one's.
    @pytest.mark.usefixtures('aiida_profile_clean')
    def test_can_be_asked_for(self):
        node = potential(elements=('H', 'C'), scale=2).store()
        assert pks_with(PotentialData, elements={'contains': ['C']}) == [node.pk]
        assert node.pk in pks_with(PotentialData, sha256=node.sha256)
        assert node.pk in pks_with(PotentialData, **{'provenance.dft_level.version': '6.7'})

    @pytest.mark.parametrize('harm', ['change', 'cut', 'other'])
    def test_foreign_weights_are_refused(self, harm):
        text, weights = potential_files()
        bad = {
            'change': weights[:-1] + bytes([weights[-1] ^ 1]),
            'cut': weights[:-8],
            'other': potential_files(scale=3.0)[1],
        }[harm]
        with pytest.raises(PotentialError, match='are not those of the metadata'):
            PotentialData(metadata_text=text, weights=bad)

    def test_unknown_class_is_refused(self):
        text, weights = potential_files(model_class='os.system')
        with pytest.raises(PotentialError, match=r"'os\.system' is not on the list"):
            PotentialData(metadata_text=text, weights=weights)

    def test_files_changed_later_are_refused_at_store(self):
        node = potential()
        node.base.repository.delete_object(PotentialData.WEIGHTS)
        with pytest.raises(ValidationError, match='A potential holds'):
            node.store()
        node.base.repository.put_object_from_bytes(b'other', PotentialData.WEIGHTS)
        with pytest.raises(ValidationError, match='are not those of the metadata'):
            node.store()

    def test_additional_file_is_refused_at_store(self):
        node = potential()
        node.base.repository.put_object_from_bytes(b'', 'model.pickle')
        with pytest.raises(ValidationError, match=r'model\.pickle'):
            node.store()

    def test_empty_node_is_refused_at_store(self):
        with pytest.raises(ValidationError, match='A potential holds'):
            PotentialData().store()

    @pytest.mark.real
    @pytest.mark.filterwarnings('ignore::UserWarning', 'ignore::DeprecationWarning')
    def test_potential_of_mace_gives_the_same_energy_from_the_store(self, tmp_path):
        from aiida_insbench.science import potentials

        made = potentials.potential_from_mace(small_mace(), provenance={'licence': 'MIT'})
        node = PotentialData(metadata_text=made.metadata.to_json(), weights=made.weights).store()
        loaded = load_node(node.pk)
        (tmp_path / 'back.json').write_text(loaded.get_metadata_text())
        (tmp_path / 'back.safetensors').write_bytes(loaded.get_weights())
        energies = []
        for one in (made, potentials.read_potential(tmp_path / 'back')):
            atoms = frames(1)[0]
            atoms.calc = potentials.calculator(one)
            energies.append(atoms.get_potential_energy())
        assert energies[0] == energies[1]
        assert loaded.elements == ['H', 'Mg']


def small_mace():
    """A small model of random weights."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        # mace first: it prepares torch for what e3nn loads
        modules = importlib.import_module('mace.modules')
        o3, torch = importlib.import_module('e3nn.o3'), importlib.import_module('torch')
        block = modules.interaction_classes['RealAgnosticResidualInteractionBlock']
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                return modules.ScaleShiftMACE(
                    r_max=3.5,
                    num_bessel=4,
                    num_polynomial_cutoff=5,
                    max_ell=1,
                    interaction_cls=block,
                    interaction_cls_first=block,
                    num_interactions=2,
                    num_elements=2,
                    hidden_irreps=o3.Irreps('4x0e'),
                    MLP_irreps=o3.Irreps('4x0e'),
                    atomic_energies=np.array([[-13.0, -1.5]]),
                    avg_num_neighbors=12.0,
                    atomic_numbers=[1, 12],
                    correlation=1,
                    gate=torch.nn.functional.silu,
                    radial_MLP=[8],
                    radial_type='bessel',
                    atomic_inter_scale=[1.0],
                    atomic_inter_shift=[0.0],
                )
        finally:
            torch.set_default_dtype(before)


def spectrum(**changes):
    axis = np.arange(0.5, 10)
    entries = {
        'energy_transfer': axis,
        'total': np.exp(-axis),
        'components': {'order_1': np.exp(-axis), 'element_H': axis, 'bank_forward': axis**2},
        'origin': 'simulated',
        'instrument': 'TOSCA',
        'temperature': 10,
        'pressure': 1.5,
        'details': {'bands': [{'position': 3.5, 'height': 1.0}]},
    }
    return SpectrumData(**{**entries, **changes})


class TestSpectrum:
    def test_what_is_stored_comes_back(self):
        node = spectrum().store()
        loaded = load_node(node.pk)
        assert isinstance(loaded, SpectrumData)
        np.testing.assert_array_equal(loaded.energy_transfer, np.arange(0.5, 10))
        np.testing.assert_array_equal(loaded.total, np.exp(-np.arange(0.5, 10)))
        assert set(loaded.components('order')) == {'1'}
        np.testing.assert_array_equal(loaded.components('element')['H'], np.arange(0.5, 10))
        assert set(loaded.components('bank')) == {'forward'}
        assert (loaded.origin, loaded.instrument) == ('simulated', 'TOSCA')
        assert (loaded.temperature, loaded.pressure) == (10.0, 1.5)
        assert loaded.details['bands'][0]['position'] == 3.5
        assert values_of(node, 'quantity', 'units') == ['S(Q,w)', {'energy_transfer': '1/cm'}]

    def test_can_be_asked_for(self):
        node = spectrum(origin='measured', pressure=7.25).store()
        assert pks_with(SpectrumData, pressure={'>': 7.0}, origin='measured') == [node.pk]
        assert node.pk in pks_with(SpectrumData, instrument='TOSCA')

    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ({'total': np.ones(9)}, r'`total` has shape \(9,\)'),
            ({'components': {'order_1': np.ones((10, 1))}}, r'`order_1` has shape \(10, 1\)'),
            ({'total': np.full(10, np.nan)}, '`total` holds numbers that are not finite'),
            ({'components': {'element_H': np.full(10, np.inf)}}, '`element_H` holds numbers'),
            ({'energy_transfer': np.zeros(10)}, 'does not rise'),
            ({'energy_transfer': np.arange(10)[::-1]}, 'does not rise'),
        ],
    )
    def test_wrong_arrays_are_refused(self, changes, message):
        with pytest.raises(ValueError, match=message):
            spectrum(**changes)

    @pytest.mark.parametrize(
        ('changes', 'message'),
        [
            ({'origin': 'guessed'}, "`origin` is 'guessed'"),
            ({'instrument': ''}, 'instrument'),
        ],
    )
    def test_wrong_description_is_refused_at_store(self, changes, message):
        with pytest.raises(ValidationError, match=message):
            spectrum(**changes).store()

    def test_empty_node_is_refused_at_store(self):
        with pytest.raises(ValidationError, match='array'):
            SpectrumData().store()
