"""Builders of a round of data and of a convergence, and what their inputs may not be."""

import functools

import numpy as np
import pytest
from aiida.orm import Dict, Int, List, Str, StructureData
from ase.build import bulk
from fake_nodes import code, dataset, potential, pseudo, pw_code, structure
from test_protocols import plain

from aiida_insbench.data import DatasetData
from aiida_insbench.science.errors import InputError, PressureError
from aiida_insbench.workflows.converge import ConvergeWorkChain, name_of
from aiida_insbench.workflows.dataset import DatasetWorkChain
from aiida_insbench.workflows.dataset_inputs import validate_dataset_inputs
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.protocols.converge import distinct_meshes
from aiida_insbench.workflows.sampling_inputs import sampling_inputs

PROTOCOLS = ('fast', 'balanced', 'stringent')


def given(**changes):
    return {
        'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
        'protocol': 'fast',
        **changes,
    }


def round_of_data(**changes):
    inputs = {'structure': structure(), 'pressures': [2, 0], 'cutoffs': (50.0, 200.0), **changes}
    return DatasetWorkChain.get_builder_from_protocol(pw_code(), code(), **given(**inputs))


def convergence(**changes):
    cutoffs = [(40, 160), (60, 240), (80, 320)]
    inputs = {'structure': structure(), 'pressures': [2, 0], 'cutoffs': cutoffs, **changes}
    return ConvergeWorkChain.get_builder_from_protocol(pw_code(), code(), **given(**inputs))


@functools.cache
def standard(protocol):
    """The builder of a protocol; tests only read it."""
    return round_of_data(protocol=protocol)


def refusal(process_class, builder):
    """What the validation at submission says of the inputs, None if nothing."""
    ports = process_class.spec().inputs
    found = ports.validate(ports.pre_process(builder._inputs(prune=True)))
    return None if found is None else found.message


class TestRound:
    def test_builder_of_a_round(self, data_regression):
        data_regression.check(plain(standard('fast')))

    def test_builder_with_a_potential(self, data_regression):
        known = dataset(4)
        builder = round_of_data(potential=potential(), known=known, held_out_pressures=[2])
        assert builder.known is known
        del builder.known
        data_regression.check(plain(builder))

    @pytest.mark.parametrize('protocol', PROTOCOLS)
    def test_frames_drawn_and_chosen(self, protocol):
        builder, inputs = standard(protocol), DatasetWorkChain.get_protocol_inputs(protocol)
        (method,) = builder.methods.values()
        wanted = inputs['first_round']['frames']
        assert builder.select.select.count.value == wanted
        assert sum(cell['count'] for cell in method['cells']) == 4 * wanted
        assert builder.select.select.descriptors.value == 'soap'
        assert refusal(DatasetWorkChain, builder) is None

    def test_frames_of_a_potential(self):
        builder = round_of_data(potential=potential())
        assert set(builder.methods) == {'modes'}
        assert builder.methods['modes']['relaxed'] is False
        assert builder.select.select.descriptors.value == 'mace'
        assert refusal(DatasetWorkChain, builder) is None

    def test_frames_of_a_committee(self):
        members = {'seed_1': potential(), 'seed_2': potential(scale=2.0)}
        builder = round_of_data(committee=members)
        (method,) = builder.methods.values()
        assert method['method'] == 'equal-energy'
        assert set(builder.committee) == set(members)
        select = builder.select.select
        assert (select.method.value, select.descriptors.value) == ('committee', 'mace')
        assert select.settings.get_dict() == {'weights': 'neutron'}
        assert refusal(DatasetWorkChain, builder) is None
        inputs = DatasetWorkChain.get_protocol_inputs('fast')
        assert select.count.value == inputs['later_rounds']['frames']

    def test_the_method_of_later_rounds_is_that_of_a_committee(self):
        members = {'seed_1': potential(), 'seed_2': potential(scale=2.0)}
        overrides = {'later_rounds': {'method': 'disputed-modes'}}
        (method,) = round_of_data(committee=members, overrides=overrides).methods.values()
        assert method['method'] == 'disputed-modes'

    def test_all_that_is_drawn(self):
        builder = round_of_data(overrides={'dataset': {'frames': 9, 'pool_per_frame': 1}})
        assert 'select' not in builder._inputs(prune=True)
        (method,) = builder.methods.values()
        assert sum(cell['count'] for cell in method['cells']) == 9

    def test_molecules_are_moved_as_wholes(self):
        ice = bulk('MgH', 'rocksalt', a=4.0)
        ice.symbols[:] = 'H'
        ice.set_cell([6.0, 6.0, 6.0])
        ice.positions = [[0, 0, 0], [0, 0, 0.75]]
        overrides = {'dataset': {'gas_molecules': 2, 'isolated_atoms': True, 'relax': False}}
        builder = round_of_data(structure=StructureData(ase=ice), overrides=overrides)
        assert builder.methods['rattled']['method'] == 'molecular-rattle'
        assert builder.methods['rattled']['settings']['rotation'] == 3.0
        assert builder.methods['gas']['settings']['count'] == 2
        assert set(builder.methods) == {'rattled', 'gas', 'atom'}
        assert 'relax' not in builder._inputs(prune=True)
        assert refusal(DatasetWorkChain, builder) is None

    def test_frames_of_a_method_stay_when_others_come(self):
        def seeds(**chosen):
            builder = round_of_data(overrides={'dataset': chosen})
            return {
                prefix: sampling_inputs(entry, prefix, builder.seed, number)['seed'].value
                for number, (prefix, entry) in enumerate(sorted(builder.methods.items()))
            }

        alone, together = seeds(), seeds(isolated_atoms=True, gas_molecules=1)
        assert together['rattled'] == alone['rattled']
        assert len(set(together.values())) == 3

    def test_the_place_of_a_method_is_its_seed_where_it_says_none(self):
        entry = {'method': 'isolated-atoms', 'settings': {}}
        made = [sampling_inputs(Dict(entry), 'a', 1000, number) for number in (0, 1)]
        assert [one['seed'].value for one in made] == [1000, 1010]

    def test_seeds_differ_and_follow_from_one(self):
        def seeds(builder):
            chosen = (builder.seed, builder.split_seed, builder.select.select.seed)
            return [node.value for node in chosen]

        assert len({*seeds(standard('fast')), *seeds(round_of_data(seed=2))}) == 6

    def test_cutoffs_and_ranks(self):
        pw = round_of_data(cutoffs=(70.0, 560.0), ranks=2).label.pw_base.pw
        system = pw.parameters['SYSTEM']
        assert (system['ecutwfc'], system['ecutrho']) == (70.0, 560.0)
        assert pw.metadata.options.withmpi is True

    @pytest.mark.parametrize(
        ('changes', 'error', 'words'),
        [
            ({'pressures': ['high']}, PressureError, 'not a pressure'),
            ({'pseudos': {}}, InputError, 'No pseudopotential for H, Mg'),
            ({'held_out_pressures': ['x']}, PressureError, 'not a pressure'),
        ],
    )
    def test_refusals_of_the_builder(self, changes, error, words):
        with pytest.raises(error, match=words):
            round_of_data(**changes)


def _only(names):
    """Take away all ports but these, as far as they say where frames come from."""

    def change(builder):
        for name in {'methods', 'sample', 'select', 'relax'} - set(names):
            delattr(builder, name)

    return change


def _set(**makers):
    def change(builder):
        for name, make in makers.items():
            setattr(builder, name, make())

    return change


def _method(**entries):
    def change(builder):
        method = next(iter(builder.methods.values())).get_dict()
        builder.methods = {'rattled': Dict({**method, **entries})}

    return change


def _of_a_run():
    frames = UNLABELLED().get_frames()
    for frame in frames:
        del frame.info['supercell_matrix']
    return DatasetData(frames)


def _select(members=(), elements=('H', 'Mg'), **entries):
    def change(builder):
        for name, value in entries.items():
            node = Dict(value) if isinstance(value, dict) else Str(value)
            setattr(builder.select.select, name, node)
        if members:
            builder.committee = {name: potential(elements=elements) for name in members}

    return change


def _dispute(members, settings=None, **options):
    given = {'temperature': 60.0, 'frequency_floor': 80.0, 'strain': 0.004, **(settings or {})}

    def change(builder):
        _method(method='disputed-modes', settings=given)(builder)
        _select(members, **options)(builder)

    return change


UNLABELLED = functools.partial(dataset, 3, labelled=False)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (_only([]), 'No frames: give `methods`, `pools` or both'),
        (_only(['methods']), '`methods` need `sample`'),
        (_set(pools=lambda: {'rattled': UNLABELLED()}), 'share the names rattled'),
        (_set(pools=lambda: {'mine': UNLABELLED(prefix='rattled')}), 'such as rattled_000'),
        (_set(pools=lambda: {'a': UNLABELLED(), 'b': UNLABELLED()}), 'r1_000 occurs twice'),
        (_set(pools=lambda: {'a': dataset(3)}), '`pools.a` has labels'),
        (_method(method='equal-energy', settings={'temperature': 60.0, 'frequency_floor': 80.0,
                                                  'strain': 0.004}), 'needs the input `potential`'),
        (_dispute([]), 'disputed-modes needs two potentials or more as `committee`'),
        (_dispute(['a']), '`methods.rattled`: disputed-modes needs two potentials or more'),
        (_dispute(['a', 'b'], {'least_share': 3.0}), '`methods.rattled`: `least_share` is 3.0'),
        (_dispute(['a', 'b'], elements=('H',)), '`committee.a` does not know Mg'),
        (_select(method='committee'), '`select`: A committee of 0 cannot disagree'),
        (_select(['a'], method='committee'), '`select`: A committee of 1 cannot disagree'),
        (_select(descriptors='mace'), '`select`: `descriptors: mace` needs one potential, 0'),
        (_select(settings={'weights': 'neutron'}), 'use `method: committee`'),
        (_select(['a', 'b'], descriptors='mace'), 'hands its `potential` on'),
        (_method(method='magic'), 'is no method of a round of data'),
        (_method(method='trajectory'), 'is no method of a round of data'),
        (_method(cells=[]), 'needs `cells`'),
        (_method(speed=1), '`methods.rattled` has speed'),
        (_method(settings={'strain': 0.1}), '`methods.rattled`: '),
        (_method(seed_offset=-1), '`seed_offset` is -1'),
        (_set(pools=lambda: {'run': _of_a_run()}), 'r1_000 of `pools` has no `supercell_matrix`'),
        (_set(relaxed=lambda: {'p_1000': structure()}), '`relaxed` has p_1000'),
        (_set(split=lambda: Dict({'tests': 1})), '`split` has tests'),
        (_set(split=lambda: Dict({'stratify': ['colour']})), '`split.stratify` holds colour'),
        (_set(split=lambda: Dict({'held_out_pressures': [7.0]})), 'has 7 GPa, for which no frame'),
        (_set(structure=lambda: StructureData(ase=bulk('Cu'))), 'No pseudopotential for Cu'),
    ],
)  # fmt: skip
def test_wrong_rounds_start_nothing(change, words):
    builder = round_of_data()
    change(builder)
    assert words in refusal(DatasetWorkChain, builder)


def test_rounds_of_a_committee():
    builder = round_of_data()
    _dispute(['a', 'b'], method='committee')(builder)
    assert refusal(DatasetWorkChain, builder) is None
    builder.select.select.settings = Dict({'weights': 'neutron'})
    assert refusal(DatasetWorkChain, builder) is None


def test_a_work_chain_that_gives_the_committee_itself():
    """What a campaign exposes has no such port: its rounds are not refused for want of it."""
    builder = round_of_data()
    _dispute(['a', 'b'], method='committee')(builder)
    made = DatasetWorkChain.spec().inputs.pre_process(builder._inputs(prune=True))
    inputs = {name: value for name, value in made.items() if name != 'committee'}
    assert 'as `committee`' in validate_dataset_inputs(inputs, ('committee', 'potential'))
    assert validate_dataset_inputs(inputs, ()) is None
    select = {**made['select']['select'], 'method': Str('farthest-point')}
    inputs['select'] = {'select': {**select, 'descriptors': Str('mace')}}
    assert validate_dataset_inputs(inputs, ()) is None
    inputs['select'] = {'select': {**select, 'count': Int(0)}}
    assert 'count' in validate_dataset_inputs(inputs, ())


def test_pools_alone_need_no_program_to_sample():
    builder = round_of_data()
    _only([])(builder)
    builder.pools = {'elsewhere': dataset(5)}  # labels of a pool are not used
    assert refusal(DatasetWorkChain, builder) is None
    builder.split = Dict({'held_out_pressures': [1.0]})  # of the pool's frames
    assert refusal(DatasetWorkChain, builder) is None


class TestConvergence:
    def test_builder_of_a_convergence(self, data_regression):
        data_regression.check(plain(convergence()))

    def test_meshes_given(self):
        builder = convergence(kpoints_meshes=[[2, 2, 3], [4, 4, 6]])
        assert builder.kpoints_meshes.get_list() == [[2, 2, 3], [4, 4, 6]]
        assert refusal(ConvergeWorkChain, builder) is None

    def test_equal_meshes_count_once(self):
        """Of a cube of 4 Å, 2π/4 = 1.571 Å⁻¹: 3, 3, 4 and 7 points."""
        meshes = distinct_meshes(np.eye(3) * 4.0, [0.25, 0.55, 0.6, 0.4])
        assert meshes == [[3, 3, 3], [4, 4, 4], [7, 7, 7]]

    def test_names(self):
        assert name_of([37.5, 150.0]) == 'cutoff_37p5_150'
        assert name_of([4, 4, 6]) == 'mesh_4_4_6'

    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ({'cutoffs': [(40, 160)]}, 'at least two pairs'),
            ({'cutoffs': [(60, 240), (40, 160)]}, 'not finer'),
            ({'pseudos': {}}, 'No pseudopotential for H, Mg'),
        ],
    )
    def test_refusals_of_the_builder(self, changes, words):
        with pytest.raises(ValueError, match=words):
            convergence(**changes)

    @pytest.mark.parametrize(
        ('port', 'value', 'words'),
        [
            ('cutoffs', [[40, 160], 60], 'must hold lists of 2 numbers'),
            ('cutoffs', [[40, 160, 1], [60, 240, 1]], 'must hold lists of 2 numbers'),
            ('cutoffs', [['x', 160], [60, 240]], 'must hold numbers'),
            ('cutoffs', [[0, 0], [60, 240]], 'must be positive'),
            ('cutoffs', [[40, 160]], 'two at least can be compared'),
            ('kpoints_meshes', [[2, 2, 2], [2, 2, 2]], 'is not finer'),
            ('kpoints_meshes', [[1.5, 2, 2], [4, 4, 4]], 'must hold positive integers'),
            ('tolerances', {'colour': 1}, 'known are forces, energy and stress'),
            ('tolerances', {'forces': 0}, '`tolerances.forces` is 0'),
            ('tolerances', {'stress': 'low'}, "`tolerances.stress` is 'low'"),
            ('method', {'method': 'thermal'}, '`method`: thermal needs `cells`'),
            ('method', {'method': 'isolated-atoms'}, 'it must be one of strain-rattle'),
            ('method', {'method': 'magic'}, "`method`: 'magic' is no method"),
        ],
    )
    def test_wrong_inputs(self, port, value, words):
        node = Dict(value) if isinstance(value, dict) else List(value)
        with pytest.raises(ValueError, match=words):
            setattr(convergence(), port, node)


class TestLabel:
    """Its builder, to which rounds and convergences hand what they were given."""

    def test_mesh_and_lanes(self):
        builder = LabelWorkChain.get_builder_from_protocol(
            pw_code(), dataset(2, labelled=False), **given(cutoffs=(50.0, 200.0))
        )
        assert builder.kpoints_mesh.get_list() == [4, 4, 6]
        builder.max_concurrent = Int(3)
        assert refusal(LabelWorkChain, builder) is None
