"""Draw the learning curve of selected frames from ``data/selection_curve.json``.

python selection_figure.py    # docs/images/selection_curve.svg
"""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure
from selection_curve import TESTS, mean_curve

HERE = Path(__file__).resolve().parent
STORED = HERE / 'data' / 'selection_curve.json'
PICTURE = HERE.parents[1] / 'docs' / 'images' / 'selection_curve.svg'
_STYLES = {
    'random': ('rattled at random', '#b2182b', 'o'),
    'random-wide': ('rattled at random, as far as at 300 K', '#fddbc7', 'o'),
    'rattled-selected': ('rattled, selected by SOAP', '#ef8a62', '^'),
    'unselected': ('targeted, taken at random', '#67a9cf', 'v'),
    'targeted': ('targeted and selected', '#2166ac', 's'),
}


def main() -> None:
    """Write the picture; the same bytes for the same numbers."""
    found = json.loads(STORED.read_text('utf-8'))
    mpl.rcParams['svg.hashsalt'] = 'insbench'
    figure = Figure(figsize=(8, 3.6), layout='constrained')
    for axes, test in zip(figure.subplots(1, 2), TESTS, strict=True):
        for strategy, (label, colour, marker) in _STYLES.items():
            sizes, means, errors = mean_curve(found, strategy, test)
            if not sizes:
                continue
            axes.plot(sizes, means, color=colour, marker=marker, label=label)
            for size, some in zip(sizes, errors, strict=True):
                axes.plot([size] * len(some), some, '_', color=colour)
        axes.set(xscale='log', yscale='log', xlabel='labelled frames')
        ticks = sorted({int(key.split('/')[1]) for key in found})
        axes.set_xticks(ticks, [str(tick) for tick in ticks])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter('{x:.0f}')
        marks = (4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150)
        low, high = axes.get_ylim()
        axes.set_yticks([value for value in marks if low <= value <= high])
        axes.set_ylim(low, high)
        axes.set_title(f'3 GPa, {TESTS[test][0]:.0f} K')
        axes.set_ylabel('rmse of forces (meV/Å)')
    figure.axes[0].legend(frameon=False, fontsize='small')
    figure.savefig(PICTURE, metadata={'Date': None})


if __name__ == '__main__':
    main()
