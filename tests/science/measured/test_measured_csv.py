"""A spectrum and its conditions, written and read: the same to the last bit."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.measured.conditions import check_conditions
from aiida_insbench.science.measured.read import read_all_blocks, read_spectrum
from aiida_insbench.science.measured.reading_options import ReadingOptions
from aiida_insbench.science.measured.spectrum import Mask, MeasuredSpectrum
from aiida_insbench.science.measured.spectrum_csv import read_insbench, write_insbench
from aiida_insbench.science.measured.text_files import read_text

number = st.floats(-1e6, 1e6, allow_nan=False)
words = st.text(st.characters(codec='utf-8'), max_size=12)


@st.composite
def spectra(draw):
    count = draw(st.integers(1, 15))

    def values(elements):
        return draw(arrays(np.float64, count, elements=elements))

    edges = np.cumsum(draw(arrays(np.float64, count + 1, elements=st.floats(0.01, 50)))) - 20
    maybe = st.booleans()
    return MeasuredSpectrum(
        energy_transfer=(edges[1:] + edges[:-1]) / 2,
        intensity=values(number),
        error=values(st.floats(0, 10)) if draw(maybe) else None,
        bin_edges=edges if draw(maybe) else None,
        energy_error=values(st.floats(0, 10)) if draw(maybe) else None,
        kept=draw(arrays(np.bool_, count)),
        masks=(Mask(0.1, 0.2, 'a mask'),) if draw(maybe) else (),
        block=draw(words),
        blocks=tuple(draw(st.lists(words, max_size=3))),
        title=draw(words),
        unit_in_file=draw(st.sampled_from(['meV', '1/cm', 'THz'])),
        format='vision',
        sha256='0' * 64,
        notes=tuple(draw(st.lists(words, max_size=3))),
    )


def same(one, other):
    for field in dataclasses.fields(one):
        first, second = getattr(one, field.name), getattr(other, field.name)
        if isinstance(first, np.ndarray):
            assert np.array_equal(first, second), field.name
        else:
            assert first == second, field.name
    return True


CONDITIONS = check_conditions(
    {
        'instrument': 'TOSCA',
        'temperature': 20.1,
        'pressure': 0.3,
        'pressure_error': 0.02,
        'sample': 'Bänzol\n"pure"',
        'isotopes': {'H': '2H', 'C': {'12C': 0.9, '13C': 0.1}},
        'masks': [(0, 24, 'elastic line')],
    }
)


@settings(max_examples=40)
@given(spectrum=spectra(), conditions=st.sampled_from([None, CONDITIONS]))
def test_round_trip(spectrum, conditions):
    data = write_insbench(spectrum, conditions).encode()
    again, stated = read_insbench(read_text(data, name='file.csv'))
    assert same(spectrum, again)
    assert stated == conditions
    assert same(spectrum, read_spectrum(data, name='file.csv'))


def example():
    axis = np.linspace(20, 4000, 20)
    return MeasuredSpectrum(
        energy_transfer=axis, intensity=axis / 7, error=axis / 70, block='sum', notes=('a note',)
    )


def test_options_that_are_settled_are_refused():
    data = write_insbench(example()).encode()
    said = ReadingOptions(unit='cm-1', block='sum', instrument='TOSCA')
    assert same(example(), read_spectrum(data, name='file', options=said))
    assert same(example(), read_all_blocks(data, name='file')[0])
    for options in ({'unit': 'meV'}, {'block': 'forward'}, {'keep_range': (20, 30)}):
        with pytest.raises(InputError, match='cannot be chosen any more'):
            read_spectrum(data, name='file', options=ReadingOptions(**options))


def test_any_program_can_read_it():
    """numpy, for one, with comments skipped."""
    lines = write_insbench(example()).splitlines()
    table = np.genfromtxt([line for line in lines if line[0] != '#'], delimiter=',', names=True)
    assert np.array_equal(table['intensity'], example().intensity)


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('version 1', 'version 2'), 'line 1 is not'),
        (('# title: ""', '# title: "'), "line 2: 'title' is no JSON"),
        (('# sha256: ""\n', ''), 'lacks sha256'),
        (('intensity', 'brightness'), 'is not its header'),
        ((',1\n4000.0', ',one\n4000.0'), 'line 29: could not convert'),
        (('4000.0,571.4285714285714,', '4000.0,'), 'line 30 must hold 4 finite numbers'),
        (('4000.0', 'nan'), 'line 30 must hold 4 finite numbers'),
    ],
)
def test_damaged_files(change, message):
    text = write_insbench(example())
    assert change[0] in text
    with pytest.raises(InputError, match=message):
        read_spectrum(text.replace(*change).encode(), name='file')


def test_a_file_without_points():
    text = write_insbench(example())
    head = text[: text.index('\n20.0') + 1]
    with pytest.raises(InputError, match='holds no points'):
        read_spectrum(head.encode(), name='file')
    comments = head[: head.index('\nenergy_transfer')]
    with pytest.raises(InputError, match='holds no table'):
        read_spectrum(comments.encode(), name='file')
