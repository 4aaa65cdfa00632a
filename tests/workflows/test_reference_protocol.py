"""Builders of the DFT reference: what each protocol asks for, and what is refused."""

import numpy as np
import pytest
from aiida.orm import StructureData
from ase import Atoms
from ase.build import bulk
from fake_nodes import code, pseudo, pw_code, structure
from test_protocols import campaign, plain

from aiida_insbench.jobs.fit import DEFAULTS
from aiida_insbench.jobs.settings import read_settings
from aiida_insbench.science.errors import InputError, PressureError
from aiida_insbench.workflows.reference import ReferenceWorkChain

SUPERCELLS = {
    # of MgH2
    'fast': None,
    'balanced': [2, 2, 3],
    'stringent': [3, 3, 4],
}


def reference(**changes):
    given = {
        'structure': structure(),
        'pressures': [2, 0],
        'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
        'cutoffs': (50.0, 200.0),
    }
    given.update(changes)
    return ReferenceWorkChain.get_builder_from_protocol(pw_code(), code(), **given)


def refusal_by_the_engine(builder):
    ports = ReferenceWorkChain.spec().inputs
    return ports.validate(ports.pre_process(builder._inputs(prune=True)))


@pytest.mark.parametrize('protocol', ['fast', 'balanced'])
def test_builder(data_regression, protocol):
    """The unit cell, and a supercell."""
    data_regression.check(plain(reference(protocol=protocol)), basename=f'test_builder_{protocol}')


@pytest.mark.parametrize('protocol', SUPERCELLS)
def test_supercell_and_engine(protocol):
    builder = reference(protocol=protocol)
    assert refusal_by_the_engine(builder) is None
    found = builder._inputs(prune=True)
    if SUPERCELLS[protocol] is None:
        assert 'supercell_matrix' not in found
        assert {'sample', 'label'} <= set(found)
        assert 'displacements' not in found
    else:
        matrix = found['supercell_matrix'].get_list()
        assert matrix == np.diag(SUPERCELLS[protocol]).tolist()
        assert not {'sample', 'label'} & set(found)
    read_settings(builder.fit.fit.settings.get_dict(), defaults=DEFAULTS)
    assert builder.relax.pressures.get_list() == [0.0, 2.0]


def test_the_same_relaxation_as_the_campaign():
    """So that crystals relaxed there need not be relaxed here."""
    ours, theirs = reference(protocol='fast').relax, campaign().reference.relax
    assert plain(ours)['settings'] == plain(theirs)['settings']
    assert ours.kpoints_mesh.get_list() == theirs.kpoints_mesh.get_list()
    assert ours.pw_base.pw.parameters.get_dict() == theirs.pw_base.pw.parameters.get_dict()


def test_forces_are_converged_further_than_the_cell():
    builder = reference(protocol='balanced')
    cell, forces = (
        part.pw_base.pw.parameters.get_dict() for part in (builder.relax, builder.displacements)
    )
    assert cell['ELECTRONS']['conv_thr'] == 1e-9
    assert forces['ELECTRONS']['conv_thr'] == 1e-11
    forces['ELECTRONS']['conv_thr'] = 1e-9
    assert forces == cell


class TestOverrides:
    def test_supercell(self):
        matrix = [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]
        silicon = StructureData(ase=bulk('Si'))
        builder = reference(
            structure=silicon,
            pseudos={'Si': pseudo('Si')},
            overrides={'reference': {'supercell_matrix': matrix}},
            protocol='fast',
        )
        assert builder.supercell_matrix.get_list() == matrix

    def test_displacement_tolerance_mesh_and_parameters(self):
        changes = {
            'displacement': 0.02,
            'symprec': 1e-4,
            'mesh': [4, 4, 4],
            'minimum_image_distance': 5.0,
            'pw': {'ELECTRONS': {'conv_thr': 1e-12}, 'CONTROL': {'verbosity': 'high'}},
        }
        builder = reference(protocol='fast', overrides={'reference': changes})
        part = builder.displacements
        assert (part.displacement.value, part.symmetry_tolerance.value) == (0.02, 1e-4)
        parameters = part.pw_base.pw.parameters.get_dict()
        assert parameters['ELECTRONS']['conv_thr'] == 1e-12
        assert parameters['CONTROL']['verbosity'] == 'high'
        assert parameters['CONTROL']['disk_io'] == 'low'
        assert builder.fit.fit.settings.get_dict() == {'mesh': [4, 4, 4]}
        assert builder.supercell_matrix.get_list() == np.diag([2, 2, 2]).tolist()

    def test_displacement_of_the_unit_cell(self):
        builder = reference(
            protocol='fast', overrides={'reference': {'displacement': 0.03, 'symprec': 1e-2}}
        )
        settings = builder.sample.sample.settings.get_dict()
        assert settings == {'displacement': 0.03, 'symprec': 1e-2}

    def test_ranks(self):
        builder = reference(protocol='balanced', ranks=4)
        for part in (builder.relax, builder.displacements):
            options = part.pw_base.pw.metadata.options
            assert options.resources['num_mpiprocs_per_machine'] == 4
            assert options.environment_variables['INSBENCH_SLOTS'] == '4'


@pytest.mark.parametrize(
    ('changes', 'error', 'words'),
    [
        ({'pseudos': {}}, InputError, 'No pseudopotential for H, Mg'),
        ({'pressures': [0, 'high']}, PressureError, "'high' is not a pressure"),
        ({'protocol': 'quick'}, ValueError, '`quick` is not a valid protocol'),
        (
            {'overrides': {'reference': {'supercell_matrix': [[1, 0], [0, 1]]}}},
            ValueError,
            '3×3 integers',
        ),
    ],
)
def test_refusals(changes, error, words):
    with pytest.raises(error, match=words):
        reference(**changes)


def box():
    """A molecule, H2, in a box."""
    return StructureData(ase=Atoms('H2', [[5, 5, 5], [5, 5, 5.75]], cell=[10, 10, 10], pbc=True))


def test_a_box_is_relaxed_in_its_cell_alone():
    with pytest.raises(InputError, match=r'has 10\.0 Å without atoms.*`fixed_cell=True`'):
        reference(structure=box(), pressures=[0])
    builder = reference(structure=box(), pressures=[0], protocol='fast', fixed_cell=True)
    assert builder.relax.fixed_cell.value
    assert refusal_by_the_engine(builder) is None


def test_one_cell_has_one_pressure():
    with pytest.raises(ValueError, match='`fixed_cell` keeps one cell, but there are 2 pressures'):
        reference(pressures=[0, 2], protocol='fast', fixed_cell=True)
