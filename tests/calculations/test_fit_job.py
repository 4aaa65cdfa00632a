"""Job files of the fit, read by the stage that will get them."""

import json

import numpy as np
import pytest
from aiida.orm import Dict
from ase.stress import voigt_6_to_full_3x3_stress
from ase.units import GPa
from displaced_nodes import SQRT2, UNIT, phonopy_data, trajectory
from test_job_files import prepare, refusal

from aiida_insbench.calculations.fit import FitCalculation
from aiida_insbench.jobs import fit as fit_stage
from aiida_insbench.jobs.progress import Progress


class TestFit:
    def test_job(self, tmp_path):
        forces = np.zeros((6, 3))
        forces[2] = [0.003, 0.0, -0.004]
        stress = voigt_6_to_full_3x3_stress([2.0, 2.1, 1.9, 0.01, 0, 0])
        inputs = {
            'phonopy_data': {'p_2000': phonopy_data(), 'm_0500': phonopy_data(matrix=UNIT, a=4.5)},
            'relaxations': {'p_2000': trajectory(forces, stress=stress, energy=-15.25)},
            'settings': Dict({'mesh': [2, 2, 2], 'max_residual': 0.9}),
        }
        job, files = prepare(FitCalculation, tmp_path, **inputs)
        assert files == [('[pm]_*.json', '.', 0), ('[pm]_*.npz', '.', 0)]
        assert set(job) == {'schema', 'stage', 'crystals', 'settings'}
        entry = job['crystals']['p_2000']
        assert entry['supercell_matrix'] == SQRT2
        assert entry['symprec'] == 1e-4
        assert entry['relaxation']['energy'] == -15.25
        assert entry['relaxation']['residual_force'] == pytest.approx(0.005)
        assert np.array(entry['relaxation']['stress']) / GPa == pytest.approx(
            [-2.0, -2.1, -1.9, -0.01, 0, 0]
        )
        assert job['crystals']['m_0500']['relaxation'] is None
        found = fit_stage.run(job, tmp_path, Progress(tmp_path, 'fit'))
        assert found['finished'] == ['m_0500', 'p_2000']

    def test_springs_give_their_modes(self, tmp_path):
        """Springs to the places: the sum rule takes the rigid motion, k (δ − 1/n); where hydrogen
        moves alone and its sum is zero, ω² = k/m stays."""
        inputs = {'phonopy_data': {'p_0000': phonopy_data(springs=5.0)}}
        job, _ = prepare(FitCalculation, tmp_path, **inputs)
        job['settings']['max_residual'] = 0.5
        fit_stage.run(job, tmp_path, Progress(tmp_path, 'fit'))
        gamma = json.loads((tmp_path / 'p_0000.json').read_text())['gamma']['frequencies']
        hydrogen = np.sqrt(5.0 / 1.00794) * 521.4709
        assert max(gamma) == pytest.approx(hydrogen, rel=1e-4)

    def test_refusals(self):
        label = {'p_0000': phonopy_data()}
        message = refusal(
            FitCalculation,
            phonopy_data=label,
            relaxations={'p_9000': trajectory(np.zeros((6, 3)))},
        )
        assert '`relaxations` has p_9000, of which `phonopy_data` has no forces' in message
        message = refusal(FitCalculation, phonopy_data={'high': phonopy_data()})
        assert 'not a pressure label' in message
