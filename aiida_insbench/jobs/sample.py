"""``insbench-job sample``: structures to be labelled, written to ``frames.extxyz``.

The methods and what each reads are in `aiida_insbench.jobs.sample_settings`, their science in
`aiida_insbench.science.sampling`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiida_insbench.jobs import sample_crystals, sample_modes
from aiida_insbench.jobs.progress import Progress
from aiida_insbench.jobs.sample_inputs import Sampled
from aiida_insbench.jobs.sample_settings import find_method, missing_inputs
from aiida_insbench.jobs.settings import require
from aiida_insbench.science.errors import InputError, JobFileError
from aiida_insbench.science.frames import check_frames, write_frames

FRAMES_FILE = 'frames.extxyz'
_PREFIX = re.compile(r'^[a-zA-Z][a-zA-Z0-9_]*$')
_DRAW: dict[str, Callable[[dict[str, Any], Path, Progress], Sampled]] = {
    'strain-rattle': sample_crystals.strain_rattle,
    'equal-energy': sample_modes.equal_energy,
    'frozen-phonon': sample_crystals.frozen_phonon,
    'molecular-rattle': sample_crystals.molecular_rattle,
    'thermal': sample_modes.thermal,
    'disputed-modes': sample_modes.disputed_modes,
    'trajectory': sample_crystals.trajectory,
    'gas-molecules': sample_crystals.gas_molecules,
    'isolated-atoms': sample_crystals.isolated_atoms,
}


def run(job: dict[str, Any], folder: Path, progress: Progress) -> dict[str, Any]:
    """Draw frames.

    Parameters
    ----------
    job : dict
        ``method``, ``prefix``, ``settings`` and what the method needs.
    folder : Path
        Where files are read and written.
    progress : Progress
        Log.

    Returns
    -------
    dict
        ``n_frames``, ``by_method``, ``refused``, ``details``.

    Raises
    ------
    InputError
        If the job file is wrong.
    ConvergenceError
        If a relaxation fails or frames keep having atoms too close.
    """
    method, prefix = require(job, 'method', 'prefix')
    find_method(method)
    if not isinstance(prefix, str) or not _PREFIX.match(prefix):
        raise JobFileError(f'`prefix` is {prefix!r}; give letters, digits, _, a letter first.')
    problem = missing_inputs(method, job)
    if problem:
        raise JobFileError(problem)
    frames, refused, details = _DRAW[method]({'settings': {}, **job}, folder, progress)
    if not frames:
        raise InputError('No frame was asked for: all counts are 0.')
    check_frames(frames, labelled=False, name=FRAMES_FILE)
    partial = folder / f'{FRAMES_FILE}.part'
    partial.write_text(write_frames(frames), encoding='utf-8')
    partial.replace(folder / FRAMES_FILE)
    progress.report('frames written', step=len(frames), total=len(frames))
    by_method = Counter(str(frame.info['method']) for frame in frames)
    return {
        'n_frames': len(frames),
        'by_method': dict(by_method),
        'refused': refused,
        'details': details,
    }
