"""Families of pseudopotentials from folders and archives, and the cutoffs they recommend."""

import hashlib
import json
import shutil
import tarfile

import pytest
from aiida.orm import Dict, Group, QueryBuilder
from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily, PseudoPotentialFamily
from click.testing import CliRunner
from debian_pseudos import DEBIAN, needs_files
from fake_nodes import pseudo

from aiida_insbench.cli import cmd_root
from aiida_insbench.cli.pseudo_families import choose_cutoffs, load_family, pseudos_of
from aiida_insbench.science.errors import InputError

FILES = ('Si.pz-vbc.UPF', 'H.pz-vbc.UPF')

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile_clean'),
]
needs_debian = needs_files(*FILES)


def run(*words):
    return CliRunner().invoke(cmd_root, ['pseudos', 'install', *(str(word) for word in words)])


def text_of(done):
    return ' '.join(done.output.split())


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / 'mine'
    made.mkdir()
    for name in FILES:
        shutil.copy(DEBIAN / name, made)
    return made


def with_toml(folder, **cutoffs):
    for element, (wave_functions, supersampling) in cutoffs.items():
        (folder / f'{element}.toml').write_text(
            f'Ecut = {wave_functions}\nsupersampling = {supersampling}\n'
        )


def table(folder, **changes):
    entries = {}
    for name in FILES:
        raw = (folder / name).read_bytes()
        entries[name.split('.')[0]] = {
            'cutoff_wfc': 30.0,
            'cutoff_rho': 240.0,
            'md5': hashlib.md5(raw, usedforsecurity=False).hexdigest(),
        }
    entries['H'] |= changes
    return json.dumps({**entries, 'U': {'cutoff_wfc': 1.0, 'cutoff_rho': 4.0}})


@needs_debian
class TestInstall:
    def test_hartree_and_supersampling_become_rydberg(self, folder):
        """SSSP's silicon: 15 Ha and √8 are 30 and 240 Ry."""
        with_toml(folder, Si=(15.0, 8**0.5), H=(30, 2))
        done = run(folder, '--label', 'lib/mine')
        assert done.exit_code == 0, done.output
        assert 'lib/mine: 2 pseudopotentials (H, Si), LDA, cutoffs normal' in text_of(done)
        family = load_family('lib/mine')
        assert isinstance(family, CutoffsPseudoPotentialFamily)
        assert family.get_recommended_cutoffs(elements='Si', unit='Ry') == pytest.approx((30, 240))
        assert family.get_recommended_cutoffs(elements='H', unit='Ry') == pytest.approx((60, 240))
        assert set(pseudos_of('lib/mine', ['Si'])) == {'Si'}

    def test_files_are_stored_once(self, folder):
        run(folder, '--label', 'one')
        run(folder, '--label', 'two')
        first, second = (pseudos_of(label, ['H', 'Si']) for label in ('one', 'two'))
        assert first['Si'].pk == second['Si'].pk

    @pytest.mark.parametrize('kind', ['gztar', 'zip'])
    def test_archive_with_a_table_beside_it(self, folder, tmp_path, kind):
        archive = shutil.make_archive(tmp_path / 'lib', kind, folder.parent, folder.name)
        (tmp_path / 'lib.json').write_text(table(folder))
        done = run(archive, '--label', 'lib', '--cutoffs-file', tmp_path / 'lib.json')
        assert done.exit_code == 0, done.output
        family = load_family('lib')
        assert sorted(family.elements) == ['H', 'Si']
        assert family.get_recommended_cutoffs(elements=('H', 'Si'), unit='Ry') == (30, 240)

    def test_cutoffs_of_some_are_said_to_be_missing(self, folder):
        with_toml(folder, Si=(15.0, 2.0))
        done = run(folder, '--label', 'some')
        assert done.exit_code == 0
        assert 'No normal cutoffs for H' in text_of(done)
        assert load_family('some').get_cutoff_stringencies() == ()

    def test_without_any(self, folder):
        done = run(folder, '--label', 'bare')
        assert 'no cutoffs' in text_of(done)
        with pytest.raises(InputError, match=r'The family bare recommends no cutoffs. Give --cut'):
            choose_cutoffs('bare', ['Si'], None)


def add_file(name, content):
    return lambda folder: (folder / name).write_text(content)


@needs_debian
@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (lambda f: [path.unlink() for path in f.iterdir()], 'No pseudopotential was found in'),
        (
            lambda f: shutil.copy(f / FILES[0], f / 'other.upf'),
            f'{FILES[0]} and other.upf are both',
        ),
        (
            add_file('C.upf', 'nothing'),
            'C.upf cannot be read as a pseudopotential: could not parse',
        ),
        (lambda f: (f / 'C.upf').write_bytes(b'\xff\xfe\x00'), 'C.upf cannot be read'),
        (
            lambda f: shutil.copy(DEBIAN / 'O.pbe-kjpaw.UPF', f),
            'different functionals (H: LDA, O: PBE, Si: LDA)',
        ),
        (add_file('Si.toml', 'Ecut = '), 'Si.toml is no TOML'),
        (add_file('Si.toml', 'Ecut = -3\nsupersampling = 2'), 'Si.toml: `Ecut` is -3'),
        (add_file('Si.toml', 'Ecut = 3'), 'Si.toml: `supersampling` is None'),
        (add_file('c.json', '{'), 'c.json is no JSON'),
        (add_file('c.json', '{"a": 1}'), 'c.json has no cutoffs by element'),
        (add_file('c.json', '{"Si": 30}'), 'c.json: Si is 30'),
        (
            lambda f: (f / 'c.json').write_text(table(f, md5='0' * 32)),
            'another pseudopotential of H',
        ),
        (lambda f: (f / 'c.json').write_text(table(f, cutoff_rho='x')), "`cutoff_rho` is 'x'"),
        (
            lambda f: [(f / f'{x}.json').write_text('{}') for x in 'ab'],
            'Which file has the cutoffs: a.json, b.json?',
        ),
    ],
)
def test_bad_folders_leave_nothing(folder, spoil, words):
    spoil(folder)
    done = run(folder, '--label', 'bad')
    assert done.exit_code == 1
    assert words in text_of(done)
    assert 'Traceback' not in done.output
    assert QueryBuilder().append(Group, filters={'label': 'bad'}).count() == 0
    assert QueryBuilder().append(PseudoPotentialFamily).count() == 0


@needs_debian
def test_a_label_that_is_taken(folder):
    assert run(folder, '--label', 'lib').exit_code == 0
    done = run(folder, '--label', 'lib')
    assert done.exit_code == 1
    assert 'There is a family lib already. Choose another label' in text_of(done)


def test_sources_that_are_none(tmp_path):
    assert 'no such file or folder. To fetch' in text_of(run(tmp_path / 'a', '--label', 'lib'))
    (tmp_path / 'a.tar.gz').write_text('no archive')
    assert 'cannot be unpacked' in text_of(run(tmp_path / 'a.tar.gz', '--label', 'lib'))


def test_an_archive_that_leads_out_of_its_folder(tmp_path):
    (tmp_path / 'x.upf').write_text('x')
    with tarfile.open(tmp_path / 'evil.tar', 'w') as archive:
        archive.add(tmp_path / 'x.upf', '../../x.upf')
    done = run(tmp_path / 'evil.tar', '--label', 'lib')
    assert done.exit_code == 1
    assert "'../../x.upf' leads out of the folder" in text_of(done)


@pytest.mark.parametrize(
    ('name', 'stringencies', 'silicon'),
    [
        ('SSSP_1.3_PBE_efficiency', {'normal'}, (30, 240)),
        ('PseudoDojo_0.4_PBE_SR_standard', {'low', 'normal', 'high'}, (36, 144)),
    ],
)
def test_published_libraries(shared_data, name, stringencies, silicon):
    source = shared_data / 'pseudo' / name
    if not source.is_dir():
        pytest.skip(f'no {source}')
    done = run(source, '--label', name)
    assert done.exit_code == 0, done.output
    assert ', PBE, cutoffs' in text_of(done)
    family = load_family(name)
    assert set(family.get_cutoff_stringencies()) == stringencies
    assert family.get_default_stringency() == 'normal'
    assert family.count() == len(list(source.glob('*.upf')))
    found = family.get_recommended_cutoffs(elements='Si', unit='Ry')
    assert found == pytest.approx(silicon)
    # that of hydrogen is the higher one
    both, source_text = choose_cutoffs(name, ['H', 'Si'], None)
    assert both == pytest.approx(family.get_recommended_cutoffs(elements='H', unit='Ry'))
    assert source_text == f'recommended by {name} (normal)'


class TestChoice:
    @pytest.fixture
    def family(self):
        made = CutoffsPseudoPotentialFamily(label='fake').store()
        made.add_nodes([pseudo('Mg'), pseudo('H')])
        cutoffs = {
            'Mg': {'cutoff_wfc': 20, 'cutoff_rho': 200},
            'H': {'cutoff_wfc': 30, 'cutoff_rho': 120},
        }
        made.set_cutoffs(cutoffs, 'normal', unit='Ry')
        return made

    def test_highest_of_each(self, family):
        assert choose_cutoffs('fake', ['H', 'Mg'], None)[0] == (30, 200)

    def test_those_given_win_then_those_converged(self, family):
        found = Dict({'cutoffs': [40.0, 160.0]}).store()
        assert choose_cutoffs('fake', ['H'], (50.0, 200.0), found) == ((50.0, 200.0), 'as given')
        cutoffs, source = choose_cutoffs('fake', ['H'], None, found)
        assert cutoffs == (40.0, 160.0)
        assert source == f'of the convergence <{found.pk}>'

    @pytest.mark.parametrize('given', [(0.0, 10.0), (50.0, 40.0)])
    def test_what_is_no_cutoff(self, family, given):
        with pytest.raises(InputError, match='the second the higher'):
            choose_cutoffs('fake', ['H'], given)

    def test_two_stringencies_and_no_default(self, family):
        family.set_cutoffs({e: {'cutoff_wfc': 9, 'cutoff_rho': 36} for e in ('H', 'Mg')}, 'low')
        family.base.extras.delete('_default_stringency')
        with pytest.raises(InputError, match=r'recommends no cutoffs \(no default stringency'):
            choose_cutoffs('fake', ['H'], None)

    def test_elements_and_families_that_are_not_there(self, family):
        with pytest.raises(InputError, match='The family fake has no pseudopotential for C, O'):
            pseudos_of('fake', ['C', 'H', 'O'])
        with pytest.raises(
            InputError, match=r'no family of pseudopotentials nowhere. There are fake'
        ):
            pseudos_of('nowhere', ['H'])
