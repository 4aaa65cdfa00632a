"""What jobs of potentials will take on one core, before they are submitted.

Time and memory follow from the edges of a model's graph (pairs of atoms within its cutoff) and the
bytes of an edge (`aiida_insbench.science.memory_estimate`). Measured on one thread of a busy CPU in
float64 with mace-torch 0.3.16 and torch 2.13, cutoff 5 Å, 56 edges an atom:

======== ======= ===== =========== ========== ========= ============= ========= =============
channels max_ell max_L correlation forces / µs ns/byte  training / µs ns/byte   training / kB
======== ======= ===== =========== ========== ========= ============= ========= =============
16       1       0     2           3.5        1.8
32       2       0     2           5.0        0.9       111           6.4       77
64       3       0     3           15         1.0       266           6.1       167
128      3       0     3           22         0.7
32       2       1     2           34         1.1       173           5.5       97
64       3       1     3           198        2.1       613           6.6       266
128      3       1     3           339        1.9       1400          7.8       479
64       3       2     3           357        2.5
======== ======= ===== =========== ========== ========= ============= ========= =============

all of an edge: forces and stress, a step of training with one frame, and the memory that the step
takes; nanoseconds of training over the bytes of MACE's own evaluation, of which the memory is 2.7
to 4.4 times.

The largest of each is taken. Threads and a GPU only make a job faster and are not counted on. What
is a count, a bound or a guess stands at each function and in ``docs/topics/resources.md``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ase import Atoms
from ase.neighborlist import neighbor_list
from numpy.typing import ArrayLike

from aiida_insbench.science.dynamics.timestep import default_timestep
from aiida_insbench.science.frames import is_gas_phase
from aiida_insbench.science.memory_estimate import (
    bytes_per_edge,
    bytes_per_edge_in_mace,
    cells_in,
    memory_of_supercell,
)
from aiida_insbench.science.potential_files import PotentialMetadata

_SECONDS_PER_BYTE = 2.5e-9
_TRAINING_SECONDS_PER_BYTE = 8.0e-9
#: Beside the edges, of any call: neighbours, Python.
_CALL_SECONDS = 0.02
#: Memory of an edge in a training, where gradients of forces are kept, over that of its forces.
_TRAINING_COPIES = 4.5
#: Python, torch and MACE loaded: 10 s from a local disk, and 0.6 GB.
_START_SECONDS, _START_BYTES = 60.0, 0.6e9
#: Pressures tried until the cell's own vibrations balance; a guess.
_VIBRATIONAL_TRIES = 10
#: A supercell twice as long has eight times the atoms.
_OF_DOUBLED_SUPERCELL = 8
_FS = 1000.0  # in a ps


@dataclass(frozen=True)
class JobEstimate:
    """What a job takes.

    Attributes
    ----------
    seconds : float
        On one core.
    memory_bytes : float
        At most in use, programs included.
    least_bytes : float
        The stage itself refuses to begin with less; 0 where it does not look.
    guessed : bool
        Whether it says nothing of this very job: nobody is warned of less.
    """

    seconds: float
    memory_bytes: float
    least_bytes: float = 0.0
    guessed: bool = False


#: Of stages that no count leads to (`insbench.ins`, `insbench.analyse`, …).
GUESS = JobEstimate(seconds=4 * 3600.0, memory_bytes=3e9, guessed=True)


@dataclass(frozen=True)
class MaceSize:
    """What of a MACE model its cost depends on.

    Attributes
    ----------
    cutoff : float
        Å.
    hidden_irreps : str
        For example ``64x0e+64x1o``.
    max_ell : int
        Degree of the spherical harmonics of an edge.
    """

    cutoff: float
    hidden_irreps: str
    max_ell: int

    @classmethod
    def of_potential(cls, metadata: PotentialMetadata) -> MaceSize | None:
        """Of a stored potential; None of one that is not MACE, whose cost is unknown."""
        if metadata.flavour != 'mace':
            return None
        known = metadata.hyperparameters
        return cls(metadata.cutoff, str(known['hidden_irreps']), int(known['max_ell']))

    @classmethod
    def of_settings(cls, model: Mapping[str, Any]) -> MaceSize:
        """Of ``model`` of a training's settings, all names given."""
        irreps = '+'.join(
            f'{model["num_channels"]}x{degree}{"eo"[degree % 2]}'
            for degree in range(int(model['max_L']) + 1)
        )
        return cls(float(model['r_max']), irreps, int(model['max_ell']))

    @property
    def edge_bytes(self) -> float:
        """Memory of an edge while forces are computed, bytes."""
        return bytes_per_edge({'hidden_irreps': self.hidden_irreps, 'max_ell': self.max_ell})

    @property
    def mace_edge_bytes(self) -> float:
        """The same by MACE itself, bytes."""
        return bytes_per_edge_in_mace(
            {'hidden_irreps': self.hidden_irreps, 'max_ell': self.max_ell}
        )

    def edges(self, atoms: Atoms) -> float:
        """Edges of a cell, counted."""
        return float(len(neighbor_list('i', atoms, self.cutoff)))

    def call_seconds(self, edges: float) -> float:
        """Time of energy, forces and stress."""
        return _CALL_SECONDS + _SECONDS_PER_BYTE * self.edge_bytes * edges


def edges_by_density(frame: Atoms, cutoff: float) -> float:
    """Edges of a frame from its density, or all pairs where it is a molecule in a box."""
    number = len(frame)
    if is_gas_phase(frame):
        return float(number * (number - 1))
    return number**2 / float(frame.get_volume()) * 4 / 3 * math.pi * cutoff**3


def phonons_estimate(
    *,
    atoms: Atoms,
    supercell_matrix: ArrayLike,
    model: MaceSize,
    pressures: int,
    settings: Mapping[str, Any],
) -> JobEstimate:
    """Estimate of `insbench.phonons`, an upper bound but for policies that search.

    At each pressure as many steps of relaxation as are allowed and both signs of every coordinate
    of the unit cell: symmetry makes them fewer. `settings` are complete. How many cells
    ``imaginary: follow`` and ``cell_policy: vibrational`` come to is a guess.
    """
    copies = cells_in(supercell_matrix)
    unit = model.edges(atoms)
    displaced = 6 * len(atoms) + 1
    calls = model.call_seconds(copies * unit)
    one = settings['max_steps'] * model.call_seconds(unit) + displaced * calls
    states = pressures + (settings['most_inserted'] if settings['adaptive_overlap'] > 0 else 0)
    if settings['sweep'] == 'both':
        states *= 2
    if settings['strained']:
        states += 1
    if settings['imaginary'] == 'follow':
        states *= 1 + settings['most_followed']
    if settings['cell_policy'] == 'vibrational':
        states *= _VIBRATIONAL_TRIES
    if settings['check_supercell']:
        states += _OF_DOUBLED_SUPERCELL
    needed, largest = (
        memory_of_supercell(
            atoms=number * len(atoms), edges=number * unit, edge_bytes=model.edge_bytes
        )
        for number in (copies, copies * _OF_DOUBLED_SUPERCELL)
    )
    return JobEstimate(
        seconds=_START_SECONDS + states * one,
        memory_bytes=_START_BYTES + (largest if settings['check_supercell'] else needed),
        least_bytes=needed,
    )


def md_estimate(
    *,
    atoms: Atoms,
    supercell_matrix: ArrayLike,
    model: MaceSize,
    crystals: int,
    settings: Mapping[str, Any],
) -> JobEstimate:
    """Estimate of `insbench.md`: every step is one call; `settings` are complete."""
    step = settings['timestep'] or default_timestep([float(mass) for mass in atoms.get_masses()])
    steps = math.ceil((settings['length'] + settings['equilibration']) * _FS / step)
    runs = crystals * len(settings['ensembles'])
    processes = max(1, min(int(settings['processes']), runs))
    edges = cells_in(supercell_matrix) * model.edges(atoms)
    return JobEstimate(
        seconds=_START_SECONDS
        + math.ceil(runs / processes) * (_START_SECONDS + steps * model.call_seconds(edges)),
        # the job itself loads the potential once more than its processes
        memory_bytes=_START_BYTES + processes * (_START_BYTES + edges * model.edge_bytes),
    )


def train_estimate(
    *, edges: float, largest: float, model: MaceSize, settings: Mapping[str, Any]
) -> JobEstimate:
    """Estimate of `insbench.train`: every epoch, `edges` of all frames; `largest` of one frame."""
    byte = model.mace_edge_bytes
    return JobEstimate(
        seconds=_START_SECONDS + settings['max_epochs'] * edges * byte * _TRAINING_SECONDS_PER_BYTE,
        memory_bytes=_START_BYTES + settings['batch_size'] * largest * byte * _TRAINING_COPIES,
    )


def evaluate_estimate(*, frames: int, largest: float, model: MaceSize, members: int) -> JobEstimate:
    """Estimate of `insbench.evaluate`: every frame as large as the largest, by every potential."""
    return JobEstimate(
        seconds=_START_SECONDS + frames * members * model.call_seconds(largest),
        memory_bytes=_START_BYTES + largest * model.edge_bytes,
    )


def largest_of(estimates: Iterable[JobEstimate | None]) -> JobEstimate | None:
    """Enough for any of several jobs; None where one of them is not known."""
    found = list(estimates)
    known = [estimate for estimate in found if estimate is not None]
    if not known or len(known) < len(found):
        return None
    return JobEstimate(
        seconds=max(one.seconds for one in known),
        memory_bytes=max(one.memory_bytes for one in known),
        least_bytes=max(one.least_bytes for one in known),
    )
