"""What the stage ``analyse`` says of each source by itself, beside its table of modes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phonopy import Phonopy

from aiida_insbench.jobs.analyse_phonons import DFT
from aiida_insbench.jobs.analyse_settings import AnalyseSettings
from aiida_insbench.jobs.analyse_sources import Source, segment_tables
from aiida_insbench.science.explained_shifts import explain_shifts
from aiida_insbench.science.gamma_series import in_own_order
from aiida_insbench.science.lo_to import lo_to_splitting
from aiida_insbench.science.mesh_table import mesh_table
from aiida_insbench.science.mode_mesh import follow_mesh
from aiida_insbench.science.quasi_harmonic import quasi_harmonic_pressure

_GAMMA_ALONE = 'The reference is of the unit cell alone: it has modes at Γ'


def source_block(
    source: Source, settings: AnalyseSettings, *, strained: Mapping[str, Phonopy]
) -> dict[str, Any]:
    """What is known of one source, JSON-ready.

    Parameters
    ----------
    source : Source
        A potential, or DFT.
    settings : AnalyseSettings
        What is asked for.
    strained : mapping from str to Phonopy
        Its strained states by label; empty for none.

    Returns
    -------
    dict
        ``segments`` (`segment_tables`), ``attribution`` (`explain_shifts`, with ``from`` and
        ``to``; None with one pressure), ``vibrational_pressure`` (`quasi_harmonic_pressure`) and
        ``mesh`` (`mesh_table` and ``reason``; None where no mesh is asked for), ``lo_to`` and
        ``lo_to_note`` (`lo_to_splitting`).
    """
    return {
        'segments': segment_tables(source, settings),
        'attribution': _explain(source, strained),
        'vibrational_pressure': _vibrational_pressure(source, settings.temperature),
        'mesh': _mesh(source, settings),
        **lo_to_splitting(source.followed),
    }


def _vibrational_pressure(source: Source, temperature: float) -> dict[str, Any]:
    """P_vib, of crystals whose dispersion is known."""
    if _gamma_alone(source):
        return {'reason': f'{_GAMMA_ALONE}, and no free energy.'}
    return quasi_harmonic_pressure(source.followed, temperature=temperature)


def _mesh(source: Source, settings: AnalyseSettings) -> dict[str, Any] | None:
    """Modes over the mesh; None where none is asked for."""
    if settings.mesh is None:
        return None
    if _gamma_alone(source):
        return {'reason': f'{_GAMMA_ALONE} alone.'}
    points = follow_mesh(
        source.followed, source.orders, mesh=settings.mesh, tolerances=settings.tolerances
    )
    table = mesh_table(
        points,
        mesh=settings.mesh,
        pressures=source.series.pressures,
        volumes=source.series.volumes,
        temperature=settings.temperature,
        tolerances=settings.tolerances,
    )
    return {'reason': None, **table}


def _gamma_alone(source: Source) -> bool:
    """Whether it is a reference at Γ alone, whose dispersion nobody has computed."""
    phonons = source.followed.values()
    return source.name == DFT and any(len(one.supercell) == len(one.primitive) for one in phonons)


def _explain(source: Source, strained: Mapping[str, Phonopy]) -> dict[str, Any] | None:
    """Why the modes shift from the first to the last pressure they are followed to; None if one."""
    labels = list(source.series.pressures)
    if len(labels) < 2:
        return None
    optical = source.series.optical
    ends = labels[0], labels[-1]
    first, last = (
        in_own_order(one, source.orders[label])
        for one, label in zip((optical.sets[0], optical.sets[-1]), ends, strict=True)
    )
    phonons = source.phonons[ends[0]], source.phonons[ends[1]]
    found = explain_shifts(phonons, (first, last), optical.groups, strained=strained.get(ends[1]))
    if strained and ends[1] not in strained:
        found['steps_reason'] = (
            f'The strained state is of {", ".join(strained)}, but modes are followed to {ends[1]}.'
        )
    return {'from': ends[0], 'to': ends[1], **found}
