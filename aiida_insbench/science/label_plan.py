"""How each frame of a pool is to be labelled: its k points, and what its DFT run needs of its own.

All frames of a dataset have one level of theory. What differs is what must, for them to agree:

* a supercell has the k points onto which those of the unit cell fold (a mesh, or a list without
  symmetry);
* a molecule or an atom in a box (``gas_phase``) has Γ only;
* an isolated atom has the spin of its ground state, which no closed shell can give.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import ground_state_magnetic_moments

from aiida_insbench.science.frames import is_gas_phase, supercell_matrix_of
from aiida_insbench.science.kpoints import FloatArray, commensurate_mesh, folded_points
from aiida_insbench.science.scf_cost import ScfCost, points_of_mesh, scf_cost

GAMMA = (1, 1, 1)
#: A run of an isolated atom; partly filled shells need a little smearing (Ry).
_ATOM = {'nspin': 2, 'occupations': 'smearing', 'smearing': 'gaussian', 'degauss': 0.001}


@dataclass(frozen=True)
class FramePlan:
    """How one frame is labelled.

    Attributes
    ----------
    frame_id : str
        Its name.
    mesh : tuple of three int or None
        Γ-centred mesh; None where only a list serves.
    points : tuple (ndarray, shape (n, 3); ndarray, shape (n,)) or None
        K points in reciprocal axes and weights, where there is no mesh.
    exact : bool
        Whether the k points are those of the unit cell.
    system : dict
        Laid over ``SYSTEM`` of pw.x.
    """

    frame_id: str
    mesh: tuple[int, int, int] | None
    points: tuple[FloatArray, FloatArray] | None
    exact: bool
    system: dict[str, Any]

    @property
    def kpoints_key(self) -> str:
        """Name that frames with the same k points share, such as ``mesh_4_4_2``."""
        if self.mesh is not None:
            return 'mesh_' + '_'.join(str(number) for number in self.mesh)
        assert self.points is not None
        first = [round(1e6 * float(x)) for x in np.asarray(self.points[0]).sum(axis=0)]
        return f'list_{len(self.points[1])}_' + '_'.join(str(number) for number in first)

    @property
    def parameters_key(self) -> str:
        """Name that frames with the same parameters share: ``common``, ``list``, ``atom_H``."""
        if 'nspin' in self.system:
            return f'atom_{next(iter(self.system["starting_magnetization"]))}'
        return 'list' if self.system else 'common'

    @property
    def n_points(self) -> int:
        """K points that time reversal leaves."""
        if self.mesh is not None:
            return points_of_mesh(self.mesh)
        assert self.points is not None
        return len(self.points[1])


def plan_frame(frame: Atoms, *, unit_mesh: Sequence[int]) -> FramePlan:
    """Say how a frame is labelled.

    Parameters
    ----------
    frame : Atoms
        With the entries of `aiida_insbench.science.frames`.
    unit_mesh : sequence of three int
        Γ-centred k mesh of the unit cell.

    Raises
    ------
    StructureError
        If the mesh or the frame's supercell matrix is none.
    """
    identity = str(frame.info['frame_id'])
    if is_gas_phase(frame):
        return FramePlan(identity, GAMMA, None, exact=True, system=_spin(frame))
    matrix = supercell_matrix_of(frame)
    found = commensurate_mesh(unit_mesh=unit_mesh, supercell_matrix=matrix, cell=frame.cell.array)
    if not found.exact:
        points = folded_points(unit_mesh=unit_mesh, supercell_matrix=matrix)
        if points is not None:
            return FramePlan(identity, None, points, exact=True, system={'nosym': True})
    return FramePlan(identity, found.mesh, None, exact=found.exact, system={})


def plan_cost(
    frame: Atoms,
    plan: FramePlan,
    *,
    cutoffs: tuple[float, float],
    valence: Mapping[str, float],
    smeared: bool = False,
) -> ScfCost:
    """Estimate the run of a frame; see `aiida_insbench.science.scf_cost`."""
    spins = int(plan.system.get('nspin', 1))
    return scf_cost(
        atoms=frame,
        cutoffs=cutoffs,
        valence=valence,
        k_points=plan.n_points,
        smeared=smeared or spins == 2,
        spins=spins,
    )


def share_out(costs: Mapping[str, float], lanes: int) -> list[list[str]]:
    """Share names out to lanes so that all end at about the same time.

    The costliest first, each to the lane that has least to do: at worst 4/3 of the shortest
    possible time (Graham, *SIAM J. Appl. Math.* **17**, 416 (1969)).

    Parameters
    ----------
    costs : mapping
        Name to cost, any unit.
    lanes : int
        ≥ 1; lanes without work are left out.

    Returns
    -------
    list of list of str
        Names by lane, the costliest first.
    """
    shares: list[list[str]] = [[] for _ in range(max(1, min(lanes, len(costs))))]
    loads = [0.0] * len(shares)
    for name in sorted(costs, key=lambda key: (-costs[key], key)):
        least = loads.index(min(loads))
        shares[least].append(name)
        loads[least] += costs[name]
    return [share for share in shares if share]


def _spin(frame: Atoms) -> dict[str, Any]:
    if len(frame) > 1:
        return {}
    moment = float(ground_state_magnetic_moments[frame.numbers[0]])
    if moment == 0:
        return {}
    symbol = str(frame.symbols[0])
    # without a spin to start from pw.x 6.7 finds no Fermi energy of the empty channel
    start = {'starting_magnetization': {symbol: 1.0}, 'tot_magnetization': moment}
    return {**_ATOM, **start}
