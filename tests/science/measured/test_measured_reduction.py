"""Masks keep points, the empty cell is subtracted with its integral, all of it is told."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.rebinning import bin_edges
from aiida_insbench.science.measured.bins import on_other_bins
from aiida_insbench.science.measured.reduction import apply_masks, cut, subtract_empty_cell
from aiida_insbench.science.measured.spectrum import Mask, MeasuredSpectrum

widths = arrays(np.float64, st.integers(1, 12), elements=st.floats(0.1, 10))


def spectrum(edges, values, error=0.1, **more):
    edges = np.asarray(edges, dtype=float)
    values = np.broadcast_to(np.asarray(values, dtype=float), len(edges) - 1).copy()
    return MeasuredSpectrum(
        energy_transfer=(edges[1:] + edges[:-1]) / 2,
        intensity=values,
        error=None if error is None else np.full(len(values), error),
        bin_edges=edges,
        **more,
    )


@given(old=widths, new=widths, start=st.floats(-20, 20), data=st.data())
def test_integrals_are_conserved(old, new, start, data):
    """Over the whole of the old bins, and in each new bin as the exact integral of steps."""
    old_edges = np.concatenate(([0], np.cumsum(old)))
    new_edges = start + np.concatenate(([0], np.cumsum(new)))
    values = data.draw(arrays(np.float64, len(old), elements=st.floats(-5, 5)))
    means, errors, covered = on_other_bins(
        old_edges, values, new_edges, errors=np.ones(len(values))
    )
    running = np.concatenate(([0], np.cumsum(values * old)))
    exact = np.diff(np.interp(new_edges, old_edges, running))
    assert means * np.diff(new_edges) == pytest.approx(exact, abs=1e-9)
    assert np.all((covered >= 0) & (covered <= 1 + 1e-9))
    assert np.all(errors <= covered + 1e-9)  # many bins average their errors out


def test_errors_of_bins_that_are_joined_and_split():
    """Four bins of error 0.2 in one: 0.2/√4; one bin in four: 0.2 each."""
    fine, coarse = np.arange(5.0), np.array([0.0, 4.0])
    _, errors, _ = on_other_bins(fine, np.ones(4), coarse, errors=np.full(4, 0.2))
    assert errors == pytest.approx([0.1])
    _, errors, _ = on_other_bins(coarse, np.ones(1), fine, errors=np.array([0.2]))
    assert errors == pytest.approx(np.full(4, 0.2))


def test_edges_of_centres():
    assert bin_edges(np.array([1.0, 2.0, 4.0])) == pytest.approx([0.5, 1.5, 3.0, 5.0])


def test_masks_take_out_and_keep_points():
    measured = spectrum(np.arange(0.0, 101.0, 10.0), 1.0, notes=('first',))
    masked = apply_masks(
        measured, [Mask(-10, 15, 'elastic line'), Mask(40, 50, 'cell'), Mask(200, 300, 'nothing')]
    )
    assert list(np.flatnonzero(~masked.kept)) == [0, 1, 4]  # both ends belong to a mask
    assert np.array_equal(masked.intensity, measured.intensity)
    assert masked.notes == (
        'first',
        'masked -10 to 15 cm⁻¹ (elastic line): 2 points',
        'masked 40 to 50 cm⁻¹ (cell): 1 points',
        'masked 200 to 300 cm⁻¹ (nothing): 0 points',
    )
    assert len(masked.masks) == 3
    assert measured.kept.all()  # the spectrum given is as before
    with pytest.raises(InputError, match='leave no point'):
        apply_masks(measured, [Mask(-1, 101, 'all')])


def test_a_range_is_cut_out_with_its_edges():
    measured = spectrum(np.arange(0.0, 101.0, 10.0), np.arange(10.0))
    part = cut(measured, 14, 46)
    assert part.intensity == pytest.approx([1, 2, 3, 4])
    assert part.bin_edges == pytest.approx([10, 20, 30, 40, 50])
    assert part.error == pytest.approx(np.full(4, 0.1))
    assert part.notes == ('cut to 14 to 46 cm⁻¹: 4 of 10 points are left',)
    with pytest.raises(InputError, match='must rise'):
        cut(measured, 46, 14)
    with pytest.raises(InputError, match=r'holds 0 points.*goes from 0 to 100'):
        cut(measured, 200, 300)


@settings(max_examples=40)
@given(
    transmission=st.floats(0.1, 1),
    scale=st.floats(0.1, 10),
    sample=st.floats(0, 100),
    slope=st.floats(-0.01, 0.01),
)
def test_what_was_added_is_taken_away(transmission, scale, sample, slope):
    """A cell of a straight line in bins of another width: nothing is left of it."""
    fine, coarse = np.arange(0.0, 101.0, 2.0), np.arange(0.0, 101.0, 10.0)
    cell = 3 + slope * (fine[1:] + fine[:-1]) / 2
    under = 3 + slope * (coarse[1:] + coarse[:-1]) / 2
    measured = spectrum(coarse, sample + transmission * scale * under)
    clean = subtract_empty_cell(
        measured, spectrum(fine, cell), transmission=transmission, scale=scale
    )
    assert clean.intensity == pytest.approx(np.full(10, sample), abs=1e-9)
    expected = np.hypot(0.1, transmission * scale * 0.1 / np.sqrt(5))
    assert clean.error == pytest.approx(np.full(10, expected))
    assert clean.kept.all()


def test_bins_outside_the_empty_cell_do_not_count():
    measured = spectrum(np.arange(0.0, 101.0, 10.0), 5.0)
    empty = spectrum(np.arange(25.0, 81.0, 5.0), 2.0, title='empty can', sha256='f' * 64)
    clean = subtract_empty_cell(measured, empty)
    assert list(np.flatnonzero(clean.kept)) == [3, 4, 5, 6, 7]
    assert clean.intensity == pytest.approx([5, 5, 5, 3, 3, 3, 3, 3, 5, 5])
    assert '5 of 10 bins lie outside the empty cell' in clean.notes[-1]
    assert 'empty can, sha256 ffffffffffff' in clean.notes[0]
    hidden = apply_masks(empty, [Mask(50, 56, 'bad detector')])
    assert list(np.flatnonzero(subtract_empty_cell(measured, hidden).kept)) == [3, 4, 6, 7]


def test_missing_errors_are_told():
    edges = np.arange(0.0, 101.0, 10.0)
    bare = spectrum(edges, 5.0, error=None)
    clean = subtract_empty_cell(spectrum(edges, 9.0), bare)
    assert clean.error == pytest.approx(np.full(10, 0.1))
    assert 'the empty cell has no errors' in clean.notes[-1]
    assert subtract_empty_cell(bare, spectrum(edges, 1.0)).error is None


def test_too_much_subtracted_is_told():
    edges = np.arange(0.0, 101.0, 10.0)
    clean = subtract_empty_cell(spectrum(edges, 1.0), spectrum(edges, 3.0))
    assert '10 bins are more than 5 errors below zero' in clean.notes[-1]


@pytest.mark.parametrize(
    ('empty', 'said', 'message'),
    [
        (spectrum([200, 250, 300], 1.0), {}, r'\(200 to 300 cm⁻¹\) covers no bin of the sample'),
        (spectrum([0, 50, 100], 1.0), {'transmission': 1.2}, '`transmission` must be in'),
        (spectrum([0, 50, 100], 1.0), {'scale': 0.0}, '`scale` must be > 0'),
        (spectrum([0, 50, 100], 1.0, block='forward'), {}, "of the block 'sum', the empty cell"),
        (spectrum([0, 50, 100], 1.0, unit_in_file='meV'), {}, 'was in 1/cm, the empty cell in meV'),
    ],
)
def test_cells_that_do_not_go_with_a_sample(empty, said, message):
    measured = spectrum(np.arange(0.0, 101.0, 10.0), 5.0, block='sum')
    with pytest.raises(InputError, match=message):
        subtract_empty_cell(measured, empty, **said)


def test_other_units_need_a_scale():
    edges = np.arange(0.0, 101.0, 10.0)
    empty = spectrum(edges, 1.0, unit_in_file='meV')
    clean = subtract_empty_cell(spectrum(edges, 5.0), empty, scale=0.5)
    assert clean.intensity == pytest.approx(np.full(10, 4.5))


def test_shapes_of_a_spectrum_are_checked():
    with pytest.raises(InputError, match='`error` of a spectrum of 2 points'):
        MeasuredSpectrum(
            energy_transfer=np.array([1.0, 2.0]), intensity=np.ones(2), error=np.ones(3)
        )
    with pytest.raises(InputError, match='must rise'):
        MeasuredSpectrum(energy_transfer=np.array([2.0, 1.0]), intensity=np.ones(2))
