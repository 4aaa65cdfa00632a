"""Names from anybody in reports: shown as they are, never as markup, script or formula."""

import json
from html.parser import HTMLParser

import numpy as np
import pytest
from benchmark_sample import build as build_benchmark
from sample_data import build as build_campaign

from aiida_insbench.report.benchmark_render import render_benchmark
from aiida_insbench.report.render import render_html

#: Ends a script, starts one, leaves an attribute, and is no formula of TeX.
EVIL = '</script><script>alert(1)</script>"\' onload=alert(1) <img src=x onerror=alert(1)>$\\frac$'


class Elements(HTMLParser):
    """Names of all elements, and the attributes that would run something."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.handlers = [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.handlers += [name for name, _ in attrs if name.startswith('on')]
        self.handlers += [
            value for name, value in attrs if name in ('href', 'src') and 'script:' in str(value)
        ]

    handle_startendtag = handle_starttag


def plain(value):
    return value.tolist() if isinstance(value, np.ndarray | np.generic) else str(value)


def renamed(data, *names):
    """The same data, each of the names followed by what is evil, wherever it stands."""
    text = json.dumps(data, default=plain)
    for name in names:
        assert name in text
        text = text.replace(json.dumps(name)[1:-1], json.dumps(name + EVIL)[1:-1])
    return json.loads(text)


def same_elements(sound, evil):
    assert EVIL not in evil
    assert 'alert(1)' in evil  # it is shown
    before, after = Elements(sound), Elements(evil)
    assert after.handlers == before.handlers
    for tag in ('script', 'img', 'iframe', 'object', 'link', 'base', 'form'):
        assert after.tags.count(tag) == before.tags.count(tag), tag


@pytest.fixture(scope='module')
def campaign():
    """Data of a campaign and its page."""
    data = json.loads(json.dumps(build_campaign(), default=plain))
    return data, render_html(data)


def test_names_of_a_campaign(campaign):
    """Of potentials, of the campaign, of the compound; and the title."""
    data, page = campaign
    evil = renamed(data, 'fine-tuned', 'MgH2 demo', 'MgH2', 'under pressure')
    same_elements(page, render_html(evil))


def test_sentences_of_a_campaign(campaign):
    """Reasons and messages of exit are words of programs, which quote files."""
    data, page = campaign
    evil = json.loads(json.dumps(data))
    for one in evil['potentials']:
        one['reasons'] = [EVIL]
    evil['campaign']['state'] = f'failed: {EVIL}'
    same_elements(page, render_html(evil))


def test_names_of_a_benchmark():
    data = json.loads(json.dumps(build_benchmark(), default=plain))
    same_elements(
        render_benchmark(data), render_benchmark(renamed(data, 'fine-tuned', 'measured_1'))
    )
