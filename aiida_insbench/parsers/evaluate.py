"""Parser of an evaluation: its errors are in `output_parameters`."""

from __future__ import annotations

from aiida_insbench.parsers.base import InsbenchParser


class EvaluateParser(InsbenchParser):
    """Attach the error tables."""
