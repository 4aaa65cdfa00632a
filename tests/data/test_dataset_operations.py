"""Operations on dataset nodes: what goes in comes out, in the graph and by its attributes."""

import io

import numpy as np
import pytest
from aiida.orm import Bool, Dict, Float, Int, QueryBuilder, SinglefileData
from fake_nodes import LEVEL, dataset, frames
from labelled_copper import copper, text_of

from aiida_insbench.calculations.datasets import (
    filter_dataset,
    import_dataset,
    merge_datasets,
    split_dataset,
    strip_labels,
)
from aiida_insbench.data import DatasetData
from aiida_insbench.science.errors import DatasetError

FULL = {
    'code': 'Quantum ESPRESSO pw.x',
    'version': '7.2',
    'functional': 'SLA PW PBX PBC',
    'parameters': {'SYSTEM': {'ecutwfc': 60.0, 'vdw_corr': 'grimme-d3', 'dftd3_version': 4}},
    'pseudopotentials': {'H': {'filename': 'H.upf', 'md5': 'a1'}},
    'kpoints_mesh': [4, 4, 6],
    'kpoints_distance': 0.35,
    'pulay_stress_gpa': -0.24,
}


def identities(node):
    return [frame.info['frame_id'] for frame in node.get_frames()]


@pytest.fixture(scope='module')
def node():
    pair = frames(2)
    pair[1].info |= {'gas_phase': True, 'method': 'molecule', 'target_pressure': 7.0}
    return DatasetData(
        pair, dft_level=FULL, failed={'r1_009': 'no SCF'}, split='test', source='mine.xyz'
    ).store()


class TestAttributes:
    @pytest.mark.parametrize(
        ('name', 'value', 'other'),
        [
            ('functional', 'PBE', 'R2SCAN'),
            ('vdw', 'D3(BJ)', 'D3'),
            ('ecutwfc', {'>=': 60.0}, {'>': 60.0}),
            ('ecutrho', 240.0, 480.0),
            ('kpoints_distance', {'<': 0.4}, {'<': 0.3}),
            ('pseudo_hashes.H', 'a1', 'b2'),
            ('pulay_stress_gpa', {'<': -0.2}, {'>': -0.2}),
            ('split', 'test', 'training'),
            ('n_failed', 1, 0),
            ('n_atoms', 12, 6),
            ('n_gas_phase', 1, 0),
            ('source', 'mine.xyz', ''),
            ('target_pressures', {'contains': [0.0]}, {'contains': [7.0]}),
            ('kpoints_mesh', {'contains': [6]}, {'contains': [5]}),
        ],
    )
    def test_can_be_asked_for(self, node, name, value, other):
        def found(wanted):
            filters = {f'attributes.{name}': wanted}
            return QueryBuilder().append(DatasetData, filters=filters, project='id').all(flat=True)

        assert node.pk in found(value)
        assert node.pk not in found(other)

    def test_properties(self, node):
        assert (node.functional, node.vdw, node.ecutwfc, node.ecutrho) == ('PBE', 'D3(BJ)', 60, 240)
        assert (node.split, node.n_failed, node.n_atoms, node.n_gas_phase) == ('test', 1, 12, 1)
        assert (node.kpoints_mesh, node.kpoints_distance) == ([4, 4, 6], 0.35)
        assert (node.pseudo_hashes, node.pulay_stress_gpa) == ({'H': 'a1'}, -0.24)
        assert node.source == 'mine.xyz'

    def test_node_of_an_earlier_version(self):
        """It has none of the later attributes; what its level says is still there."""
        node = DatasetData(frames(2), dft_level=FULL)
        first = {'n_frames', 'labelled', 'elements', 'methods', 'target_pressures', 'dft_level'}
        for name in {*node.base.attributes.all} - first - {'failed'}:
            node.base.attributes.delete(name)
        node.store()
        assert (node.functional, node.vdw, node.ecutwfc) == ('PBE', 'D3(BJ)', 60)
        assert (node.split, node.source, node.n_failed, node.n_gas_phase) == ('', '', 0, 0)
        assert node.n_atoms == 12
        assert merge_datasets(a=node).n_atoms == 12

    def test_attribute_model_holds_them(self, node):
        """What AiiDA's model of the node (REST, archives of JSON) says is what is stored."""
        stored = node.base.attributes.all
        assert node.to_model().attributes.model_dump().items() >= stored.items()

    def test_unknown_split_is_refused(self):
        with pytest.raises(DatasetError, match='known are training, validation, test'):
            DatasetData(frames(1), dft_level=LEVEL, split='train')

    def test_pool_has_no_level(self):
        pool = dataset(1, labelled=False)
        assert (pool.functional, pool.vdw, pool.ecutwfc, pool.pseudo_hashes) == ('', '', None, {})


class TestMergeDatasets:
    def test_order_of_names(self):
        merged = merge_datasets(r2=dataset(2, prefix='r2'), r1=dataset(2, prefix='r1'))
        assert identities(merged) == ['r1_000', 'r1_001', 'r2_000', 'r2_001']
        assert merged.dft_level == LEVEL
        assert merged.labelled

    def test_different_levels_are_refused_with_every_difference(self):
        other = DatasetData(
            frames(1, prefix='r2'),
            dft_level={**FULL, 'parameters': {'SYSTEM': {'ecutwfc': 80.0}}, 'version': '7.4'},
        )
        one = DatasetData(frames(1), dft_level=FULL)
        with pytest.raises(DatasetError, match='`r1` and `r2` were labelled at') as caught:
            merge_datasets(r1=one, r2=other)
        for line in (
            'dispersion correction: D3(BJ) / none',
            'cutoff of wave functions: 60 Ry / 80 Ry',
            'version: 7.2 / 7.4',
        ):
            assert line in str(caught.value)

    def test_different_levels_on_request_are_on_record(self):
        other = DatasetData(frames(1, prefix='r2'), dft_level={**FULL, 'functional': 'R2SCAN'})
        one = DatasetData(frames(1), dft_level=FULL)
        merged = merge_datasets(r1=one, r2=other, allow_different_levels=Bool(True))
        assert (merged.functional, merged.vdw) == ('PBE / R2SCAN', 'D3(BJ)')
        assert merged.dft_level['differences'] == ['`r1` and `r2`: functional: PBE / R2SCAN']
        assert set(merged.dft_level['levels']) == {'r1', 'r2'}

    def test_same_frame_twice_is_refused_or_renamed(self):
        with pytest.raises(DatasetError, match='r1_000 occurs twice, in a and b'):
            merge_datasets(a=dataset(1), b=dataset(1))
        merged = merge_datasets(a=dataset(1), b=dataset(1), rename_repeated=Bool(True))
        assert identities(merged) == ['r1_000', 'b_r1_000']

    def test_what_is_no_dataset_is_refused(self):
        with pytest.raises(DatasetError, match='No DatasetData: b'):
            merge_datasets(a=dataset(1), b=Dict({}))

    def test_pools(self):
        pools = {name: dataset(1, labelled=False, prefix=name) for name in ('a', 'b')}
        merged = merge_datasets(**pools)
        assert (merged.labelled, merged.dft_level) == (False, {})
        assert identities(merged) == ['a_000', 'b_000']

    def test_pool_beside_labels_is_refused(self):
        with pytest.raises(DatasetError, match='`b` has no labels'):
            merge_datasets(a=dataset(1), b=dataset(1, labelled=False, prefix='p'))

    def test_failures_and_split_are_kept(self):
        parts = [
            DatasetData(
                frames(1, prefix=name), dft_level=LEVEL, failed={f'{name}_9': 'no'}, split='test'
            )
            for name in ('a', 'b')
        ]
        merged = merge_datasets(a=parts[0], b=parts[1])
        assert merged.failed == {'a_9': 'no', 'b_9': 'no'}
        assert merged.split == 'test'


class TestSplitDataset:
    def split(self, count, seed, size=10, **settings):
        given = [Dict(settings)] if settings else []
        return split_dataset(dataset(size), Int(count), Int(seed), *given)

    @pytest.mark.parametrize('count', [1, 4, 9])
    def test_disjoint_and_complete(self, count):
        parts = self.split(count, seed=1)
        training, validation = identities(parts['training']), identities(parts['validation'])
        assert len(validation) == count
        assert not set(training) & set(validation)
        assert sorted(training + validation) == identities(dataset(10))
        assert training == sorted(training)
        assert parts['validation'].dft_level == LEVEL
        assert {name: part.split for name, part in parts.items()} == {n: n for n in parts}

    def test_seed_decides(self):
        drawn = [identities(self.split(4, seed)['validation']) for seed in (1, 1, 2)]
        assert drawn[0] == drawn[1]
        assert drawn[0] != drawn[2]

    @pytest.mark.parametrize('count', [0, -1, 10, 11])
    def test_too_many_or_none_are_refused(self, count):
        with pytest.raises(
            DatasetError, match=f'{count} validation frames cannot be taken from 10'
        ):
            self.split(count, seed=1)

    def test_whole_pressure_held_out(self):
        parts = split_dataset(dataset(10), Float(0.2), Int(3), Dict({'held_out_pressures': [1.0]}))
        assert parts['test'].target_pressures == [1.0]
        assert parts['test'].n_frames == 5
        assert parts['training'].target_pressures == parts['validation'].target_pressures == [0.0]
        assert parts['validation'].n_frames == 1

    def test_unknown_setting_is_refused(self):
        with pytest.raises(DatasetError, match='Unknown: share'):
            self.split(2, seed=1, share=0.1)


class TestFilterAndStrip:
    def test_filter_says_why(self):
        given = frames(4)
        given[2].arrays['REF_forces'][0] = [30.0, 0, 40.0]
        node = DatasetData(given, dft_level=LEVEL)
        done = filter_dataset(node, Dict({'max_force': 20.0, 'pressure_range': [0.0, 0.5]}))
        assert identities(done['dataset']) == ['r1_000']
        assert done['report'].get_dict() == {
            'kept': 1,
            'n_removed': 3,
            'removed': {
                'r1_001': 'target pressure 1 GPa',
                'r1_002': 'a force of 50.00 eV/Å',
                'r1_003': 'target pressure 1 GPa',
            },
        }
        assert done['dataset'].dft_level == LEVEL

    def test_strip_labels(self):
        node = dataset(3)
        pool = strip_labels(node)
        assert not pool.labelled
        assert identities(pool) == identities(node)
        assert pool.dft_level == {}
        for before, after in zip(node.get_frames(), pool.get_frames(), strict=True):
            np.testing.assert_allclose(after.positions, before.positions, atol=1e-8)
            assert 'REF_forces' not in after.arrays
            assert after.info['target_pressure'] == before.info['target_pressure']


class TestImport:
    def file(self, text):
        return SinglefileData(io.BytesIO(text.encode()), filename='mine.xyz')

    def test_file_is_in_the_graph(self):
        file = self.file(text_of(copper(12)))
        done = import_dataset(file, Dict({'prefix': 'cu'}), Dict({'functional': 'PBE-D3(BJ)'}))
        node = done['dataset']
        assert (node.n_frames, node.functional, node.vdw) == (12, 'PBE', 'D3(BJ)')
        assert (node.source, node.target_pressures) == ('mine.xyz', [0.0, 1.0, 2.0])
        assert node.creator.inputs.file.get_content() == file.get_content()
        assert done['report'].get_dict()['unit_check']['forces'] == pytest.approx(1, abs=0.1)

    def test_level_is_asked_for(self):
        with pytest.raises(DatasetError, match=r'mine\.xyz: say what made the labels'):
            import_dataset(self.file(text_of(copper(2))), Dict({}), Dict({'code': 'VASP'}))
