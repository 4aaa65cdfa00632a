"""What is kept with a trained potential: level of theory, licence, what it was made from."""

from __future__ import annotations

from typing import Any

from aiida_insbench.science.dft_levels import compare_levels
from aiida_insbench.science.potential_files import Potential


def training_provenance(
    given: dict[str, Any], strategy: str, start: Potential | None
) -> tuple[dict[str, Any], list[str]]:
    """Compose the provenance of a potential to be trained, and warn where levels differ.

    Parameters
    ----------
    given : dict
        ``dft_level`` of the training frames and ``replay_dft_level`` of replayed ones, if known.
    strategy : str
        Of the training.
    start : Potential, optional
        What it starts from; its licence is that of what is made from it.

    Returns
    -------
    dict
        ``dft_level``, ``training`` (``strategy``; of a fine-tuning ``start``: SHA-256, level of
        theory and source of the start potential; ``warnings``) and ``licence``.
    list of str
        One sentence for each pair of levels that differ or cannot be compared.
    """
    kept = {key: value for key, value in given.items() if key != 'replay_dft_level'}
    training: dict[str, Any] = {'strategy': strategy}
    if start is None:
        return {**kept, 'training': training}, []
    origin = start.metadata.provenance
    level = _level(origin.get('dft_level'))
    levels = {'the dataset': given.get('dft_level')}
    if 'replay_dft_level' in given:
        levels['the replay'] = given['replay_dft_level']
    warnings = [
        compare_levels(level, _level(other), names=('the start potential', name))
        for name, other in levels.items()
    ]
    found = [warning for warning in warnings if warning]
    training |= {
        'start': {
            'sha256': start.metadata.weights_sha256,
            'dft_level': level,
            'source': origin.get('source'),
        },
        'warnings': found,
    }
    licence = {'licence': origin['licence']} if 'licence' in origin else {}
    return {**licence, **kept, 'training': training}, found


def _level(given: object) -> dict[str, Any]:
    return given if isinstance(given, dict) else {}
