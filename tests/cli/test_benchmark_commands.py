"""What ``benchmark show`` prints, and tables of band shifts on the command line."""

import pytest
from aiida.orm import Int

from aiida_insbench.cli.benchmark import lines_of
from aiida_insbench.cli.launch_benchmark import _tables
from aiida_insbench.science.benchmark.table import benchmark_table
from aiida_insbench.science.errors import InputError

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
