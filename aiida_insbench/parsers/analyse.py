"""Parser of an analysis: its tables are in `output_parameters`."""

from __future__ import annotations

from aiida_insbench.parsers.base import InsbenchParser


class AnalyseParser(InsbenchParser):
    """Attach the comparison tables."""
