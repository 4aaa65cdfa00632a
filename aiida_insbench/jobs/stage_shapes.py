"""Kinds of the entries of each stage's job file.

Which of them must be there is said by the stages; null stands for one that is not.
"""

from __future__ import annotations

from typing import Any

from aiida_insbench.jobs.json_shapes import (
    Shape,
    anything,
    dict_of,
    entries,
    file,
    flag,
    list_of,
    number,
    optional,
    text,
    whole,
)

_VECTOR = list_of(number, 3)
_MATRIX = list_of(list_of(whole, 3), 3)
_CRYSTAL = entries(
    {'symbols': list_of(text), 'cell': list_of(_VECTOR, 3), 'positions': list_of(_VECTOR)},
    {'pbc': list_of(flag, 3)},
)
_CRYSTALS = dict_of(_CRYSTAL)
_FILES = dict_of(file)
_SETTINGS = dict_of(anything)
_ISOTOPES = dict_of(anything)
_ERRORS: dict[str, Shape] = dict.fromkeys(
    ('rmse_energy_mev_atom', 'rmse_forces_mev_a', 'rmse_stress_gpa'), number
)
_EVALUATION = entries({
    **_ERRORS,
    'by_element': dict_of(entries({'rmse_forces_mev_a': number})),
    'by_pressure': dict_of(entries(_ERRORS)),
})  # fmt: skip
_VIOLATION = entries({
    'check': text, 'value': anything, 'limit': anything, 'unit': text, 'time': number,
    'step': whole, 'reason': text,
})  # fmt: skip
_RUN = entries(
    {
        'label': text, 'pressure': number, 'ensemble': text, 'length_ps': number, 'n_atoms': whole,
        'timestep_fs': number, 'temperature': number, 'sound': flag,
        'violations': list_of(_VIOLATION), 'averages': optional(dict_of(anything)),
    },
    {'density': optional(dict_of(anything))},
)  # fmt: skip
_SPREADS = entries({'frames': file, 'predictions': file})
_RELAXATION = entries(
    {},
    {
        'energy': optional(number),
        'stress': optional(list_of(number, 6)),
        'residual_force': optional(number),
    },
)

#: By stage, the entries that it reads.
SHAPES: dict[str, dict[str, Shape]] = {
    'sample': {
        'method': text, 'prefix': text, 'settings': _SETTINGS, 'structure': _CRYSTAL,
        'structures': _CRYSTALS, 'pressures': list_of(number), 'seed': whole,
        'cells': list_of(entries({'supercell_matrix': _MATRIX, 'count': whole})),
        'potential': file, 'potentials': _FILES, 'trajectory': file,
    },
    'select': {
        'method': text, 'pools': _FILES, 'known': file, 'count': whole, 'descriptors': text,
        'potentials': _FILES, 'seed': whole, 'settings': _SETTINGS,
    },
    'train': {
        'dataset': file, 'validation': file, 'replay': file, 'start': file, 'settings': _SETTINGS,
        'provenance': dict_of(anything), 'resumed': flag,
    },
    'evaluate': {'dataset': file, 'potentials': _FILES, 'settings': _SETTINGS},
    'phonons': {
        'potential': file, 'structure': _CRYSTAL, 'structures': _CRYSTALS,
        'pressures': list_of(number), 'supercell_matrix': _MATRIX, 'settings': _SETTINGS,
        'finished': _CRYSTALS, 'finished_arrays': _FILES,
    },
    'fit': {
        'crystals': dict_of(entries({}, {
            'structure': _CRYSTAL, 'supercell_matrix': _MATRIX, 'symprec': number, 'forces': file,
            'relaxation': optional(_RELAXATION),
        })),
        'settings': _SETTINGS,
    },
    'md': {
        'potential': file, 'structures': _CRYSTALS, 'supercell_matrix': _MATRIX,
        'settings': entries({}, {'thresholds': dict_of(anything), 'isotopes': _ISOTOPES}),
        'finished': list_of(text),
    },
    'validate': {
        'pressures': list_of(text), 'runs': dict_of(_RUN), 'densities': _FILES, 'phonons': _FILES,
        'supercell_matrix': _MATRIX, 'isotopes': _ISOTOPES, 'evaluation': _EVALUATION,
        'pressures_learnt': list_of(number), 'structures': _CRYSTALS, 'dft_structures': _CRYSTALS,
        'spreads': entries({'runs': _SPREADS, 'training': _SPREADS}), 'limits': dict_of(number),
    },
    'ins': {'supercell_matrix': _MATRIX, 'sum_rule': text},  # it checks the rest itself
    'analyse': {
        'phonons': dict_of(optional(_FILES)), 'reference_phonons': _FILES, 'reference': file,
        'reference_structures': _CRYSTALS, 'strained': dict_of(_FILES), 'settings': _SETTINGS,
    },
}  # fmt: skip


def check_shape(job: dict[str, Any], stage: str) -> None:
    """Check the kinds of a job file's entries.

    Raises
    ------
    JobFileError
        Naming the first that is of another kind, and where it stands.
    """
    for name, shape in SHAPES[stage].items():
        if job.get(name) is not None:
            shape(job[name], name)
