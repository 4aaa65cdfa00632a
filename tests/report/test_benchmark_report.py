"""The report of a benchmark: every target and potential in it, and nothing from outside."""

from __future__ import annotations

import copy
import csv
import io
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from benchmark_sample import POTENTIALS, build, enlarged
from browser import needs_browser, opened
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as made
from test_report import Page

from aiida_insbench.report.benchmark import significant
from aiida_insbench.report.benchmark_csv import scores_csv, spectra_csv
from aiida_insbench.report.benchmark_figures import overlay_of, slug, target_legend
from aiida_insbench.report.benchmark_pressure import (
    difference_table,
    difference_title,
    shift_tables,
)
from aiida_insbench.report.benchmark_render import render_benchmark
from aiida_insbench.report.benchmark_sources import agreement_table, cost_table, lineage_table
from aiida_insbench.report.benchmark_sticks import moving, scored_at, stick_panel
from aiida_insbench.report.benchmark_story import cards, headline, looks, once, tie_sentence
from aiida_insbench.report.benchmark_tables import comparison_table, score_table, window_table
from aiida_insbench.report.benchmark_write import write_report_files
from aiida_insbench.report.line_points import extremes, reduced
from aiida_insbench.science.benchmark.records import digest

MEGABYTE = 1_000_000
TARGETS = ('tosca_0000', 'tosca_1000', 'tosca_2000', 'dft_p_0000', 'dft_p_1000', 'dft_p_2000')


@pytest.fixture(scope='module')
def data():
    return build()


@pytest.fixture(scope='module')
def html(data):
    return render_benchmark(data)


def without_dft(data):
    """Only measured targets, and DFT neither competes nor is compared with."""
    found = copy.deepcopy(data)
    found['cells'] = [one for one in found['cells'] if one['row']['kind'] == 'measured']
    names = {one['row']['name'] for one in found['cells']}
    for cell in found['cells']:
        cell['scores'].pop('dft')
        cell['overlays'].pop('dft')
    for one in found['ranking']['ranked']:
        for key in ('cells', 'failures'):
            one[key] = {name: value for name, value in one[key].items() if name in names}
    found['ranking'].update(dft={}, agreement=None, frequency_errors={})
    found['spectra'].pop('dft')
    return {**found, 'comparison': None}


def bare(data):
    """All that may be missing is missing, and nothing could be scored."""
    found = copy.deepcopy(data)
    for cell in found['cells']:
        cell.update(scores={}, overlays={}, error=None)
    for one in found['ranking']['ranked']:
        one['failures'] = dict.fromkeys(one['cells'], 'the crystal could not be relaxed')
    found['ranking'].update(dft={}, agreement=None, frequency_errors={}, blind=None)
    empty = {'spectra': {}, 'comparison': None, 'potentials': {}, 'verdicts': {}, 'provenance': {}}
    return {
        **found,
        **empty,
        'shifts': {},
        'differences': {},
        'rules': {},
        'benchmark': {},
        'crystal': {},
    }


def one_potential(data):
    """A benchmark of the best potential alone."""
    found = copy.deepcopy(data)
    found['ranking']['ranked'] = found['ranking']['ranked'][:1]
    name = found['ranking']['ranked'][0]['name']
    for key in ('verdicts', 'potentials'):
        found[key] = {name: found[key][name]}
    found['comparison']['potentials'] = {name: found['comparison']['potentials'][name]}
    return found


def no_peaks_no_errors(data):
    """Neither resolution nor counting errors are known, and no pressure was varied."""
    found = copy.deepcopy(data)
    for cell in found['cells']:
        cell['error'] = None
        for table in cell['scores'].values():
            table['score']['peaks'] = None
            table['profile'].update(error=0.0, pressures=[0.0], costs=[0.1])
    return found


VARIANTS = {
    'without DFT': without_dft,
    'bare': bare,
    'one potential': one_potential,
    'no peaks': no_peaks_no_errors,
}


@pytest.mark.parametrize('name', VARIANTS)
def test_renders_whatever_is_missing(name, data):
    page = Page(render_benchmark(VARIANTS[name](data)))
    assert page.open == []
    shown = ' '.join(page.texts)
    assert not re.search(r'\b(nan|NaN|None|inf|undefined|True|False)\b', shown)
    for target in TARGETS[:3]:
        assert target in shown
    assert len(page.ids) == len(set(page.ids))


def test_every_potential_and_target_is_there(html, data):
    page = Page(html)
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    shown = ' '.join(page.texts)
    assert not re.search(r'\b(nan|NaN|None|inf|undefined|True|False)\b', shown)
    for target in TARGETS:
        for name in POTENTIALS:
            assert f'{name} on {target}' in shown
    assert '1 imaginary mode, down to 60i' in shown
    assert shown.count('✗ Failed, counted as cost 1') == 2
    assert 'failed on 2 of 6' in shown
    assert digest(data['rules']) in shown
    assert 'lattice 200.0, skeletal 700.0, internal –' in shown


def test_parts_without_data_are_left_out(data, html):
    ids = Page(render_benchmark(bare(data))).ids
    assert {'verdict', 'scores', 'targets', 'provenance', 'reproduce'} <= set(ids)
    optional = {'components', 'modes', 'agreement', 'dynamics', 'shifts', 'differences'}
    assert not optional & set(ids)
    assert optional <= set(Page(html).ids)


def test_needs_nothing_from_outside(html):
    page = Page(html)
    assert not {'script', 'img', 'iframe', 'object'} & set(page.tags)
    for link in page.links:
        assert link.startswith(('#', 'data:')), link
    assert '@import' not in html
    assert not re.search(r'url\((?!#)', html)
    for address in re.findall(r'https?://[^"\s<]+', html):
        assert address.startswith('http://www.w3.org/'), address


def test_every_figure_is_sound_xml_with_ids_of_its_own(html):
    page = Page(html)
    for reference in re.findall(r'url\(#([^)]+)\)', html):
        assert reference in page.ids
    figures = re.findall(r'<svg.*?</svg>', html, re.DOTALL)
    drawn = [one for one in figures if 'class="figure' in one]
    # 6 together, 19 overlays, 1 profile, 8 by 2 components, 5 of modes, 1 difference, 2 of training
    assert len(drawn) == 6 + 19 + 1 + 16 + 5 + 1 + 2
    for figure in drawn:
        assert 'aria-label="' in figure
    for figure in figures:
        ET.fromstring(figure)  # noqa: S314 - made here


def test_is_the_same_each_time(data, html):
    assert render_benchmark(data) == html


def test_text_from_outside_is_escaped(data):
    bad = '<script>alert(1)</script>&'
    hostile = copy.deepcopy(data)
    hostile['title'] = bad
    first = hostile['ranking']['ranked'][0]
    first['failures'] = {TARGETS[0]: bad}
    name = first['name']
    for cell in hostile['cells']:
        cell['row']['sample'] = bad
        for table in cell['scores'].values():
            table['score']['notes'] = [bad]
    hostile['ranking']['verdicts'][name] = [bad]
    hostile['provenance']['versions'] = {bad: bad}
    hostile['comparison']['potentials'][name]['modes'][0]['irrep'] = bad
    assert '<script' not in render_benchmark(hostile)


def test_names_that_are_no_identifiers_make_sound_pages(data):
    """Ids differ where names do, however odd these are."""
    odd = json.loads(
        json.dumps(data).replace('fine-tuned', 'fine tuned é').replace('stiff', 'x<&y')
    )
    page = Page(render_benchmark(odd))
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert len({slug(text) for text in ('a b', 'a-b', 'a_b', 'ab', 'a-20-b')}) == 5


def test_headline_names_first_and_last(data):
    first, last = data['ranking']['ranked'][0], data['ranking']['ranked'][-1]
    text = headline(data)
    assert text.startswith(f'{first["name"]} is nearest')
    assert f'{last["name"]} is last' in text
    tied = copy.deepcopy(data)
    for one in tied['ranking']['ranked']:
        one['rank'] = 1
        one['tied_with'] = [name for name in POTENTIALS if name != one['name']]
    assert 'cannot be told apart' in headline(tied)
    assert 'last' not in headline(tied)
    assert 'collapsing and stiff' in tie_sentence(tied)
    assert tie_sentence(data) == ''
    assert 'tosca' not in headline(one_potential(data))


def test_cards_tell_failures_once(data):
    found = {card['name']: card for card in cards(data)}
    assert list(found) == [one['name'] for one in data['ranking']['ranked']]
    assert found['collapsing']['kind'] == 'fail'
    assert found['fine-tuned']['kind'] == 'pass'
    assert found['stiff']['kind'] == 'open'
    said = [text for text in found['collapsing']['sentences'] if text.startswith('Failed on')]
    assert len(said) == 1
    assert 'tosca_2000 and dft_p_2000: 1 imaginary mode,' in said[0]
    assert once(['a', 'Failed on x: r', 'Failed on y: s', 'Failed on z: r']) == [
        'a',
        'Failed on x and z: r',
        'Failed on y: s',
    ]


def test_a_potential_looks_the_same_in_every_figure(data):
    """A potential whose modes were not compared must not pass its look on to another."""
    partial = copy.deepcopy(data)
    partial['comparison']['potentials'].pop('collapsing')
    text = render_benchmark(partial)
    shifts = re.search(r'<svg[^>]*Shift of each mode.*?</svg>', text, re.DOTALL).group()
    training = re.search(r'<svg[^>]*Force rms.*?</svg>', text, re.DOTALL).group()
    for name, there in (('fine-tuned', True), ('stiff', False), ('collapsing', True)):
        assert (looks(partial)[name].color in training) is there
    for name, there in (('fine-tuned', True), ('stiff', True), ('collapsing', False)):
        assert (looks(partial)[name].color in shifts) is there
        assert looks(partial)[name] == looks(data)[name]


def test_score_table_has_every_cell_and_the_scale(data):
    table = score_table(data)
    potentials, dft, scale = table['groups']
    assert [row['name'] for row in potentials['rows']] == [
        one['name'] for one in data['ranking']['ranked']
    ]
    failed = [
        cell for row in potentials['rows'] for cell in row['cells'] if cell['kind'] == 'failed'
    ]
    assert [(one['share'], one['text']) for one in failed] == [(100, '✗ failed')] * 2
    for column, target in enumerate(TARGETS):
        best = [row for row in potentials['rows'] if row['cells'][column]['kind'] == 'best']
        lowest = min(data['ranking']['ranked'], key=lambda one: one['cells'][target])
        assert [row['name'] for row in best] == [lowest['name']]
    assert [cell['text'] for cell in dft['rows'][0]['cells'][3:]] == ['–'] * 3
    names = [row['name'] for row in scale['rows']]
    assert names[:4] == ['itself', 'shifted by 8 cm⁻¹', 'smoothed by 60 cm⁻¹', 'shuffled']
    for row in scale['rows'][:1]:
        assert all(cell['text'] == '0.00' for cell in row['cells'])


def test_tables_are_rectangular(data):
    tables = [agreement_table(data), lineage_table(data)]
    for cell in data['cells']:
        tables.append(comparison_table(data, cell))
        tables += [window_table(one['score']) for one in cell['scores'].values()]
    for table in tables:
        for row in table.rows:
            assert len(row) == len(table.heads)


def test_band_shifts_are_shown_with_their_signs(data):
    (one,) = shift_tables(data)
    assert one['file'] == 'raman.csv'
    names = [*(row['name'] for row in data['ranking']['ranked']), 'DFT']
    assert one['table'].heads == ['Band (cm⁻¹)', 'Assigned', 'By', 'Measured', *names]
    assert {len(row) for row in one['table'].rows} == {4 + len(names)}
    last = [cell.text for cell in one['table'].rows[-1][4:]]
    scores = data['shifts']['raman']['scores']
    assert last == [f'{scores[name]["cost"]:.2f}' for name in (*names[:-1], 'dft')]
    assert last[-1] == '0.00'  # what was measured is DFT's own
    marks = {row[4 + place].kind for row in one['table'].rows for place in range(len(names))}
    assert 'number bad' in marks  # `collapsing` loses the red shift


def test_what_pressure_changes_is_shown(data):
    ((target, one),) = data['differences'].items()
    assert difference_title(target, one) == 'dft_p_1000 − dft_p_0000: 1 GPa less 0 GPa'
    table = difference_table(data, one)
    costs = {row[0].text: float(row[1].text) for row in table.rows}
    assert list(costs) == [row['name'] for row in data['ranking']['ranked']]
    for name, cost in costs.items():
        assert cost == pytest.approx(one['scores'][name]['cost'], abs=5e-4)
    assert costs['stiff'] != costs['collapsing']
    gone = copy.deepcopy(one)
    del gone['scores']['stiff']
    (row,) = [row for row in difference_table(data, gone).rows if row[0].text == 'stiff']
    assert row[1].text == '✗ no spectrum'


def test_six_digits_of_spectra_are_kept():
    assert significant([0.123456789, 1234.56789, 0.0]) == [0.123457, 1234.57, 0.0]


def test_what_potentials_cost_is_told(data):
    table = cost_table(data)
    assert table.heads[:4] == ['Potential', 'Core-hours', 'pw.x label', 'insbench-job train']
    found = {row[0].text: [cell.text for cell in row[1:]] for row in table.rows}
    assert found['stiff'] == ['3.60', '3.20', '0.40', '–', '–']
    assert found['fine-tuned'][-2:] == ['1.00', '2 jobs']
    assert cost_table({**data, 'potentials': {}}) is None


def test_pressures_beyond_those_learnt_are_said(data):
    table = lineage_table(data)
    column = table.heads.index('beyond them (GPa)')
    assert {row[0].text: row[column].text for row in table.rows} == {
        'fine-tuned': '2',
        'stiff': '1, 2',
        'collapsing': '1, 2',
    }


def test_residual_is_target_less_simulation_where_compared(data):
    cell = data['cells'][0]
    found = overlay_of(cell, 'fine-tuned')
    arrays = {key: np.array(value) for key, value in cell['overlays']['fine-tuned'].items()}
    used = arrays['used'] > 0
    highest = np.abs(arrays['target'][used]).max()
    expected = (arrays['target'] - arrays['simulated'])[used] / highest
    assert found.residual[used] == pytest.approx(expected)
    assert np.isnan(found.residual[~used]).all()
    # masked below 60 and from 560 to 620 cm⁻¹
    (_, first), (low, high) = found.masked
    step = found.energy[1] - found.energy[0]
    assert abs(first - 60) <= step
    assert (abs(low - 560) <= step, abs(high - 620) <= step) == (True, True)


def test_modes_stand_under_the_spectrum_at_its_pressure(data):
    cell = next(one for one in data['cells'] if one['row']['name'] == 'dft_p_1000')
    panel = stick_panel(data, cell, 'fine-tuned', '#000000', (40.0, 1150.0))
    rows = data['comparison']['potentials']['fine-tuned']['modes']
    places = sorted(row['frequencies']['p_1000'] for row in rows)
    assert [one.x for one in panel.sticks] == pytest.approx(
        [place for place in places if 40 <= place <= 1150]
    )
    by_place = {round(row['frequencies']['p_1000'], 6): row for row in rows}
    for one in panel.sticks:
        row = by_place[round(one.x, 6)]
        assert one.height == pytest.approx(row['ins_weight']['p_1000'])
        assert one.text in ('', moving(row))
    highest = max(panel.sticks, key=lambda one: one.height)
    assert highest.text.startswith('H')


def test_modes_are_interpolated_to_the_best_pressure(data):
    cell = next(one for one in data['cells'] if one['row']['name'] == 'tosca_1000')
    best = scored_at(cell, 'fine-tuned')
    assert best != 1.0
    panel = stick_panel(data, cell, 'fine-tuned', '#000000', (40.0, 4000.0))
    row = data['comparison']['potentials']['fine-tuned']['modes'][-1]
    low, middle, high = (row['frequencies'][f'p_{mpa:04d}'] for mpa in (0, 1000, 2000))
    expected = np.interp(best, [0.0, 1.0, 2.0], [low, middle, high])
    assert panel.sticks[-1].x == pytest.approx(expected)
    far = {**cell, 'scores': {}, 'row': {**cell['row'], 'pressure': 9.0}}
    assert stick_panel(data, far, 'fine-tuned', '#000000', (40.0, 1150.0)) is None


def test_legend_names_only_what_is_drawn(data):
    measured, dft = data['cells'][0], copy.deepcopy(data['cells'][3])
    assert [name for name, _ in target_legend(measured)] == ['target', 'masked', 'background']
    for arrays in dft['overlays'].values():
        arrays['background'] = [0.0] * len(arrays['energy'])
    assert [name for name, _ in target_legend(dft)] == ['target']


def test_csv_holds_every_score(data):
    rows = list(csv.DictReader(io.StringIO(scores_csv(data))))
    assert len(rows) == 6 * 3 + 3  # DFT competes on measured targets
    found = {(row['target'], row['competitor']): row for row in rows}
    for one in data['ranking']['ranked']:
        for target, cost in one['cells'].items():
            row = found[target, one['name']]
            assert float(row['cost']) == pytest.approx(cost, rel=1e-5)
            assert row['failure'] == one['failures'].get(target, '')
    table = data['cells'][1]['scores']['fine-tuned']
    assert float(found['tosca_1000', 'fine-tuned']['best_pressure_gpa']) == pytest.approx(
        table['profile']['best'], rel=1e-5
    )
    assert float(found['tosca_1000', 'fine-tuned']['w1_cm1']) == pytest.approx(
        table['score']['w1']['distance'], rel=1e-5
    )


def test_csv_holds_every_compared_spectrum(data):
    rows = list(csv.DictReader(io.StringIO(spectra_csv(data))))
    size = len(data['cells'][0]['overlays']['dft']['energy'])
    assert len(rows) == 19 * size
    first = [
        row for row in rows if (row['target'], row['competitor']) == ('tosca_0000', 'fine-tuned')
    ]
    arrays = data['cells'][0]['overlays']['fine-tuned']
    for key, column in (('target', 'target_intensity'), ('simulated', 'fitted')):
        assert [float(row[column]) for row in first] == pytest.approx(arrays[key], rel=1e-5)
    assert [int(row['compared']) for row in first] == arrays['used']
    assert all(row['target_error'] == '' for row in rows if row['target'].startswith('dft'))


def test_files_are_written_and_sound(data, tmp_path):
    holes = copy.deepcopy(data)
    holes['cells'][0]['overlays']['fine-tuned']['target'][0] = float('nan')
    paths = write_report_files(holes, tmp_path / 'new')
    names = [str(path.relative_to(tmp_path / 'new')) for path in paths]
    assert names[:4] == ['benchmark.html', 'benchmark.json', 'scores.csv', 'spectra.csv']
    assert names[4:7] == [f'figures/overlay_tosca_0000.{end}' for end in ('png', 'svg', 'pdf')]
    assert names[-3:] == [f'figures/mode_shifts.{end}' for end in ('png', 'svg', 'pdf')]
    assert len(names) == 4 + 3 * 7
    written = json.loads(paths[1].read_text(encoding='utf-8'))
    assert written['cells'][0]['overlays']['fine-tuned']['target'][0] is None
    assert written['ranking'] == data['ranking']
    starts = {'.png': b'\x89PNG', '.pdf': b'%PDF', '.svg': b'<?xml'}
    for path in paths[4:]:
        assert path.read_bytes().startswith(starts[path.suffix])
    # 17.5 and 8.5 cm at 72 points an inch
    for name, width in (('overlay_tosca_0000', 17.5), ('mode_shifts', 8.5)):
        head = ET.parse(tmp_path / 'new' / 'figures' / f'{name}.svg').getroot()  # noqa: S314
        assert float(head.get('width').removesuffix('pt')) == pytest.approx(width / 2.54 * 72, 1e-3)


def test_is_small_with_many_points(data):
    big = enlarged(data, 4000)
    assert len(render_benchmark(big).encode()) < 5 * MEGABYTE


@given(made.arrays(float, st.integers(2, 3000), elements=st.floats(-500, 500)))
def test_reduced_curves_keep_their_extremes(values):
    """However noisy, no peak is lost and no point is moved."""
    x = np.linspace(0, 500, len(values))
    few, kept = reduced(x, values)
    assert kept.max() >= values.max() - 0.3
    assert kept.min() <= values.min() + 0.3
    assert len(few) <= max(len(values), 1200)
    assert (few[0], few[-1]) == (x[0], x[-1]) or len(values) > 1200
    assert set(few) <= set(x)
    again, _ = extremes(x, values)
    assert (np.diff(again) > 0).all()


@needs_browser
@pytest.mark.parametrize(('width', 'chosen'), [(1280, 0), (390, 0), (390, 2)])
def test_browser_shows_it_without_a_complaint(html, tmp_path, width, chosen):
    """An empty console, no request, no page wider than the window, and one panel a target."""
    probe = f"""<script>
    document.querySelector('label[for="tab-{chosen}"]').click();
    const shown = [...document.querySelectorAll('.panel')].filter(one => one.offsetHeight > 0);
    const right = shown.filter(one => one.classList.contains('p{chosen}'));
    document.title = ['width', document.documentElement.scrollWidth, innerWidth, 'panels',
      shown.length, right.length, 'requests', performance.getEntriesByType('resource').length,
      'drawn', shown[0].querySelector('svg.lines path').getBoundingClientRect().width > 50]
      .join(' ');
    </script></body>"""
    page = tmp_path / 'benchmark.html'
    page.write_text(html.replace('</body>', probe), encoding='utf-8')
    done = opened(page, profile=tmp_path / 'profile', width=width)
    assert 'CONSOLE' not in done.stderr
    words = re.search(r'<title>(width [^<]*)</title>', done.stdout).group(1).split()
    assert int(words[1]) <= int(words[2])
    assert words[4:6] == ['6', '6']
    assert words[7] == '0'
    assert words[9] == 'true'
