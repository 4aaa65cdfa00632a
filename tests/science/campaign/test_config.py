"""A campaign's file: what it may hold, and all problems at once."""

from __future__ import annotations

import pytest
import yaml
from ase import Atoms
from ase.build import bulk

from aiida_insbench.science.campaign.composition import (
    claimed_composition,
    composition_faults,
    occupancy_faults,
    parse_formula,
)
from aiida_insbench.science.campaign.config import EXAMPLE, checked_config, read_config
from aiida_insbench.science.errors import InputError

LEAST = {'structure': 'a.cif', 'pressures': [0, 1], 'pseudo_family': 'family'}


def test_the_example_is_valid(tmp_path):
    path = tmp_path / 'campaign.yaml'
    path.write_text(EXAMPLE, encoding='utf-8')
    config = read_config(path)
    assert config.pressures == [0.0, 1.5]
    assert config.protocol_overrides['stopping']['most_frames'] == 400
    assert config.protocol_overrides['committee'] == 3


def test_what_is_left_out_is_the_protocols_own():
    config = checked_config(LEAST, name='x.yaml')
    assert config.protocol_overrides == {}
    assert config.protocol == 'balanced'


def test_every_problem_is_told_at_once():
    given = {
        **LEAST,
        'pressures': [0, 1, 1],
        'stopping': {'most_frames': 0, 'tolerance_shift': -1},
        'protocol': 'quick',
        'colour': 'red',
        'committee': 0,
        'blind': ['ambient'],
    }
    with pytest.raises(InputError) as caught:
        checked_config(given, name='x.yaml')
    text = str(caught.value)
    for word in (
        '`pressures`', 'most_frames', 'tolerance_shift', '`protocol`', '`colour`', '`committee`',
        'ambient',
    ):  # fmt: skip
        assert word in text
    assert 'x.yaml' in text


def test_rules_that_contradict_each_other():
    given = {**LEAST, 'stopping': {'least_rounds': 4, 'most_rounds': 2}}
    with pytest.raises(InputError, match=r'`stopping`.*least_rounds'):
        checked_config(given, name='x.yaml')


def test_no_yaml_and_no_names(tmp_path):
    path = tmp_path / 'x.yaml'
    path.write_text('[1, 2', encoding='utf-8')
    with pytest.raises(InputError, match='cannot be read'):
        read_config(path)
    path.write_text('- 1', encoding='utf-8')
    with pytest.raises(InputError, match='names and values'):
        read_config(path)


@pytest.mark.parametrize(
    ('text', 'atoms'),
    [
        ('C6H14', {'C': 6, 'H': 14}),
        ('C4 H2 I2 S', {'C': 4, 'H': 2, 'I': 2, 'S': 1}),
        ('C6D6', {'C': 6, 'H': 6}),
    ],
)
def test_formulas(text, atoms):
    assert parse_formula(text) == atoms


@pytest.mark.parametrize('text', ['', '6', 'Xx2', 'C6h14'])
def test_no_formulas(text):
    with pytest.raises(InputError, match='no chemical formula'):
        parse_formula(text)


def hexane(hydrogens: int) -> Atoms:
    return Atoms('C6' + f'H{hydrogens}' * bool(hydrogens), cell=[9, 9, 9], pbc=True)


def test_a_whole_crystal_has_no_fault():
    assert composition_faults(hexane(14), parse_formula('C6H14'), of='C6H14') == []
    assert composition_faults(hexane(14), parse_formula('C3H7'), units=2, of='C3H7') == []


def test_missing_hydrogens_are_named():
    for there in (0, 12):
        (fault,) = composition_faults(hexane(there), parse_formula('C6H14'), of='C6H14')
        assert '14 H expected' in fault
        assert 'Hydrogens are missing' in fault


def test_another_number_of_molecules_and_strangers():
    (fault,) = composition_faults(hexane(14), parse_formula('C6H14'), units=2, of='C6H14')
    assert '12 C expected, 6 there' in fault
    faults = composition_faults(hexane(14), parse_formula('C6'), of='C6')
    assert 'holds H' in faults[0]


def test_a_cif_states_its_own_composition(tmp_path):
    path = tmp_path / 'salt.cif'
    bulk('NaCl', 'rocksalt', a=5.64).write(path)
    text = path.read_text(encoding='utf-8')
    assert '_chemical_formula_sum' in text
    path.write_text(text + '\n_cell_formula_units_Z 1\n', encoding='utf-8')
    assert claimed_composition(path) == ({'Na': 1.0, 'Cl': 1.0}, 1)
    assert claimed_composition(tmp_path / 'salt.vasp') is None


def test_shared_sites_are_refused():
    atoms = bulk('NaCl', 'rocksalt', a=5.64)
    atoms.info['occupancy'] = {'0': {'Na': 0.6, 'K': 0.4}, '1': {'Cl': 1.0}}
    (fault,) = occupancy_faults(atoms, name='salt.cif')
    assert 'Na 0.6, K 0.4' in fault
    atoms.info['occupancy'] = {'0': {'Na': 1.0}, '1': {'Cl': 0.5}}
    assert occupancy_faults(atoms)
    assert occupancy_faults(bulk('Cu')) == []


def test_yaml_of_the_example_has_every_entry():
    from aiida_insbench.science.campaign.config import CampaignConfig

    names = {field.alias or name for name, field in CampaignConfig.model_fields.items()}
    assert names == set(yaml.safe_load(EXAMPLE))
