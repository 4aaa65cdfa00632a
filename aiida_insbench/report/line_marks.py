"""Lines and markers of SVG that is written directly, by matplotlib's letters."""

from __future__ import annotations

from collections.abc import Sequence

from aiida_insbench.report.style import Look


def sample(look: Look, width: float = 2.0) -> str:
    """Short piece of a line, for a legend."""
    mark = marker(17, 6, look.marker, look.color, 4.5) if look.marker else ''
    return (
        '<svg class="sample" viewBox="0 0 34 12" aria-hidden="true">'
        f'<path d="M1 6H33" {stroke(look, width)}/>{mark}</svg>'
    )


def stroke(look: Look, width: float) -> str:
    """Attributes of a line."""
    dashes = {
        '-': '',
        '--': '7 3',
        '-.': '8 3 2 3',
        ':': '1.5 2.5',
    }
    dash = dashes[look.line] if isinstance(look.line, str) else _given(look.line[1])
    extra = f' stroke-dasharray="{dash}"' if dash else ''
    return f'fill="none" stroke="{look.color}" stroke-width="{width:g}"{extra}'


def _given(pattern: Sequence[float]) -> str:
    return ' '.join(f'{1.6 * value:g}' for value in pattern)


def marker(x: float, y: float, shape: str, color: str, size: float, *, filled: bool = True) -> str:
    """One marker, by matplotlib's letters."""
    fill = color if filled else '#fff'
    style = f'fill="{fill}" stroke="{color}" stroke-width="1.2"'
    if shape == 'o':
        return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{0.85 * size:g}" {style}/>'
    corners = {
        '^': ((0, -1), (1, 0.8), (-1, 0.8)),
        'v': ((0, 1), (1, -0.8), (-1, -0.8)),
        's': ((-0.8, -0.8), (0.8, -0.8), (0.8, 0.8), (-0.8, 0.8)),
        'D': ((0, -1.1), (1.1, 0), (0, 1.1), (-1.1, 0)),
        'P': ((-0.3, -1), (0.3, -1), (0.3, 1), (-0.3, 1)),
        'X': ((-1, -1), (1, 1), (0, 0), (-1, 1), (1, -1), (0, 0)),
        '<': ((-1, 0), (0.8, -1), (0.8, 1)),
        '>': ((1, 0), (-0.8, -1), (-0.8, 1)),
    }
    points = ' '.join(f'{x + size * a:.1f},{y + size * b:.1f}' for a, b in corners[shape])
    return f'<polygon points="{points}" {style}/>'
