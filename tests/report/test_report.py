"""The report: complete, self-contained, free of nonsense, and honest about what is missing."""

from __future__ import annotations

import copy
import csv
import io
import math
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from browser import needs_browser, opened
from hypothesis import given
from hypothesis import strategies as st
from sample_data import build, without

from aiida_insbench.report.bands import band_chains, sorted_spectra, strongest
from aiida_insbench.report.figures_modes import _spread
from aiida_insbench.report.figures_spectra import stacked_spectra, thinned
from aiida_insbench.report.findings import findings
from aiida_insbench.report.limits import limits
from aiida_insbench.report.numbers import (
    arrow,
    count,
    duration,
    flattened,
    joined,
    number,
    pressures,
    wavenumber,
)
from aiida_insbench.report.render import render_html
from aiida_insbench.report.story import headline, mode_lines, soft_mode
from aiida_insbench.report.tables import error_table, relaxed_table, spectra_csv
from aiida_insbench.report.tables_modes import (
    kind_table,
    mode_table,
    reason_table,
    segment_tables,
)

MEGABYTE = 1_000_000


class Page(HTMLParser):
    """Collects links, ids, texts and unclosed tags."""

    VOID = frozenset({'meta', 'link', 'br', 'img', 'hr', 'input'})

    def __init__(self, text):
        super().__init__()
        self.links, self.ids, self.texts, self.open, self.tags = [], [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.links += [value for key, value in attrs if key in ('src', 'href', 'xlink:href')]
        self.ids += [value for key, value in attrs if key == 'id']
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if not self.open or self.open[-1] not in ('style', 'title'):
            self.texts.append(text)


@pytest.fixture(scope='module')
def data():
    return build()


@pytest.fixture(scope='module')
def html(data):
    return render_html(data)


def variants():
    """Names and data of campaigns that lack something."""
    full = build()
    bare_potential = [{'name': 'only', 'pk': 1, 'n_frames': None}]
    no_parts = copy.deepcopy(full)
    for one in no_parts['spectra']:
        one['orders'], one['elements'], one['bands'] = {}, {}, []
    empty = {
        'schema': 1,
        'title': 'Nothing yet',
        'generated': 'now',
        'campaign': {},
        'crystal': {},
        'pressures': {'p_0000': 0.0},
        'potentials': [],
        'reference': None,
        'spectra': [],
        'provenance': {},
        'notes': [],
    }
    return {
        'full': full,
        'no reference': build(reference=False),
        'no base': build(base=False),
        'neither': build(reference=False, base=False),
        'no spectra': {**full, 'spectra': []},
        'no parts': no_parts,
        'one spectrum': {**full, 'spectra': full['spectra'][:1]},
        'no provenance': {**full, 'provenance': {}},
        'no notes': without(full, 'notes'),
        'bare potential': {**full, 'potentials': bare_potential, 'reference': None},
        'one pressure': one_pressure(),
        'empty': empty,
        'reference at more pressures': more_reference(),
    }


def more_reference():
    found = build()
    found['reference']['pressures']['p_3000'] = 3.0
    for row in found['reference']['modes']:
        row['frequencies']['p_3000'] = row['frequencies']['p_2000'] - 40.0
    return found


def one_pressure():
    found = build()
    found['pressures'] = {'p_0000': 0.0}
    found['spectra'] = found['spectra'][:1]
    for rows in [found['reference']['modes']] + [
        one['comparison']['modes'] for one in found['potentials']
    ]:
        for row in rows:
            row.update(shift=None, slope=None, direction=None)
            for key in ('frequencies', 'reference'):
                if key in row:
                    row[key] = {'p_0000': row[key]['p_0000']}
    return found


@pytest.mark.parametrize('name', list(variants()))
def test_renders_whatever_is_missing(name):
    page_data = variants()[name]
    text = render_html(page_data)
    page = Page(text)
    assert page.open == []
    shown = ' '.join(page.texts)
    assert not re.search(r'\b(nan|NaN|None|inf|undefined|True|False)\b', shown)
    assert findings(page_data)
    assert not any(re.search(r'\b(nan|None|True|False)\b', line) for line in findings(page_data))


def test_needs_nothing_from_outside(html):
    page = Page(html)
    assert 'script' not in page.tags
    assert 'img' not in page.tags
    for link in page.links:
        assert link.startswith(('#', 'data:', 'https://doi.org/')), link
    assert '@import' not in html
    assert not re.search(r'url\((?!#)', html)


def test_every_figure_is_sound_xml_with_ids_of_its_own(html):
    page = Page(html)
    assert len(page.ids) == len(set(page.ids))
    for link in page.links:
        assert not link.startswith('#') or link[1:] in page.ids
    for reference in re.findall(r'url\(#([^)]+)\)', html):
        assert reference in page.ids
    figures = re.findall(r'<svg.*?</svg>', html, re.DOTALL)
    assert len(figures) == 13
    for figure in figures:
        assert 'aria-label="' in figure
        ET.fromstring(figure)  # noqa: S314 - made here


def test_numbers_in_figures_survive_the_shortening_of_paths(html):
    """Ticks of the loss are 0.05 and 0.1: shortening must touch coordinates only."""
    assert re.search(r'<text[^>]*>0\.05</text>', html)
    assert 'opacity: 0.06' in html


def test_is_small(html):
    assert len(html.encode()) < 0.5 * MEGABYTE


def test_is_small_with_many_pressures():
    big = build()
    rng = np.random.default_rng(0)
    spectra = []
    for index in range(10):
        one = copy.deepcopy(big['spectra'][index % 3])
        one['label'], one['pressure'] = f'p_{index:02d}00', index / 10
        one['total'] = (np.array(one['total']) + 0.002 * rng.normal(size=2000)).tolist()
        spectra.append(one)
    assert len(render_html({**big, 'spectra': spectra}).encode()) < 2 * MEGABYTE


def test_is_the_same_each_time(data, html):
    assert render_html(data) == html


def test_text_from_outside_is_escaped(data):
    bad = '<script>alert(1)</script>&'
    hostile = copy.deepcopy(data)
    hostile['title'] = bad
    hostile['crystal']['formula'] = bad
    hostile['campaign']['label'] = bad
    hostile['potentials'][0]['name'] = bad
    hostile['potentials'][0]['comparison']['verdict']['sentences'] = [bad]
    hostile['notes'] = [bad]
    hostile['spectra'][0]['elements'] = {bad: hostile['spectra'][0]['total']}
    page = Page(render_html(hostile))
    assert 'script' not in page.tags
    assert page.open == []


def test_verdict_stands_on_top_and_is_made_from_numbers(data, html):
    top = html[html.index('<main>') : html.index('INS spectra under pressure')]
    assert 'Nearly the same force error (base and fine-tuned: 12.7 and 10.7' in top
    assert 'yet base has the wrong physics and fine-tuned has the right physics.' in top
    assert '143i' in top
    assert '1.7 times the DFT shift' in top
    changed = copy.deepcopy(data)
    changed['potentials'][0]['errors']['rmse_forces_mev_a'] = 31.4
    assert 'The force errors of base and fine-tuned are 31.4 and 10.7' in render_html(changed)


@pytest.mark.parametrize(
    ('verdicts', 'words'),
    [
        ((True, True), 'and both base and fine-tuned have the right physics.'),
        ((False, False), 'and neither base nor fine-tuned has the right physics.'),
        ((True, False), 'yet base has the right physics and fine-tuned has the wrong physics.'),
        ((None, None), 'no reference modes'),
        ((None, True), 'base was not judged and fine-tuned has the right physics.'),
    ],
)
def test_headline_follows_the_verdicts(data, verdicts, words):
    changed = copy.deepcopy(data)
    for one, verdict in zip(changed['potentials'], verdicts, strict=True):
        one['comparison']['verdict']['passed'] = verdict
    assert words in headline(changed)


def test_red_shifts_are_said_in_words_as_well_as_in_colour(html):
    assert re.search(r'<text[^>]*>B1g red</text>', html)
    assert re.search(r'<text[^>]*>B1g unstable</text>', html)
    assert '−60 red ▼' in html
    assert '+10 blue ▲ ✗' in html


def test_soft_mode_is_the_one_that_loses_most(data):
    assert soft_mode(mode_lines(data)).irrep == 'B1g'
    assert soft_mode(mode_lines(build(reference=False))).irrep == 'B1g'
    assert soft_mode([]) is None


def test_modes_are_linked_through_the_reference(data):
    lines = mode_lines(data)
    assert len(lines) == 11
    for line in lines:
        assert set(line.potentials) == {'base', 'fine-tuned'}
        for row in line.potentials.values():
            assert row['reference'] == pytest.approx(line.reference['frequencies'])


def test_tables_are_rectangular(data):
    tables = (
        error_table(data),
        relaxed_table(data),
        mode_table(mode_lines(data), data),
        kind_table(data),
    )
    for table in tables:
        assert {len(row) for row in table.rows} == {len(table.heads)}
        if table.groups:
            assert sum(span for _, span in table.groups) == len(table.heads)


def column(table, head):
    return [row[table.heads.index(head)].text for row in table.rows]


def test_slopes_have_errors_with_digits_that_count(data):
    table = kind_table(data)
    assert column(table, 'No.') == [str(number) for number in range(1, 12)]
    assert column(table, 'Mode')[:3] == ['B1g', 'B1u', 'Eu ×2']
    slopes = column(table, 'Slope (cm⁻¹/GPa)')
    # 182, 139, 78: slope −52, residuals 3, −6, 3, error √(54/2)
    assert slopes[0] == '−52.0 ± 5.2'
    assert slopes[3] == '−7.5 ± 0.3'
    assert column(table, 'DFT slope (cm⁻¹/GPa)')[0] == '−30.0 ± 8.7'
    assert column(table, 'Remark')[:5] == ['anomalous ▼', '–', '–', 'anomalous ▼', 'anomalous ▼']
    assert 'Motion of molecules' not in table.heads
    assert 'INS weight (%)' not in table.heads


def test_what_other_stages_add_to_modes_is_shown(data):
    richer = copy.deepcopy(data)
    for row in richer['potentials'][-1]['comparison']['modes']:
        row['motion'] = {'translation': 0.001, 'libration': 0.84, 'internal': 0.159}
        row['gruneisen'] = -1.234
        row['ins_weight'] = {'p_0000': 0.125, 'p_1000': 0.2}
        row['sigma'] = 3.21
    richer['potentials'][-1]['comparison']['modes'][0] |= {'ins_weight': None, 'sigma': None}
    table = kind_table(richer)
    assert column(table, 'Motion of molecules')[0] == 'libration 84 %, internal 16 %'
    assert column(table, 'γ')[0] == '−1.23'
    assert column(table, 'INS weight (%)')[:2] == ['–', '12.5']
    assert column(table, 'σ (cm⁻¹)')[:2] == ['–', '3.2']
    assert 'libration 84 %' in render_html(richer)


def test_modes_that_mix_and_crystals_that_change_are_said(data):
    given = copy.deepcopy(data)
    block = given['potentials'][-1]['comparison']
    block['avoided_crossings'] = [
        {'index': 3, 'partner': 2, 'overlap': 0.5},
        {'index': 2, 'partner': 3, 'overlap': 0.6},
        {'index': 3, 'partner': 7, 'overlap': 0.65},
        {'index': 5, 'partner': None, 'overlap': 0.1},
    ]
    first = {'labels': ['p_0000', 'p_1000'], 'change': '', 'modes': None}
    rows = copy.deepcopy(block['modes'][:2])
    for row in rows:
        row['frequencies'] = {'p_2000': 123.4}
    change = 'the crystal is P2_1/c (14) instead of Pnma (62)'
    block['segments'] = [first, {'labels': ['p_2000'], 'change': change, 'modes': rows}]
    marks = column(kind_table(given), 'Remark')
    assert marks[2:4] == ['mixes with No. 4', 'anomalous ▼, mixes with No. 3']
    assert marks[5] == '–'
    ((title, table),) = segment_tables(given)
    assert title == f'At 2 GPa {change}'
    assert column(table, 'cm⁻¹ at 2 GPa') == ['123', '123']
    assert f'{change}. Modes are not followed across' in render_html(given)


def test_reasons_of_shifts_stand_beside_their_modes(data):
    given = copy.deepcopy(data)
    block = given['potentials'][-1]['comparison']
    shift = block['modes'][0]['shift']
    row = {
        'index': 0,
        'reason': None,
        'frequencies': [182.0, 78.0],
        'shift': shift,
        'bonding': {},
        'elements': {'H-H': 10.7, 'H-Mg': shift - 10.7},
    }
    block['attribution'] = {'modes': [row, {'index': 1, 'reason': 'not the same mode'}]}
    table = reason_table(given)
    assert table.heads == ['Mode', 'cm⁻¹', 'Shift', 'H-H', 'H-Mg']
    assert [[cell.text for cell in one] for one in table.rows] == [
        ['B1g', '182', '−104.0', '+10.7', '−114.7']
    ]
    assert sum(span for _, span in table.groups) == len(table.heads)
    row['steps'] = {'strain': {'shift': shift + 30.0}, 'relaxation': {'shift': -30.0}}
    table = reason_table(given)
    assert [cell.text for cell in table.rows[0]][-2:] == ['−74.0', '−30.0']
    assert table.groups[-1] == ('by step (cm⁻¹)', 2)
    assert 'Strain: the new cell' in render_html(given)


def test_slopes_without_errors_and_imaginary_modes(data):
    two = copy.deepcopy(data)
    rows = two['potentials'][-1]['comparison']['modes']
    rows[0] |= {'slope': -36.04, 'slope_error': None, 'direction': 'unstable'}
    rows[1] |= {'slope': 1.234, 'slope_error': 0.06}
    rows[2] |= {'slope': 1.234, 'slope_error': 0.001}
    rows[0]['frequencies'] = {'p_0000': -143.0}
    table = kind_table(two)
    assert column(table, 'Slope (cm⁻¹/GPa)')[:3] == ['−36.0', '+1.23 ± 0.06', '+1.23 ± < 0.01']
    assert column(table, 'Remark')[0] == 'unstable'
    assert column(table, 'cm⁻¹ at 0 GPa')[0] == '143i'


def test_findings_are_about_ten_plain_lines(data):
    lines = findings(data)
    assert 8 <= len(lines) <= 14
    text = '\n'.join(lines)
    assert 'Soft mode B1g, DFT: 181 → 166 → 121 cm⁻¹ at 0, 1 and 2 GPa.' in text
    assert 'INS bands going red (TOSCA, 10 K, 0, 1 and 2 GPa): 503 → 495 → 484' in text
    assert 'base: FAILED.' in text
    assert 'fine-tuned: PASSED.' in text
    assert '54 DFT calculations (0 failed, 3 min 51 s of core time)' in text


def test_limits_name_the_functional(html):
    assert 'Right means as LDA DFT has it' in html
    assert 'no blind test' in html


def test_limits_say_what_static_pressures_leave_out(data):
    assert 'can be a GPa or more' in ' '.join(limits(data))
    found = {'reason': None, 'temperatures': [0.0, 300.0], 'gpa': {'p_0000': [1.46, 1.9]}}
    potentials = [dict(one) for one in data['potentials']]
    potentials[-1]['comparison'] = {**potentials[-1]['comparison'], 'vibrational_pressure': found}
    text = ' '.join(limits({**data, 'potentials': potentials}))
    assert 'of fine-tuned they add 1.5 GPa at 0 K and 1.9 GPa at 300 K to 0 GPa.' in text
    assert 'can be a GPa or more' not in text


def test_limits_say_how_far_spectra_are_off(data):
    spectra = [dict(one) for one in data['spectra']]
    for one, error in zip(spectra, (0.4, 1.26, 0.9), strict=True):
        one['errors_percent'] = {'q_mesh': error, 'bins': 0.01, 'orders': None}
        one['warnings'] = ['A mode dominates.'] if error > 0.5 else []
    text = ' '.join(limits({**data, 'spectra': spectra}))
    assert 'off by up to 1.3 % of their area (mesh of q-points)' in text
    assert 'At 1 and 2 GPa: A mode dominates.' in text
    assert 'off by up to' not in ' '.join(limits(data))


def test_csv_holds_every_spectrum(data):
    rows = list(csv.DictReader(io.StringIO(spectra_csv(data))))
    assert len(rows) == 3 * 2000
    assert list(rows[0])[:4] == ['pressure_gpa', 'energy_transfer_cm1', 'total', 'order_1']
    first = data['spectra'][0]
    assert float(rows[503]['total']) == pytest.approx(first['total'][503], rel=1e-5)
    assert float(rows[503]['element_H']) == pytest.approx(first['elements']['H'][503], rel=1e-5)
    parts = sum(float(rows[503][f'order_{order}']) for order in range(1, 11))
    assert parts == pytest.approx(float(rows[503]['total']), rel=1e-4)


def test_csv_leaves_missing_parts_empty(data):
    lacking = copy.deepcopy(data)
    lacking['spectra'][1]['elements'] = {}
    rows = list(csv.DictReader(io.StringIO(spectra_csv(lacking))))
    assert rows[2000]['element_H'] == ''
    assert spectra_csv({**data, 'spectra': []}).startswith('pressure_gpa')


def test_bands_are_followed_by_position(data):
    chains = band_chains(sorted_spectra(data), count=4)
    found = {chain.positions: chain.direction for chain in chains}
    assert found[503.0, 495.0, 484.0] == 'red'
    assert found[1089.0, 1114.0, 1136.0] == 'blue'


def test_of_two_near_bands_the_one_of_like_height_is_the_same():
    spectra = [
        {'pressure': 0.0, 'bands': [{'position': 470, 'height': 0.38}]},
        {
            'pressure': 1.0,
            'bands': [{'position': 460, 'height': 0.40}, {'position': 477, 'height': 0.23}],
        },
    ]
    assert band_chains(spectra)[0].positions == (470, 460)


def test_a_band_that_jumps_is_given_up():
    spectra = [
        {
            'pressure': 0.0,
            'bands': [{'position': 500, 'height': 1}, {'position': 900, 'height': 2}],
        },
        {
            'pressure': 1.0,
            'bands': [{'position': 700, 'height': 1}, {'position': 901, 'height': 2}],
        },
        {'pressure': 2.0, 'bands': [{'position': 902, 'height': 2}]},
    ]
    chains = band_chains(spectra)
    assert [chain.positions for chain in chains] == [(900, 901, 902)]
    assert chains[0].direction == 'blue'


def test_labels_keep_apart():
    bands = [{'position': at, 'height': high} for at, high in ((100, 1), (110, 3), (300, 2))]
    assert [one['position'] for one in strongest(bands, count=5, separation=50)] == [110, 300]


@given(st.lists(st.floats(-100, 2000), min_size=1, max_size=25).map(sorted), st.floats(1, 100))
def test_names_at_line_ends_never_overlap(values, gap):
    heights = _spread(values, gap)
    assert len(heights) == len(values)
    assert all(b - a >= gap * (1 - 1e-9) for a, b in pairwise(heights))
    if all(b - a >= gap for a, b in pairwise(values)):
        assert heights == pytest.approx(values)
    assert sum(heights) == pytest.approx(sum(values), abs=1e-6 * (1 + abs(sum(values))))


@given(st.lists(st.floats(0, 1), min_size=2, max_size=300), st.floats(0.001, 0.2))
def test_thinned_curve_stays_within_its_tolerance(values, tolerance):
    x, y = np.arange(len(values), dtype=float), np.array(values)
    kept = thinned(x, y, tolerance)
    assert kept[0] == 0
    assert kept[-1] == len(values) - 1
    assert np.abs(np.interp(x, x[kept], y[kept]) - y).max() <= tolerance + 1e-12


def test_flat_spectrum_draws(data):
    flat = copy.deepcopy(data['spectra'][:1])
    flat[0]['total'] = [0.0] * 2000
    assert 'nan' not in stacked_spectra(flat).lower()


def test_numbers():
    assert number(-1.26) == '−1.3'
    assert number(-0.01) == '0.0'
    assert number(2.0, 0, sign=True) == '+2'
    assert [number(bad) for bad in (None, math.nan, math.inf, True, 'x')] == ['–'] * 5
    assert [wavenumber(value) for value in (181.4, -142.6, None)] == ['181', '143i', '–']
    assert arrow([1, -2]) == '1 → 2i'
    assert [duration(value) for value in (0.8, 59, 60, 296.4, 7300, None)] == [
        '0.8 s',
        '59 s',
        '1 min',
        '4 min 56 s',
        '2 h 1 min',
        '–',
    ]
    assert [count(1, 'process'), count(2, 'process'), count(2, 'frame')] == [
        '1 process',
        '2 processes',
        '2 frames',
    ]
    assert pressures([0, 1, 2.5]) == '0, 1 and 2.5 GPa'
    assert [joined([]), joined(['a']), joined(['a', 'b'])] == ['', 'a', 'a and b']
    assert flattened({'a': {'b': 1, 'c': [1, 2]}, 'd': None, 'e': 0.5}) == [
        ('a.b', '1'),
        ('a.c', '1, 2'),
        ('d', '–'),
        ('e', '0.5'),
    ]


@needs_browser
def test_browser_shows_it_without_a_complaint(html, tmp_path):
    """A browser loads the page with an empty console and no page wider than the window."""
    probe = (
        '<script>document.title = "width " + document.documentElement.scrollWidth + " of " + '
        'innerWidth</script></body>'
    )
    page = tmp_path / 'report.html'
    page.write_text(html.replace('</body>', probe), encoding='utf-8')
    done = opened(page, profile=tmp_path / 'profile', width=600)
    assert 'CONSOLE' not in done.stderr
    width, window = map(int, re.search(r'<title>width (\d+) of (\d+)', done.stdout).groups())
    assert width <= window
