"""Files of others: right labels whatever their keys and units, wrong ones refused by name."""

import lzma

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from labelled_copper import copper, rewritten, text_of

from aiida_insbench.science.dataset_import import import_frames
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.import_settings import import_settings
from aiida_insbench.science.label_units import (
    ENERGY_UNITS,
    FORCE_UNITS,
    STRESS_UNITS,
    unit_factor,
    unit_name,
)
from aiida_insbench.science.overlaps import overlapping_pair
from aiida_insbench.science.structures import closest_contact

COPPER = copper(16)


def imported(frames, **options):
    text = frames if isinstance(frames, str) else text_of(frames)
    return import_frames(text, name='mine.xyz', settings=import_settings(options))


def same_labels(found, frames):
    for one, other in zip(found, frames, strict=True):
        assert one.info['REF_energy'] == pytest.approx(other.info['REF_energy'], abs=1e-7)
        np.testing.assert_allclose(one.arrays['REF_forces'], other.arrays['REF_forces'], atol=1e-6)
        np.testing.assert_allclose(one.info['REF_stress'], other.info['REF_stress'], atol=1e-8)


class TestKeysAndUnits:
    def test_as_they_are(self):
        found = imported(COPPER)
        same_labels(found.frames, COPPER)
        assert [f.info['frame_id'] for f in found.frames[:2]] == ['x_000', 'x_001']
        assert found.frames[2].info['target_pressure'] == 2.0
        assert found.report['unit_check']['forces'] == pytest.approx(1, abs=0.1)
        assert found.report['warnings'] == []

    def test_keys_of_ase_calculators(self):
        frames = []
        for frame in COPPER:
            atoms = Atoms(frame.symbols, frame.positions, cell=frame.cell, pbc=True)
            atoms.calc = SinglePointCalculator(
                atoms,
                energy=frame.info['REF_energy'],
                forces=frame.arrays['REF_forces'],
                stress=frame.info['REF_stress'],
            )
            frames.append(atoms)
        found = imported(frames, energy='energy', forces='forces', stress='stress')
        same_labels(found.frames, COPPER)

    @pytest.mark.parametrize(
        ('energy', 'forces', 'stress'),
        [('Ha', 'Ha/bohr', 'GPa'), ('Ry', 'Ry/bohr', 'kbar'), ('kcal/mol', 'kcal/mol/A', 'GPa')],
    )
    def test_units(self, energy, forces, stress):
        given = rewritten(
            COPPER,
            energy=ENERGY_UNITS[energy],
            forces=unit_factor(forces, FORCE_UNITS, what=''),
            stress=STRESS_UNITS[stress],
        )
        found = imported(given, energy_unit=energy, forces_unit=forces, stress_unit=stress)
        for one, other in zip(found.frames, COPPER, strict=True):
            assert one.info['REF_energy'] == pytest.approx(other.info['REF_energy'], abs=1e-6)
            np.testing.assert_allclose(
                one.arrays['REF_forces'], other.arrays['REF_forces'], atol=1e-6
            )

    def test_stress_positive_under_compression(self):
        found = imported(rewritten(COPPER, stress=-1.0), stress_sign='compression')
        same_labels(found.frames, COPPER)

    def test_virial_is_minus_volume_times_stress(self):
        frames = [frame.copy() for frame in COPPER]
        for frame in frames:
            xx, yy, zz, yz, xz, xy = -frame.info.pop('REF_stress') * frame.get_volume()
            frame.info['w'] = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        same_labels(imported(frames, virial='w').frames, COPPER)

    def test_tensors_of_nine_numbers(self):
        frames = [frame.copy() for frame in COPPER]
        for frame in frames:
            xx, yy, zz, yz, xz, xy = frame.info['REF_stress']
            frame.info['REF_stress'] = np.array([xx, xy, xz, xy, yy, yz, xz, yz, zz])
        same_labels(imported(frames).frames, COPPER)

    @pytest.mark.parametrize('given', ['eV/A^3', 'ev/Ang**3', 'eV/Angstrom^3', 'eV/Å³'])
    def test_spellings(self, given):
        assert unit_name(given, STRESS_UNITS, what='Stress') == 'eV/Å^3'

    def test_names_pressure_and_other_entries(self):
        frames = [frame.copy() for frame in COPPER]
        for index, frame in enumerate(frames):
            frame.info |= {'frame_id': f'mine_{index}', 'config_type': 'bulk'}
            del frame.info['target_pressure']
        found = imported(frames, target_pressure=1.5)
        assert found.frames[3].info['frame_id'] == 'mine_3'
        assert found.frames[3].info['target_pressure'] == 1.5
        assert found.report['entries_dropped'] == ['config_type']

    def test_isolated_atom_without_a_cell(self):
        atom = Atoms('Cu', info={'REF_energy': 3.5})
        found = imported([*COPPER, atom])
        last = found.frames[-1]
        assert last.info['method'] == 'isolated-atom'
        assert last.info['REF_energy'] == 3.5
        assert not last.arrays['REF_forces'].any()
        assert found.report['atoms_given_a_box'] == ['x_016']


class TestWrongUnits:
    """The same labels in other units: found by their own consistency, and named."""

    @pytest.mark.parametrize(
        ('factors', 'said', 'remedy'),
        [
            ({'forces': 'Ha/bohr'}, {}, '--forces-unit Ha/bohr'),
            ({'forces': 'Ry/bohr'}, {}, '--forces-unit Ry/bohr'),
            ({'forces': 'meV/Å'}, {}, '--forces-unit meV/Å'),
            ({'energy': 'Ha'}, {}, '--energy-unit Ha'),
            ({'energy': 'Ry'}, {}, '--energy-unit Ry'),
            ({'stress': 'GPa'}, {}, '--stress-unit GPa'),
            ({'stress': 'kbar'}, {}, '--stress-unit kbar'),
            ({}, {'stress_unit': 'GPa'}, '--stress-unit eV/Å^3'),
            ({}, {'energy_unit': 'Ha'}, '--energy-unit eV'),
            ({}, {'stress_sign': 'compression'}, '--stress-sign tension'),
            (
                {'energy': 'Ha', 'forces': 'Ha/bohr'},
                {},
                '--energy-unit Ha --forces-unit Ha/bohr',
            ),
        ],
    )
    def test_named_with_remedy(self, factors, said, remedy):
        tables = {'energy': ENERGY_UNITS, 'forces': FORCE_UNITS, 'stress': STRESS_UNITS}
        given = rewritten(COPPER, **{key: tables[key][unit] for key, unit in factors.items()})
        with pytest.raises(DatasetError, match=r'mine\.xyz.*not in the units given') as caught:
            imported(given, **said)
        first = str(caught.value).partition('Import with ')[2].partition(' or ')[0]
        assert first.rstrip('.') == remedy

    def test_sign_of_stress(self):
        with pytest.raises(DatasetError, match='--stress-sign compression'):
            imported(rewritten(COPPER, stress=-1.0))

    def test_sign_and_unit_of_stress(self):
        with pytest.raises(DatasetError, match='--stress-unit kbar --stress-sign compression'):
            imported(rewritten(COPPER, stress=-STRESS_UNITS['kbar']))

    def test_gradients(self):
        with pytest.raises(DatasetError, match='gradients, not forces'):
            imported(rewritten(COPPER, forces=-1.0))

    def test_labels_that_do_not_belong_together(self):
        with pytest.raises(DatasetError, match='No known unit explains'):
            imported(rewritten(COPPER, forces=0.45))

    def test_can_be_overruled(self):
        found = imported(rewritten(COPPER, forces=2.6), unit_check=False)
        assert found.report['warnings'] == ['units were not checked, as was asked']

    @pytest.mark.parametrize('crystal', ['mgh2', 'brucite'])
    def test_labels_of_real_runs_are_not_refused(self, repository, crystal):
        """Frames of pw.x; those of MgH2 have a Pulay stress as large as their pressures."""
        data = repository / 'tests' / 'benchmarks' / 'data' / f'{crystal}_frames.extxyz.xz'
        found = imported(lzma.decompress(data.read_bytes()).decode())
        assert found.report['unit_check']['forces'] == pytest.approx(1, abs=0.05)
        assert found.report['unit_check']['stress'] == pytest.approx(1, abs=0.05)

    @settings(max_examples=20)
    @given(
        strain=st.floats(0.002, 0.03),
        rattle=st.floats(0.005, 0.12),
        seed=st.integers(0, 100),
    )
    def test_right_units_are_never_refused(self, strain, rattle, seed):
        imported(copper(8, strain=strain, rattle=rattle, seed=seed))

    def test_few_frames_by_magnitude(self):
        few = COPPER[:2]
        assert len(imported(few).report['warnings']) == 2
        with pytest.raises(DatasetError, match=r'stress of its 2 frames.*--stress-unit GPa'):
            imported(rewritten(copper(2, strain=0.05), stress=STRESS_UNITS['kbar']))
        with pytest.raises(DatasetError, match=r'forces of its 2 frames.*--forces-unit Ha/bohr'):
            imported(rewritten(few, forces=FORCE_UNITS['Ha/bohr']))


@settings(max_examples=60)
@given(seed=st.integers(0, 1000), size=st.sampled_from([1.5, 3.0, 6.0]), count=st.integers(1, 12))
def test_overlaps_are_those_of_a_neighbour_list(seed, size, count):
    """Random atoms in skewed cells, small ones included."""
    rng = np.random.default_rng(seed)
    cell = size * (np.eye(3) + np.tril(rng.uniform(-1, 1, (3, 3)), -1))
    atoms = Atoms('OHCu'[: 1 + seed % 2] * count, cell=cell, pbc=True)
    atoms.set_scaled_positions(rng.uniform(-2, 2, (len(atoms), 3)))
    found, contact = overlapping_pair(atoms, share=0.4), closest_contact(atoms, reach=0.4)
    expected = None if contact is None or contact[3] >= 0.4 else contact
    assert (found is None) == (expected is None)
    if found is not None:
        assert {*found[:2]} == {*expected[:2]}
        assert found[2] == pytest.approx(expected[2], abs=1e-9)


class TestBadFiles:
    def broken(self, change):
        frames = [frame.copy() for frame in COPPER[:4]]
        change(frames[2])
        with pytest.raises(DatasetError, match=r'mine\.xyz, frame 2') as caught:
            imported(frames)
        return str(caught.value)

    @pytest.mark.parametrize('key', ['REF_energy', 'REF_stress', 'REF_forces'])
    def test_missing_label(self, key):
        message = self.broken(lambda f: (f.info.pop(key, None), f.arrays.pop(key, None)))
        assert f'has no `{key}`' in message
        assert '--' in message

    def test_other_keys_are_named(self):
        def rename(frame):
            frame.info['dft_energy'] = frame.info.pop('REF_energy')

        assert 'dft_energy' in self.broken(rename)

    @pytest.mark.parametrize('value', [np.nan, np.inf])
    @pytest.mark.parametrize('key', ['REF_energy', 'REF_stress', 'REF_forces'])
    def test_not_finite(self, key, value):
        def spoil(frame):
            if key == 'REF_forces':
                frame.arrays[key][1, 1] = value
            else:
                frame.info[key] = value * np.ones_like(frame.info[key])

        assert 'not finite' in self.broken(spoil)

    def test_position_not_finite(self):
        def spoil(frame):
            frame.positions[0, 0] = np.nan

        assert 'positions or cell' in self.broken(spoil)

    def test_not_periodic(self):
        assert 'not periodic' in self.broken(lambda f: f.set_pbc((True, True, False)))

    def test_atoms_on_top_of_each_other(self):
        def collide(frame):
            frame.positions[1] = frame.positions[0] + 0.05

        assert 'Å apart' in self.broken(collide)

    def test_unknown_element(self):
        text = text_of(COPPER[:3]).split('\n')
        text[2 * 6 + 2] = text[2 * 6 + 2].replace('Cu', 'Qq', 1)
        with pytest.raises(DatasetError, match=r'mine\.xyz, frame 2.*Qq'):
            imported('\n'.join(text))

    def test_dummy_element(self):
        assert 'unknown element' in self.broken(lambda f: f.symbols.__setitem__(0, 'X'))

    def test_stress_that_is_no_tensor(self):
        def cut(frame):
            frame.info['REF_stress'] = frame.info['REF_stress'][:5]

        assert '6 or 9' in self.broken(cut)

    def test_stress_that_is_not_symmetric(self):
        def turn(frame):
            frame.info['REF_stress'] = np.arange(9.0)

        assert 'not symmetric' in self.broken(turn)

    def test_word_for_an_energy(self):
        def word(frame):
            frame.info['REF_energy'] = 'converged'

        assert "is no number: 'converged'" in self.broken(word)

    @pytest.mark.parametrize(
        ('text', 'said'), [('', 'no frame'), ('hello', 'no number of atoms'), ('3\n\nCu 0 0 0', '')]
    )
    def test_no_extended_xyz(self, text, said):
        with pytest.raises(DatasetError, match=rf'mine\.xyz.*{said}'):
            imported(text)

    def test_repeated_name(self):
        frames = [frame.copy() for frame in COPPER[:2]]
        for frame in frames:
            frame.info['frame_id'] = 'same'
        with pytest.raises(DatasetError, match='same occurs twice'):
            imported(frames, unit_check=False)

    @pytest.mark.parametrize(
        ('options', 'said'),
        [
            ({'energy_unit': 'erg'}, 'Energies in'),
            ({'forces_unit': 'N'}, 'Forces in'),
            ({'stress_unit': 'psi'}, 'Stress in'),
            ({'stress_sign': 'plus'}, 'sign of the stress'),
            ({'prefix': '1x'}, '`prefix`'),
            ({'colour': 1}, 'Unknown: colour'),
        ],
    )
    def test_settings(self, options, said):
        with pytest.raises(DatasetError, match=said):
            import_settings(options)
