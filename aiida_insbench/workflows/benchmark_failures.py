"""What counts as a failure of a potential at a pressure, with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from aiida.orm import ProcessNode

from aiida_insbench.science.pressure import pressure_labels
from aiida_insbench.science.scoring.failures import imaginary_failure


def failures_of_phonons(
    pressures: Iterable[float], found: Mapping[str, Any], message: str | None
) -> dict[str, str]:
    """Pressures without force constants: the crystal could not be relaxed there.

    Parameters
    ----------
    pressures : iterable of float
        Asked for, GPa.
    found : mapping
        Force constants by pressure label.
    message : str, optional
        What the process that should have made them says.
    """
    return {
        label: f'No relaxed crystal or phonons at {pressure:g} GPa: '
        f'{message or "no reason was given"}'
        for label, pressure in pressure_labels(list(pressures)).items()
        if label not in found
    }


def failures_of_modes(modes: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, str]:
    """Imaginary modes where DFT has none; to reproduce DFT's own instability is no failure.

    Modes on the mesh are compared where DFT has one, else at Γ.

    Parameters
    ----------
    modes, reference : mapping of str to Dict
        Output ``modes`` of `insbench.phonons` and of `insbench.reference`, by pressure label.
    """
    found = {}
    for label, node in modes.items():
        mine, theirs = node.get_dict(), None
        if label in reference:
            theirs = reference[label].get_dict()
        whole = theirs is None or _has_mesh(theirs)
        failure = imaginary_failure(
            _lowest(mine, whole=whole), None if theirs is None else _lowest(theirs, whole=whole)
        )
        if failure is not None:
            found[label] = failure.reason
    return found


def modes_behind(constants: Mapping[str, Any]) -> dict[str, Any]:
    """Output ``modes`` of the jobs that made force constants, by pressure label, where known."""
    found = {}
    for label, node in constants.items():
        outputs = node.creator.outputs if node.creator is not None else {}
        if 'modes' in outputs and label in outputs['modes']:
            found[label] = outputs['modes'][label]
    return found


def failures_of_dynamics(pressures: Iterable[float], verdict: Mapping[str, Any]) -> dict[str, str]:
    """Pressures at which molecular dynamics broke, by the verdict of `insbench.validate`."""
    wanted = pressure_labels(list(pressures))
    found: dict[str, str] = {}
    for row in verdict['tables'].get('dynamics', {}).get('runs', []):
        label, _, ensemble = row['label'].rpartition('_')
        if label in wanted and not row['sound']:
            found.setdefault(
                label,
                f'Molecular dynamics ({ensemble}) broke after {row["first_violation_ps"]:.3f} ps: '
                f'{", ".join(row["checks"])}.',
            )
    return found


def failures_of_spectra(
    constants: Mapping[str, Any], spectra: Mapping[str, Any], node: ProcessNode
) -> dict[str, str]:
    """Pressures with force constants but without a spectrum."""
    message = node.exit_message or 'no reason was given'
    return {label: f'No spectrum: {message}' for label in constants if label not in spectra}


def _has_mesh(record: Mapping[str, Any]) -> bool:
    """Whether a reference knows modes away from Γ."""
    return list(record['mesh']['mesh']) != [1, 1, 1]


def _lowest(record: Mapping[str, Any], *, whole: bool) -> Any:
    gamma = np.array(record['gamma']['frequencies'], dtype=float)
    if not whole:
        return gamma
    return np.append(gamma, float(record['mesh']['minimum_frequency']))
