"""Frames along disputed modes: springs whose answer is known in closed form."""

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT

from aiida_insbench.science.errors import InputError, StructureError
from aiida_insbench.science.frames import check_frames, write_frames
from aiida_insbench.science.ins.isotopes import scatterer
from aiida_insbench.science.relaxation import relax
from aiida_insbench.science.sampling.cells import sampling_cell
from aiida_insbench.science.sampling.disputed_modes import (
    DisputedModes,
    disputed_about_each,
    disputed_frames,
)
from aiida_insbench.science.sampling.equal_energy import (
    EqualEnergy,
    equal_energy_about_each,
    equal_energy_frames,
)
from aiida_insbench.science.sampling.mode_disputes import (
    dispute_modes,
    energy_shares,
    most_disputed_modes,
    spectrum_spread,
)
from aiida_insbench.science.sampling.optical_modes import (
    equal_energy_amplitudes,
    hessian_at_gamma,
    modes_of_hessian,
)

WAVENUMBER = 521.4708  # of an eigenvalue of 1 eV/(Å² u)
UNIT = np.eye(3, dtype=int)
#: Of C, H, O, N in phonopy, which the modes are made with.
MASSES = np.array([12.0107, 1.00794, 15.9994, 14.0067])
FLOOR = 20.0
SETTINGS = DisputedModes(temperature=60.0, frequency_floor=FLOOR, strain=0.0)


class Springs(Calculator):
    """Springs that pull alike in all directions, between atoms of one cell, at rest as given."""

    implemented_properties = ('energy', 'forces', 'stress')

    def __init__(self, rest: Atoms, stiffness: dict[tuple[int, int], float]):
        super().__init__()
        self.rest, self.stiffness = rest.positions.copy(), stiffness

    @property
    def hessian(self):
        """By hand: k on the diagonal blocks, −k between."""
        size = len(self.rest)
        laplacian = np.zeros((size, size))
        for (i, j), k in self.stiffness.items():
            laplacian[[i, j], [i, j]] += k
            laplacian[[i, j], [j, i]] -= k
        return np.kron(laplacian, np.eye(3))

    def calculate(self, atoms=None, properties=(), system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        moved = self.atoms.positions - self.rest
        moved -= np.rint(moved @ np.linalg.inv(self.atoms.cell)) @ self.atoms.cell.array
        forces = -(self.hessian @ moved.ravel()).reshape(-1, 3)
        energy = -0.5 * float((forces * moved).sum())
        self.results = {'energy': energy, 'forces': forces, 'stress': np.zeros(6)}


def pairs():
    """C–H and O–N in a cell without any symmetry: two oscillators, each three times."""
    return Atoms(
        'CHON',
        cell=[[6.1, 0, 0], [0.7, 6.7, 0], [0.4, 0.9, 7.3]],
        positions=[[0.1, 0.2, 0.3], [0.8, 0.9, 0.7], [3.3, 3.6, 3.4], [4.3, 3.9, 4.2]],
        pbc=True,
    )


def members(*changes, bridge=0.0, bond=(0, 1)):
    """A committee that differs in the stiffness (eV/Å²) of one bond only."""
    return {
        f'm{number}': Springs(pairs(), {(0, 1): 12.0, (2, 3): 30.0, (0, 2): bridge, bond: change})
        for number, change in enumerate(changes)
    }


def dispute_of(committee, *, limits=(0.25, 4.0), floor=FLOOR):
    found = [
        hessian_at_gamma(atoms=pairs(), calculator=one, supercell_matrix=UNIT)
        for one in committee.values()
    ]
    supercell, first = found[0]
    modes = modes_of_hessian(hessian=first, masses=supercell.get_masses())
    return dispute_modes(
        supercell=supercell,
        modes=modes,
        hessians=[hessian for _, hessian in found],
        frequency_floor=floor,
        limits=limits,
    )


def about_each(committee, *, settings=SETTINGS, seed=3, count=4):
    return disputed_about_each(
        structures={'p_0000': pairs()},
        calculators=committee,
        cells=[sampling_cell(supercell_matrix=UNIT, count=count)],
        settings=settings,
        seed=seed,
        prefix='d',
    )


# --- closed forms -----------------------------------------------------------------------------


def test_spread_of_one_bond_by_hand():
    """ω² = k/μ: σ = s(k) / 2μω, of the stretches of this bond alone; and its neutron weight."""
    found = dispute_of(members(12.0, 13.0, 15.0))
    carbon, hydrogen = MASSES[:2]
    reduced = carbon * hydrogen / (carbon + hydrogen)
    omega = WAVENUMBER * np.sqrt(12.0 / reduced)
    sigma = WAVENUMBER**2 * np.std([12, 13, 15], ddof=1) / reduced / (2 * omega)
    stretch = np.abs(found.frequencies - omega) < 0.1
    assert stretch.sum() == 3
    assert found.sigma[stretch] == pytest.approx(np.full(3, sigma), rel=1e-5)
    assert np.abs(found.sigma[~stretch]).max() < 1e-4
    # |e|² of the light atom of a pair is μ/m; the motion of pairs against each other has the rest
    seen = {name: scatterer(name).total for name in 'CHON'}
    weight = seen['C'] * reduced / carbon**2 + seen['H'] * reduced / hydrogen**2
    per_mass = [seen[n] / m for n, m in zip('CHON', MASSES, strict=True)]
    whole = 3 * (
        sum(per_mass) - np.dot(per_mass, pairs().get_masses()) / pairs().get_masses().sum()
    )
    assert found.weights[stretch] == pytest.approx(np.full(3, weight / whole), rel=1e-5)
    assert found.weights.sum() == pytest.approx(1.0)
    assert found.by_element['H'][stretch] == pytest.approx(np.full(3, reduced / hydrogen), rel=1e-5)
    assert spectrum_spread([found]) == pytest.approx(sigma * np.sqrt(3 * weight / whole), rel=1e-5)


def test_the_bond_that_is_disputed_gets_the_energy():
    """Nine modes, three of them disputed alike: 9/3 = 3 times kT each, the others the least."""
    for bond, limits, expected in (
        ((0, 1), (0.25, 4.0), 3.0),
        ((2, 3), (0.1, 4.0), 3.0),
        ((2, 3), (0.1, 2.0), 2.0),
    ):
        found = dispute_of(members(14.0, 15.0, bond=bond), limits=limits)
        stiff = found.sigma > 1.0
        assert stiff.sum() == 3
        assert found.shares[stiff] == pytest.approx(np.full(3, expected), rel=1e-6)
        assert (found.shares[~stiff] == limits[0]).all()


def test_neutrons_tell_two_disputes_apart():
    """Bonds of one σ: the shares are as the weights."""
    sigma, weights = np.array([5.0, 5.0, 0.0, 0.0]), np.array([0.6, 0.2, 0.1, 0.1])
    assert energy_shares(sigma=sigma, weights=weights, limits=(0.0, 100.0)) == pytest.approx(
        [3.0, 1.0, 0.0, 0.0]
    )


def test_first_order_is_what_small_differences_give():
    """Bonds that share atoms: σ against the members' own frequencies, and not so for large ones."""

    def both(step):
        committee = members(12.0, 12.0 + step, 12.0 + 3 * step, bridge=5.0)
        masses = np.repeat(MASSES, 3)
        own = []
        for one in committee.values():
            weighted = one.hessian / np.sqrt(np.outer(masses, masses))
            own.append(WAVENUMBER * np.sqrt(np.linalg.eigvalsh(weighted)[3:]))
        return dispute_of(committee).sigma, np.std(own, axis=0, ddof=1)

    for step, tolerance in ((0.001, 2e-3), (0.1, 0.1)):
        first_order, own = both(step)
        assert (first_order > 1e-5).all()  # the bond takes part in all modes
        assert first_order == pytest.approx(own, rel=tolerance)


def test_the_floor_keeps_soft_modes_from_being_all():
    """Pairs against each other have no restoring force: σ = s/2ω would be infinite."""
    soft = {(0, 1): 12.0, (2, 3): 30.0}
    committee = {
        name: Springs(pairs(), {**soft, (0, 2): k}) for name, k in (('a', 0.0), ('b', 0.01))
    }
    found, other = dispute_of(committee), dispute_of(committee, floor=2 * FLOOR)
    low = np.abs(found.frequencies) < FLOOR
    assert low.sum() == 3
    assert found.sigma[low] == pytest.approx(2 * other.sigma[low], rel=1e-9)
    assert np.isfinite(found.sigma).all()


# --- frames -----------------------------------------------------------------------------------


def test_energy_of_each_mode_is_its_share_of_kt():
    """Largest ½ω²q² over the frames of a stretch: 3 kT cos²φ, from scratch."""
    committee = members(12.0, 13.0)
    sample = about_each(committee, count=200)
    moved = np.array([frame.positions - pairs().positions for frame in sample.frames])
    moved -= np.rint(moved @ np.linalg.inv(pairs().cell)) @ pairs().cell.array
    bond = moved[:, 1] - moved[:, 0]
    energies = 0.5 * 12.0 * bond**2  # three oscillators by direction
    other = 0.5 * 30.0 * (moved[:, 3] - moved[:, 2]) ** 2
    kt = units.kB * 60
    # kT/2 on average; cos² of 600 numbers has the standard error 0.014
    assert energies.mean() == pytest.approx(3 * kt / 2, rel=0.1)
    assert other.mean() == pytest.approx(0.25 * kt / 2, rel=0.1)


@pytest.fixture(scope='module')
def alloy():
    atoms = bulk('Cu', cubic=True, a=3.75)
    atoms.symbols[0] = 'Au'
    return relax(atoms=atoms, calculator=EMT(), pressure=0.0).atoms


@pytest.mark.parametrize('given', [False, True])
def test_a_committee_of_one_mind_gives_equal_energies(alloy, given):
    """Frame by frame those of equal-energy, whether crystals are relaxed or given."""
    common = {'cells': [sampling_cell(supercell_matrix=np.diag([1, 1, 2]), count=3)], 'seed': 5}
    common |= {'prefix': 'x'}
    values = {'temperature': 90.0, 'frequency_floor': FLOOR, 'strain': 0.004}
    committee = {'a': EMT(), 'b': EMT(), 'c': EMT()}
    if given:
        crystals = {'p_0000': alloy, 'p_2000': alloy}
        equal = equal_energy_about_each(
            structures=crystals, calculator=EMT(), settings=EqualEnergy(**values), **common
        )
        found = disputed_about_each(
            structures=crystals, calculators=committee, settings=DisputedModes(**values), **common
        )
    else:
        pressures = {'atoms': alloy, 'pressures': [0.0, 2.0]}
        equal = equal_energy_frames(
            **pressures, calculator=EMT(), settings=EqualEnergy(**values), **common
        )
        found = disputed_frames(
            **pressures, calculators=committee, settings=DisputedModes(**values), **common
        )
    check_frames(found.frames, labelled=False)
    for one, other in zip(found.frames, equal.frames, strict=True):
        assert (one.positions == other.positions).all()
        assert (one.cell.array == other.cell.array).all()
        assert one.info['frame_id'] == other.info['frame_id']
        assert one.info['method'] == 'disputed-modes'
    assert found.floored == equal.floored
    assert found.lowest == equal.lowest
    assert set(found.disputes) == {'p_0000', 'p_2000'}
    for cells in found.disputes.values():
        assert (cells[0].shares == 1).all()
        assert spectrum_spread(list(cells.values())) < 1e-6
        assert most_disputed_modes(cells) == []


def test_the_first_by_name_is_followed():
    """Its relaxation and modes; the order in which members are given does not matter."""
    committee = members(12.0, 13.0)
    turned = dict(reversed(committee.items()))
    assert write_frames(about_each(committee).frames) == write_frames(about_each(turned).frames)
    other = {'m0': committee['m1'], 'm1': committee['m0']}
    stretch = [about_each(one).disputes['p_0000'][0].frequencies[-1] for one in (committee, other)]
    assert stretch[1] / stretch[0] == pytest.approx(1.0, abs=0.05)
    assert stretch[1] != stretch[0]


def test_the_seed_decides_the_bytes_and_shares_matter():
    committee = members(12.0, 13.0)

    def text(**changes):
        given = {'temperature': 60.0, 'frequency_floor': FLOOR, 'strain': 0.002}
        seed = changes.pop('seed', 1)
        sample = about_each(committee, settings=DisputedModes(**(given | changes)), seed=seed)
        return write_frames(sample.frames)

    assert text() == text()
    assert len({text(), text(seed=2), text(least_share=0.5), text(largest_share=2.0)}) == 4


def test_the_worst_modes_are_reported_first():
    sample = about_each(members(12.0, 12.5))
    rows = most_disputed_modes(sample.disputes['p_0000'], count=5)
    assert len(rows) == 5
    assert [row['share'] for row in rows] == pytest.approx([3.0, 3.0, 3.0, 0.25, 0.25])
    assert sum(row['part'] for row in rows) == pytest.approx(1.0)
    assert rows[0]['sigma'] > 10 > 1e-3 > rows[3]['sigma']
    assert rows[0]['elements']['H'] == pytest.approx(MASSES[0] / MASSES[:2].sum(), rel=1e-4)
    assert rows[0]['cell'] == 0


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'least_share': 2.0, 'largest_share': 1.5}, 'least_share'),
        ({'least_share': -0.1}, 'least_share'),
        ({'largest_share': 0.9}, 'largest_share'),
        ({'temperature': -1.0}, 'temperature'),
        ({'strain': 0.5}, 'strain'),
    ],
)
def test_wrong_settings_are_refused(changes, words):
    values = {'temperature': 60.0, 'frequency_floor': FLOOR, 'strain': 0.0} | changes
    with pytest.raises(InputError, match=words):
        about_each(members(12.0, 13.0), settings=DisputedModes(**values))


def test_one_member_and_atoms_no_neutron_table_has_are_refused():
    with pytest.raises(InputError, match='committee of 1 disputes nothing'):
        about_each(members(12.0))
    with pytest.raises(InputError, match='committee of 1'):
        dispute_of(members(12.0))
    strange = pairs()
    strange.symbols[0] = 'Po'
    with pytest.raises(StructureError, match='cross-section of Po'):
        disputed_frames(
            atoms=strange,
            calculators=members(12.0, 13.0),
            pressures=[0.0],
            cells=[sampling_cell(supercell_matrix=UNIT, count=1)],
            settings=SETTINGS,
            seed=1,
            prefix='d',
        )


def test_amplitudes_of_each_mode_by_its_own_temperature():
    frequencies, heat = np.array([100.0, 400.0]), np.array([30.0, 240.0])
    found = equal_energy_amplitudes(
        frequencies=frequencies, temperature=heat, frequency_floor=FLOOR
    )
    energies = 0.5 * (found * frequencies / WAVENUMBER) ** 2
    assert energies == pytest.approx(units.kB * heat, rel=1e-5)
