"""The stored DFT truth of brucite agrees with itself and with what P-3m1 must be."""

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

STORED = Path(__file__).parents[1] / 'benchmarks' / 'data' / 'brucite.json'
LABELS = ('p_0000', 'p_5000', 'p_10000')
#: Optical modes at Γ by group theory.
OPTICAL = {'A1g': 2, 'Eg': 4, 'A2u': 2, 'Eu': 4}


@pytest.fixture(scope='module')
def truth():
    return json.loads(STORED.read_text(encoding='utf-8'))['truth']


@pytest.mark.parametrize('label', LABELS)
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
    assert space_group(atoms=atoms, symprec=1e-4) == 'P-3m1 (164)'


def test_one_libration_goes_red_and_crosses_the_other(truth):
    """The lowest mode is Eg at 0 GPa, Eu above: sorted frequencies would hide half of the shift."""
    lowest = {
        irrep: [
            min(
                mode['cm1'] for mode in truth['pressures'][label]['modes'] if mode['irrep'] == irrep
            )
            for label in LABELS
        ]
        for irrep in ('Eg', 'Eu')
    }
    assert np.diff(lowest['Eg']) == pytest.approx([25, 22], abs=3)
    assert np.diff(lowest['Eu']) == pytest.approx([-48, -48], abs=3)
