"""Look of figures, safe for colour-blind eyes and print: colour never stands alone.

Palette: Okabe and Ito, *Color Universal Design* (2008). Each source has a marker and a line style
of its own besides its colour.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_pdf import FigureCanvasPdf
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLACK, ORANGE, SKY, GREEN = '#1a1a1a', '#e69f00', '#56b4e9', '#009e73'
BLUE, VERMILLION, PURPLE, GREY = '#0072b2', '#d55e00', '#cc79a7', '#767676'
MINUS = '−'
_RC: dict[Any, Any] = {
    'svg.fonttype': 'none',  # text stays text: searchable, and crisp in the page's own font
    'font.family': 'sans-serif',
    'font.sans-serif': ['DejaVu Sans'],
    'font.size': 10,
    'axes.labelsize': 10,
    'axes.titlesize': 10.5,
    'axes.titleweight': 'bold',
    'axes.spines.right': False,
    'axes.spines.top': False,
    'axes.edgecolor': '#555555',
    'axes.linewidth': 0.8,
    'axes.unicode_minus': True,
    'text.parse_math': False,  # names are text, whatever they hold
    'xtick.labelsize': 9,
    'ytick.labelsize': 9,
    'legend.fontsize': 9,
    'legend.frameon': False,
    'lines.linewidth': 1.4,
    'path.simplify': True,
    'path.simplify_threshold': 0.2,
}


@dataclass(frozen=True)
class Look:
    """Colour, line style and marker of one source."""

    color: str
    line: str
    marker: str


DFT_LOOK = Look(BLACK, '-', 'o')
#: The last potential, the one the campaign is about, always looks the same.
_POTENTIAL_LOOKS = (
    Look(BLUE, '--', '^'),
    Look(ORANGE, '-.', 's'),
    Look(GREEN, ':', 'D'),
    Look(PURPLE, (0, (5, 1, 1, 1, 1, 1)), 'v'),  # type: ignore[arg-type]
    Look(SKY, (0, (8, 2)), '<'),  # type: ignore[arg-type]
    Look(VERMILLION, (0, (1, 1)), '>'),  # type: ignore[arg-type]
    Look(GREY, (0, (3, 1, 1, 1)), 'P'),  # type: ignore[arg-type]
)
#: Parts of a spectrum: elements, or orders.
PART_LOOKS = (
    Look(BLUE, '-', ''),
    Look(ORANGE, '--', ''),
    Look(GREEN, '-.', ''),
    Look(PURPLE, ':', ''),
    Look(SKY, (0, (5, 1, 1, 1, 1, 1)), ''),  # type: ignore[arg-type]
    Look(GREY, (0, (1, 1)), ''),  # type: ignore[arg-type]
)


def potential_looks(names: list[str]) -> dict[str, Look]:
    """Look of each potential, the last one first in the palette."""
    count = len(_POTENTIAL_LOOKS)
    return {name: _POTENTIAL_LOOKS[index % count] for index, name in enumerate(reversed(names))}


@contextmanager
def figure(width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` × `height` inches in the report's style, free of pyplot."""
    with mpl.rc_context(_RC):
        yield Figure(figsize=(width, height), layout='constrained')


def to_svg(drawn: Figure, name: str, description: str) -> str:
    """Inline SVG of a figure.

    Parameters
    ----------
    drawn : Figure
        Made inside `figure`.
    name : str
        Prefix of every id in it, so that figures on one page do not mix.
    description : str
        What is seen, for those who do not see it.
    """
    buffer = io.StringIO()
    with mpl.rc_context({**_RC, 'svg.hashsalt': name}):
        # the canvas itself: `savefig` draws everything twice
        FigureCanvasSVG(drawn).print_svg(buffer, metadata={'Date': None, 'Creator': None})
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.DOTALL)
    text = re.sub(r'<!--.*?-->', '', text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{name}-', text)
    text = re.sub(r'(href="#|url\(#)', rf'\g<1>{name}-', text)
    text = re.sub(r'\bd="[^"]*"', _shortened, text)
    text = re.sub(r'\s*\n\s*', '\n', text)
    head = f'<svg role="img" aria-label="{_escape(description)}" class="figure"'
    return re.sub(r'<svg width="[^"]*" height="[^"]*"|<svg', head, text, count=1)


def save(drawn: Figure, path: Path) -> None:
    """Write a figure made inside `figure` as a file: .png (300 dpi), .svg or .pdf.

    The same figure gives the same bytes: no dates are in it.
    """
    # the canvases themselves, as in `to_svg`
    with mpl.rc_context({**_RC, 'svg.hashsalt': path.stem}):
        if path.suffix == '.png':
            drawn.set_dpi(300)
            canvas = FigureCanvasAgg(drawn)
            canvas.print_png(path, metadata={'Software': None}, pil_kwargs={'compress_level': 1})
        elif path.suffix == '.svg':
            FigureCanvasSVG(drawn).print_svg(path, metadata={'Date': None, 'Creator': None})
        else:
            undated = {'CreationDate': None, 'Creator': None, 'Producer': None}
            FigureCanvasPdf(drawn).print_pdf(path, metadata=undated)


def _shortened(path: re.Match[str]) -> str:
    """Coordinates of a path with one decimal: 0.1 pt is finer than a screen."""
    return re.sub(r'(\d+\.\d)\d+', r'\1', path.group(0))


def _escape(text: str) -> str:
    return text.replace('&', '&amp;').replace('<', '&lt;').replace('"', '&quot;')
