"""calcfunctions between frames and DFT runs: nothing is lost, mixed up or of the wrong sign."""

import numpy as np
import pytest
from aiida.common import LinkType
from aiida.orm import ArrayData, Dict, Float, KpointsData, List
from ase.units import GPa
from fake_nodes import crystal, dataset, frames, pseudo

from aiida_insbench.data import DatasetData
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.workflows.frames import (
    collect_labels,
    label_frame,
    plans_of,
    position_parameters,
    relax_parameters,
    structure_of_frame,
    unit_cell_kpoints,
    unpack_pool,
)


def supercell(matrix, identity):
    from ase.build import make_supercell

    atoms = make_supercell(crystal(), matrix)
    atoms.info |= {'frame_id': identity, 'method': 'strain-rattle', 'supercell_matrix': matrix}
    return atoms


def trajectory(forces, stress):
    """Arrays as aiida-quantumespresso leaves them: one entry per ionic step, stress in GPa."""
    node = ArrayData()
    if forces is not None:
        node.set_array('forces', np.asarray([np.zeros_like(forces), forces]))
    if stress is not None:
        node.set_array('stress', np.asarray([np.zeros((3, 3)), stress]))
    return node


def identities(node):
    return [frame.info['frame_id'] for frame in node.get_frames()]


class TestUnpackPool:
    def test_one_structure_a_frame_and_one_mesh_a_kind_of_cell(self):
        unit, double = np.eye(3, dtype=int), np.diag([1, 1, 2])
        pool = [
            supercell(unit, 'r1_000'),
            supercell(double, 'r1_001'),
            supercell(double, 'r1_002'),
        ]
        nodes = unpack_pool(DatasetData(pool), List([4, 4, 4]))
        assert set(nodes['structures']) == {'r1_000', 'r1_001', 'r1_002'}
        assert {key: node.get_kpoints_mesh()[0] for key, node in nodes['kpoints'].items()} == {
            'mesh_4_4_4': [4, 4, 4],
            'mesh_4_4_2': [4, 4, 2],
        }
        for frame in pool:
            made = nodes['structures'][frame.info['frame_id']]
            assert made.is_stored
            np.testing.assert_allclose(made.get_ase().positions, frame.positions, atol=1e-10)
            assert list(made.get_ase().symbols) == list(frame.symbols)

    def test_a_sheared_cell_gets_a_list_of_points_and_no_symmetry(self):
        pool = DatasetData([supercell([[1, 1, 0], [-1, 1, 0], [0, 0, 1]], 'r1_000')])
        (plan,) = plans_of(pool.get_frames(), [4, 4, 4]).values()
        node = unpack_pool(pool, List([4, 4, 4]))['kpoints'][plan.kpoints_key]
        points, weights = node.get_kpoints(also_weights=True)
        assert points.shape == (20, 3)
        assert weights.sum() == pytest.approx(1)
        assert plan.system == {'nosym': True}

    def test_structures_come_from_the_pool(self):
        pool = dataset(1, labelled=False)
        made = unpack_pool(pool, List([2, 2, 2]))['structures']['r1_000']
        assert made.creator.inputs.pool.pk == pool.pk

    def test_unit_cell(self):
        node = unit_cell_kpoints(List([3, 3, 5]))
        assert isinstance(node, KpointsData)
        assert node.get_kpoints_mesh() == ([3, 3, 5], [0.0, 0.0, 0.0])


class TestLabelFrame:
    def labelled(self, *, stress=None, forces=None, frame=None, run=None):
        frame = frame or frames(1, labelled=False)[0]
        stress = np.zeros((3, 3)) if stress is None else stress
        forces = np.zeros((6, 3)) if forces is None else forces
        return label_frame(
            frame,
            structure=structure_of_frame(run or frame),
            trajectory=trajectory(forces, stress),
            results=Dict({'energy': -12.5}),
        )

    def test_energy_and_forces_of_the_last_step(self):
        forces = np.arange(18.0).reshape(6, 3)
        done = self.labelled(forces=forces)
        assert done.info['REF_energy'] == -12.5
        np.testing.assert_array_equal(done.arrays['REF_forces'], forces)
        assert done.info['frame_id'] == 'r1_000'

    def test_stress_becomes_negative_under_compression(self):
        """3 GPa of pressure by pw.x are −3 GPa of stress for ASE, 0.018725 eV/Å³."""
        done = self.labelled(stress=3 * np.eye(3))
        np.testing.assert_allclose(done.info['REF_stress'], [-0.0187245, -0.0187245, -0.0187245,
                                                             0, 0, 0], rtol=1e-5)  # fmt: skip
        assert -done.info['REF_stress'][:3].mean() / GPa == pytest.approx(3)

    def test_stress_in_voigt_order(self):
        xx, yy, zz, yz, xz, xy = 1.0, 2.0, 3.0, 4.0, 5.0, 6.0
        done = self.labelled(stress=np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]]))
        np.testing.assert_allclose(done.info['REF_stress'] / GPa, [-1, -2, -3, -4, -5, -6])

    def test_frame_given_is_not_changed(self):
        frame = frames(1, labelled=False)[0]
        self.labelled(frame=frame)
        assert 'REF_energy' not in frame.info

    @pytest.mark.parametrize('change', ['position', 'cell', 'order'])
    def test_run_of_another_structure_is_refused(self, change):
        frame = frames(1, labelled=False)[0]
        run = frame.copy()
        if change == 'position':
            run.positions[1, 2] += 1e-4
        elif change == 'cell':
            run.set_cell(run.cell.array * 1.0001)
        else:
            run = run[[1, 0, *range(2, 6)]]
        with pytest.raises(DatasetError, match=r'r1_000 and the structure .* differ'):
            self.labelled(frame=frame, run=run)

    @pytest.mark.parametrize('missing', ['forces', 'stress'])
    def test_run_without_a_label_is_refused(self, missing):
        frame = frames(1, labelled=False)[0]
        arrays = {'forces': np.zeros((6, 3)), 'stress': np.zeros((3, 3))}
        with pytest.raises(DatasetError, match=r'r1_000 has no forces or no stress'):
            label_frame(
                frame,
                structure=structure_of_frame(frame),
                trajectory=trajectory(**{**arrays, missing: None}),
                results=Dict({'energy': 1.0}),
            )


class TestCollectLabels:
    def collected(self, *, done=(0, 2), failures=None):
        pool = dataset(3, labelled=False)
        made = {f'r1_{index:03d}': pool.get_frames()[index] for index in done}
        namespaces = {
            'trajectories': {
                key: trajectory(np.full((6, 3), float(key[-1])), np.eye(3)) for key in made
            },
            'results': {
                key: Dict({'energy': -float(key[-1]), 'creator_version': '6.7'}) for key in made
            },
            'structures': {key: structure_of_frame(frame) for key, frame in made.items()},
            'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
        }
        if failures:
            namespaces['failures'] = Dict(failures)
        parameters = Dict({'SYSTEM': {'ecutwfc': 50.0}})
        return collect_labels(pool, parameters, List([4, 4, 6]), **namespaces)

    def test_labels_find_their_frames(self):
        node = self.collected(failures={'r1_001': 'PwBaseWorkChain<1> [410] no SCF'})
        assert identities(node) == ['r1_000', 'r1_002']
        for frame in node.get_frames():
            number = float(frame.info['frame_id'][-1])
            assert frame.info['REF_energy'] == -number
            np.testing.assert_allclose(frame.arrays['REF_forces'], number)
        assert node.failed == {'r1_001': 'PwBaseWorkChain<1> [410] no SCF'}

    def test_level_of_theory(self):
        level = self.collected().dft_level
        assert level['code'] == 'Quantum ESPRESSO pw.x'
        assert level['version'] == '6.7'
        assert level['parameters'] == {'SYSTEM': {'ecutwfc': 50.0}}
        assert set(level['pseudopotentials']) == {'H', 'Mg'}
        assert level['pseudopotentials']['H']['filename'] == 'H.upf'
        assert len(level['pseudopotentials']['H']['md5']) == 32

    def test_provenance_is_whole(self):
        node = self.collected()
        links = node.creator.base.links.get_incoming(link_type=LinkType.INPUT_CALC).all()
        labels = {link.link_label for link in links}
        assert {'pool', 'parameters', 'trajectories__r1_000', 'results__r1_002'} <= labels
        assert {'pseudos__Mg', 'structures__r1_002'} <= labels


class TestRelaxParameters:
    def test_pressure_in_kbar(self):
        given = Dict({'CONTROL': {'calculation': 'scf', 'tstress': True}, 'SYSTEM': {'a': 1}})
        settings = Dict({'CONTROL': {'nstep': 50}, 'CELL': {'press_conv_thr': 0.05}})
        found = relax_parameters(given, settings, Float(1.5)).get_dict()
        assert found == {
            'CONTROL': {'calculation': 'vc-relax', 'tstress': True, 'nstep': 50},
            'SYSTEM': {'a': 1},
            'CELL': {'press': 15.0, 'press_conv_thr': 0.05},
        }

    def test_inputs_are_not_changed(self):
        given = Dict({'CONTROL': {'calculation': 'scf'}})
        relax_parameters(given, Dict({}), Float(-0.5))
        assert given.get_dict() == {'CONTROL': {'calculation': 'scf'}}

    def test_settings_cannot_change_the_pressure(self):
        settings = Dict({'CELL': {'press': 99}, 'CONTROL': {'calculation': 'relax'}})
        found = relax_parameters(Dict({}), settings, Float(2.0)).get_dict()
        assert found['CELL']['press'] == 20.0
        assert found['CONTROL']['calculation'] == 'vc-relax'

    def test_positions_alone_need_no_cell_and_no_pressure(self):
        given = Dict({'CONTROL': {'calculation': 'scf', 'tstress': True}})
        settings = Dict({'CELL': {'press_conv_thr': 0.05}, 'CONTROL': {'nstep': 50}})
        found = position_parameters(given, settings).get_dict()
        assert found == {'CONTROL': {'calculation': 'relax', 'tstress': True, 'nstep': 50}}
