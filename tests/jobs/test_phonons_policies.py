"""What the phonons stage can be asked for beyond one relaxation a pressure, with quick engines."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from ase import units
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.lj import LennardJones
from ase.spacegroup import crystal
from scipy.optimize import minimize_scalar

from aiida_insbench.jobs.phonon_task import read_task
from aiida_insbench.jobs.phonons import compute_pressures
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.science.errors import ConvergenceError, JobFileError
from aiida_insbench.science.phonon_mesh import mesh_modes
from aiida_insbench.science.phonons import calculate_force_constants
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict
from aiida_insbench.science.thermal import thermal_functions

sys.path.insert(0, str(Path(__file__).parents[1] / 'science'))
from test_imaginary_modes import DoubleWell, chain

ALLOY = bulk('Cu', cubic=True, a=3.75)
ALLOY.symbols[0] = 'Au'
# one free coordinate, and three modes of the irrep Eu that mix; EMT is slow on it
LOOSE = {'fmax': 0.02, 'stress_tolerance': 0.3}
RUTILE = crystal(
    ['Cu', 'Al'], [(0, 0, 0), (0.3, 0.3, 0)], spacegroup=136, cellpar=[5.75, 5.75, 3.7, 90, 90, 90]
)


def run(folder, engine, structure, **changes):
    """Result and records of a job."""
    job = {
        'potential': 'potential',
        'structure': atoms_to_dict(structure),
        'pressures': [0.0, 3.0],
        'supercell_matrix': np.eye(3).tolist(),
        **changes,
    }
    job['settings'] = {'mesh': [2, 2, 2], **changes.get('settings', {})}
    result = compute_pressures(
        task=read_task(job, folder),
        engine=engine,
        folder=folder,
        progress=Progress(folder, 'phonons'),
    )
    records = {
        path.stem: json.loads(path.read_text())
        for path in folder.glob('*_*.json')
        if path.stem != 'progress'
    }
    return result, records


def test_an_unstable_chain_is_followed_to_its_ground_state(tmp_path):
    """Double wells: y = ±½ alternating in twice the cell, and nothing imaginary is left."""
    settings = {'imaginary': 'follow', 'cell_policy': 'experimental', 'mesh': [4, 1, 1]}
    result, records = run(
        tmp_path,
        DoubleWell(),
        chain(),
        pressures=[0.0],
        structures={'p_0000': atoms_to_dict(chain())},
        supercell_matrix=np.diag([4, 1, 1]).tolist(),
        settings=settings,
    )
    assert result['finished'] == ['p_0000']
    record = records['p_0000']
    assert record['verdict'] == 'stable'
    found = atoms_from_dict(record['structure'])
    assert np.ptp(found.positions[:, 1]) == pytest.approx(1.0, abs=1e-3)
    [step] = record['followed']
    assert step['qpoint'] == [0.5, 0.0, 0.0]
    assert step['outcome'] == 'A lower structure was found.'
    assert step['enthalpy_gain_mev_atom'] == pytest.approx(250.0, abs=0.01)
    assert record['supercell_matrix'] == [[2, 0, 0], [0, 1, 0], [0, 0, 1]]


def test_an_imaginary_mode_is_a_verdict_where_it_is_not_followed(tmp_path):
    _, records = run(
        tmp_path,
        DoubleWell(),
        chain(),
        pressures=[0.0],
        structures={'p_0000': atoms_to_dict(chain())},
        supercell_matrix=np.diag([4, 1, 1]).tolist(),
        settings={'cell_policy': 'experimental', 'mesh': [4, 1, 1]},
    )
    record = records['p_0000']
    assert record['verdict'] == 'imaginary modes'
    assert record['followed'] == []
    worst = record['mesh']['worst_eigenvector']
    assert np.abs(worst['q']) == pytest.approx([0.5, 0, 0])
    assert worst['frequency'] == record['mesh']['minimum_frequency'] < -100
    vector = np.array(worst['real']) + 1j * np.array(worst['imaginary'])
    assert np.abs(vector[0]) == pytest.approx([0, 1, 0], abs=1e-6)


def neon():
    return LennardJones(sigma=2.75, epsilon=0.0031, rc=7.0, ro=6.0, smooth=True)


@pytest.mark.parametrize('temperature', [0.0, 20.0])
def test_a_crystal_stands_at_its_pressure_with_its_vibrations(tmp_path, temperature):
    """Neon of Lennard-Jones, of which zero-point motion blows up the volume by a tenth and more.

    Against the minimum of G(V) = E + F + PV over volumes, computed without the job.
    """
    pressures = [1.0, 1.5]
    start = bulk('Ne', 'fcc', a=4.3)
    settings = {
        'cell_policy': 'vibrational',
        'temperature': temperature,
        'mesh': [6, 6, 6],
        'pressure_tolerance': 0.005,
    }
    matrix = (2 * np.eye(3, dtype=int)).tolist()
    result, records = run(
        tmp_path, neon(), start, pressures=pressures, supercell_matrix=matrix, settings=settings
    )
    assert result['finished'] == ['p_1000', 'p_1500']
    free = gibbs_parts(matrix, temperature)
    for pressure, label in zip(pressures, ('p_1000', 'p_1500'), strict=True):
        record = records[label]
        total = record['static_pressure'] + record['vibrational_pressure']
        assert record['pressure'] == pressure
        assert total == pytest.approx(pressure, abs=0.005)
        assert record['vibrational_pressure'] > 0.2
        best = minimize_scalar(
            lambda volume, p=pressure: np.polyval(free, volume) + p * units.GPa * volume,
            bounds=(14.0, 20.0),
            method='bounded',
        )
        # 5 MPa of a bulk modulus of about 10 GPa
        assert record['volume'] == pytest.approx(best.x, rel=2e-3)


def gibbs_parts(matrix, temperature):
    """E + F of neon as a polynomial in V, from eleven volumes."""
    volumes, energies = np.linspace(14.0, 20.0, 11), []
    for volume in volumes:
        atoms = bulk('Ne', 'fcc', a=(4 * volume) ** (1 / 3))
        phonon = calculate_force_constants(atoms=atoms, calculator=neon(), supercell_matrix=matrix)
        mesh = mesh_modes(phonon=phonon, mesh=[6, 6, 6])
        functions = thermal_functions(
            mesh.frequencies, mesh.weights, temperatures=np.array([temperature])
        )
        atoms.calc = neon()
        energies.append(atoms.get_potential_energy() + functions.free_energy[0])
    return np.polyfit(volumes, energies, 6)


def test_an_unstable_crystal_has_no_vibrational_pressure(tmp_path):
    with pytest.raises(ConvergenceError, match='imaginary modes: no free energy'):
        run(
            tmp_path,
            EMT(),
            bulk('Cu', 'sc', a=2.4),
            pressures=[0.0, 1.0],
            supercell_matrix=np.diag([2, 2, 2]).tolist(),
            settings={'cell_policy': 'vibrational'},
        )


def test_measured_cells_are_kept_and_their_static_pressure_reported(tmp_path):
    cells = {'p_0000': ALLOY, 'p_3000': ALLOY.copy()}
    cells['p_3000'].set_cell(ALLOY.cell * 0.99, scale_atoms=True)
    _, records = run(
        tmp_path,
        EMT(),
        ALLOY,
        structures={label: atoms_to_dict(atoms) for label, atoms in cells.items()},
        settings={'cell_policy': 'experimental'},
    )
    for label, atoms in cells.items():
        record = records[label]
        assert np.array(record['structure']['cell']) == pytest.approx(atoms.cell.array)
        atoms.calc = EMT()
        assert record['static_pressure'] == pytest.approx(
            -atoms.get_stress()[:3].mean() / units.GPa
        )
    assert records['p_3000']['pressure'] == 3.0
    assert records['p_3000']['static_pressure'] != pytest.approx(3.0, abs=0.1)


def test_another_structure_can_begin_a_pressure(tmp_path):
    """Two phases in one list: each pressure has the atoms it was given."""
    other = bulk('Cu', 'bcc', a=2.9, cubic=True)
    result, records = run(
        tmp_path,
        EMT(),
        bulk('Cu', cubic=True),
        pressures=[0.0, 3.0, 6.0],
        structures={'p_3000': atoms_to_dict(other)},
        settings={'fix_symmetry': True},
    )
    assert result['missing'] == []
    counts = {label: len(record['structure']['symbols']) for label, record in records.items()}
    assert counts == {'p_0000': 4, 'p_3000': 2, 'p_6000': 2}
    assert records['p_3000']['space_group']['before'] == 'Im-3m (229)'
    # as large a supercell as that of the first crystal, 3.6 Å
    assert records['p_3000']['supercell_matrix'] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
    assert any('jumps to another structure' in text for text in result['warnings'])


def test_modes_that_are_lost_get_a_pressure_between(tmp_path):
    """With an overlap of almost 1 asked for, two modes of one irrep that mix are lost."""
    settings = {**LOOSE, 'adaptive_overlap': 0.9999, 'most_inserted': 1}
    result, records = run(tmp_path, EMT(), RUTILE, pressures=[2.0, 6.0], settings=settings)
    assert result['inserted'] == ['p_4000']
    assert set(records) == {'p_2000', 'p_6000', *result['inserted']}
    assert result['missing'] == []
    nothing, _ = run(
        tmp_path, EMT(), RUTILE, pressures=[2.0, 6.0], settings={**LOOSE, 'adaptive_overlap': 0.01}
    )
    assert nothing['inserted'] == []


def test_the_strained_state_lies_between(tmp_path):
    result, records = run(
        tmp_path, EMT(), RUTILE, pressures=[2.0, 5.0], settings={**LOOSE, 'strained': True}
    )
    assert not [text for text in result['warnings'] if 'No strained state' in text]
    strained = records['strained_p_5000']
    assert (strained['from'], strained['to']) == ('p_2000', 'p_5000')
    middle, first, last = (
        atoms_from_dict(one['structure'])
        for one in (strained, records['p_2000'], records['p_5000'])
    )
    assert middle.cell.array == pytest.approx(last.cell.array)
    assert middle.get_scaled_positions() == pytest.approx(first.get_scaled_positions())
    assert strained['largest_move'] > 1e-4
    with np.load(tmp_path / 'strained_p_5000.npz') as arrays:
        assert arrays['force_constants'].shape == (6, 6, 3, 3)


def test_a_sweep_back_finds_the_same_crystals(tmp_path):
    result, _ = run(tmp_path, EMT(), ALLOY, pressures=[0.0, 2.0, 4.0], settings={'sweep': 'both'})
    assert set(result['hysteresis']) == {'p_0000', 'p_2000'}
    for one in result['hysteresis'].values():
        assert one['same']
        assert one['volume'][0] == pytest.approx(one['volume'][1], rel=1e-4)
    assert result['warnings'] == []


def test_a_falling_sweep_begins_at_the_top(tmp_path):
    run(tmp_path, EMT(), ALLOY, settings={'sweep': 'falling'})
    lines = [json.loads(line) for line in (tmp_path / 'progress.jsonl').read_text().splitlines()]
    finished = [line['message'] for line in lines if line['message'].endswith('finished')]
    assert finished == ['p_3000 finished', 'p_0000 finished']


def test_a_larger_supercell_is_compared(tmp_path):
    result, records = run(
        tmp_path, EMT(), ALLOY, pressures=[0.0], settings={'check_supercell': True}
    )
    found = result['supercell_convergence']
    assert found['label'] == 'p_0000'
    assert found['supercell_matrix'] == np.eye(3).tolist()
    assert found['against'] == (2 * np.eye(3)).tolist()
    larger = calculate_force_constants(
        atoms=atoms_from_dict(records['p_0000']['structure']),
        calculator=EMT(),
        supercell_matrix=2 * np.eye(3),
    )
    gamma = np.array(records['p_0000']['gamma']['frequencies'])
    changes = np.asarray(larger.run_qpoints([[0, 0, 0]]).frequencies)[0] * 33.35641 - gamma
    assert found['gamma_cm1']['max'] == pytest.approx(np.abs(changes).max(), abs=0.01)
    assert found['mesh_cm1']['max'] >= found['mesh_cm1']['rms'] > 0


@pytest.mark.parametrize('route', ['one-sided', 'random', 'auto'])
def test_all_routes_of_displacements_agree(tmp_path, route):
    """EMT is exact to 15 digits: `auto` takes tiny displacements."""
    frequencies = []
    for name in ('finite', route):
        folder = tmp_path / name
        folder.mkdir()
        _, records = run(folder, EMT(), ALLOY, pressures=[0.0], settings={'displacements': name})
        frequencies.append(records['p_0000']['gamma']['frequencies'])
    assert frequencies[1][3:] == pytest.approx(frequencies[0][3:], abs=0.2)
    assert frequencies[1] != frequencies[0]


def test_tension_is_allowed_and_said(tmp_path):
    result, records = run(tmp_path, EMT(), ALLOY, pressures=[1.0, -0.5])
    assert set(records) == {'m_0500', 'p_1000'}
    assert [text for text in result['warnings'] if 'm_0500 is under tension' in text]


@pytest.mark.parametrize('route', ['finite', 'auto'])
def test_a_resumed_job_gives_the_same_numbers(tmp_path, route):
    """Every digit, whichever pressures an earlier run finished; their arrays come as files."""
    settings = {**LOOSE, 'displacements': route, 'strained': True}
    whole = tmp_path / 'whole'
    whole.mkdir()
    pressures = [2.0, 3.0, 5.0]
    _, expected = run(whole, EMT(), RUTILE, pressures=pressures, settings=settings)
    for known in (['p_2000'], ['p_2000', 'p_3000']):
        folder = tmp_path / '_'.join(known)
        folder.mkdir()
        for label in known:
            (folder / f'finished_{label}.npz').write_bytes((whole / f'{label}.npz').read_bytes())
        result, found = run(
            folder,
            EMT(),
            RUTILE,
            pressures=pressures,
            settings=settings,
            finished={label: expected[label]['structure'] for label in known},
            finished_arrays={label: f'finished_{label}.npz' for label in known},
        )
        assert result['skipped'] == known
        for label, record in found.items():
            assert record == expected[label]


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        ({'settings': {'imaginary': 'ignore'}}, 'report or follow'),
        ({'settings': {'cell_policy': 'measured'}}, 'static or vibrational or experimental'),
        ({'settings': {'cell_policy': 'experimental'}}, 'needs a cell at every pressure'),
        ({'settings': {'cell_policy': 'vibrational', 'sweep': 'both'}}, 'a cell of its own'),
        ({'settings': {'cell_policy': 'vibrational', 'adaptive_overlap': 0.5}}, 'does not go with'),
        ({'settings': {'sweep': 'up'}}, 'rising or falling or both'),
        ({'settings': {'displacements': 'symfc'}}, 'finite or one-sided or random or auto'),
        ({'settings': {'adaptive_overlap': 1.0}}, 'below 1'),
        ({'settings': {'temperature': -1.0}}, 'must not be below 0'),
        ({'settings': {'pressure_tolerance': 0.0}}, 'must be above 0'),
        ({'structures': {'p_9000': atoms_to_dict(ALLOY)}}, 'names p_9000'),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path, changes, named):
    with pytest.raises(JobFileError, match=named):
        run(tmp_path, EMT(), ALLOY, **changes)
