"""Calcfunction of a campaign: what a round has brought, and whether another one follows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from aiida.engine import ExitCode, calcfunction
from aiida.orm import ArrayData, Dict

from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.campaign.calibration import calibrate
from aiida_insbench.science.campaign.spread import committee_distances, distance_by_label
from aiida_insbench.science.campaign.stopping import StoppingRules, decide, excess
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.scoring.spectra import Simulation

ERROR_BAD_INPUT = 210
#: Between the name of a member and a pressure, in link labels.
AT = '__at__'
#: Before the pressure label of a spectrum of the round before.
BEFORE = 'before_'
_FORCES = '__forces'
_NO_MEMBERS = ('reference', 'committee_mean', 'committee_spread')


@calcfunction  # type: ignore[untyped-decorator]
def assess_round(
    rules: Dict,
    facts: Dict,
    earlier: Dict,
    predictions: ArrayData | None = None,
    **spectra: SpectrumData,
) -> Dict | ExitCode:
    """Assess a round of a campaign by the spectra of its committee.

    Parameters
    ----------
    rules : Dict
        See `aiida_insbench.science.campaign.stopping.StoppingRules`.
    facts : Dict
        ``number`` of the round, ``labels`` (of pressures), ``members`` (the first leads),
        ``n_frames`` (labelled so far), ``next_frames``, ``core_hours``, ``asked`` (to stop).
    earlier : Dict
        ``excesses`` of the rounds before; None for infinite.
    predictions : ArrayData, optional
        Of `insbench.evaluate`: what the committee of the round before predicts for the frames of
        this one.
    spectra : SpectrumData
        As ``<member>__at__<label>``; under ``before_<label>`` the leader's of the round before.

    Returns
    -------
    Dict or ExitCode
        ``number``, ``n_frames``, ``core_hours``; ``committee`` and ``change`` (from the round
        before): distances by label, see `committee_distances`; ``judged_by``; ``excess`` (None for
        infinite); ``calibration`` (see `calibrate`) with ``expected_error_cm1`` by label;
        ``decision``: ``stop``, ``reason``, ``sentence``. 210 with the reason if they cannot be
        compared.
    """
    try:
        return Dict(
            _assessed(
                StoppingRules.from_dict(rules.get_dict()),
                facts.get_dict(),
                [math.inf if one is None else one for one in earlier.get_dict()['excesses']],
                _calibration(predictions),
                spectra,
            )
        )
    except InputError as exc:
        return ExitCode(ERROR_BAD_INPUT, f'The round cannot be assessed: {exc}')


def _assessed(
    rules: StoppingRules,
    facts: Mapping[str, Any],
    earlier: list[float],
    calibration: dict[str, Any] | None,
    spectra: Mapping[str, SpectrumData],
) -> dict[str, Any]:
    members, before = _sorted_out(facts['members'], spectra)
    committee = committee_distances(members, facts['labels']) if len(members) > 1 else {}
    leader = members[facts['members'][0]]
    change = distance_by_label(leader, before) if before else None
    judged = committee or change or {}
    value = excess(judged, rules)
    decision = decide(
        [*earlier, value],
        rules,
        n_frames=facts['n_frames'],
        next_frames=facts['next_frames'],
        core_hours=facts['core_hours'],
        asked=facts['asked'],
    )
    return {
        'number': facts['number'],
        'n_frames': facts['n_frames'],
        'core_hours': facts['core_hours'],
        'members': facts['members'],
        'committee': committee,
        'change': change,
        'judged_by': 'committee' if committee else 'change',
        'excess': value if math.isfinite(value) else None,
        'calibration': _with_expected_errors(calibration, committee),
        'decision': {
            'stop': decision.stop,
            'reason': decision.reason,
            'sentence': decision.sentence,
        },
    }


def _sorted_out(
    names: list[str], spectra: Mapping[str, SpectrumData]
) -> tuple[dict[str, dict[str, Simulation]], dict[str, Simulation]]:
    """Spectra of each member by label, and those of the round before."""
    members: dict[str, dict[str, Simulation]] = {name: {} for name in names}
    before = {}
    for key, node in spectra.items():
        simulation = Simulation(node.energy_transfer, node.total)
        if key.startswith(BEFORE):
            before[key.removeprefix(BEFORE)] = simulation
        else:
            name, _, label = key.partition(AT)
            members[name][label] = simulation
    return members, before


def _calibration(predictions: ArrayData | None) -> dict[str, Any] | None:
    if predictions is None:
        return None
    forces = {
        name.removesuffix(_FORCES): predictions.get_array(name)
        for name in predictions.get_arraynames()
        if name.endswith(_FORCES)
    }
    truth = forces['reference']
    return calibrate({key: one for key, one in forces.items() if key not in _NO_MEMBERS}, truth)


def _with_expected_errors(
    calibration: dict[str, Any] | None, committee: Mapping[str, Mapping[str, Any]]
) -> dict[str, Any] | None:
    """Distances within the committee times the factor, cm⁻¹."""
    if calibration is None or calibration['factor'] is None:
        return calibration
    expected = {
        label: calibration['factor'] * one['shift_cm1']
        for label, one in committee.items()
        if one['shift_cm1'] is not None
    }
    return {**calibration, 'expected_error_cm1': expected}
