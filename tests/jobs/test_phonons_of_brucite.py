"""The stored potential of brucite through the `phonons` stage: its libration goes red."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import numpy as np
import pytest

from aiida_insbench.jobs.program import run_stage

pytestmark = pytest.mark.real
DATA = Path(__file__).parents[1] / 'benchmarks' / 'data'


def test_shifts_have_the_signs_of_its_own_dft(tmp_path):
    """All of Γ that DFT moves by more than 10 cm⁻¹ between 0 and 10 GPa moves the same way."""
    truth = json.loads((DATA / 'brucite.json').read_text(encoding='utf-8'))['truth']['pressures']
    packed = (DATA / 'brucite_potential.safetensors.xz').read_bytes()
    (tmp_path / 'potential.safetensors').write_bytes(lzma.decompress(packed))
    (tmp_path / 'potential.json').write_bytes((DATA / 'brucite_potential.json').read_bytes())
    job = {
        'schema': 1,
        'stage': 'phonons',
        'potential': 'potential',
        'structure': truth['p_0000']['structure'],
        'pressures': [0.0, 10.0],
        'supercell_matrix': np.eye(3, dtype=int).tolist(),
        'settings': {'mesh': [1, 1, 1]},
    }
    (tmp_path / 'job.json').write_text(json.dumps(job))
    assert run_stage('phonons', tmp_path / 'job.json') == 0
    found, known = {}, {}
    for label in ('p_0000', 'p_10000'):
        record = json.loads((tmp_path / f'{label}.json').read_text(encoding='utf-8'))
        assert record['space_group']['after'] == 'P-3m1 (164)'
        assert record['volume'] == pytest.approx(truth[label]['volume_a3'], rel=0.02)
        gamma = record['gamma']
        optical = set(range(15)) - set(gamma['acoustic'])
        found[label] = _by_irrep((gamma['irreps'][k], gamma['frequencies'][k]) for k in optical)
        known[label] = _by_irrep((one['irrep'], one['cm1']) for one in truth[label]['modes'])
    for irrep, before in known['p_0000'].items():
        shift = known['p_10000'][irrep] - before
        moved = found['p_10000'][irrep] - found['p_0000'][irrep]
        clear = np.abs(shift) > 10
        assert (np.sign(moved[clear]) == np.sign(shift[clear])).all(), (irrep, shift, moved)
    assert found['p_10000']['Eu'][0] - found['p_0000']['Eu'][0] < -60


def _by_irrep(modes):
    """Rising frequencies by irrep."""
    table = {}
    for irrep, frequency in modes:
        table.setdefault(irrep, []).append(frequency)
    return {irrep: np.sort(values) for irrep, values in table.items()}
