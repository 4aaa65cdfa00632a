"""Runs of molecular dynamics for the checks: sound ones, and ones with something planted.

Real dynamics (copper by EMT, harmonic crystals in closed form) where that is cheap, made-up motion
where it is not. Every run is made from a seed. `table` checks them all.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.spacegroup import crystal
from ase.units import _hbar, fs, kB
from lj_rutile import rutile

from aiida_insbench.science.dynamics.ensembles import Dynamics, Ensemble, draw_momenta
from aiida_insbench.science.dynamics.run import SERIES, MDRun
from aiida_insbench.science.dynamics.thresholds import Thresholds
from aiida_insbench.science.dynamics.violation import Violation
from aiida_insbench.science.dynamics.violations import find_violations

STRIDE = 0.01  # ps, of made-up frames
N_FRAMES = 300


@dataclass(frozen=True)
class Trajectory:
    """A run, how to check it, and what the checks must say."""

    run: MDRun
    reference: Atoms
    ensemble: str = 'nvt'
    temperature: float = 300.0
    equilibration_ps: float = 0.5
    expected: tuple[str, ...] = ()
    time: float | None = None
    within: float = 1.5 * STRIDE

    def violations(self) -> list[Violation]:
        return find_violations(
            self.run,
            reference=self.reference,
            ensemble=self.ensemble,
            temperature=self.temperature,
            pressure=0.0,
            thresholds=Thresholds(),
            equilibration_ps=self.equilibration_ps,
        )

    def is_right(self, found: list[Violation]) -> bool:
        """The first violation is by the right check at the right time; none if it is sound."""
        if not self.expected or not found:
            return not self.expected and not found
        in_time = self.time is None or abs(found[0].time - self.time) <= self.within
        return found[0].check in self.expected and in_time


def table() -> dict[str, tuple[Trajectory, list[Violation]]]:
    """Check every run: `SOUND` and `BROKEN` by name."""
    made = {name: make() for name, make in {**SOUND, **BROKEN}.items()}
    return {name: (one, one.violations()) for name, one in made.items()}


# Real dynamics


@lru_cache
def simulated(
    *,
    ensemble: str = 'nvt',
    cells: int = 2,
    vacuum: float = 0.0,
    temperature: float = 300.0,
    target: float = 300.0,
    steps: int = 500,
    timestep: float = 3.0,
    seed: int = 1,
) -> Trajectory:
    """Copper by EMT; with 4 N atoms for `cells` N³."""
    atoms = bulk('Cu', cubic=True, a=3.6) * (cells, cells, cells)
    atoms.cell[2, 2] += vacuum
    reference, rng = atoms.copy(), np.random.default_rng(seed)
    draw_momenta(atoms, temperature=temperature, rng=rng)
    atoms.calc = EMT()
    dynamics = Dynamics(atoms, Ensemble(ensemble, temperature, timestep), rng)
    rows, frames = [], []
    for step in range(steps):
        dynamics.step()
        if step % 3 == 0:
            rows.append({'time': (step + 1) * timestep / 1000, **dynamics.scalars()})
            velocities = atoms.get_velocities() * 1000 * fs
            frames.append((atoms.positions.copy(), velocities, atoms.cell.array.copy()))
    series = {name: np.array([row[name] for row in rows]) for name in SERIES}
    positions, velocities, cells_ = (np.array(part) for part in zip(*frames, strict=True))
    run = MDRun(
        series['time'],
        positions,
        velocities,
        cells_,
        tuple(atoms.get_chemical_symbols()),
        atoms.get_masses(),
        series,
    )
    return Trajectory(run, reference, ensemble, target, 3 * steps * timestep / 10000)


def harmonic(
    reference: Atoms, stiffness: dict[str, float], *, reach: float, quantum: bool, seed: int
) -> Trajectory:
    """Springs between neighbours (eV/Å² by pair of elements), each mode a cosine of its own.

    Amplitudes are those of 300 K; velocities are the classical ones of Maxwell, for the
    temperature of a quantum crystal is not that of its motion.
    """
    rng = np.random.default_rng(seed)
    frequencies, vectors = _modes(reference, stiffness, reach)
    thermal = kB * 300 / frequencies**2
    if quantum:
        hbar = _hbar / 1.602176634e-19 * 1e15 * fs  # eV in ASE's time
        energy = hbar * frequencies
        thermal = hbar / (2 * frequencies) / np.tanh(energy / (2 * kB * 300))
    amplitudes = np.sqrt(2 * thermal)
    phases = rng.uniform(0, 2 * np.pi, len(frequencies))
    times = np.arange(N_FRAMES) * STRIDE
    motion = amplitudes * np.cos(np.outer(times * 1000 * fs, frequencies) + phases)
    root = np.sqrt(reference.get_masses())[:, None]
    moved = (motion @ vectors).reshape(N_FRAMES, len(reference), 3) / root
    return made_up(reference, reference.positions + moved, seed=seed)


def _modes(
    reference: Atoms, stiffness: dict[str, float], reach: float
) -> tuple[np.ndarray, np.ndarray]:
    """Angular frequencies in ASE's units and mass-weighted vectors in rows, without rigid ones."""
    from ase.neighborlist import neighbor_list

    size = len(reference)
    matrix = np.zeros((size, 3, size, 3))
    symbols = reference.get_chemical_symbols()
    for i, j, vector, d in zip(*neighbor_list('ijDd', reference, reach), strict=True):
        spring = stiffness.get(''.join(sorted((symbols[i], symbols[j]))), 0.0)
        # transverse springs of a tenth keep everything from flopping
        block = spring * (0.9 * np.outer(vector, vector) / d**2 + 0.1 * np.eye(3))
        matrix[i, :, i, :] += block
        matrix[i, :, j, :] -= block
    root = np.repeat(np.sqrt(reference.get_masses()), 3)
    dynamical = matrix.reshape(3 * size, 3 * size) / np.outer(root, root)
    squares, vectors = np.linalg.eigh(dynamical)
    assert squares[3] > 1e-6 * squares[-1]
    return np.sqrt(squares[3:]), vectors[:, 3:].T


# Made-up motion


def made_up(
    reference: Atoms,
    positions: np.ndarray,
    *,
    seed: int,
    cells: np.ndarray | None = None,
    ensemble: str = 'nvt',
) -> Trajectory:
    """Frames with velocities and scalars as they should be at 300 K."""
    rng = np.random.default_rng(seed + 1000)
    count, size = len(positions), len(reference)
    masses = reference.get_masses()
    sigma = np.sqrt(kB * 300 / masses)[:, None] * 1000 * fs
    velocities = rng.standard_normal(positions.shape) * sigma
    if cells is None:
        cells = np.repeat(reference.cell.array[None], count, axis=0)
    kinetic = 1.5 * kB * 300 * (size - 1)
    noise = _coloured(rng, count) * np.sqrt(2 / (3 * size - 3))
    series = {
        'time': np.arange(count) * STRIDE,
        'potential_energy': -5.0 * size + kinetic * (1 - noise),
        'kinetic_energy': kinetic * (1 + noise),
        'conserved_energy': -5.0 * size + 2 * kinetic + 1e-4 * size * _coloured(rng, count),
        'temperature': 300 * (1 + noise),
        'volume': np.abs(np.linalg.det(cells)),
        'pressure': 0.5 * _coloured(rng, count),
    }
    symbols = tuple(reference.get_chemical_symbols())
    times = series['time'].copy()
    run = MDRun(times, positions, velocities, cells, symbols, masses, series)
    return Trajectory(run, reference, ensemble)


def _coloured(rng: np.random.Generator, count: int) -> np.ndarray:
    """Noise of variance 1 that knows of itself for ten samples."""
    values = [rng.standard_normal()]
    keep = np.exp(-0.1)
    for _ in range(count - 1):
        values.append(keep * values[-1] + np.sqrt(1 - keep**2) * rng.standard_normal())
    return np.array(values)


def brucite_cell() -> Atoms:
    unit = crystal(
        ['Mg', 'O', 'H'],
        [(0, 0, 0), (1 / 3, 2 / 3, 0.22), (1 / 3, 2 / 3, 0.42)],
        spacegroup=164,
        cellpar=[3.14, 3.14, 4.75, 90, 90, 120],
    )
    return Atoms(unit * (3, 3, 2))


def molecular_cell(name: str, spacing: float, *, seed: int = 3) -> Atoms:
    """Eight molecules, each turned at random, across the faces of the cell."""
    rng = np.random.default_rng(seed)
    atoms = Atoms(cell=[2 * spacing] * 3, pbc=True)
    for site in np.ndindex(2, 2, 2):
        one = molecule(name)
        one.rotate(rng.uniform(0, 360), rng.standard_normal(3), center='COM')
        one.positions += spacing * np.array(site) - one.get_center_of_mass()
        atoms += one
    atoms.wrap()
    return atoms


def _rotation(axis: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def librating(spacing: float = 6.4, *, turns: float = 0.0, vacuum: float = 0.0, seed: int = 1):
    """Molecules that librate by 20°, move by 0.3 Å, stretch by 5 %; or turn in full circles."""
    from aiida_insbench.science.molecules import find_molecules

    reference = molecular_cell('C6H6', spacing)
    reference.cell[2, 2] += vacuum
    rng = np.random.default_rng(seed)
    time = np.arange(N_FRAMES) * STRIDE
    positions = np.repeat(reference.positions[None], N_FRAMES, axis=0)
    for one in find_molecules(reference):
        masses = reference.get_masses()[one.atoms]
        centre = np.average(one.positions, axis=0, weights=masses)
        arms = one.positions - centre
        axis, push = rng.standard_normal(3), 0.2 * rng.standard_normal(3)
        phase = rng.uniform(0, 2 * np.pi, 3)
        angle = np.radians(20) * np.sin(9 * time + phase[0]) + 2 * np.pi * turns * time / time[-1]
        length = 1 + 0.05 * np.sin(200 * time + phase[1])
        for k in range(N_FRAMES):
            place = centre + push * np.sin(12 * time[k] + phase[2])
            home = reference.positions[one.atoms] - one.positions
            turned = arms @ _rotation(axis, angle[k]).T * length[k]
            positions[k, one.atoms] = place + turned + home
    return made_up(reference, positions, seed=seed)


def methyl_turning(seed: int = 1) -> Trajectory:
    """Ethane whose methyl groups turn about C–C, one way and the other."""
    from aiida_insbench.science.molecules import find_molecules

    reference = molecular_cell('C2H6', 4.8)
    rng = np.random.default_rng(seed)
    positions = np.repeat(reference.positions[None], N_FRAMES, axis=0)
    symbols = np.array(reference.get_chemical_symbols())
    for one in find_molecules(reference):
        carbons = one.positions[symbols[one.atoms] == 'C']
        axis, middle = carbons[1] - carbons[0], carbons.mean(axis=0)
        side = np.sign((one.positions - middle) @ axis)
        home = reference.positions[one.atoms] - one.positions
        rate = rng.uniform(2, 6)
        for k in range(N_FRAMES):
            for way in (-1, 1):
                own = side == way
                turn = _rotation(axis, way * rate * k * STRIDE).T
                placed = middle + (one.positions[own] - middle) @ turn + home[own]
                positions[k, one.atoms[own]] = placed
    shake = 0.03 * rng.standard_normal(positions.shape)
    return made_up(reference, positions + shake, seed=seed)


def breathing(seed: int = 1) -> Trajectory:
    """Brucite whose cell breathes by 5 %, shears by 3° and turns."""
    still = brucite(seed)
    reference, run = still.reference, still.run
    time = run.times
    cells = []
    for t in time:
        strain = np.eye(3) * (1 + 0.017 * np.sin(6 * t))
        strain[2, 0] = 0.05 * np.sin(4 * t)
        cells.append(reference.cell.array @ strain @ _rotation(np.array([0, 0, 1.0]), 0.3 * t).T)
    shares = np.linalg.solve(reference.cell.array.T, run.positions.transpose(0, 2, 1))
    positions = shares.transpose(0, 2, 1) @ np.array(cells)
    return made_up(reference, positions, seed=seed, cells=np.array(cells), ensemble='npt')


def brucite(seed: int = 1) -> Trajectory:
    stiffness = {'HO': 45.0, 'MgO': 4.0, 'HH': 0.3, 'OO': 1.0, 'MgMg': 1.0, 'HMg': 0.3}
    return harmonic(brucite_cell(), stiffness, reach=3.3, quantum=True, seed=seed)


def rutile_hydride(seed: int = 1) -> Trajectory:
    stiffness = {'HMg': 2.5, 'HH': 0.4, 'MgMg': 0.5}
    return harmonic(rutile() * (2, 2, 3), stiffness, reach=3.1, quantum=True, seed=seed)


def silicon(seed: int = 1) -> Trajectory:
    return harmonic(
        bulk('Si', cubic=True, a=5.43) * (2, 2, 2),
        {'SiSi': 6.0},
        reach=4.0,
        quantum=False,
        seed=seed,
    )


def hydrogen_bonds(seed: int = 1) -> Trajectory:
    """Chains of O–H···O, 1.05 and 1.45 Å, as strong as they come in crystals; shaking H."""
    reference = chains()
    rng = np.random.default_rng(seed)
    positions = np.repeat(reference.positions[None], N_FRAMES, axis=0)
    shake = 0.07 * np.sin(np.outer(np.arange(N_FRAMES) * STRIDE * 300, np.ones(8)) + np.arange(8))
    positions[:, 1::2, 0] += shake
    return made_up(reference, positions + 0.04 * rng.standard_normal(positions.shape), seed=seed)


def chains() -> Atoms:
    atoms = Atoms(cell=[10.0, 3.4, 3.4], pbc=True)
    for k in range(4):
        atoms += Atoms('OH', positions=[(2.5 * k, 0, 0), (2.5 * k + 1.05, 0, 0)])
    return Atoms(atoms * (1, 2, 1))


def drifting(seed: int = 1) -> Trajectory:
    one = simulated(ensemble='nve', temperature=600.0, seed=seed)
    speed = np.array([1.5, -0.4, 0.7])
    run = replace(
        one.run,
        positions=one.run.positions + one.run.times[:, None, None] * speed,
        velocities=one.run.velocities + speed,
    )
    return replace(one, run=run)


# Plants


def _planted(
    base: Trajectory, expected: str, frame: int, change: Callable[..., None], **others
) -> Trajectory:
    """`change(positions, k, t)` alters frames from `frame` on; `t` in ps since then."""
    run = base.run
    fields = {name: getattr(run, name).copy() for name in ('positions', 'velocities', 'cells')}
    series = {name: values.copy() for name, values in run.series.items()}
    for k in range(frame, len(run.times)):
        change(fields, series, k, run.times[k] - run.times[frame])
    run = replace(run, **fields, series=series)
    return replace(base, run=run, expected=(expected,), time=float(run.times[frame]), **others)


def not_a_number() -> Trajectory:
    def change(fields, series, k, t):
        fields['positions'][k, 7] = np.nan

    return _planted(silicon(2), 'finite', 120, change)


def infinite_energy() -> Trajectory:
    def change(fields, series, k, t):
        series['potential_energy'][k] = -np.inf

    return _planted(silicon(3), 'finite', 77, change)


def energy_runs_away() -> Trajectory:
    def change(fields, series, k, t):
        series['potential_energy'][k] -= 64 * 5.0

    return _planted(silicon(4), 'energy_explosion', 140, change)


def bond_breaks() -> Trajectory:
    """A hydrogen atom leaves benzene at 20 Å/ps: past 1.3 times the bond after 17 fs."""
    base = librating(seed=2)
    hydrogen = int(np.flatnonzero(base.reference.numbers == 1)[2])
    carbon = int(np.flatnonzero(base.reference.numbers == 6)[2])
    arm = base.reference.get_distance(carbon, hydrogen, mic=True, vector=True)

    def change(fields, series, k, t):
        fields['positions'][k, hydrogen] += 20 * t * arm / np.linalg.norm(arm)

    return _planted(base, 'bond_broken', 100, change, within=3 * STRIDE)


def proton_jumps() -> Trajectory:
    """H of one O goes over to the next one and stays there, 1.05 Å from it."""

    def change(fields, series, k, t):
        fields['positions'][k, 3, 0] += 0.4

    return replace(
        _planted(hydrogen_bonds(2), 'bond_broken', 150, change),
        expected=('bond_broken', 'bond_formed'),
    )


def hydrogen_molecule() -> Trajectory:
    """Two H of the hydride meet at 0.74 Å, as where it decomposes."""
    base = rutile_hydride(3)
    first = int(np.flatnonzero(base.reference.numbers == 1)[0])
    distances = base.reference.get_distances(first, range(len(base.reference)), mic=True)
    distances[base.reference.numbers != 1] = np.inf
    distances[first] = np.inf
    second = int(distances.argmin())
    arm = base.reference.get_distance(first, second, mic=True, vector=True)

    towards = 0.5 * (1 - 0.74 / np.linalg.norm(arm)) * arm

    def change(fields, series, k, t):
        rest = base.reference.positions[[first, second]]
        fields['positions'][k, [first, second]] = rest + np.array([towards, -towards])

    return _planted(base, 'bond_formed', 90, change)


def atom_evaporates() -> Trajectory:
    """From the surface of copper, at 10 Å/ps: half the distance to its neighbours is 1.3 Å."""
    base = simulated(seed=5, vacuum=8.0)
    top = int(base.reference.positions[:, 2].argmax())

    def change(fields, series, k, t):
        fields['positions'][k, top, 2] += 10 * t

    return _planted(base, 'site', 100, change, within=0.18)


def molecule_evaporates() -> Trajectory:
    """At 20 Å/ps: half the distance of molecules is 3.2 Å."""
    base = librating(vacuum=10.0, seed=4)

    def change(fields, series, k, t):
        fields['positions'][k, 12:24, 2] += min(20 * t, 7)

    return _planted(base, 'site', 130, change, within=0.2)


def energy_drifts() -> Trajectory:
    base = drifting()

    def change(fields, series, k, t):
        series['conserved_energy'][k] += 32 * 5e-4 * t

    return replace(_planted(base, 'drift', 0, change), time=None)


def atoms_collapse() -> Trajectory:
    """Two neighbours of copper fall onto each other, at 10 Å/ps."""
    base = simulated(seed=1)
    arm = base.reference.get_distance(0, 1, mic=True, vector=True)
    arm /= np.linalg.norm(arm)

    def change(fields, series, k, t):
        fields['positions'][k, 0] += min(5 * t, 0.6) * arm
        fields['positions'][k, 1] -= min(5 * t, 0.6) * arm

    return _planted(base, 'contact', 120, change, within=0.14)


def _strained(base: Trajectory, expected: str, strain: Callable, within: float) -> Trajectory:
    def change(fields, series, k, t):
        matrix = strain(t)
        fields['positions'][k] = fields['positions'][k] @ matrix
        fields['cells'][k] = fields['cells'][k] @ matrix
        series['volume'][k] *= np.linalg.det(matrix)

    return _planted(base, expected, 60, change, within=within)


def volume_blows_up() -> Trajectory:
    """The volume grows with 1.1 to the power of t/0.1 ps: by a quarter after 0.23 ps."""
    return _strained(
        simulated(ensemble='npt', steps=330, seed=2),
        'volume',
        lambda t: np.eye(3) * 1.1 ** (t / 0.3),
        within=0.3,
    )


def cell_shears() -> Trajectory:
    """At constant volume, by one in one ps: stretches of 15 % after 0.3 ps."""

    def strain(t):
        matrix = np.eye(3)
        matrix[1, 0] = t
        return matrix

    return _strained(breathing(3), 'cell_shape', strain, within=0.35)


def palladium_hydride() -> Atoms:
    atoms = bulk('Pd', cubic=True, a=4.05) * (2, 2, 2)
    holes = [atoms.positions[k] + [2.025, 0, 0] for k in range(0, 32, 4)]
    return Atoms(atoms + Atoms('H8', positions=holes))


def sublattice_diffuses() -> Trajectory:
    """From 1 ps on hydrogen in palladium hops from hole to hole, through tetrahedral ones."""
    stiffness = {'HPd': 1.5, 'PdPd': 4.0, 'HH': 0.1}
    base = harmonic(palladium_hydride(), stiffness, reach=3.0, quantum=True, seed=5)
    rng = np.random.default_rng(11)
    hops, path = np.array([[1, 1, 1], [1, -1, -1]]) * 4.05 / 4, [np.zeros(3)]
    for _ in range(40):  # there and on to the next octahedral hole, 0.1 ps each
        for hop in hops[rng.permutation(2)]:
            path += [path[-1] + hop / 10 * step for step in range(1, 11)]

    def change(fields, series, k, t):
        fields['positions'][k, 32:] += path[k - 100]

    made = _planted(base, 'diffusion', 100, change, within=0.12)
    return replace(made, expected=('diffusion', 'site'))


def melts() -> Trajectory:
    """Copper at 4000 K; no plant."""
    made = simulated(temperature=4000.0, target=4000.0, steps=500, timestep=3.0, seed=9)
    return replace(made, expected=('site', 'diffusion'))


def too_hot() -> Trajectory:
    """A thermostat set to 400 K where 300 K were asked for; no plant."""
    return replace(simulated(temperature=400.0, seed=10), expected=('temperature',))


def explodes() -> Trajectory:
    """A timestep of 60 fs, NVE; no plant."""
    made = simulated(ensemble='nve', timestep=60.0, temperature=600.0, steps=60, seed=11)
    return replace(
        made,
        equilibration_ps=0.1,
        expected=('temperature_explosion', 'energy_explosion', 'contact', 'site'),
    )


SOUND: dict[str, Callable[[], Trajectory]] = {
    'copper, NVT': lambda: simulated(seed=1),
    'copper, NPT': lambda: simulated(ensemble='npt', steps=330, seed=2),
    'copper, NVE, centre of mass drifting': drifting,
    'four atoms of copper, NVT': lambda: simulated(cells=1, seed=4),
    'silicon': silicon,
    'MgH2 with zero-point motion': rutile_hydride,
    'brucite with zero-point motion': brucite,
    'brucite, breathing, shearing and turning cell': breathing,
    'benzene, librating': librating,
    'benzene, turning in full circles': lambda: librating(spacing=7.5, turns=2, seed=3),
    'ethane, methyl groups turning': methyl_turning,
    'strong hydrogen bonds': hydrogen_bonds,
}
BROKEN: dict[str, Callable[[], Trajectory]] = {
    'position not a number': not_a_number,
    'infinite energy': infinite_energy,
    'energy runs away': energy_runs_away,
    'bond breaks': bond_breaks,
    'proton jumps': proton_jumps,
    'hydrogen molecule forms': hydrogen_molecule,
    'atom evaporates': atom_evaporates,
    'molecule evaporates': molecule_evaporates,
    'energy drifts': energy_drifts,
    'atoms collapse': atoms_collapse,
    'volume blows up': volume_blows_up,
    'cell shears': cell_shears,
    'sublattice diffuses': sublattice_diffuses,
    'melts': melts,
    'wrong temperature': too_hot,
    'explodes': explodes,
}
