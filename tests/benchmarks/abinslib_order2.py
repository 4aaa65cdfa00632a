"""Seconds that abinslib takes for orders 1 and 2: ``abinslib_order2.py MODES.json``, in its env."""

import sys
import time

import numpy as np
from abinslib.almost_isotropic_incoherent import (
    calculate_almost_isotropic_incoherent_spectra,
    mantid_like_combination_spectra,
)
from abinslib.displacements import Displacements
from abinslib.util import calculate_indirect_q2
from euphonic import QpointPhononModes, Quantity

modes = QpointPhononModes.from_json_file(sys.argv[1])
edges = np.arange(4002) - 0.5
centres = Quantity((edges[1:] + edges[:-1]) / 2, 'cm_1')
started = time.perf_counter()
moved = Displacements.from_modes(modes, temperature=Quantity(10.0, 'kelvin'))
common = {
    'modes': modes,
    'mode_displacements': moved,
    'atomic_displacements': moved.to_atomic_displacements(),
    'bins': Quantity(edges, 'cm_1'),
}
for angle in (45.0, 134.98885653282196):

    def squared(energies, angle=angle):
        return calculate_indirect_q2(energies, np.radians(angle), Quantity(32.0, 'cm_1'))

    calculate_almost_isotropic_incoherent_spectra(nominal_q2=squared(modes.frequencies), **common)
    mantid_like_combination_spectra(nominal_q2=squared(centres), **common)
print(time.perf_counter() - started)  # noqa: T201 - the caller reads it
