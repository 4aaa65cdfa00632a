"""Our spectra and OCLIMAX's against what VISION has measured: graphite and nanodiamond at 5 K."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiida_insbench.science.ins.instruments import get_instrument
from aiida_insbench.science.ins.mode_files import read_modes
from aiida_insbench.science.ins.options import PowderOptions
from aiida_insbench.science.ins.powder import powder_spectrum
from aiida_insbench.science.measured.read import read_all_blocks
from aiida_insbench.science.measured.reading_options import ReadingOptions

BANKS = ('backward', 'forward')
#: Mesh for the primitive cell given; the range of both simulations.
SAMPLES = {
    'graphite': {'primitive': [0.5, 0.5, 0.5], 'mesh': (40, 40, 40), 'range': (100.0, 2000.0)},
    'nanodiamonds': {'primitive': None, 'mesh': (12, 12, 12), 'range': (100.0, 2000.0)},
}


def vision_figures(work: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Pearson's r with the measurement: ours less OCLIMAX's, the smallest of samples and banks."""
    rows = {name: correlations(name, work / name, data) for name in SAMPLES}
    pairs = {f'{name}, {bank}': row[bank] for name, row in rows.items() for bank in BANKS}
    words = '; '.join(
        f'{key}: {ours:.3f} and {theirs:.3f}' for key, (ours, theirs) in pairs.items()
    )
    yield {
        'name': 'benchmark.vision_r_minus_oclimax',
        'value': float(f'{min(ours - theirs for ours, theirs in pairs.values()):.3g}'),
        'unit': '1',
        'goal': 0,
        'better': 'higher',
        'how': "Pearson's r with VISION's measured banks, 100 to 2000 cm⁻¹, of our spectrum from "
        'the stored force constants and of the stored one by OCLIMAX, worst difference: '
        f'{words}',
    }


def correlations(name: str, work: Path, data: Path) -> dict[str, tuple[float, float]]:
    """By bank: r of ours and of OCLIMAX's with the measured spectrum, on OCLIMAX's energies."""
    folder = data / 'ins_measured' / 'vision' / name
    stored = np.genfromtxt(
        folder / 'DFT' / '3-oclimax' / 'out_vis_inc_5K.csv', delimiter=',', skip_header=4
    ).T
    low, high = SAMPLES[name]['range']
    stored = stored[:, (stored[0] >= low) & (stored[0] < high)]
    (path,) = (folder / 'experiment').glob('*.dat')
    blocks = read_all_blocks(
        path.read_bytes(), name=path.name, options=ReadingOptions(instrument='VISION')
    )
    measured = {one.block: one for one in blocks}
    ours = simulated(name, work, folder)
    found = {}
    for row, bank in enumerate(BANKS, start=1):
        data_there = np.interp(stored[0], measured[bank].energy_transfer, measured[bank].intensity)
        mine = np.interp(stored[0], ours[0], ours[1][bank])
        found[bank] = (
            float(np.corrcoef(mine, data_there)[0, 1]),
            float(np.corrcoef(stored[row], data_there)[0, 1]),
        )
    return found


def simulated(name: str, work: Path, folder: Path) -> tuple[Any, dict[str, Any]]:
    """Energies and banks of our spectrum, with the published resolution of VISION."""
    work.mkdir(parents=True)
    source = folder / 'DFT' / '2-phonons'
    chosen = SAMPLES[name]['primitive'] or [1.0, 1.0, 1.0]
    rows = ''.join(f'- {row}\n' for row in np.diag(chosen).tolist())
    text = (source / 'phonopy_params.yaml').read_text(encoding='utf-8')
    (work / 'phonopy_params.yaml').write_text(f'primitive_matrix:\n{rows}{text}', encoding='utf-8')
    shutil.copyfile(source / 'FORCE_SETS', work / 'FORCE_SETS')
    modes = read_modes(
        work / 'phonopy_params.yaml', mesh=SAMPLES[name]['mesh'], shift=(0.5, 0.5, 0.5)
    )
    result = powder_spectrum(
        modes,
        instrument=get_instrument('VISION'),
        temperature=5.0,
        energy_range=(0.0, 2100.0),
        bin_width=1.0,
        options=PowderOptions(),
    )
    return result.spectrum.energy_transfer, result.spectrum.by_bank
