r"""Checks of single frames of molecular dynamics, fast enough to look on while it runs.

In the order they are made:

- ``finite``: positions, velocities and cell are numbers.
- ``volume``, ``cell_shape``: against the cell of the reference; strain by the singular values of
  the deformation :math:`h_0^{-1}h`, which no rotation changes and no choice of axes.
- ``temperature_explosion``: above a multiple of the target and above what one in 10¹² frames of the
  canonical ensemble has, :math:`\chi^2/N_\mathrm{dof}`: in a cell of few atoms three times the
  target is no rare thing.
- ``contact``: atoms closer than a fraction of the sum of their covalent radii.
- ``bond_broken``, ``bond_formed``: see `bond_graph` for what counts as a bond. A broken one is
  far too long, or too long for some time; a new one lasts for some time. A proton that goes from
  one molecule to another does both.
- ``site``: an atom, ion or molecule left its place among the others. Displacements are taken in
  fractional coordinates, so that a cell that breathes moves nothing, and the centre of mass of the
  whole crystal may go where it likes.

What has lasted for how long is a small state (`FrameChecks.state`), with which a run resumed goes
on as if it had never stopped. Å, ps, K.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from scipy.stats import chi2

from aiida_insbench.science.dynamics.bond_graph import bond_graph
from aiida_insbench.science.dynamics.close_pairs import ClosePairs
from aiida_insbench.science.dynamics.ensembles import degrees_of_freedom, temperature_of
from aiida_insbench.science.dynamics.lasting import Lasting
from aiida_insbench.science.dynamics.run import A_PER_PS
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.unit_sites import UnitSites
from aiida_insbench.science.dynamics.violation import Violation
from aiida_insbench.science.errors import InputError, StructureError, format_error

FloatArray = npt.NDArray[np.float64]

#: Cells deformed beyond this have no neighbours worth listing.
_RUINED = (0.5, 2.0)
_ONE_FRAME_IN = 1e-12


class FrameChecks:
    """Looks at one frame after the other.

    Parameters
    ----------
    reference : Atoms
        The crystal the run starts from, at rest, periodic; with the masses of the run. The run's
        atoms are in the same periodic images.
    thresholds : Thresholds
        Limits.
    temperature : float
        Target in K, above 0.

    Attributes
    ----------
    sites : UnitSites
        What the checks of whole runs measure displacements from.

    Raises
    ------
    InputError
        If the temperature is not above 0, or the reference is not periodic or itself no sound
        crystal by these thresholds.
    """

    def __init__(self, reference: Atoms, thresholds: Thresholds, *, temperature: float) -> None:
        _check_reference(reference, temperature)
        self.thresholds = thresholds
        self._symbols = reference.get_chemical_symbols()
        self._inverse = np.linalg.inv(reference.cell.array)
        self._masses = reference.get_masses()[:, None]
        self._graph = bond_graph(reference, bond_fraction=thresholds.bond_fraction)
        self._pairs = ClosePairs(
            reference,
            self._graph,
            bond_fraction=thresholds.bond_fraction,
            contact_fraction=thresholds.min_distance_fraction,
        )
        dof = degrees_of_freedom(len(reference))
        rare = float(chi2.isf(_ONE_FRAME_IN, dof)) / dof
        self._hottest = temperature * max(thresholds.temperature_explosion, rare)
        self.sites = UnitSites(reference.copy(), self._graph)
        self._lasting = {name: Lasting() for name in ('bond_broken', 'bond_formed', 'site')}
        self._check_contacts_at_rest()

    def check(
        self,
        time_ps: float,
        frame_index: int,
        positions: FloatArray,
        velocities: FloatArray,
        cell: FloatArray,
    ) -> Violation | None:
        """Look at the next frame.

        Parameters
        ----------
        time_ps : float
            Later than that of the frame before.
        frame_index : int
            Its number.
        positions : ndarray, shape (n_atoms, 3)
            In Å, not wrapped.
        velocities : ndarray, shape (n_atoms, 3)
            In Å/ps.
        cell : ndarray, shape (3, 3)
            In Å.

        Returns
        -------
        Violation or None
            The first in the order of the module.
        """
        found = self.check_all(time_ps, frame_index, positions, velocities, cell)
        return found[0] if found else None

    def check_all(
        self,
        time_ps: float,
        frame_index: int,
        positions: FloatArray,
        velocities: FloatArray,
        cell: FloatArray,
    ) -> list[Violation]:
        """Look at the next frame: at most one violation of each check; arguments as of `check`."""
        now = (float(time_ps), int(frame_index))
        found = [*_not_finite(now, positions, velocities, cell)]
        if found:
            return found
        deformation = self._inverse @ cell
        stretches = np.asarray(np.linalg.svd(deformation, compute_uv=False), dtype=float)
        found += self._cell_checks(now, stretches, float(np.linalg.det(deformation)))
        found += self._too_hot(now, velocities)
        if stretches[-1] < _RUINED[0] or stretches[0] > _RUINED[1]:
            return found
        distances = self._pairs.distances(positions, cell)
        found += self._contacts(now, distances)
        found += self._broken_bonds(now, positions, cell)
        found += self._new_bonds(now, distances)
        found += self._left_sites(now, positions, cell)
        return found

    def state(self) -> dict[str, list[list[float]]]:
        """What has lasted since when, JSON-ready."""
        return {name: lasting.rows() for name, lasting in self._lasting.items()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state.

        Raises
        ------
        InputError
            If it is not one of these checks.
        """
        if set(state) != set(self._lasting):
            raise InputError('The state is not that of checks of molecular dynamics.')
        for name, rows in state.items():
            self._lasting[name].restore(rows)

    def _cell_checks(
        self, now: tuple[float, int], stretches: FloatArray, ratio: float
    ) -> Iterator[Violation]:
        low, high = self.thresholds.volume_ratio
        if not low <= ratio <= high:
            limit = low if ratio < low else high
            reason = f'The volume is {ratio:.3f} times that of the reference.'
            yield Violation('volume', *now, (), ratio, limit, '1', reason)
        strain = float(np.abs(stretches - 1).max())
        if strain > self.thresholds.max_strain:
            reason = f'The cell changed its length in one direction by {100 * strain:.1f} %.'
            yield Violation('cell_shape', *now, (), strain, self.thresholds.max_strain, '1', reason)

    def _too_hot(self, now: tuple[float, int], velocities: FloatArray) -> Iterator[Violation]:
        momenta = self._masses * velocities * A_PER_PS
        momenta -= self._masses * (momenta.sum(axis=0) / self._masses.sum())
        kinetic = 0.5 * (momenta**2 / self._masses).sum(axis=1)
        temperature = temperature_of(float(kinetic.sum()), len(kinetic))
        if temperature > self._hottest:
            hottest = int(kinetic.argmax())
            reason = f'The temperature rose to {temperature:.0f} K.'
            reason += f' The fastest atom is {self._name(hottest)}.'
            yield Violation(
                'temperature_explosion', *now, (hottest,), temperature, self._hottest, 'K', reason
            )

    def _contacts(self, now: tuple[float, int], distances: FloatArray) -> Iterator[Violation]:
        contacts = [*self._pairs.contacts(distances)]
        if contacts:
            pair, distance, limit = min(contacts, key=lambda one: one[1] / one[2])
            reason = f'{self._names(pair[:2])} came as close as {distance:.2f} Å.'
            yield Violation('contact', *now, pair[:2], distance, limit, 'Å', reason)

    def _broken_bonds(
        self, now: tuple[float, int], positions: FloatArray, cell: FloatArray
    ) -> Iterator[Violation]:
        graph, limits = self._graph, self.thresholds
        vectors = positions[graph.second] - positions[graph.first] + graph.shifts @ cell
        ratios = np.sqrt((vectors**2).sum(axis=1)) / graph.lengths
        lasting = self._lasting['bond_broken']
        lasting.update(((int(k),) for k in np.flatnonzero(ratios > limits.bond_stretch)), *now)
        for key, since in lasting.since.items():
            ratio, length = float(ratios[key[0]]), float(graph.lengths[key[0]])
            at_once = ratio > limits.bond_break
            if at_once or lasting.for_long(key, now[0], limits.bond_lifetime):
                limit = limits.bond_break if at_once else limits.bond_stretch
                atoms = (int(graph.first[key[0]]), int(graph.second[key[0]]))
                reason = f'The bond of {self._names(atoms)} ({length:.2f} Å) broke: it is '
                reason += f'{ratio * length:.2f} Å long.'
                yield Violation(
                    'bond_broken', *since, atoms, ratio * length, limit * length, 'Å', reason
                )
                return

    def _new_bonds(self, now: tuple[float, int], distances: FloatArray) -> Iterator[Violation]:
        found = {
            pair: (distance, limit) for pair, distance, limit in self._pairs.new_bonds(distances)
        }
        lasting = self._lasting['bond_formed']
        lasting.update(found, *now)
        for pair, since in lasting.since.items():
            if lasting.for_long(pair, now[0], self.thresholds.bond_lifetime):
                distance, limit = found[pair]  # type: ignore[index]
                reason = f'{self._names(pair[:2])} made a bond of {distance:.2f} Å that is not in '
                reason += 'the reference.'
                yield Violation('bond_formed', *since, pair[:2], distance, limit, 'Å', reason)
                return

    def _left_sites(
        self, now: tuple[float, int], positions: FloatArray, cell: FloatArray
    ) -> Iterator[Violation]:
        graph, limits = self._graph, self.thresholds
        moved = np.sqrt((self.sites.displacements(positions, cell) ** 2).sum(axis=1))
        shares = moved / graph.spacing
        lasting = self._lasting['site']
        lasting.update(((int(k),) for k in np.flatnonzero(shares > limits.site_fraction)), *now)
        for key, since in lasting.since.items():
            unit, spacing = key[0], float(graph.spacing[key[0]])
            at_once = float(shares[unit]) > 1
            if at_once or lasting.for_long(key, now[0], limits.site_lifetime):
                atoms = tuple(np.flatnonzero(graph.units == unit).tolist())
                name = self._name(atoms[0]) if len(atoms) == 1 else f'{graph.names[unit]} of '
                name += '' if len(atoms) == 1 else self._names(atoms)
                reason = f'{name} is {moved[unit]:.2f} Å from its site, whose nearest neighbour is '
                reason += f'at {spacing:.2f} Å.'
                limit = spacing * (1.0 if at_once else limits.site_fraction)
                yield Violation('site', *since, atoms, float(moved[unit]), limit, 'Å', reason)
                return

    def _check_contacts_at_rest(self) -> None:
        rest = self.sites.reference
        distances = self._pairs.distances(rest.positions, rest.cell.array)
        for pair, distance, limit in self._pairs.contacts(distances):
            raise StructureError(
                format_error(
                    f'{self._names(pair[:2])} of the reference are {distance:.2f} Å apart.',
                    reason=f'Below {limit:.2f} Å atoms count as collapsed.',
                    fix='Relax the structure or lower `min_distance_fraction`.',
                )
            )

    def _name(self, atom: int) -> str:
        return f'{self._symbols[atom]}{atom}'

    def _names(self, atoms: Iterable[int]) -> str:
        names = [self._name(atom) for atom in atoms]
        shown = names if len(names) < 6 else [*names[:4], '…', names[-1]]
        return ', '.join(shown[:-1]) + ' and ' + shown[-1] if len(shown) > 1 else shown[0]


def _check_reference(reference: Atoms, temperature: float) -> None:
    if not (math.isfinite(temperature) and temperature > 0):
        raise InputError(f'The temperature is {temperature} K; give a number above 0.')
    if len(reference) == 0 or not reference.pbc.all() or reference.cell.rank < 3:
        raise StructureError(
            'The reference has no atoms or is not periodic in three directions: give the crystal '
            'the run starts from.'
        )


def _not_finite(
    now: tuple[float, int], positions: FloatArray, velocities: FloatArray, cell: FloatArray
) -> Iterator[Violation]:
    if np.isfinite(cell).all() and np.isfinite(positions).all() and np.isfinite(velocities).all():
        return
    bad = ~(np.isfinite(positions).all(axis=1) & np.isfinite(velocities).all(axis=1))
    atoms = tuple(np.flatnonzero(bad).tolist())
    what = f'positions or velocities of {len(atoms)} atoms' if atoms else 'axes of the cell'
    reason = f'The {what} are no numbers.'
    count = sum(int((~np.isfinite(array)).sum()) for array in (positions, velocities, cell))
    yield Violation('finite', *now, atoms, float(count), 0.0, '1', reason)
