"""What ``benchmark show`` prints, and what ``launch benchmark`` makes of its options."""

import ase.io
import pytest
from aiida.orm import Int
from click.testing import CliRunner
from fake_nodes import code, crystal, force_constants, potential, workchain

from aiida_insbench.cli import cmd_root
from aiida_insbench.cli.benchmark import lines_of
from aiida_insbench.cli.launch_benchmark import _committees, _tables, _vibrations
from aiida_insbench.science.benchmark.table import benchmark_table
from aiida_insbench.science.errors import InputError
from aiida_insbench.workflows.phonons import PhononsWorkChain
from aiida_insbench.workflows.reference import ReferenceWorkChain

pytestmark = [pytest.mark.filterwarnings('ignore'), pytest.mark.usefixtures('aiida_profile')]

TEXT = """# temperature: 300 K
# technique: Raman
omega0_cm1,domega_dp_cm1_per_gpa,sigma
453,-2.1,0.4
"""


def ranking(**more):
    cells = [{'name': 'a', 'kind': 'measured', 'pressure': 0.0, 'blind': False}]
    scores = {'fine': {'a': {'headline': 0.1, 'headline_error': 0.01}}}
    return benchmark_table(scores, cells=cells, failures={'fine': {}}, **more)


def test_pressure_scores_are_shown_beside_the_ranking():
    score = {
        'cost': 0.4,
        'signs_right': 3,
        'signs_known': 4,
        'red_missed': ['453 cm⁻¹'],
        'rms_slope': 2.5,
        'words': 'red shift at 453 cm⁻¹ missed',
    }
    lines = list(lines_of(ranking(shifts={'fine': {'raman': score}})))
    place = lines.index('band shifts raman: pressure score 0 best, 1 worst; not part of the mean')
    assert lines[place + 1].split() == (
        ['fine', '0.400', 'signs', '3', 'of', '4', *['red', 'shift', 'at', '453', 'cm⁻¹', 'missed']]
    )
    assert not any('band shifts' in line for line in lines_of(ranking()))


def test_a_file_of_band_shifts_is_imported_once_it_counts(tmp_path):
    path = tmp_path / 'raman.csv'
    path.write_text(TEXT, encoding='utf-8')
    dry = _tables([('raman', str(path))], dry_run=True)['raman']
    assert not dry.is_stored
    real = _tables([('raman', str(path))], dry_run=False)['raman']
    assert real.creator.process_label == 'import_band_shifts'
    assert real.get_dict() == dry.get_dict()
    again = _tables([('raman', str(real.pk))], dry_run=True)['raman']
    assert again.uuid == real.uuid


def test_what_is_no_table_is_refused():
    with pytest.raises(InputError, match='neither a file nor a node'):
        _tables([('raman', 'gone.csv')], dry_run=True)
    with pytest.raises(InputError, match='no table of band shifts but a Int'):
        _tables([('raman', str(Int(3).store().pk))], dry_run=True)
    with pytest.raises(InputError, match='Two of --band-shifts'):
        _tables([('raman', 'a'), ('raman', 'b')], dry_run=True)


def finished(node, labels=('p_0000', 'p_1500'), process_class=PhononsWorkChain):
    """Phonons that have ended, as far as commands look at them."""
    return workchain(
        process_class,
        inputs={'phonons': {'potential': node}} if node is not None else {},
        outputs={'force_constants': {label: force_constants() for label in labels}},
    )


def test_phonons_go_to_their_potential_and_to_members():
    first, second, third = (potential(scale=scale).store() for scale in (1.0, 2.0, 3.0))
    committees = _committees([('fine', second), ('fine', third)])
    assert list(committees['fine']) == ['member_1', 'member_2']
    phonons = [finished(first), finished(third)]
    found = _vibrations(phonons, {'fine': first}, committees)
    assert set(found['force_constants']['fine']) == {'p_0000', 'p_1500'}
    assert set(found['committee_force_constants']['fine']) == {'member_2'}
    with pytest.raises(InputError, match='are of none of the potentials given'):
        _vibrations([finished(second)], {'fine': first}, {})


def test_launch_checks_everything_in_a_dry_run(tmp_path):
    ase.io.write(tmp_path / 'good.cif', crystal())
    (tmp_path / 'raman.csv').write_text(TEXT, encoding='utf-8')
    node, member = potential().store(), potential(scale=2.0).store()
    dft = finished(None, process_class=ReferenceWorkChain)

    def launch(*words):
        return CliRunner().invoke(
            cmd_root,
            [
                *('launch', 'benchmark', '--code', code().store().uuid, '--pressures', '0,1.5'),
                *('--structure', str(tmp_path / 'good.cif'), '--dft', str(dft.pk)),
                *('--potential', 'fine', str(node.pk), '--dry-run', *map(str, words)),
            ],
        )

    given = ('--phonons', finished(node).pk, '--member', 'fine', member.pk)
    done = launch(*given, '--band-shifts', 'raman', tmp_path / 'raman.csv')
    assert done.exit_code == 0, done.output
    assert 'The benchmark can be submitted.' in done.output
    done = launch('--phonons', finished(node, ('p_0000', 'p_9000')).pk)
    assert done.exit_code != 0
    assert '`force_constants.fine` has p_9000' in done.output
    done = launch('--member', 'other', member.pk)
    assert '`committees` names other, which `potentials` does not.' in done.output
