"""Parser of a validation: the verdict is in `output_parameters`."""

from __future__ import annotations

import numpy as np
from aiida.orm import ArrayData

from aiida_insbench.calculations.base import retrieved_bytes
from aiida_insbench.jobs.validate import HARMONIC_FILE
from aiida_insbench.parsers.base import InsbenchParser


class ValidateParser(InsbenchParser):
    """Attach the harmonic densities beside the verdict."""

    def attach_parts(self, names: set[str]) -> None:
        """Attach what can be drawn."""
        if HARMONIC_FILE not in names:
            return
        node = ArrayData()
        content = retrieved_bytes(self.retrieved, HARMONIC_FILE)
        with np.load(content, allow_pickle=False) as arrays:
            for name in arrays.files:
                node.set_array(name, arrays[name])
        self.out('harmonic_density', node)
