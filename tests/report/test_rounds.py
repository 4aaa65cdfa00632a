"""Rounds of a campaign, and its benchmark, in the campaign's own report."""

from __future__ import annotations

import re
from collections import Counter

import benchmark_sample
import pytest
from browser import needs_browser, opened
from sample_data import build

from aiida_insbench.report.limits import limits
from aiida_insbench.report.render import render_html
from aiida_insbench.report.rounds import calibration_sentences, round_table


def record(number, frames, apart, *, stop=False, missing=()):
    """One round of a committee of two."""
    return {
        'name': 'base' if number == 1 else 'fine-tuned',
        'number': number,
        'n_frames': frames,
        'core_hours': 0.3 * number,
        'members': ['seed_1', 'seed_2'],
        'committee': {
            label: {
                'shift_cm1': None if label in missing else apart * factor,
                'area_percent': None if label in missing else 2 * apart * factor,
                'missing': ['seed_2'] if label in missing else [],
            }
            for label, factor in (('p_0000', 1.0), ('p_1000', 1.5), ('p_2000', 2.0))
        },
        'change': None if number == 1 else {'p_0000': {'shift_cm1': 3.0, 'area_percent': 4.0}},
        'judged_by': 'committee',
        'excess': None if missing else apart * 2.0 / 5.0,
        'calibration': None
        if number == 1
        else {
            'factor': 1.4,
            'rank_correlation': 0.7,
            'n_atoms': 168,
            'rms_distance_mev_a': 30.0,
            'rms_error_mev_a': 42.0,
            'fifths': [],
            'expected_error_cm1': {'p_0000': 1.4 * apart},
        },
        'decision': {
            'stop': stop,
            'reason': 'converged' if stop else '',
            'sentence': 'The spectrum is converged.' if stop else 'Go on.',
        },
    }


@pytest.fixture(scope='module')
def data():
    made = build()
    made['rounds'] = [record(1, 24, 9.0, missing=('p_2000',)), record(2, 42, 2.0, stop=True)]
    made['stopping'] = {'tolerance_shift': 5.0, 'tolerance_area': 10.0}
    made['benchmark'] = benchmark_sample.build()
    return made


def test_table_has_a_row_for_each_pressure_and_names_who_is_missing(data):
    table = round_table(data)
    rows = [dict(zip(table.heads, (cell.text for cell in row), strict=True)) for row in table.rows]
    assert len(rows) == 6
    assert [row['Frames'] for row in rows if row['Frames']] == ['24', '42']
    assert rows[2]['Without a spectrum'] == 'seed_2'
    assert rows[0]['Times tolerated'] == '∞'
    assert rows[3]['Members apart (cm⁻¹)'] == '2.0'
    assert rows[3]['Expected error (cm⁻¹)'] == '2.8'


def test_what_disagreement_is_worth(data):
    (sentence,) = calibration_sentences(data['rounds'])
    assert '1.40 times' in sentence
    assert '168 atoms' in sentence


def test_page_says_why_it_stopped_and_holds_the_scores(data):
    page = render_html(data)
    assert 'The spectrum is converged.' in page
    assert 'Tolerated: 5' in page
    ids = re.findall(r'\sid="([^"]+)"', page)
    assert {'verdict', 'rounds', 'scores', 'targets', 'spectra', 'modes'} <= set(ids)
    sections = Counter(re.findall(r'<section id="([^"]+)"', page))
    assert max(sections.values()) == 1
    assert len(page.encode()) < 5_000_000


def test_without_rounds_or_benchmark_the_page_is_as_before():
    page = render_html(build())
    assert 'id="rounds"' not in page
    assert 'id="scores"' not in page


def test_limits_know_whether_something_was_measured(data):
    said = 'No measured spectrum enters the verdict.'
    assert said in limits(build())
    kinds = {cell['row']['kind'] for cell in data['benchmark']['cells']}
    assert (said in limits(data)) == ('measured' not in kinds)


@needs_browser
@pytest.mark.parametrize('width', [1280, 390])
def test_browser_shows_it_without_a_complaint(data, tmp_path, width):
    """Tabs of the benchmark work inside the campaign's page; nothing is wider than the window."""
    probe = """<script>
    document.querySelector('label[for="tab-1"]').click();
    const shown = [...document.querySelectorAll('.panel')].filter(one => one.offsetHeight > 0);
    document.title = ['width', document.documentElement.scrollWidth, innerWidth, 'panels',
      shown.every(one => one.classList.contains('p1')), 'requests',
      performance.getEntriesByType('resource').length].join(' ');
    </script></body>"""
    page = tmp_path / 'report.html'
    page.write_text(render_html(data).replace('</body>', probe), encoding='utf-8')
    done = opened(page, profile=tmp_path / 'profile', width=width)
    assert 'CONSOLE' not in done.stderr
    words = re.search(r'<title>(width [^<]*)</title>', done.stdout).group(1).split()
    assert int(words[1]) <= int(words[2])
    assert words[4] == 'true'
    assert words[6] == '0'


def test_banks_and_q_points_stand_over_each_other(data):
    made = build()
    assert 'What else makes a difference' not in render_html(made)
    first = made['spectra'][0]
    half = [0.5 * value for value in first['total']]
    first['banks'] = {'forward': half, 'backward': half}
    page = render_html(made)
    assert 'What else makes a difference' in page
    assert 'backward' in page
    spectra = next(iter(data['benchmark']['spectra'].values()))
    supercell = {'supercell': {first['label']: next(iter(next(iter(spectra.values())).values()))}}
    first['potential'] = name = 'best'
    made['benchmark'] = {**data['benchmark'], 'spectra': {name: supercell}}
    assert 'q-points of the reference' in render_html(made)
