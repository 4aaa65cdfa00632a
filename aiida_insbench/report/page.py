"""What all pages share: their templates, and the filters by which texts and numbers are printed."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from aiida_insbench.report.numbers import duration, number, pressure, wavenumber


def page_environment() -> Environment:
    """Templates of this package, strict on names and escaping every text."""
    environment = Environment(
        loader=PackageLoader('aiida_insbench.report', '.'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        duration=duration,
        formula=formula,
        moment=moment,
        number=number,
        pressure=pressure,
        tied=tied,
        wavenumber=wavenumber,
    )
    return environment


def markup(figures: Iterable[str]) -> list[Markup]:
    """SVG made here, with every text from outside escaped by matplotlib."""
    return [Markup(figure) for figure in figures]  # noqa: S704 - escaped


def tied(text: str) -> str:
    """Keep numbers with their units, and chains of numbers, on one line."""
    chain = text.replace(' → ', '\u00a0→\u00a0')
    return re.sub(r'(?<=[\di]) (?=(?:cm⁻¹|GPa|meV/Å|K\b))', '\u00a0', chain)


def formula(text: Any) -> Markup:
    """Digits of a formula as subscripts."""
    escaped = str(escape(text))
    return Markup(re.sub(r'(?<=[A-Za-z)])(\d+)', r'<sub>\1</sub>', escaped))  # noqa: S704 - escaped


def moment(text: Any) -> str:
    """ISO time as date and time."""
    try:
        return datetime.fromisoformat(str(text)).strftime('%Y-%m-%d %H:%M %Z').strip()
    except ValueError:
        return str(text)
