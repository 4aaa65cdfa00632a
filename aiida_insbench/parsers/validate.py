"""Parser of a validation: the verdict is in `output_parameters`."""

from __future__ import annotations

from aiida_insbench.calculations.base import array_data, retrieved_arrays
from aiida_insbench.jobs.validate import HARMONIC_FILE
from aiida_insbench.parsers.base import InsbenchParser


class ValidateParser(InsbenchParser):
    """Attach the harmonic densities beside the verdict."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach what can be drawn."""
        if HARMONIC_FILE in names:
            self.out(
                'harmonic_density', array_data(retrieved_arrays(self.retrieved, HARMONIC_FILE))
            )
