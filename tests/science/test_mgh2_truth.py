"""The stored DFT truth of MgH2 agrees with itself and with what rutile must be."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.gamma_modes import gamma_modes
from aiida_insbench.science.phonons import force_constants_from_frozen_phonon
from aiida_insbench.science.relaxation import space_group
from aiida_insbench.science.structures import atoms_from_dict

TRUTH = Path(__file__).parents[1] / 'benchmarks' / 'data' / 'mgh2_truth.json'
#: Optical modes of rutile at Γ by group theory.
OPTICAL = {'A1g': 1, 'A2g': 1, 'B1g': 1, 'B2g': 1, 'Eg': 2, 'A2u': 1, 'B1u': 2, 'Eu': 6}


@pytest.fixture(scope='module')
def truth():
    return json.loads(TRUTH.read_text(encoding='utf-8'))


@pytest.mark.parametrize('label', ['p_0000', 'p_1000', 'p_2000', 'p_3000'])
def test_frames_of_the_truth_give_its_modes(truth, label):
    frames = read_frames(truth['frames'])
    check_frames(frames, labelled=True)
    own = [frame for frame in frames if frame.info['frame_id'].startswith(f'fp_{label}_')]
    found = gamma_modes(phonon=force_constants_from_frozen_phonon(own))
    optical = np.delete(found.frequencies, found.acoustic)
    stored = truth['pressures'][label]['modes']
    assert optical == pytest.approx([mode['cm1'] for mode in stored], abs=0.01)
    symbols = [mode['irrep'] for mode in stored]
    assert {symbol: symbols.count(symbol) for symbol in OPTICAL} == OPTICAL
    atoms = atoms_from_dict(truth['pressures'][label]['structure'])
    assert space_group(atoms=atoms, symprec=1e-4) == 'P4_2/mnm (136)'


def test_displacement_and_threshold_are_converged_to_1_cm1(truth):
    found = truth['convergence']['at_the_cell_of_0_gpa']
    known = np.array([mode['cm1'] for mode in found['as it is']])
    for name in ('displacement 0.005 Å', 'displacement 0.02 Å', 'conv_thr 1e-13 Ry'):
        assert np.abs([mode['cm1'] for mode in found[name]] - known).max() < 1.0
