"""The sample and phonons stages as programs, with a small MACE potential of random weights."""

import importlib
import json
import warnings

import numpy as np
import pytest
from ase.build import bulk

from aiida_insbench.jobs.program import run_stage
from aiida_insbench.science.finite_displacements import supercell_forces
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.mace_batches import BatchedPotential
from aiida_insbench.science.one_sided_displacements import LARGEST_NOISE, force_noise
from aiida_insbench.science.potentials import (
    calculator,
    potential_from_mace,
    read_potential,
    write_potential,
)
from aiida_insbench.science.sampling.optical_modes import optical_modes
from aiida_insbench.science.structures import atoms_from_dict, atoms_to_dict

pytestmark = pytest.mark.real
#: These random weights hold fcc aluminium together at 3.03 Å.
LATTICE = 3.05


@pytest.fixture(scope='module')
def potential():
    return aluminium()


def aluminium(*, scale=1.0):
    """A potential, its energies multiplied by `scale` save for the repulsion of pairs."""
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        # mace first: it prepares torch for what e3nn loads
        modules = importlib.import_module('mace.modules')
        o3, torch = importlib.import_module('e3nn.o3'), importlib.import_module('torch')
        block = modules.interaction_classes['RealAgnosticResidualInteractionBlock']
        before = torch.get_default_dtype()
        torch.set_default_dtype(torch.float64)
        try:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(0)
                model = modules.ScaleShiftMACE(
                    r_max=4.0,
                    num_bessel=4,
                    num_polynomial_cutoff=5,
                    max_ell=1,
                    interaction_cls=block,
                    interaction_cls_first=block,
                    num_interactions=2,
                    num_elements=1,
                    hidden_irreps=o3.Irreps('4x0e'),
                    MLP_irreps=o3.Irreps('4x0e'),
                    atomic_energies=np.zeros((1, 1)),
                    avg_num_neighbors=12.0,
                    atomic_numbers=[13],
                    correlation=1,
                    gate=torch.nn.functional.silu,
                    radial_MLP=[8],
                    radial_type='bessel',
                    atomic_inter_scale=[scale],
                    atomic_inter_shift=[0.0],
                    pair_repulsion=True,
                )
        finally:
            torch.set_default_dtype(before)
        return potential_from_mace(model, provenance={})


def run(stage, folder, potential, **entries):
    write_potential(potential, folder / 'potential')
    job = {
        'schema': 1,
        'stage': stage,
        'potential': 'potential',
        'structure': atoms_to_dict(bulk('Al', cubic=True, a=LATTICE)),
        'pressures': [0, 0.5],
    } | entries
    (folder / 'job.json').write_text(json.dumps(job))
    code = run_stage(stage, folder / 'job.json')
    return code, json.loads((folder / ('error.json' if code else 'result.json')).read_text())


def test_phonons(potential, tmp_path):
    code, record = run(
        'phonons',
        tmp_path,
        potential,
        supercell_matrix=np.eye(3, dtype=int).tolist(),
        settings={'mesh': [2, 2, 2]},
    )
    assert code == 0, record
    assert record['result']['finished'] == ['p_0000', 'p_0500']
    first, second = (
        json.loads((tmp_path / f'{label}.json').read_text()) for label in ('p_0000', 'p_0500')
    )
    assert second['volume'] < first['volume']
    assert second['space_group']['after'] == 'Fm-3m (225)'
    atoms = atoms_from_dict(second['structure'])
    atoms.calc = calculator(read_potential(tmp_path / 'potential'))
    assert atoms.get_potential_energy() == pytest.approx(second['energy'], abs=1e-8)
    assert max(abs(first['gamma']['frequencies'][i]) for i in first['gamma']['acoustic']) < 1e-2


def test_many_supercells_at_once_give_the_same_forces(potential):
    """What a GPU does, here on the CPU; and a MACE model is exact enough for tiny displacements."""
    atoms = bulk('Al', cubic=True, a=LATTICE).repeat(2)
    frames = []
    for seed in range(5):
        frames.append(atoms.copy())
        frames[-1].rattle(0.01, seed=seed)
    one_by_one = supercell_forces(supercells=frames, calculator=calculator(potential))
    engine = BatchedPotential(potential, device='cpu', batch=2)
    told = []
    at_once = supercell_forces(
        supercells=frames, calculator=engine, report=lambda *counts: told.append(counts)
    )
    assert at_once == pytest.approx(one_by_one, abs=1e-8)
    assert told == [(5, 5)]
    noise = force_noise(atoms=atoms, calculator=calculator(potential))
    assert noise < 0.01 * LARGEST_NOISE


def test_disputed_modes(potential, tmp_path):
    """Modes of fcc are given by symmetry: the spread is that of the members' own eigenvalues."""
    committee = {'one': potential, 'two': aluminium(scale=1.05)}
    for name, member in committee.items():
        write_potential(member, tmp_path / f'potential_{name}')
    cell = np.eye(3, dtype=int).tolist()
    code, record = run(
        'sample',
        tmp_path,
        potential,
        method='disputed-modes',
        potentials={name: f'potential_{name}' for name in committee},
        seed=2,
        prefix='d',
        cells=[{'supercell_matrix': cell, 'count': 4}],
        settings={'temperature': 5, 'frequency_floor': 10, 'strain': 0.0},
    )
    assert code == 0, record
    details = record['result']['details']
    assert details['frames_by_pressure'] == {'p_0000': 2, 'p_0500': 2}
    assert details['committee'] == ['one', 'two']
    crystal = atoms_from_dict(details['structures']['p_0000'])
    own = [
        optical_modes(atoms=crystal, calculator=calculator(one), supercell_matrix=cell)[1]
        for one in committee.values()
    ]
    assert own[0].frequencies[0] > 10
    squares = [modes.frequencies**2 for modes in own]
    sigma = np.std(squares, axis=0, ddof=1) / (2 * own[0].frequencies)
    rows = details['disputed_modes']['p_0000']
    assert len(rows) == 9
    assert sorted(row['sigma'] for row in rows) == pytest.approx(sorted(sigma), rel=1e-3)
    # one element: all modes are seen alike
    assert [row['neutron_weight'] for row in rows] == pytest.approx([1 / 9] * 9)
    spread = details['spectrum_spread']['p_0000']
    assert spread == pytest.approx(np.sqrt(np.mean(sigma**2)), rel=1e-3)
    shares = [row['share'] for row in rows]
    expected = np.clip(np.sort(sigma**2)[::-1] / spread**2, 0.25, 4.0)
    assert shares == pytest.approx(expected, rel=1e-2)
    assert shares[0] > 1 > shares[-1]
    code, record = run(
        'sample',
        tmp_path,
        potential,
        method='disputed-modes',
        structure=atoms_to_dict(bulk('Cu')),
        potentials={name: f'potential_{name}' for name in committee},
        seed=2,
        prefix='d',
        cells=[{'supercell_matrix': cell, 'count': 4}],
        settings={'temperature': 5, 'frequency_floor': 10, 'strain': 0.0},
    )
    assert code == 10
    assert '(potential one)` holds Cu' in record['message']


def test_equal_energy(potential, tmp_path):
    entries = {
        'method': 'equal-energy',
        'seed': 2,
        'prefix': 'r2',
        'cells': [{'supercell_matrix': np.eye(3, dtype=int).tolist(), 'count': 4}],
        'settings': {'temperature': 5, 'frequency_floor': 80, 'strain': 0.004},
    }
    code, record = run('sample', tmp_path, potential, **entries)
    assert code == 0, record
    result = record['result']
    assert result['n_frames'] == 4
    assert result['by_method'] == {'equal-energy': 4}
    assert result['details']['frames_by_pressure'] == {'p_0000': 2, 'p_0500': 2}
    assert set(result['details']['structures']) == {'p_0000', 'p_0500'}
    text = (tmp_path / 'frames.extxyz').read_text()
    check_frames(read_frames(text), labelled=False)
    code, _ = run('sample', tmp_path, potential, **entries)
    assert code == 0
    assert (tmp_path / 'frames.extxyz').read_text() == text


def test_unknown_elements_are_refused(potential, tmp_path):
    code, record = run(
        'phonons',
        tmp_path,
        potential,
        structure=atoms_to_dict(bulk('Cu', cubic=True)),
        supercell_matrix=np.eye(3, dtype=int).tolist(),
        settings={},
    )
    assert code == 10
    assert 'Cu' in record['message']
