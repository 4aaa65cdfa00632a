r"""Ensembles, their integrators (ASE's), and the state from which a run goes on exactly.

- ``nve``: velocity Verlet.
- ``nvt``: velocity Verlet with stochastic velocity rescaling (Bussi, Donadio, Parrinello,
  *J. Chem. Phys.* **126**, 014101 (2007)): canonical, and it hardly disturbs the motion.
- ``npt``: Nosé–Hoover chains with a fully flexible cell (Martyna, Tobias, Klein, *J. Chem. Phys.*
  **101**, 4177 (1994)).

The centre of mass rests, so that 3N − 3 momenta share the kinetic energy:
:math:`T = 2E_\mathrm{kin} / (3N - 3) k_\mathrm{B}`. ASE counts 3N; its targets are set lower or its
count corrected here, else a crystal of N atoms would be hotter by 1/(N − 1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from ase import Atoms
from ase.md.bussi import Bussi
from ase.md.nose_hoover_chain import MTKNPT
from ase.md.verlet import VelocityVerlet
from ase.units import GPa, fs, kB

from aiida_insbench.science.errors import InputError

FloatArray = npt.NDArray[np.float64]
ENSEMBLES = ('nve', 'nvt', 'npt')


@dataclass(frozen=True)
class Ensemble:
    """What is held constant, and how.

    Attributes
    ----------
    name : str
        One of `ENSEMBLES`.
    temperature : float
        In K; of ``nve`` that of the momenta drawn at the beginning.
    timestep : float
        In fs.
    pressure : float
        In GPa, read by ``npt``.
    thermostat_time, barostat_time : float
        Time constants in fs.
    """

    name: str
    temperature: float
    timestep: float
    pressure: float = 0.0
    thermostat_time: float = 100.0
    barostat_time: float = 1000.0


class Dynamics:
    """Steps of one ensemble for a crystal with momenta and a calculator.

    Parameters
    ----------
    atoms : Atoms
        Moved in place; its calculator gives forces and, for ``npt``, stress.
    ensemble : Ensemble
        What to hold constant.
    rng : Generator
        Read by ``nvt``.
    """

    def __init__(self, atoms: Atoms, ensemble: Ensemble, rng: np.random.Generator) -> None:
        self.atoms, self.ensemble, self.rng = atoms, ensemble, rng
        self._integrator: Any = _BUILD[ensemble.name](atoms, ensemble, rng)

    def step(self) -> None:
        """Go on by one step."""
        self._integrator.step()

    def scalars(self) -> dict[str, float]:
        """What is recorded of the present step, in the units of `run.SERIES`, without the time."""
        atoms = self.atoms
        potential, kinetic = atoms.get_potential_energy(), atoms.get_kinetic_energy()
        stress = atoms.get_stress(include_ideal_gas=True)
        return {
            'potential_energy': float(potential),
            'kinetic_energy': float(kinetic),
            'conserved_energy': float(potential + kinetic + self._exchanged()),
            'temperature': temperature_of(kinetic, len(atoms)),
            'volume': float(atoms.get_volume()),
            'pressure': float(-stress[:3].mean() / GPa),
        }

    def state(self) -> dict[str, FloatArray]:
        """Everything the next step depends on but the random numbers, in ASE's units."""
        atoms = self.atoms
        found = {
            'positions': atoms.positions.copy(),
            'momenta': atoms.get_momenta(),
            'cell': atoms.cell.array.copy(),
        }
        for path in _HELD[self.ensemble.name]:
            found[path.strip('_')] = np.array(_get(self._integrator, path), dtype=float)
        return found

    def restore(self, state: Mapping[str, npt.ArrayLike]) -> None:
        """Take up a state; the step after it is the same, bit by bit.

        Raises
        ------
        InputError
            If the state is that of another ensemble or number of atoms.
        """
        held = _HELD[self.ensemble.name]
        wanted = {'positions', 'momenta', 'cell', *(path.strip('_') for path in held)}
        if set(state) != wanted or np.shape(state['positions']) != self.atoms.positions.shape:
            raise InputError('The state is that of another run: it cannot go on from there.')
        self.atoms.set_cell(state['cell'], scale_atoms=False)
        self.atoms.set_positions(state['positions'])
        self.atoms.set_momenta(state['momenta'])
        self._integrator = _BUILD[self.ensemble.name](self.atoms, self.ensemble, self.rng)
        for path in held:
            _set(self._integrator, path, state[path.strip('_')])

    def _exchanged(self) -> float:
        """Energy given to thermostat and barostat so far, eV."""
        if self.ensemble.name == 'nvt':
            return -float(self._integrator.transferred_energy)
        if self.ensemble.name == 'npt':
            total = float(self._integrator.get_conserved_energy())
            return total - float(self.atoms.get_total_energy())
        return 0.0


def temperature_of(kinetic_energy: float, n_atoms: int) -> float:
    """Temperature in K of a kinetic energy in eV, the centre of mass at rest."""
    return float(2 * kinetic_energy / (degrees_of_freedom(n_atoms) * kB))


def degrees_of_freedom(n_atoms: int) -> int:
    """Momenta that share the kinetic energy."""
    return max(3 * n_atoms - 3, 1)


def draw_momenta(atoms: Atoms, *, temperature: float, rng: np.random.Generator) -> None:
    r"""Give atoms momenta of the Maxwell–Boltzmann distribution, the centre of mass at rest.

    Scaled to the temperature exactly: what the draw of a few atoms misses by chance
    (:math:`\sqrt{2/3N}`) is no matter of the crystal.

    Parameters
    ----------
    atoms : Atoms
        Changed in place.
    temperature : float
        In K, above 0.
    rng : Generator
        Read.
    """
    masses = atoms.get_masses()[:, None]
    momenta = rng.standard_normal((len(atoms), 3)) * np.sqrt(masses * kB * temperature)
    momenta -= masses / masses.sum() * momenta.sum(axis=0)
    kinetic = 0.5 * float((momenta**2 / masses).sum())
    if kinetic > 0:
        momenta *= np.sqrt(temperature / temperature_of(kinetic, len(atoms)))
    atoms.set_momenta(momenta)


def _nve(atoms: Atoms, ensemble: Ensemble, _rng: np.random.Generator) -> Any:
    return VelocityVerlet(atoms, ensemble.timestep * fs)


def _nvt(atoms: Atoms, ensemble: Ensemble, rng: np.random.Generator) -> Any:
    integrator = Bussi(
        atoms,
        ensemble.timestep * fs,
        ensemble.temperature,
        taut=ensemble.thermostat_time * fs,
        rng=rng,
    )
    integrator.ndof = degrees_of_freedom(len(atoms))
    integrator.target_kinetic_energy = 0.5 * integrator.ndof * kB * ensemble.temperature
    return integrator


def _npt(atoms: Atoms, ensemble: Ensemble, _rng: np.random.Generator) -> Any:
    share = degrees_of_freedom(len(atoms)) / (3 * len(atoms))
    return MTKNPT(
        atoms,
        ensemble.timestep * fs,
        temperature_K=ensemble.temperature * share,
        pressure_au=ensemble.pressure * GPa,
        tdamp=ensemble.thermostat_time * fs,
        pdamp=ensemble.barostat_time * fs,
    )


_BUILD: dict[str, Any] = {'nve': _nve, 'nvt': _nvt, 'npt': _npt}
#: What an integrator holds beside the atoms.
_HELD: dict[str, tuple[str, ...]] = {
    'nve': (),
    'nvt': ('transferred_energy',),
    'npt': (
        '_p_g',
        '_thermostat._eta',
        '_thermostat._p_eta',
        '_barostat._xi',
        '_barostat._p_xi',
    ),
}


def _get(owner: Any, path: str) -> Any:
    for name in path.split('.'):
        owner = getattr(owner, name)
    return owner


def _set(owner: Any, path: str, value: npt.ArrayLike) -> None:
    *parents, last = path.split('.')
    for name in parents:
        owner = getattr(owner, name)
    array = np.array(value, dtype=float)
    setattr(owner, last, float(array) if array.ndim == 0 else array)
