"""How frames are labelled: k points, spins, lanes, and an estimate of what it takes."""

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, make_supercell
from hypothesis import given
from hypothesis import strategies as st

from aiida_insbench.science.errors import DatasetError, InputError
from aiida_insbench.science.kpoints import folded_points
from aiida_insbench.science.label_plan import plan_frame, share_out
from aiida_insbench.science.preflight import format_preflight, labelling_preflight
from aiida_insbench.science.scf_cost import points_of_mesh, scf_cost

UNIT = np.eye(3, dtype=int)
SHEARED = np.array([[1, 1, 0], [-1, 1, 0], [0, 0, 1]])
VALENCE = {'Si': 4, 'H': 1, 'O': 6}


def frame(matrix=UNIT, *, atoms=None, identity='r1_000', **entries):
    made = make_supercell(atoms or bulk('Si', a=5.43), matrix)
    made.info = {'frame_id': identity, 'supercell_matrix': np.array(matrix), **entries}
    return made


class TestFoldedPoints:
    @pytest.mark.parametrize(
        ('mesh', 'matrix', 'count'),
        [
            ((4, 4, 4), UNIT, 36),
            ((4, 4, 4), SHEARED, 20),
            ((4, 4, 4), np.diag([1, 1, 2]), 20),
            ((3, 3, 3), SHEARED, None),
            ((4, 4, 3), np.diag([1, 1, 2]), None),
        ],
    )
    def test_by_hand(self, mesh, matrix, count):
        found = folded_points(unit_mesh=mesh, supercell_matrix=matrix)
        assert (found and len(found[1])) == count

    @given(
        mesh=st.tuples(*[st.integers(1, 4)] * 3),
        diagonal=st.tuples(*[st.integers(1, 2)] * 3),
        shear=st.integers(-1, 1),
    )
    def test_sums_over_both_sets_agree(self, mesh, diagonal, shear):
        """A function with the period of the supercell's reciprocal lattice has one average."""
        matrix = np.diag(diagonal)
        matrix[0, 1] = shear
        found = folded_points(unit_mesh=mesh, supercell_matrix=matrix)
        if found is None:
            return
        points, weights = found
        every = np.array(list(np.ndindex(*mesh))) / np.array(mesh)
        waves = np.array(list(np.ndindex(3, 3, 3)))
        there = np.cos(2 * np.pi * points @ waves.T).T @ weights
        # the same wave in the unit cell's coordinates: exp(2πi n·Sx)
        here = np.cos(2 * np.pi * every @ matrix.T @ waves.T).mean(axis=0)
        np.testing.assert_allclose(there, here, atol=1e-12)


class TestPlan:
    def test_unit_cell(self):
        plan = plan_frame(frame(), unit_mesh=(4, 4, 4))
        assert (plan.mesh, plan.exact, plan.system) == ((4, 4, 4), True, {})
        assert (plan.kpoints_key, plan.parameters_key) == ('mesh_4_4_4', 'common')

    def test_sheared_cell_gets_a_list_without_symmetry(self):
        plan = plan_frame(frame(SHEARED), unit_mesh=(4, 4, 4))
        assert plan.mesh is None
        assert plan.exact
        assert plan.system == {'nosym': True}
        assert plan.n_points == 20

    def test_inexact_is_said(self):
        plan = plan_frame(frame(np.diag([1, 1, 2])), unit_mesh=(3, 3, 3))
        assert plan.mesh == (3, 3, 2)
        assert not plan.exact

    def test_molecule_has_gamma_and_no_spin(self):
        h2 = Atoms('H2', positions=[[0, 0, 0], [0, 0, 0.74]], cell=[8, 8, 8], pbc=True)
        plan = plan_frame(frame(atoms=h2, gas_phase=True), unit_mesh=(4, 4, 4))
        assert (plan.mesh, plan.system) == ((1, 1, 1), {})

    @pytest.mark.parametrize(('symbol', 'moment'), [('H', 1), ('O', 2), ('C', 2), ('N', 3)])
    def test_atom_has_the_spin_of_hund(self, symbol, moment):
        atom = Atoms(symbol, cell=[8, 8.1, 8.2], pbc=True)
        plan = plan_frame(frame(atoms=atom, gas_phase=True), unit_mesh=(4, 4, 4))
        assert plan.system['tot_magnetization'] == moment
        assert plan.system['starting_magnetization'] == {symbol: 1.0}
        assert plan.parameters_key == f'atom_{symbol}'

    @pytest.mark.parametrize('symbol', ['Mg', 'He'])
    def test_closed_shells_have_none(self, symbol):
        atom = Atoms(symbol, cell=[8, 8.1, 8.2], pbc=True)
        plan = plan_frame(frame(atoms=atom, gas_phase=True), unit_mesh=(4, 4, 4))
        assert plan.system == {}


class TestShares:
    @given(
        costs=st.dictionaries(st.text('abc', min_size=1, max_size=6), st.floats(0.1, 100)),
        lanes=st.integers(1, 6),
    )
    def test_every_frame_once_and_lanes_even(self, costs, lanes):
        shares = share_out(costs, lanes)
        assert sorted(name for share in shares for name in share) == sorted(costs)
        assert len(shares) <= lanes
        loads = [sum(costs[name] for name in share) for share in shares]
        if costs:
            least = max(sum(costs.values()) / lanes, max(costs.values()))
            assert max(loads) <= 4 / 3 * least + max(costs.values()) / 3 + 1e-9

    def test_deterministic(self):
        costs = {'b': 1.0, 'a': 1.0, 'c': 2.0}
        assert share_out(costs, 2) == [['c'], ['a', 'b']]


class TestCost:
    @pytest.mark.parametrize(
        ('mesh', 'count'), [((1, 1, 1), 1), ((2, 2, 2), 8), ((3, 3, 3), 14), ((4, 4, 4), 36)]
    )
    def test_points_of_meshes(self, mesh, count):
        assert points_of_mesh(mesh) == count
        assert count == len(folded_points(unit_mesh=mesh, supercell_matrix=UNIT)[1])

    def test_plane_waves_are_those_in_the_sphere(self):
        """Counted by hand: reciprocal lattice vectors within the cutoff, at Γ."""
        atoms = bulk('Si', a=5.43, cubic=True)
        found = scf_cost(atoms=atoms, cutoffs=(20.0, 80.0), valence=VALENCE, k_points=1)
        step = 2 * np.pi / (5.43 / 0.529177210903)
        n = np.arange(-20, 21)
        squares = step**2 * (n[:, None, None] ** 2 + n[None, :, None] ** 2 + n**2)
        assert found.plane_waves == pytest.approx((squares < 20).sum(), rel=0.03)
        assert (found.electrons, found.bands) == (32, 16)

    def test_twice_the_cell_with_half_the_points_takes_as_long_to_transform(self):
        """FFTs of all k points together grow with the cell only by the matrix products."""
        one = scf_cost(atoms=frame(), cutoffs=(20, 80), valence=VALENCE, k_points=64)
        two = scf_cost(
            atoms=frame(np.diag([1, 1, 2])), cutoffs=(20, 80), valence=VALENCE, k_points=32
        )
        assert 1.0 < two.core_seconds / one.core_seconds < 3.0
        assert two.disk_bytes == pytest.approx(2 * one.disk_bytes, rel=0.1)

    @pytest.mark.parametrize('cutoffs', [(0, 80), (-1, 80)])
    def test_cutoffs_must_be_positive(self, cutoffs):
        with pytest.raises(InputError, match='above 0, in Ry'):
            scf_cost(atoms=frame(), cutoffs=cutoffs, valence=VALENCE, k_points=1)

    def test_elements_without_pseudopotential(self):
        with pytest.raises(InputError, match='No pseudopotential for Si'):
            scf_cost(atoms=frame(), cutoffs=(20, 80), valence={'H': 1}, k_points=1)


class TestPreflight:
    def found(self, frames, **changes):
        mesh = changes.pop('mesh', (4, 4, 4))
        plans = [plan_frame(one, unit_mesh=mesh) for one in frames]
        settings = {'cutoffs': (20.0, 80.0), 'valence': VALENCE, 'lanes': 2, **changes}
        return labelling_preflight(frames, plans, **settings)

    def test_sums_and_maxima(self):
        frames = [frame(identity=f'r1_{i:03d}') for i in range(3)]
        three, one = self.found(frames), self.found(frames[:1])
        assert three['core_hours'] == pytest.approx(3 * one['core_hours'])
        assert three['memory_gb'] == pytest.approx(2 * one['memory_gb'])  # two lanes
        assert three['kpoints'] == {'mesh_4_4_4': 3}
        assert three['warnings'] == []
        assert any('3 frames' in line for line in format_preflight(three))

    def test_meshes_that_do_not_agree_are_named(self):
        found = self.found([frame(), frame(np.diag([1, 1, 2]), identity='r1_001')], mesh=(3, 3, 3))
        assert '1 of 2 frames' in found['warnings'][0]
        assert 'r1_001' in found['warnings'][0]

    def test_pressures_beyond_the_convergence_are_named(self):
        frames = [frame(target_pressure=5.0)]
        assert self.found(frames, converged_range=(-1, 6))['warnings'] == []
        assert '5 GPa' in self.found(frames, converged_range=(-1, 3))['warnings'][0]

    def test_contacts(self):
        bad = frame(identity='r1_004')
        bad.positions[1] = bad.positions[0] + 0.2
        with pytest.raises(DatasetError, match=r'Frame 1 \(r1_004\).*dataset filter'):
            self.found([frame(), bad])
