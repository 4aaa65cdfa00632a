"""The DFT reference: what is asked of pw.x, what becomes of each way it can end; nothing runs."""

import numpy as np
import pytest
from aiida.orm import (
    Dict,
    Float,
    List,
    Str,
    StructureData,
    to_aiida_type,
)
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from ase.build import bulk
from displaced_nodes import SQRT2, UNIT, phonopy_data, trajectory
from fake_nodes import (
    LEVEL,
    code,
    crystal,
    force_constants,
    process,
    pseudo,
    pw_code,
    structure,
    workchain,
)
from test_restart_handlers import attached

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.science.sampling.frozen_phonon import frozen_phonon_frames
from aiida_insbench.workflows.displaced_cells import (
    final_forces,
    forces_of_frames,
    prepare_displacements,
    supercell_kpoints,
)
from aiida_insbench.workflows.displacements import DisplacementsWorkChain
from aiida_insbench.workflows.fit_base import FitBaseWorkChain
from aiida_insbench.workflows.label import LabelWorkChain
from aiida_insbench.workflows.reference import ReferenceWorkChain
from aiida_insbench.workflows.relax import RelaxWorkChain


def pw_base(**changes):
    control = {'calculation': 'scf', 'tprnfor': True, 'disk_io': 'low'}
    return {
        'pw': {
            'code': pw_code(),
            'parameters': Dict(
                {'CONTROL': {**control, **changes}, 'SYSTEM': {'ecutwfc': 50.0}, 'ELECTRONS': {}}
            ),
            'pseudos': {element: pseudo(element) for element in ('Mg', 'H')},
            'metadata': {'options': {'resources': {'num_machines': 1}}},
        }
    }


class TestCalcfunctions:
    def test_both_signs_rows_and_symmetry(self):
        """What aiida-phonopy's own work chain would do otherwise."""
        made = prepare_displacements(structure(), List(SQRT2), Float(0.02), Float(1e-4))
        assert made.symprec == 1e-4
        assert made.primitive_matrix == np.eye(3).tolist()
        phonon = made.get_phonopy_instance()
        np.testing.assert_allclose(phonon.supercell.cell, SQRT2 @ crystal().cell.array, atol=1e-12)
        entries = made.displacement_dataset['first_atoms']
        vectors = [(entry['number'], *np.round(entry['displacement'], 9)) for entry in entries]
        assert {(n, -x, -y, -z) for n, x, y, z in vectors} == set(vectors)
        assert np.linalg.norm(entries[0]['displacement']) == pytest.approx(0.02)

    def test_atoms_keep_their_order(self):
        made = prepare_displacements(structure(), List(SQRT2), Float(0.01), Float(1e-3))
        phonon = made.get_phonopy_instance()
        np.testing.assert_allclose(
            phonon.primitive.scaled_positions % 1, crystal().get_scaled_positions(), atol=1e-12
        )
        assert phonon.primitive.symbols == crystal().get_chemical_symbols()

    def test_tolerance_decides_the_symmetry(self):
        atoms = crystal()
        atoms.positions[2] += [0.003, 0.001, 0.002]
        node = StructureData(ase=atoms)
        counts = [
            len(
                prepare_displacements(node, List(UNIT), Float(0.01), Float(tolerance))
                .displacement_dataset['first_atoms']
            )
            for tolerance in (1e-1, 1e-5)
        ]  # fmt: skip
        assert counts[0] < counts[1] == 36

    def test_mesh_is_commensurate(self):
        made = supercell_kpoints(structure(), List([[2, 0, 0], [0, 1, 0], [0, 0, 3]]),
                                 List([4, 4, 6]))  # fmt: skip
        assert made.get_kpoints_mesh() == ([2, 4, 2], [0, 0, 0])

    def test_last_forces_count(self):
        forces = np.arange(18.0).reshape(6, 3)
        np.testing.assert_array_equal(final_forces(trajectory(forces)).get_array('forces'), forces)


class TestDisplacements:
    def made(self, *, most=None, **changes):
        inputs = {
            'structure': structure(),
            'supercell_matrix': List([[1, 0, 0], [0, 1, 0], [0, 0, 2]]),
            'kpoints_mesh': List([2, 2, 2]),
            'pw_base': pw_base(),
            **changes,
        }
        if most is not None:
            inputs['settings'] = {'max_concurrent_base_workchains': most}
        return process(DisplacementsWorkChain, inputs)

    def start(self, made, monkeypatch):
        """Run to the end of submission; returns what was sent, one list a batch."""
        batches = []

        def submit(_class, **inputs):
            batches[-1].append(inputs)
            return workchain(PwBaseWorkChain)

        monkeypatch.setattr(made, 'submit', submit)
        made.setup()
        made.run_supercells()
        while made.should_run_forces():
            batches.append([])
            made.run_forces()
        return batches

    def end(self, made, failed=()):
        count = len(made.ctx.preprocess_data.get_phonopy_instance().supercell)
        for index, name in enumerate(made.ctx.forces):
            if name in failed:
                made.ctx[name] = workchain(PwBaseWorkChain, 410, message='no SCF')
            else:
                made.ctx[name] = workchain(
                    PwBaseWorkChain,
                    outputs={'output_trajectory': trajectory(np.full((count, 3), float(index)))},
                )
        return made.inspect_forces()

    def test_all_at_once_with_one_mesh(self, monkeypatch):
        made = self.made()
        (batch,) = self.start(made, monkeypatch)
        labels = [one['metadata']['call_link_label'] for one in batch]
        assert labels == made.ctx.forces
        assert len(batch) == len(made.ctx.preprocess_data.displacements) == 4
        assert {one['kpoints'].pk for one in batch} == {made.ctx.kpoints.pk}
        assert made.ctx.kpoints.get_kpoints_mesh()[0] == [2, 2, 1]
        assert {len(one['pw']['structure'].sites) for one in batch} == {12}

    @pytest.mark.parametrize('most', [1, 3])
    def test_no_more_than_asked_for(self, monkeypatch, most):
        made = self.made(most=most)
        batches = self.start(made, monkeypatch)
        assert {len(batch) for batch in batches[:-1]} == {most}
        assert 0 < len(batches[-1]) <= most
        assert sum(map(len, batches)) == len(set(made.ctx.forces)) == len(made.ctx.forces)

    def test_forces_stand_by_their_displacements(self, monkeypatch):
        made = self.made()
        self.start(made, monkeypatch)
        assert self.end(made) is None
        made.run_results()
        stored = made.outputs['phonopy_data'].forces
        assert stored[:, 0, 0].tolist() == list(range(len(stored)))
        moved = [
            node.get_ase().positions - made.ctx.preprocess_data.get_phonopy_instance()
            .supercell.positions
            for node in made.outputs['supercells'].values()
        ]  # fmt: skip
        for entry, vectors in zip(
            made.ctx.preprocess_data.displacement_dataset['first_atoms'], moved, strict=True
        ):
            np.testing.assert_allclose(vectors[entry['number']], entry['displacement'], atol=1e-9)

    def test_failed_supercells_are_named_and_the_others_kept(self, monkeypatch):
        made = self.made()
        self.start(made, monkeypatch)
        names = made.ctx.forces
        code = self.end(made, failed=(names[1], names[3]))
        first = made.ctx[names[1]].pk
        assert code.status == 400
        assert code.message == (
            f'2 of {len(names)} supercells failed: {names[1].replace("forces", "supercell")}, '
            f'{names[3].replace("forces", "supercell")}; first: PwBaseWorkChain<{first}> [410] '
            'no SCF'
        )
        kept = {f'supercells_forces.{name}' for name in names if name not in (names[1], names[3])}
        assert kept <= attached(made)
        assert len(attached(made)) == len(kept) + len(names)

    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ({'supercell_matrix': [[1, 0, 0], [0, 1, 0]]}, '3×3 integers'),
            ({'supercell_matrix': [[0, 1, 0], [1, 0, 0], [0, 0, 1]]}, 'determinant -1'),
            ({'displacement': 0.0}, 'must be above 0'),
            ({'symmetry_tolerance': -1e-3}, 'must be above 0'),
            ({'kpoints_mesh': [2, 2]}, 'three positive integers'),
        ],
    )
    def test_refusals(self, changes, words):
        with pytest.raises(ValueError, match=words):
            self.made(**{name: to_aiida_type(value) for name, value in changes.items()})

    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ({'disk_io': 'nowf'}, '`disk_io` must be `low`'),
            ({'calculation': 'relax'}, '`calculation: scf`'),
            ({'tprnfor': False}, '`tprnfor: true`'),
        ],
    )
    def test_parameters_without_forces_are_refused(self, changes, words):
        with pytest.raises(ValueError, match=words):
            self.made(pw_base=pw_base(**changes))

    def test_element_without_pseudopotential_is_refused(self):
        with pytest.raises(ValueError, match='No pseudopotential for Si'):
            self.made(structure=StructureData(ase=bulk('Si')))


def labelled_frames(structures, *, keep=lambda _: True):
    """Frozen-phonon frames as `insbench.label` gives them; forces of springs."""
    atoms = {label: node.get_ase() for label, node in structures.items()}
    frames = []
    for frame in frozen_phonon_frames(structures=atoms):
        forces = np.zeros((6, 3))
        forces[frame.info['displaced_atom']] = -5.0 * frame.info['displacement_vector']
        frame.info |= {'REF_energy': -1.0, 'REF_stress': np.zeros(6)}
        frame.arrays['REF_forces'] = forces
        if keep(frame):
            frames.append(frame)
    return DatasetData(frames, dft_level=LEVEL)


class TestFramesOfTheUnitCell:
    def test_forces_are_those_of_the_pressure(self):
        structures = {'p_0000': structure(), 'p_2000': structure(a=4.4)}
        dataset = labelled_frames(structures)
        node = forces_of_frames(dataset, structures['p_2000'], Str('p_2000'), Dict({}))
        assert node.symprec == 1e-3
        assert node.get_unitcell().cell_lengths[0] == pytest.approx(4.4)
        assert len(node.forces) == len(dataset.get_frames()) / 2
        for entry, forces in zip(
            node.displacement_dataset['first_atoms'], node.forces, strict=True
        ):
            np.testing.assert_allclose(
                forces[entry['number']], -5.0 * np.array(entry['displacement']), atol=1e-9
            )

    def test_settings_of_the_sampling_are_read(self):
        structures = {'p_0000': structure()}
        node = forces_of_frames(
            labelled_frames(structures), structures['p_0000'], Str('p_0000'),
            Dict({'symprec': 1e-2}),
        )  # fmt: skip
        assert node.symprec == 1e-2


class TestReference:
    def inputs(self, **changes):
        job = {'code': code(), 'metadata': {'options': {}}}
        return {
            'relax': {
                'structure': structure(),
                'pressures': List([2, 0]),
                'kpoints_mesh': List([2, 2, 2]),
                'pw_base': pw_base(),
            },
            'fit': {'fit': job},
            **changes,
        }

    def gamma(self, **changes):
        job = {'code': code(), 'settings': Dict({'displacement': 0.01})}
        label = {'kpoints_mesh': List([2, 2, 2]), 'pw_base': pw_base()}
        return process(
            ReferenceWorkChain,
            self.inputs(**{'sample': {'sample': job}, 'label': label, **changes}),
        )

    def supercells(self, **changes):
        given = {
            'supercell_matrix': List(SQRT2),
            'displacements': {'kpoints_mesh': List([2, 2, 2]), 'pw_base': pw_base()},
        }
        return process(ReferenceWorkChain, self.inputs(**{**given, **changes}))

    def relaxed(self, made):
        made.run_relaxations()
        assert made.inspect_relaxations() is None

    @pytest.fixture
    def sent(self, monkeypatch):
        """What is submitted, by class, and the node that will have ended."""
        found = []
        monkeypatch.setattr(
            ReferenceWorkChain,
            'submit',
            lambda _self, process_class, **inputs: (
                found.append((process_class, inputs)) or workchain(process_class)
            ),
        )
        return found

    @property
    def given(self):
        return {'p_0000': structure(), 'p_2000': structure(a=4.4)}

    def test_route_by_the_matrix(self):
        assert self.supercells().should_run_supercells()
        assert not self.gamma().should_run_supercells()
        assert not self.gamma(supercell_matrix=List(UNIT)).should_run_supercells()

    @pytest.mark.parametrize(
        ('changes', 'words'),
        [
            ({'supercell_matrix': SQRT2}, 'A supercell needs the inputs `displacements`'),
            ({}, r'no `supercell_matrix`\) needs the inputs `sample` and `label`'),
            ({'supercell_matrix': UNIT}, 'needs the inputs `sample` and `label`'),
            ({'supercell_matrix': [1, 2, 3]}, '3×3 integers'),
        ],
    )
    def test_what_the_route_lacks_is_named(self, changes, words):
        with pytest.raises(ValueError, match=words):
            process(
                ReferenceWorkChain,
                self.inputs(**{name: to_aiida_type(value) for name, value in changes.items()}),
            )

    def test_only_what_is_not_relaxed_is_relaxed(self, sent):
        made = self.supercells(relaxed={'p_0000': structure()})
        made.run_relaxations()
        ((process_class, inputs),) = sent
        assert process_class is RelaxWorkChain
        assert inputs['pressures'].get_list() == [2.0]

    def test_supercells_of_each_pressure(self, sent):
        made = self.supercells(relaxed=self.given)
        self.relaxed(made)
        made.run_supercells()
        assert [process_class for process_class, _ in sent] == 2 * [DisplacementsWorkChain]
        for (_, inputs), label in zip(sent, ('p_0000', 'p_2000'), strict=True):
            assert inputs['metadata']['call_link_label'] == label
            assert inputs['structure'].pk == made.inputs.relaxed[label].pk
            assert inputs['supercell_matrix'].get_list() == SQRT2
        assert {'structure.p_0000', 'structure.p_2000'} == attached(made)

    def end_supercells(self, made, sent, **ends):
        self.relaxed(made)
        for label, status in ends.items():
            outputs = {} if status else {'phonopy_data': phonopy_data()}
            made.ctx[label] = workchain(
                DisplacementsWorkChain, status, message='2 of 8 supercells failed: supercell_2',
                outputs=outputs,
            )  # fmt: skip
        made.inspect_supercells()
        return made.run_fit()

    def fitted(self, *labels, status=0, message=''):
        outputs = {
            'force_constants': {label: force_constants() for label in labels},
            'modes': {label: Dict({'verdict': 'stable'}) for label in labels},
        }
        return workchain(FitBaseWorkChain, status, message=message, outputs=outputs)

    def test_fit_takes_all_forces(self, sent):
        made = self.supercells(relaxed=self.given)
        self.end_supercells(made, sent, p_0000=0, p_2000=0)
        process_class, inputs = sent[-1]
        assert process_class is FitBaseWorkChain
        assert set(inputs['fit']['phonopy_data']) == {'p_0000', 'p_2000'}
        made.ctx.fit = self.fitted('p_0000', 'p_2000')
        assert made.inspect_fit() is None
        assert {'modes.p_0000', 'force_constants.p_2000', 'structure.p_2000'} <= attached(made)

    def test_one_pressure_without_forces_leaves_the_others(self, sent):
        made = self.supercells(relaxed=self.given)
        self.end_supercells(made, sent, p_0000=0, p_2000=400)
        assert set(sent[-1][1]['fit']['phonopy_data']) == {'p_0000'}
        made.ctx.fit = self.fitted('p_0000')
        exit_code = made.inspect_fit()
        assert exit_code.status == 421
        assert exit_code.message.startswith('No modes at p_2000. p_2000: DisplacementsWorkChain<')
        assert '[400] 2 of 8 supercells failed: supercell_2' in exit_code.message
        assert 'modes.p_0000' in attached(made)

    def test_no_forces_at_all(self, sent):
        made = self.supercells(relaxed=self.given)
        exit_code = self.end_supercells(made, sent, p_0000=400, p_2000=400)
        assert exit_code.status == 421
        assert exit_code.message.startswith('No modes at p_0000, p_2000. ')
        assert all(process_class is not FitBaseWorkChain for process_class, _ in sent)

    def test_fit_that_lacks_a_pressure(self, sent):
        made = self.supercells(relaxed=self.given)
        self.end_supercells(made, sent, p_0000=0, p_2000=0)
        made.ctx.fit = self.fitted('p_0000', status=421, message='p_2000: 9 % unexplained.')
        exit_code = made.inspect_fit()
        assert exit_code.status == 421
        assert exit_code.message == 'No modes at p_2000. p_2000: p_2000: 9 % unexplained.'
        assert 'modes.p_0000' in attached(made)

    def test_fit_that_failed(self, sent):
        made = self.supercells(relaxed=self.given)
        self.end_supercells(made, sent, p_0000=0, p_2000=0)
        made.ctx.fit = workchain(FitBaseWorkChain, 420, message='torn')
        exit_code = made.inspect_fit()
        assert exit_code.status == 411
        assert 'Fitting force constants <' in exit_code.message

    def test_gamma_keeps_its_dataset_and_fits(self, sent):
        made = self.gamma(relaxed=self.given)
        self.relaxed(made)
        made.ctx.labelling = workchain(
            LabelWorkChain, outputs={'dataset': labelled_frames(self.given)}
        )
        assert made.inspect_labels() is None
        made.run_fit()
        assert set(sent[-1][1]['fit']['phonopy_data']) == {'p_0000', 'p_2000'}
        assert 'dataset' in attached(made)

    def test_gamma_without_a_label_at_one_pressure(self, sent):
        made = self.gamma(relaxed=self.given)
        self.relaxed(made)
        dataset = labelled_frames(self.given, keep=lambda frame: frame.info['target_pressure'] == 0)
        made.ctx.labelling = workchain(LabelWorkChain, outputs={'dataset': dataset})
        assert made.inspect_labels() is None
        made.run_fit()
        made.ctx.fit = self.fitted('p_0000')
        exit_code = made.inspect_fit()
        assert exit_code.status == 421
        assert exit_code.message == 'No modes at p_2000. p_2000: No displaced cell was labelled.'

    def test_relaxations_made_here_are_reported(self, sent):
        made = self.supercells(relaxed={'p_0000': structure()})
        made.run_relaxations()
        made.ctx.relaxation = workchain(
            RelaxWorkChain,
            outputs={
                'structure': {'p_2000': structure(a=4.4)},
                'trajectory': {'p_2000': trajectory(np.zeros((6, 3)), energy=-3.0)},
            },
        )
        assert made.inspect_relaxations() is None
        for label in ('p_0000', 'p_2000'):
            made.ctx[label] = workchain(
                DisplacementsWorkChain, outputs={'phonopy_data': phonopy_data()}
            )
        made.inspect_supercells()
        made.run_fit()
        assert set(sent[-1][1]['fit']['relaxations']) == {'p_2000'}

    def test_failed_relaxation_is_named(self, sent):
        made = self.supercells()
        made.run_relaxations()
        made.ctx.relaxation = workchain(RelaxWorkChain, 411, message='no end')
        exit_code = made.inspect_relaxations()
        assert exit_code.status == 411
        assert 'DFT relaxation <' in exit_code.message
