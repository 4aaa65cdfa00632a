"""A benchmark as records that travel: an entry of a leaderboard, and metrics for ml-peg.

ml-peg (github.com/ddmms/ml-peg) builds its tables from results ``{metric: {model: value}}`` and
thresholds ``{metric: {good, bad, unit, tooltip}}`` in a ``metrics.yml``; both are given here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

SCHEMA = 1
_METRICS: dict[str, dict[str, Any]] = {
    'INS cost': {
        'good': 0.05,
        'bad': 1.0,
        'unit': None,
        'tooltip': 'Mean cost of INS spectra over all targets, 0 the same, 1 featureless; '
        'failures count as 1.',
    },
    'Failed targets': {
        'good': 0.0,
        'bad': 1.0,
        'unit': None,
        'tooltip': 'Share of targets without a sound spectrum.',
    },
    'INS-weighted frequency error': {
        'good': 3.0,
        'bad': 50.0,
        'unit': 'cm-1',
        'tooltip': 'Root mean square over Γ modes against DFT, weighted by neutron intensity.',
    },
}


def leaderboard_record(
    ranking: Mapping[str, Any],
    *,
    rules: Mapping[str, Any],
    potentials: Mapping[str, Mapping[str, Any]],
    crystal: str,
    software: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """One benchmark as JSON that can be compared with others of the same rules.

    Parameters
    ----------
    ranking : mapping
        See `benchmark_table`.
    rules : mapping
        Frozen rules, whose hash the record carries.
    potentials : mapping
        By name: ``uuid``, ``flavour``, ``elements``, ``sha256`` (of the weights), ``n_frames``.
    crystal : str
        Formula.
    software : mapping of str to str
        Versions.
    provenance : mapping
        Node identifiers.

    Returns
    -------
    dict
        ``schema``, ``protocol`` (name and hash of the rules), ``crystal``, ``targets`` (with DOI
        and hash of the file), ``entries`` (by rank), ``software``, ``provenance``,
        ``record_sha256``.
    """
    record = {
        'schema': SCHEMA,
        'protocol': {'name': ranking['version'], 'rules_sha256': digest(rules)},
        'crystal': crystal,
        'targets': ranking['cells'],
        'entries': [
            {
                **one,
                'frequency_error_cm1': ranking['frequency_errors'].get(one['name']),
                'potential': dict(potentials.get(one['name'], {})),
            }
            for one in ranking['ranked']
        ],
        'agreement': ranking['agreement'],
        'software': dict(software),
        'provenance': dict(provenance),
    }
    return {**record, 'record_sha256': digest(record)}


def ml_peg_metrics(ranking: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics as ml-peg takes them.

    Returns
    -------
    dict
        ``metrics``: thresholds by metric; ``results``: values by metric, then by model (None where
        there is none).
    """
    n_cells = max(len(ranking['cells']), 1)
    rows = ranking['ranked']
    results = {
        'INS cost': {one['name']: one['mean'] for one in rows},
        'Failed targets': {one['name']: len(one['failures']) / n_cells for one in rows},
        'INS-weighted frequency error': {
            one['name']: ranking['frequency_errors'].get(one['name']) for one in rows
        },
    }
    return {'metrics': _METRICS, 'results': results}


def digest(content: Any) -> str:
    """SHA-256 of JSON with sorted keys."""
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(',', ':'))
    return hashlib.sha256(text.encode()).hexdigest()
