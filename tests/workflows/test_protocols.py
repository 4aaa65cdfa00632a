"""Builders of a campaign: what each protocol asks for, and what is refused before anything runs."""

import functools
from collections.abc import Mapping

import numpy as np
import pytest
from aiida.orm import AbstractCode, Data, Dict, KpointsData, List, StructureData
from aiida.orm.nodes.data.base import BaseType
from aiida_phonopy.data import ForceConstantsData
from aiida_pseudo.data.pseudo import UpfData
from ase.build import bulk
from fake_nodes import (
    code,
    crystal,
    dataset,
    force_constants,
    potential,
    pseudo,
    pw_code,
    structure,
)

from aiida_insbench.data import PotentialData
from aiida_insbench.jobs import phonon_task
from aiida_insbench.science.errors import InputError, PressureError
from aiida_insbench.workflows.campaign import CampaignWorkChain
from aiida_insbench.workflows.ins import InsWorkChain
from aiida_insbench.workflows.phonons import PhononsWorkChain

PROTOCOLS = {
    # k mesh of MgH2, its phonon supercell, channels of the model
    'fast': ([4, 4, 6], [3, 3, 4], 32),
    'balanced': ([6, 6, 9], [3, 3, 5], 64),
    'stringent': ([10, 10, 15], [4, 4, 6], 128),
}


def campaign(**changes):
    given = {
        'structure': structure(),
        'pressures': [2, 0, 1],
        'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
        'cutoffs': (50.0, 200.0),
        'protocol': 'fast',
    }
    given.update(changes)
    return CampaignWorkChain.get_builder_from_protocol(pw_code(), code(), **given)


@functools.cache
def standard(protocol='fast'):
    """The builder of a protocol; tests only read it."""
    return campaign(protocol=protocol)


#: What matters of a node.
SHORT = (
    (AbstractCode, lambda node: f'code {node.label}'),
    (UpfData, lambda node: f'pseudo {node.element} {node.md5}'),
    (StructureData, lambda node: f'structure {node.get_formula()}'),
    (KpointsData, lambda node: node.get_kpoints_mesh()),
    (PotentialData, lambda node: f'potential of {"".join(node.elements)}'),
    (ForceConstantsData, lambda node: f'force constants of {node.get_unitcell().get_formula()}'),
    (Dict, Dict.get_dict),
    (List, List.get_list),
    (BaseType, lambda node: node.value),
)


def plain(value):
    """Builders as plain dictionaries; nodes as what matters of them."""
    if isinstance(value, Mapping):
        found = {key: plain(inner) for key, inner in value.items()}
        return {key: inner for key, inner in sorted(found.items()) if inner not in ({}, None)}
    for kind, short in SHORT:
        if isinstance(value, kind):
            return short(value)
    assert not isinstance(value, Data)
    return value


def refusal_by_the_engine(builder):
    """What the validation at submission says of the inputs, None if nothing."""
    ports = CampaignWorkChain.spec().inputs
    return ports.validate(ports.pre_process(builder._inputs(prune=True)))


def counts(round_inputs):
    (method,) = round_inputs.methods.values()
    return [cell['count'] for cell in method['cells']]


def test_builder_of_fast(data_regression):
    data_regression.check(plain(standard()))


@pytest.mark.parametrize('protocol', PROTOCOLS)
class TestEveryProtocol:
    def test_mesh_and_supercell(self, protocol):
        mesh, supercell, _ = PROTOCOLS[protocol]
        builder = standard(protocol)
        for part in (
            builder.relax,
            builder.first_round.label,
            builder.later_rounds.label,
            builder.reference.relax,
            builder.reference.label,
        ):
            assert part.kpoints_mesh.get_list() == mesh
        found = builder.phonons.phonons.supercell_matrix.get_list()
        assert found == np.diag(supercell).tolist()

    def test_supercell_keeps_images_apart(self, protocol):
        """The least number of cells of which the faces are the distance apart; hexagonal too."""
        hexagonal = StructureData(ase=bulk('Mg', 'hcp', a=3.2, c=5.2))
        builder = campaign(protocol=protocol, structure=hexagonal)
        inputs = CampaignWorkChain.get_protocol_inputs(protocol)
        wanted = inputs['phonons']['minimum_image_distance']
        assert 'minimum_image_distance' not in builder.phonons.phonons.settings.get_dict()
        repeats = np.diag(builder.phonons.phonons.supercell_matrix.get_list())
        heights = np.array([3.2 * np.sqrt(3) / 2, 3.2 * np.sqrt(3) / 2, 5.2])
        assert (repeats * heights >= wanted - 1e-9).all()
        assert ((repeats - 1) * heights < wanted).all()

    def test_frames(self, protocol):
        inputs, builder = CampaignWorkChain.get_protocol_inputs(protocol), standard(protocol)
        for name in ('first_round', 'later_rounds'):
            wanted = inputs[name]['frames']
            several = float(inputs[name].get('pool_per_frame', 1))
            assert sum(counts(builder[name])) == wanted * several
            if several > 1:
                assert builder[name].select.select.count.value == wanted
            assert 0 < builder[name].validation_frames.value < wanted

    def test_model(self, protocol):
        channels = PROTOCOLS[protocol][2]
        builder = standard(protocol)
        base, tuned = (
            part.training.train.settings.get_dict()
            for part in (builder.base_training, builder.fine_tuning)
        )
        assert 'model' not in tuned  # that of the potential it starts from
        assert base['model']['num_channels'] == channels
        assert (base['e0s'], tuned['e0s']) == ('average', 'foundation')
        assert base['max_epochs'] > tuned['max_epochs']

    def test_settings_are_those_the_stages_read(self, protocol):
        """Nothing the stages would refuse after hours of DFT."""
        from aiida_insbench.jobs.settings import read_settings
        from aiida_insbench.jobs.training_settings import read_training_settings

        builder = standard(protocol)
        read_settings(builder.phonons.phonons.settings.get_dict(), defaults=phonon_task.DEFAULTS)
        base = {**builder.base_training.training.train.settings.get_dict(), 'seed': 1}
        read_training_settings(base, elements=('H', 'Mg'), start=None)

    def test_engine_takes_it(self, protocol):
        assert refusal_by_the_engine(standard(protocol)) is None


@pytest.mark.parametrize('frames', [2, 101])
def test_counts_of_cells_sum_to_frames(frames):
    builder = campaign(overrides={'first_round': {'frames': frames}})
    assert sum(counts(builder.first_round)) == frames
    assert min(counts(builder.first_round)) > 0


def test_seeds_differ_and_follow_from_one():
    def seeds(builder):
        return [
            builder.first_round.seed.value,
            builder.first_round.split_seed.value,
            builder.later_rounds.seed.value,
            builder.later_rounds.split_seed.value,
            builder.base_training.seeds.get_list()[0],
            builder.fine_tuning.seeds.get_list()[0],
        ]

    first, other = seeds(standard()), seeds(campaign(seed=3))
    # of all rounds: each adds its number
    assert first[:2] == first[2:4]
    assert len({*first[:4], *other[:4]}) == 4
    assert (first[4:], other[4:]) == ([1, 1], [3, 3])


def test_committee_of_one_and_frames_where_a_committee_disagrees():
    def method(builder):
        (found,) = builder.later_rounds.methods.values()
        return found['method']

    assert method(standard()) == 'equal-energy'
    assert 'select' in standard('balanced').later_rounds
    lone = campaign(overrides={'committee': 1})
    assert lone.base_training.seeds.get_list() == [1]
    assert refusal_by_the_engine(lone) is None
    disputed = campaign(overrides={'later_rounds': {'method': 'disputed-modes'}})
    assert method(disputed) == 'disputed-modes'
    assert refusal_by_the_engine(disputed) is None


class TestRefusedTogether:
    def test_start_and_budget_and_rules(self):
        builder = campaign(
            start=potential(elements=('Mg',)),
            overrides={'stopping': {'most_frames': 10}},
        )
        message = refusal_by_the_engine(builder).message
        assert '`start` knows no H' in message
        assert 'most_frames' in message

    def test_rules_by_which_it_cannot_stop(self):
        with pytest.raises(ValueError, match='least_rounds'):
            campaign(overrides={'stopping': {'least_rounds': 9, 'most_rounds': 2}})

    def test_members_of_an_earlier_campaign(self):
        known = {
            'dataset': dataset(),
            'validation': dataset(),
            'committee': {'seed_1': potential()},
        }
        message = refusal_by_the_engine(campaign(known=known)).message
        assert 'seed_1, seed_2' in message


class TestPressures:
    def test_sorted_and_first_one_relaxed(self):
        builder = campaign(pressures=[2, 0.5, 1])
        assert builder.pressures.get_list() == [0.5, 1.0, 2.0]
        assert builder.relax.pressures.get_list() == [0.5]
        assert builder.first_round.pressures.get_list() == [0.5, 1.0, 2.0]

    def test_later_rounds_goes_beyond(self):
        builder = standard()
        assert builder.later_rounds.pressures.get_list() == [0.0, 1.0, 2.0, 3.0]

    def test_one_pressure(self):
        at_zero = campaign(pressures=[0])
        assert at_zero.later_rounds.pressures.get_list() == [0.0]
        assert at_zero.reference.relax.pressures.get_list() == [0.0]

    def test_reference_at_first_and_last(self):
        assert standard().reference.relax.pressures.get_list() == [0.0, 2.0]

    def test_reference_chosen(self):
        builder = campaign(reference_pressures=[1.5, 0])
        assert builder.reference.relax.pressures.get_list() == [0.0, 1.5]

    def test_no_reference(self):
        builder = campaign(reference_pressures=[])
        assert 'reference' not in builder._inputs(prune=True)
        assert refusal_by_the_engine(builder) is None

    @pytest.mark.parametrize('pressures', [['high'], [0, np.nan], [], [0, True], [1, 1.0001]])
    def test_what_is_no_pressure_is_refused(self, pressures):
        with pytest.raises(PressureError):
            campaign(pressures=pressures)

    def test_reference_that_is_no_pressure_is_refused(self):
        with pytest.raises(PressureError, match="'high' is not a pressure"):
            campaign(reference_pressures=['high'])


class TestPw:
    def test_cutoffs_and_pseudos(self):
        pw = campaign(cutoffs=(60.0, 480.0)).first_round.label.pw_base.pw
        system = pw.parameters.get_dict()['SYSTEM']
        assert (system['ecutwfc'], system['ecutrho']) == (60.0, 480.0)
        assert set(pw.pseudos) == {'Mg', 'H'}
        assert pw.code.label == 'pw'

    def test_ranks_are_of_the_first_relaxation_alone(self):
        builder = campaign(relaxation_ranks=2)
        relax = builder.relax.pw_base.pw
        options = relax.metadata.options
        assert options.resources['num_mpiprocs_per_machine'] == 2
        assert options.withmpi is True
        assert options.environment_variables['INSBENCH_SLOTS'] == '2'
        assert relax.parallelization.get_dict() == {'npool': 2}
        for part in (builder.first_round.label, builder.reference.relax):
            options = part.pw_base.pw.metadata.options
            assert options.withmpi is False
            assert options.environment_variables['INSBENCH_SLOTS'] == '1'

    def test_threads_are_of_the_trainings(self):
        builder = campaign(training_threads=2)
        variables = builder.base_training.training.train.metadata.options.environment_variables
        assert variables == {'OMP_NUM_THREADS': '2', 'INSBENCH_SLOTS': '2'}
        variables = builder.phonons.phonons.metadata.options.environment_variables
        assert variables == {'OMP_NUM_THREADS': '1', 'INSBENCH_SLOTS': '1'}

    def test_reference_gives_way(self):
        builder = standard()
        for part in (builder.reference.relax, builder.reference.label):
            variables = part.pw_base.pw.metadata.options.environment_variables
            assert variables['INSBENCH_QUEUE'] == 'background'
        variables = builder.first_round.label.pw_base.pw.metadata.options.environment_variables
        assert 'INSBENCH_QUEUE' not in variables


class TestOverrides:
    def test_mesh(self):
        builder = campaign(overrides={'kpoints_mesh': [3, 3, 3]})
        assert builder.relax.kpoints_mesh.get_list() == [3, 3, 3]

    def test_supercell(self):
        matrix = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
        builder = campaign(overrides={'phonons': {'supercell_matrix': matrix}})
        assert builder.phonons.phonons.supercell_matrix.get_list() == matrix
        assert 'supercell_matrix' not in builder.phonons.phonons.settings.get_dict()

    def test_file(self, tmp_path):
        path = tmp_path / 'overrides.yaml'
        path.write_text('base_training: {max_epochs: 7}\n')
        settings = campaign(overrides=path).base_training.training.train.settings.get_dict()
        assert settings['max_epochs'] == 7
        assert settings['learning_rate'] == 0.01

    def test_rattle_by_element(self):
        wanted = {'default': [0.01, 0.02], 'H': [0.03, 0.07], 'C': [0.1, 0.2]}
        builder = campaign(overrides={'first_round': {'settings': {'rattle': wanted}}})
        (method,) = builder.first_round.methods.values()
        rattle = method['settings']['rattle']
        assert rattle == {'H': [0.03, 0.07], 'Mg': [0.01, 0.02]}


class TestRefusals:
    def test_missing_pseudopotential(self):
        with pytest.raises(InputError, match=r'No pseudopotential for H\. Install a family'):
            campaign(pseudos={'Mg': pseudo('Mg')})

    def test_unknown_protocol(self):
        with pytest.raises(ValueError, match='`quick` is not a valid protocol'):
            campaign(protocol='quick')

    def test_overlapping_atoms(self):
        atoms = crystal()
        atoms.positions[1] = atoms.positions[0] + 0.01
        with pytest.raises(ValueError, match=r'atoms 0 \(Mg\) and 1 \(Mg\) are 0\.017 Å apart'):
            campaign(structure=StructureData(ase=atoms))

    def test_molecule(self):
        atoms = crystal()
        atoms.pbc = [True, True, False]
        with pytest.raises(ValueError, match='not periodic in three dimensions'):
            campaign(structure=StructureData(ase=atoms))

    def test_colliding_pressures_in_the_builder(self):
        builder = standard()
        with pytest.raises(ValueError, match='share the label p_1000'):
            builder.pressures = List([1, 1.0001])

    def test_equal_seeds_of_a_committee(self):
        builder = standard()
        with pytest.raises(ValueError, match='give different integers'):
            builder.base_training.seeds = List([1, 1])


def test_builder_of_spectra(data_regression):
    builder = InsWorkChain.get_builder_from_protocol(
        code(),
        {'p_0000': force_constants(), 'p_1500': force_constants(seed=1)},
        protocol='stringent',
        overrides={'ins': {'instrument': 'VISION'}, 'broadening': {'groups': {'h': {}}}},
    )
    found = plain(builder)
    labels = found['ins'].pop('force_constants')
    assert sorted(labels) == ['p_0000', 'p_1500']
    data_regression.check(found)


@pytest.mark.parametrize(('protocol', 'tolerance'), [('fast', 2.0), ('balanced', 1.0)])
def test_protocols_choose_the_error_of_spectra(protocol, tolerance):
    builder = InsWorkChain.get_builder_from_protocol(
        code(), {'p_0000': force_constants()}, protocol=protocol
    )
    parameters = builder.ins.parameters.get_dict()
    assert parameters['tolerance'] == tolerance
    assert 'mesh' not in parameters


def phonons(**changes):
    given = {'structure': structure(), 'pressures': [1.5, -0.5], 'protocol': 'fast', **changes}
    return PhononsWorkChain.get_builder_from_protocol(code(), potential(), **given)


def test_builder_of_phonons(data_regression):
    data_regression.check(plain(phonons(structures={1.5: structure()})))


@pytest.mark.parametrize(
    ('protocol', 'supercell', 'overlap'),
    [('fast', [3, 3, 4], None), ('balanced', [3, 3, 5], 0.5), ('stringent', [4, 4, 6], 0.7)],
)
def test_protocols_choose_supercell_and_insertion(protocol, supercell, overlap):
    builder = phonons(protocol=protocol)
    assert np.diag(builder.phonons.supercell_matrix.get_list()).tolist() == supercell
    assert builder.phonons.settings.get_dict().get('adaptive_overlap') == overlap


def test_settings_of_phonons_are_those_the_stage_reads():
    for protocol in PROTOCOLS:
        settings = phonons(protocol=protocol).phonons.settings.get_dict()
        assert set(settings) <= set(phonon_task.DEFAULTS)


def test_overrides_of_phonons():
    builder = phonons(
        overrides={'phonons': {'supercell_matrix': [[1, 1, 0], [-1, 1, 0], [0, 0, 1]], 'fmax': 0.1}}
    )
    assert builder.phonons.supercell_matrix.get_list()[0] == [1, 1, 0]
    assert builder.phonons.settings['fmax'] == 0.1


def test_phonons_of_an_unknown_element_are_refused():
    with pytest.raises(ValueError, match='knows no Cu'):
        phonons(structure=StructureData(ase=bulk('Cu')))
