"""Still picture of one mode, for paper and for browsers without scripts: atoms, bonds, arrows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

import numpy as np
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 520.0, 420.0
_BURIED = 0.8  # a bond starts at this share of the ball's radius, inside it
_ARROW = 1.9  # Å for the largest displacement
_SHORTEST = 60  # thousandths of the largest displacement; smaller ones have no arrow
_FALLING = ('red', 'unstable')

Spots = NDArray[np.float64]


def viewpoint(azimuth: float = -65.0, elevation: float = 18.0) -> list[list[float]]:
    """Directions of the screen's right, its up and the eye, rows of a rotation matrix.

    Parameters
    ----------
    azimuth, elevation : float
        Of the eye, degrees; z points up.
    """
    around, above = np.radians([azimuth, elevation])
    right = np.array([-np.sin(around), np.cos(around), 0.0])
    eye = np.array([np.cos(above) * np.cos(around), np.cos(above) * np.sin(around), np.sin(above)])
    return np.round([right, np.cross(eye, right), eye], 5).tolist()  # type: ignore[no-any-return]


def still_picture(view: Mapping[str, Any], turn: Sequence[Sequence[float]]) -> str:
    """Draw the default mode at the first pressure as inline SVG.

    Parameters
    ----------
    view : dict
        Of `aiida_insbench.report.mode_view.mode_view`, with no ``reason``.
    turn : list of list of float
        As of `viewpoint`.
    """
    place, mode = view['pressures'][0], view['modes'][view['default']]
    cell, drawn = np.array(place['cell']), np.array(view['drawn'])
    places = np.array(place['positions'])[drawn[:, 0]] + drawn[:, 1:] @ cell
    corners = np.array([[n & 1, n >> 1 & 1, n >> 2 & 1] for n in range(8)]) @ cell
    points = np.vstack([places, corners])
    middle = 0.5 * (points.min(axis=0) + points.max(axis=0))
    places, corners = places - middle, corners - middle
    looks = [view['elements'][view['symbols'][ball]] for ball in drawn[:, 0]]
    reach = np.linalg.norm(places, axis=1) + [look['radius'] for look in looks]
    zoom = 0.47 * _HEIGHT / max(*reach, *np.linalg.norm(corners, axis=1))
    spots = _flat(places, turn, zoom)
    moves = np.reshape(mode['vectors'][0], (-1, 3))[drawn[:, 0]]
    tips = _flat(places + _ARROW / 1000 * moves, turn, zoom)
    color = 'var(--fail)' if mode['direction'] in _FALLING else 'var(--blue)'
    long = np.linalg.norm(moves, axis=1) > _SHORTEST
    shapes = [
        *_cell_lines(_flat(corners, turn, zoom)),
        *_things(places, looks, view['bonds'], lambda points: _flat(points, turn, zoom), zoom),
        *_axis_names(_flat(corners, turn, zoom), 9 + zoom * max(one['radius'] for one in looks)),
        *(
            _arrow(start, tip, color, zoom)
            for start, tip in zip(spots[long], tips[long], strict=True)
        ),
    ]
    name = escape(mode['name'])
    words = f'Atoms of the cell; arrows show how they move in the mode {name}'
    return (
        f'<svg class="figure" role="img" aria-label="{words}" viewBox="0 0 {_WIDTH:g} '
        f'{_HEIGHT:g}" xmlns="http://www.w3.org/2000/svg">\n' + '\n'.join(shapes) + '\n</svg>'
    )


def _flat(points: Spots, turn: Sequence[Sequence[float]], zoom: float) -> Spots:
    """Screen coordinates, and the distance towards the eye."""
    seen = points @ np.array(turn).T
    return np.column_stack(
        [_WIDTH / 2 + zoom * seen[:, 0], _HEIGHT / 2 - zoom * seen[:, 1], seen[:, 2]]
    )


def _cell_lines(spots: Spots) -> list[str]:
    edges = [(n, n | bit) for n in range(8) for bit in (1, 2, 4) if not n & bit]
    return [_line(spots[a], spots[b], 'var(--soft)', 1.0) for a, b in edges]


def _axis_names(spots: Spots, away: float) -> list[str]:
    """Letters beyond the ends of the axes, `away` from them."""
    names = []
    for name, corner in zip('abc', (1, 2, 4), strict=True):
        along = spots[corner, :2] - spots[0, :2]
        x, y = spots[corner, :2] + away * along / max(float(np.linalg.norm(along)), 1e-6)
        names.append(
            f'<text x="{x:.1f}" y="{y:.1f}" font-style="italic" font-size="15" '
            f'text-anchor="middle" dominant-baseline="middle">{name}</text>'
        )
    return names


def _things(
    places: Spots,
    looks: Sequence[Mapping[str, Any]],
    bonds: Sequence[Sequence[int]],
    flat: Callable[[Spots], Spots],
    zoom: float,
) -> list[str]:
    """Balls and halves of bonds, far ones first."""
    things = [
        (
            float(spot[2]),
            f'<circle cx="{spot[0]:.1f}" cy="{spot[1]:.1f}" '
            f'r="{max(3.0, look["radius"] * zoom):.1f}" fill="{look["color"]}" '
            'stroke="#333" stroke-width="1"/>',
        )
        for spot, look in zip(flat(places), looks, strict=True)
    ]
    wide = max(3.0, 0.17 * zoom)
    for first, second in bonds:
        for one, other in ((first, second), (second, first)):
            along = places[other] - places[one]
            share = _BURIED * looks[one]['radius'] / float(np.linalg.norm(along))
            ends = flat(np.array([places[one] + share * along, places[one] + 0.5 * along]))
            line = _line(*ends, '#333', wide) + _line(*ends, looks[one]['color'], wide - 1.5)
            things.append((float(ends[:, 2].mean()), line))
    return [shape for _, shape in sorted(things, key=lambda thing: thing[0])]


def _arrow(start: Spots, tip: Spots, color: str, zoom: float) -> str:
    along = tip[:2] - start[:2]
    length = float(np.linalg.norm(along))
    if length < 4:
        return ''
    wide = min(2.6, max(1.2, 0.06 * zoom))
    head = min(4 * wide, 0.5 * length)
    u, v = along / length
    neck = tip[:2] - head * np.array([u, v])
    corners = [
        tip[:2],
        neck + 0.5 * head * np.array([-v, u]),
        neck + 0.5 * head * np.array([v, -u]),
    ]
    points = ' '.join(f'{x:.1f},{y:.1f}' for x, y in corners)
    return (
        _line(start, neck, '#fff', wide + 2)
        + _line(start, neck, color, wide)
        + f'<polygon points="{points}" fill="{color}"/>'
    )


def _line(start: Spots, end: Spots, color: str, width: float) -> str:
    return (
        f'<line x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}" '
        f'stroke="{color}" stroke-width="{width:.1f}"/>'
    )
