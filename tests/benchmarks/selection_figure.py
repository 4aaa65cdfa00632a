"""Draw the learning curve of selected frames from ``data/selection_curve.json``.

That file holds the ``curve.json`` of `selection_curve.py` by number of steps.

python selection_figure.py    # docs/images/selection_curve.svg
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

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
_MARKS = (4, 5, 7, 10, 15, 20, 30, 50, 70, 100, 150)


def main() -> None:
    """Write the picture; the same bytes for the same numbers."""
    by_steps = json.loads(STORED.read_text('utf-8'))
    most = max(by_steps, key=int)
    mpl.rcParams['svg.hashsalt'] = 'insbench'
    figure = Figure(figsize=(8, 3.8), layout='constrained')
    for axes, test in zip(figure.subplots(1, 2), TESTS, strict=True):
        for steps, found in by_steps.items():
            for strategy, (label, colour, marker) in _STYLES.items():
                sizes, means, _ = mean_curve(found, strategy, test)
                named = (
                    label if steps == most or strategy not in _strategies(by_steps[most]) else None
                )
                line, face = ('-', colour) if steps == most else ('--', 'white')
                if sizes:
                    axes.plot(
                        sizes, means, line, color=colour, marker=marker, mfc=face, label=named
                    )
        _axes(axes, sorted({int(k.split('/')[1]) for found in by_steps.values() for k in found}))
        axes.set_title(f'3 GPa, {TESTS[test][0]:.0f} K', fontsize='medium')
    figure.axes[0].set_ylabel('rmse of forces (meV/Å)')
    figure.axes[0].legend(frameon=False, fontsize='small')
    figure.savefig(PICTURE, metadata={'Date': None})


def _strategies(found: dict[str, Any]) -> set[str]:
    return {key.split('/')[0] for key in found}


def _axes(axes: Any, sizes: list[int]) -> None:
    axes.set(xscale='log', yscale='log', xlabel='labelled frames')
    axes.set_xticks(sizes, [str(size) for size in sizes])
    low, high = axes.get_ylim()
    marks = [value for value in _MARKS if low <= value <= high]
    axes.set_yticks(marks, [str(value) for value in marks])
    axes.minorticks_off()


if __name__ == '__main__':
    main()
