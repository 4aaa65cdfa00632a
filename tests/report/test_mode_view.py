"""The moving picture of modes: right numbers in it, and a browser that moves and turns it."""

from __future__ import annotations

import copy
import json
import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from ase import Atoms
from browser import needs_browser, opened
from sample_data import build
from spring_nodes import spring_phonons

from aiida_insbench.report import mode_view as module
from aiida_insbench.report.mode_picture import still_picture, viewpoint
from aiida_insbench.report.mode_view import mode_view, too_large
from aiida_insbench.report.render import render_html
from aiida_insbench.science.followed_vibrations import followed_vibrations


@pytest.fixture(scope='module')
def found():
    return followed_vibrations({f'p_{step}000': spring_phonons(step) for step in range(3)})[0]


@pytest.fixture(scope='module')
def view(found):
    return mode_view(found, potential='fine-tuned', key='finetuned')


@pytest.fixture(scope='module')
def html(view):
    return render_html({**build(), 'mode_view': view})


def places(view, at=0):
    """Where the balls are, Å."""
    state = view['pressures'][at]
    drawn = np.array(view['drawn'])
    return np.array(state['positions'])[drawn[:, 0]] + drawn[:, 1:] @ np.array(state['cell'])


def test_rutile_is_drawn_with_its_corners_faces_and_bonds(view):
    """Eight corners and the centre for Mg; two H inside, four on the faces c = 0 and c = 1."""
    symbols = [view['symbols'][ball[0]] for ball in view['drawn']]
    assert (symbols.count('Mg'), symbols.count('H')) == (9, 6)
    inside = places(view) @ np.linalg.inv(view['pressures'][0]['cell'])
    assert inside.min() > -0.03
    assert inside.max() < 1.03
    for first, second in view['bonds']:
        assert {symbols[first], symbols[second]} == {'Mg', 'H'}
        assert np.linalg.norm(np.subtract(*places(view)[[first, second]])) < 2.0
    centre = symbols.index('Mg', 1) if np.allclose(inside[1], 0.5) else 1
    bonded = [pair for pair in view['bonds'] if centre in pair]
    assert len(bonded) == 6  # the octahedron around the centre


def test_displacements_are_those_of_the_modes(found, view):
    for mode in view['modes']:
        for at, label in enumerate(('p_0000', 'p_2000')):
            moves = np.reshape(mode['vectors'][at], (-1, 3)) / 1000
            assert np.linalg.norm(moves, axis=1).max() == pytest.approx(1, abs=1e-3)
            other = found.vibration(mode['number'] - 1, label).displacements
            other = other / np.linalg.norm(other, axis=1).max()
            assert moves == pytest.approx(other, abs=1e-3)
            assert mode['frequencies'][at] == pytest.approx(
                found.series.by_label(mode['number'] - 1)[label], abs=0.06
            )


def test_default_is_the_mode_that_falls_most(view):
    falls = [mode['frequencies'][-1] - mode['frequencies'][0] for mode in view['modes']]
    assert falls[view['default']] == min(falls) < -10
    assert view['modes'][view['default']]['direction'] == 'red'


def test_of_many_modes_those_that_fall_most_are_kept(found, view, monkeypatch):
    monkeypatch.setattr(module, 'MAX_NUMBERS', 3 * 6 * 2 * 4 + 5)
    less = mode_view(found, potential='fine-tuned', key='finetuned')
    assert len(less['modes']) == 4
    assert less['left_out'] == len(view['modes']) - 4
    assert less['modes'][less['default']] == view['modes'][view['default']]
    text = render_html({**build(), 'mode_view': less})
    assert (
        f'4 modes are in the picture, those that fall most with pressure; {less["left_out"]}'
        in text
    )


def test_limits_of_size(found, monkeypatch):
    assert too_large(200) is None
    assert 'has 201 atoms; up to 200' in too_large(201)
    monkeypatch.setattr(module, 'MAX_DRAWN', 10)
    assert len(mode_view(found, potential='', key='')['drawn']) == 6


def test_two_hundred_atoms_stay_small():
    """The largest crystal that is drawn: numbers in the page stay below half a megabyte."""
    rng = np.random.default_rng(0)
    count = module.MAX_ATOMS
    modes = module.MAX_NUMBERS // (3 * count * 2)
    vectors = rng.normal(size=(modes, 2, 3 * count))
    vectors *= 1000 / np.abs(vectors).max()
    assert len(json.dumps(vectors.round().astype(int).tolist(), separators=(',', ':'))) < 500_000


def test_molecules_are_drawn_whole():
    """A dimer cut by a face is one piece, and its bond is the only one in reach."""
    cell = Atoms(
        'N2',
        scaled_positions=[[0.95, 0.5, 0.5], [0.95 + 1.1 / 5 - 1, 0.5, 0.5]],
        cell=[5, 5, 5],
        pbc=True,
    )
    drawn = module._drawn(cell)
    bonds = module._bonds(cell, drawn)
    spots = cell.positions[[ball[0] for ball in drawn]] + 5 * np.array([b[1:] for b in drawn])
    assert [np.linalg.norm(spots[a] - spots[b]) for a, b in bonds] == pytest.approx([1.1])
    assert len(drawn) == 2


def test_metals_have_no_bonds_among_each_other(view):
    """Mg–Mg along c is shorter than the sum of covalent radii and a quarter."""
    spots = places(view)
    symbols = [view['symbols'][ball[0]] for ball in view['drawn']]
    metals = [index for index, symbol in enumerate(symbols) if symbol == 'Mg']
    distances = np.linalg.norm(spots[metals][:, None] - spots[metals], axis=2)
    assert (distances[distances > 0] < 1.25 * 2 * 1.41).any()
    assert not any(set(pair) <= set(metals) for pair in view['bonds'])


class TestStillPicture:
    def test_is_sound_xml(self, view):
        root = ET.fromstring(still_picture(view, viewpoint()))  # noqa: S314 - made here
        tags = [child.tag.rpartition('}')[2] for child in root]
        assert tags.count('circle') == len(view['drawn'])
        assert tags.count('polygon') >= 2  # heads of arrows
        numbers = re.findall(r'="(-?[\d.]+)"', still_picture(view, viewpoint()))
        assert np.isfinite([float(one) for one in numbers]).all()

    def test_looks_along_a_right_handed_rotation(self):
        turn = np.array(viewpoint(20, 40))
        assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-4)
        assert np.linalg.det(turn) == pytest.approx(1, abs=1e-4)

    def test_arrows_point_where_the_atoms_go(self, view):
        """Seen from above, an arrow along x points to the right."""
        one = copy.deepcopy(view)
        one['modes'] = [one['modes'][0]]
        one['default'] = 0
        one['modes'][0]['vectors'] = [[1000, 0, 0] + 5 * [0, 0, 0]] * 2
        text = still_picture(one, np.eye(3).tolist())
        heads = re.findall(r'<polygon points="([-\d., ]+)"', text)
        assert len(heads) == sum(ball[0] == 0 for ball in one['drawn'])
        for head in heads:
            tip, left, right = (list(map(float, pair.split(','))) for pair in head.split())
            assert tip[0] > left[0] == pytest.approx(right[0], abs=0.11)
            assert tip[1] == pytest.approx((left[1] + right[1]) / 2, abs=0.11)


def test_page_without_picture_says_why():
    text = render_html({**build(), 'mode_view': {'reason': too_large(312)}})
    assert 'No picture of the motion: The cell has 312 atoms; up to 200 are drawn here.' in text
    assert '<script' not in text
    assert 'The modes in motion' not in render_html(build())


def test_names_from_outside_cannot_end_the_script(view):
    bad = copy.deepcopy(view)
    bad['modes'][0]['name'] = '</script><script>alert(1)</script>'
    text = render_html({**build(), 'mode_view': bad})
    assert text.count('<script') == 2
    data = re.search(r'id="mode-view-data">(.*?)</script>', text, re.DOTALL).group(1)
    assert json.loads(data)['modes'][0]['name'] == bad['modes'][0]['name']


# In a browser


def in_browser(html, tmp_path, script, *, fragment='', words=()):
    """Title that a script sets once the page has run for a while; the console must be silent."""
    page = tmp_path / 'report.html'
    probe = (
        '<script>window.addEventListener("load", () => setTimeout(async () => {'
        'const view = document.getElementById("mode-view");'
        'const canvas = view.querySelector("canvas");'
        'const part = (name) => view.querySelector(`[data-part="${name}"]`);'
        'const wait = (ms) => new Promise((done) => setTimeout(done, ms));'
        f'{script}'
        '}, 300));</script></body>'
    )
    # a browser without a window paints nothing, and so never asks for a frame
    clock = (
        '<script>window.requestAnimationFrame = '
        '(draw) => setTimeout(() => draw(performance.now()), 16);</script></head>'
    )
    text = html.replace('</head>', clock, 1).replace('</body>', probe)
    page.write_text(text, encoding='utf-8')
    done = opened(
        page,
        profile=tmp_path / 'profile',
        width=800,
        height=9000,
        words=('--virtual-time-budget=6000', *words),
        fragment=fragment,
    )
    assert 'CONSOLE' not in done.stderr
    return re.search(r'<title>(.*?)</title>', done.stdout, re.DOTALL).group(1)


@needs_browser
def test_browser_moves_the_atoms_and_stops(html, tmp_path):
    script = """
    const first = [view.dataset.phase, canvas.toDataURL()];
    await wait(400);
    const second = [view.dataset.phase, canvas.toDataURL()];
    part("play").click();
    const third = [view.dataset.phase, canvas.toDataURL()];
    await wait(400);
    document.title = [first[0] !== second[0], first[1] !== second[1],
      view.dataset.phase === third[0], canvas.toDataURL() === third[1],
      part("play").textContent, getComputedStyle(view.querySelector("figure")).display].join();
    """
    assert in_browser(html, tmp_path, script) == 'true,true,true,true,Play,none'


@needs_browser
def test_browser_turns_the_crystal(html, tmp_path):
    """Dragging to the right and back is nothing; a whole turn by keys comes back too."""
    script = """
    const picture = () => canvas.toDataURL();
    const drag = (x, y) => {
      const at = (type, a, b) => new PointerEvent(type, { clientX: a, clientY: b, bubbles: true });
      canvas.dispatchEvent(at("pointerdown", 200, 200));
      window.dispatchEvent(at("pointermove", 200 + x, 200 + y));
      window.dispatchEvent(at("pointerup", 200 + x, 200 + y));
    };
    const start = picture();
    drag(60, 0);
    const right = picture();
    drag(-60, 0);
    const back = picture();
    drag(0, 50);
    const down = picture();
    view.querySelector('[data-axis="2"]').click();
    const above = picture();
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft", bubbles: true }));
    document.title = [start !== right, start === back, start !== down, down !== above,
      above !== picture()].join();
    """
    done = in_browser(html, tmp_path, script, fragment='#phase=0.1')
    assert done == 'true,true,true,true,true'


@needs_browser
def test_browser_shows_the_mode_of_the_link(view, html, tmp_path):
    number = view['modes'][0]['number']
    other = view['modes'][3]['number']
    script = f"""
    const first = [view.dataset.phase, part("command").textContent, part("caption").textContent];
    const picture = canvas.toDataURL();
    part("mode").value = "3";
    part("mode").dispatchEvent(new Event("change"));
    document.title = [...first, part("command").textContent.includes("--mode {other} "),
      picture !== canvas.toDataURL()].join("|");
    """
    title = in_browser(
        html, tmp_path, script, fragment=f'#mode={number}&pressure=p_2000&phase=0.25'
    )
    phase, command, caption, changed, redrawn = title.split('|')
    assert phase == '0.250'
    assert f'phonons animate 1234 --potential finetuned --pressure 2 --mode {number} ' in command
    assert f'at {view["modes"][0]["frequencies"][1]:.0f}' in caption
    assert (changed, redrawn) == ('true', 'true')


@needs_browser
def test_browser_keeps_still_where_motion_is_not_wanted(html, tmp_path):
    script = """
    const phase = view.dataset.phase;
    await wait(300);
    document.title = [phase, view.dataset.phase, part("play").textContent].join();
    """
    words = ('--force-prefers-reduced-motion',)
    assert in_browser(html, tmp_path, script, words=words) == '0.000,0.000,Play'


@needs_browser
def test_browser_without_the_script_shows_the_still_picture(html, tmp_path):
    broken = re.sub(r'\(function \(\) \{\s+.use strict.;', '(function () { return;', html, count=1)
    assert broken != html
    script = """
    const shown = (one) => getComputedStyle(one).display;
    document.title = [shown(view.querySelector("figure")), shown(canvas),
      shown(view.querySelector(".controls"))].join();
    """
    assert in_browser(broken, tmp_path, script) == 'block,none,none'
