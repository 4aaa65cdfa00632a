"""``dataset converge``, ``label``, ``relabel`` and ``launch dataset`` as far as a dry run goes."""

import re

import ase.io
import pytest
import yaml
from aiida.orm import Dict, ProcessNode, QueryBuilder
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily, PseudoPotentialFamily
from ase.build import bulk, molecule
from click.testing import CliRunner
from fake_nodes import LEVEL, code, crystal, dataset, frames, potential, pseudo, pw_code

from aiida_insbench.cli import cmd_root
from aiida_insbench.data import DatasetData

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]
CUTOFFS = ('--cutoffs', 30, 120)


def run(*words):
    return CliRunner().invoke(cmd_root, [str(word) for word in words])


def said(done):
    return ' '.join(done.output.split())


def refused(done):
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit), done.exception
    assert 'Traceback' not in done.output
    return said(done)


@pytest.fixture(scope='module', autouse=True)
def families():
    bare = PseudoPotentialFamily(label='bare').store()
    bare.add_nodes([pseudo('Mg'), pseudo('H')])
    known = CutoffsPseudoPotentialFamily(label='with-cutoffs').store()
    known.add_nodes([pseudo('Mg'), pseudo('H')])
    one = {'cutoff_wfc': 20.0, 'cutoff_rho': 80.0}
    known.set_cutoffs({'Mg': one, 'H': {**one, 'cutoff_wfc': 25.0}}, 'normal', unit='Ry')


@pytest.fixture(scope='module')
def cif(tmp_path_factory):
    path = tmp_path_factory.mktemp('crystals') / 'mgh2.cif'
    ase.io.write(path, crystal())
    return path


@pytest.fixture(scope='module')
def codes():
    return ('--codes', pw_code().full_label, code().full_label)


@pytest.fixture(scope='module')
def pool():
    return dataset(3, labelled=False).store()


@pytest.fixture(scope='module')
def converged():
    return Dict(
        {
            'cutoffs': [45.0, 180.0],
            'kpoints_mesh': [9, 9, 9],
            'pulay_stress_gpa': 0.1,
            'pressure_range': [-1.0, 0.5],
            'tolerances': {},
        }
    ).store()


@pytest.fixture(autouse=True)
def nothing_is_submitted():
    before = QueryBuilder().append(ProcessNode).count()
    yield
    assert QueryBuilder().append(ProcessNode).count() == before


class TestConverge:
    def converge(self, cif, codes, *words):
        return run(
            'dataset', 'converge', cif, '--cutoffs', '20:80,30:120', '--pseudo-family', 'bare',
            *codes, '--dry-run', *words,
        )  # fmt: skip

    def test_what_it_compares(self, cif, codes):
        done = self.converge(cif, codes, '--kpoints', '2x2x3,4x4x6')
        assert done.exit_code == 0, done.output
        assert '2 pairs of cutoffs: [[20.0, 80.0], [30.0, 120.0]] Ry' in said(done)
        assert '2 k meshes: [[2, 2, 3], [4, 4, 6]]' in said(done)
        assert 'The convergence can be submitted.' in said(done)

    def test_meshes_of_the_protocol(self, cif, codes):
        done = self.converge(cif, codes)
        assert re.search(r'\d k meshes: \[\[3, 3, 4\], ', said(done)), done.output

    @pytest.mark.parametrize(
        ('words', 'message'),
        [
            (['--cutoffs', '20:80'], 'at least two pairs of cutoffs'),
            (['--cutoffs', '20:80,x:9'], "`--cutoffs` is '20:80,x:9'"),
            (['--cutoffs', '20,30'], 'give lists such as 40:40'),
            (['--cutoffs', '30:120,20:80'], '[20.0, 80.0] is not finer than [30.0, 120.0]'),
            (['--cutoffs', '0:0,20:80'], 'must be positive'),
            (['--kpoints', '2x2,4x4'], 'give lists such as 4x4x4'),
            (['--kpoints', '4x4x4,2x2x2'], 'is not finer than [4, 4, 4]'),
            (['--kpoints', '0x1x1,2x2x2'], 'must hold positive integers'),
            (['--kpoints', '2x2x2.5,4x4x4'], "`--kpoints` is '2x2x2.5,4x4x4'"),
            (['--pressures', 'high'], "'high' is not a pressure"),
            (['--pseudo-family', 'nowhere'], 'no family of pseudopotentials nowhere'),
        ],
    )
    def test_refusals(self, cif, codes, words, message):
        assert message in refused(self.converge(cif, codes, *words))

    def test_no_crystal(self, codes, tmp_path):
        assert 'no such file' in refused(self.converge(tmp_path / 'a.cif', codes))


class TestLabel:
    def label(self, node, *words, command='label', family='bare'):
        return run(
            'dataset', command, node.pk, '--pseudo-family', family, '--dry-run', '--protocol',
            'fast', '--code', pw_code().full_label, *words,
        )  # fmt: skip

    def test_estimate(self, pool):
        done = self.label(pool, *CUTOFFS)
        assert done.exit_code == 0, done.output
        assert 'cutoffs 30 and 120 Ry, as given' in said(done)
        assert '3 frames, up to 12 electrons' in said(done)
        assert 'core-hours (to a factor of three)' in said(done)
        assert 'The labels can be submitted.' in said(done)

    def test_cutoffs_of_the_family_are_taken_and_said(self, pool):
        done = self.label(pool, family='with-cutoffs')
        assert done.exit_code == 0, done.output
        assert 'cutoffs 25 and 80 Ry, recommended by with-cutoffs (normal)' in said(done)
        done = self.label(pool, *CUTOFFS, family='with-cutoffs')
        assert 'cutoffs 30 and 120 Ry, as given' in said(done)

    def test_cutoffs_of_a_convergence_and_its_warnings(self, pool, converged):
        done = self.label(pool, '--convergence', converged.pk)
        assert done.exit_code == 0, done.output
        assert f'cutoffs 45 and 180 Ry, of the convergence <{converged.pk}>' in said(done)
        assert 'Warning: Frames were placed for 1 GPa' in said(done)
        assert 'asks for [9, 9, 9]' in said(done)
        assert '`ecutwfc`' not in said(done)

    @pytest.mark.parametrize(
        ('words', 'message'),
        [
            ([], 'The family bare recommends no cutoffs. Give --cutoffs WAVE_FUNCTIONS DENSITY'),
            (['--cutoffs', -1, 4], '--cutoffs are -1 and 4 Ry'),
            ([*CUTOFFS, '--pseudo-family', 'none'], 'no family of pseudopotentials none'),
            ([*CUTOFFS, '--ranks', 0], '0 is not in the range'),
            ([*CUTOFFS, '--convergence', 999999], '999999'),
        ],
    )
    def test_refusals(self, pool, words, message):
        assert message in refused(self.label(pool, *words))

    def test_overrides(self, pool, tmp_path):
        path = tmp_path / 'changes.yaml'
        path.write_text(yaml.safe_dump({'kpoints_mesh': [1, 1, 1], 'max_concurrent': 2}))
        done = self.label(pool, *CUTOFFS, '--overrides', path)
        assert '1 k points' in said(done)
        assert '2 runs at once' in said(done)

    def test_relabel(self, pool):
        labelled = dataset(2).store()
        done = self.label(labelled, *CUTOFFS, '--functional', 'vdw-df2', command='relabel')
        assert done.exit_code == 0, done.output
        assert 'no labels yet' not in said(done)
        assert '2 frames' in said(done)

    def test_relabel_keeps_the_mesh_of_the_labels(self, pool, tmp_path):
        level = {**LEVEL, 'kpoints_mesh': [1, 1, 2]}
        labelled = DatasetData(frames(2), dft_level=level).store()
        done = self.label(labelled, *CUTOFFS, command='relabel')
        assert 'k mesh 1×1×2, that of the labels' in said(done)
        assert '2 k points' in said(done)
        path = tmp_path / 'changes.yaml'
        path.write_text(yaml.safe_dump({'kpoints_mesh': [1, 1, 1]}))
        done = self.label(labelled, *CUTOFFS, '--overrides', path, command='relabel')
        assert '1 k points' in said(done)

    def test_relabel_of_a_pool(self, pool):
        done = self.label(pool, *CUTOFFS, '--dispersion', 'd3', command='relabel')
        assert done.exit_code == 0, done.output
        assert 'The frames have no labels yet' in said(done)
        assert 'is not one of' in refused(
            self.label(pool, *CUTOFFS, '--dispersion', 'd9', command='relabel')
        )


class TestLaunchDataset:
    def launch(self, cif, codes, *words, family='with-cutoffs'):
        return run(
            'launch', 'dataset', '--structure', cif, '--pressures', '0,2', '--pseudo-family',
            family, '--protocol', 'fast', *codes, '--dry-run', *words,
        )  # fmt: skip

    def test_what_it_will_do(self, cif, codes):
        done = self.launch(cif, codes, '--hold-out-pressure', 2)
        assert done.exit_code == 0, done.output
        text = said(done)
        assert 'cutoffs 25 and 80 Ry, recommended by with-cutoffs (normal)' in text
        assert re.search(r'relax: by DFT at 0, 2 GPa, about \S+ core-hours', text)
        # 24 frames wanted, four drawn for each; shares of the protocol's cells
        assert (
            'rattled: strain-rattle at 0, 2 GPa, frames drawn: 36 of 6 atoms, 20 of 12 atoms, '
            '20 of 12 atoms, 20 of 12 atoms'
        ) in text
        assert 'select: 24 of 96 by soap' in text
        assert re.search(r'label: 24 frames, about \S+ core-hours .* k mesh \[4, 4, 6\]', text)
        assert 'split: 4 frames for validation, all of 2 GPa for the test' in text
        assert 'The round of data can be submitted.' in text

    def test_cost_grows_with_the_cutoffs(self, cif, codes):
        def hours(*words):
            text = said(self.launch(cif, codes, *words))
            return float(re.search(r'label: 24 frames, about (\S+) core-hours', text).group(1))

        assert hours('--cutoffs', 100, 400) > 3 * hours()

    def test_coarser_than_converged(self, cif, codes, converged):
        done = self.launch(cif, codes, '--convergence', converged.pk)
        assert 'cutoffs 45 and 180 Ry, of the convergence' in said(done)
        assert 'Warning: The k mesh is [4, 4, 6]; the convergence' in said(done)
        done = self.launch(cif, codes, '--convergence', converged.pk, *CUTOFFS)
        assert 'Warning: `ecutwfc` is 30 Ry' in said(done)

    def test_with_a_potential_and_atoms_alone(self, cif, codes, tmp_path):
        path = tmp_path / 'changes.yaml'
        path.write_text('dataset: {frames: 10, pool_per_frame: 1, isolated_atoms: true}')
        node = potential().store()
        done = self.launch(cif, codes, '--potential', node.pk, '--overrides', path)
        assert done.exit_code == 0, done.output
        assert 'modes: equal-energy at 0, 2 GPa' in said(done)
        assert 'atom: isolated-atoms, 2 frames in a box' in said(done)
        assert 'select:' not in said(done)
        assert 'relax:' not in said(done)  # modes are taken where the potential puts the crystal
        assert 'label: 12 frames' in said(done)

    @pytest.mark.parametrize(
        ('words', 'message'),
        [
            (['--structure', 'none.cif'], 'none.cif: no such file'),
            (['--pressures', '0,x'], "'x' is not a pressure"),
            (['--hold-out-pressure', 7], '`split.held_out_pressures` has 7 GPa'),
            (['--pseudo-family', 'bare'], 'The family bare recommends no cutoffs'),
            (['--potential', 999999], '999999'),
            (['--seed', -1], '-1 is not in the range'),
            (['--protocol', 'quick'], "'quick' is not one of"),
        ],
    )
    def test_refusals(self, cif, codes, words, message):
        assert message in refused(self.launch(cif, codes, *words))

    def test_one_code(self, cif):
        done = self.launch(cif, ('--codes', pw_code().full_label))
        assert '--codes takes two codes' in refused(done)

    def test_an_element_without_pseudopotential(self, codes, tmp_path):
        ase.io.write(tmp_path / 'cu.cif', bulk('Cu'))
        done = self.launch(tmp_path / 'cu.cif', codes)
        assert 'The family with-cutoffs has no pseudopotential for Cu' in refused(done)

    def test_vacuum_under_pressure(self, codes, tmp_path):
        h2 = molecule('H2', vacuum=8.0, pbc=True)
        ase.io.write(tmp_path / 'h2.cif', h2)
        assert 'a gap of 16.0 Å without atoms' in refused(self.launch(tmp_path / 'h2.cif', codes))

    def test_molecules_of_what_has_none(self, cif, codes, tmp_path):
        path = tmp_path / 'changes.yaml'
        path.write_text('dataset: {gas_molecules: 1}')
        assert 'molecul' in refused(self.launch(cif, codes, '--overrides', path))
