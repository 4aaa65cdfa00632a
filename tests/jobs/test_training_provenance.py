"""What a trained potential says of itself."""

import dataclasses

from aiida_insbench.jobs.training_provenance import training_provenance
from aiida_insbench.science.potentials import Potential, potential_from_ase

LDA = {'dft_level': {'functional': 'PZ'}}


def start(**provenance):
    """Any potential does: only its provenance is looked at."""
    bare = potential_from_ase('emt')
    return Potential(dataclasses.replace(bare.metadata, provenance=provenance), bare.weights)


def test_from_scratch():
    found, warnings = training_provenance(LDA, 'scratch', None)
    assert found == {**LDA, 'training': {'strategy': 'scratch'}}
    assert warnings == []


def test_licence_and_origin_of_the_start_are_kept():
    origin = {'dft_level': {'functional': 'LDA'}, 'licence': 'ASL', 'source': {'name': 'X'}}
    found, warnings = training_provenance(LDA, 'naive', start(**origin))
    assert warnings == []
    assert found['licence'] == 'ASL'
    assert found['dft_level'] == {'functional': 'PZ'}
    assert found['training']['strategy'] == 'naive'
    assert found['training']['start']['source'] == {'name': 'X'}
    assert len(found['training']['start']['sha256']) == 64


def test_other_functionals_are_warned_of_and_recorded():
    given = {**LDA, 'replay_dft_level': {'functional': 'PBE+U'}}
    found, warnings = training_provenance(
        given, 'multihead_replay', start(dft_level={'functional': 'PBE+U'})
    )
    assert len(warnings) == 1
    assert 'the start potential has the functional PBE+U, the dataset LDA' in warnings[0]
    assert found['training']['warnings'] == warnings
    assert 'replay_dft_level' not in found


def test_replay_of_another_level_than_the_start_is_warned_of():
    given = {**LDA, 'replay_dft_level': LDA['dft_level']}
    _, warnings = training_provenance(
        given, 'multihead_replay', start(dft_level={'functional': 'PBE'})
    )
    assert [warning.partition(': ')[0] for warning in warnings] == [
        'the start potential has the functional PBE, the dataset LDA',
        'the start potential has the functional PBE, the replay LDA',
    ]


def test_what_is_not_on_record_is_said():
    _, warnings = training_provenance({}, 'naive', start())
    assert warnings == [
        'The functional of the start potential and of the dataset is not on record; not compared.'
    ]
