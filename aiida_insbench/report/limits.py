"""What a report does not show: said in every report, from what the campaign did and did not do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aiida_insbench.report.numbers import joined, pressure
from aiida_insbench.science.benchmark.table import MEASURED
from aiida_insbench.science.dft_levels import functional_of

_ERRORS = {'q_mesh': 'mesh of q-points', 'bins': 'width of bins'}


def limits(data: Mapping[str, Any]) -> list[str]:
    """Return sentences on what the numbers of a report do not cover."""
    sentences = [
        _static_pressure(data),
        'Vibrations are harmonic. Anharmonic shifts, widths and Fermi resonances are not in the '
        'spectra.',
    ]
    sentences += _reference_limits(data)
    sentences += _spectrum_limits(data.get('spectra') or [])
    if not _is_measured(data):
        sentences.append('No measured spectrum enters the verdict.')
    return sentences + _functional_limit(data)


def _is_measured(data: Mapping[str, Any]) -> bool:
    """Whether the benchmark has a measured target."""
    cells = (data.get('benchmark') or {}).get('cells') or []
    return any(cell['row']['kind'] == MEASURED for cell in cells)


def _reference_limits(data: Mapping[str, Any]) -> list[str]:
    reference = data.get('reference')
    if not reference:
        return [
            'There is no DFT reference of the modes here: whether their shifts are right is open.'
        ]
    sentences = [
        'The DFT reference holds modes at Γ only, from frozen phonons of the unit cell. Modes away '
        'from Γ are compared with nothing; they are only searched for imaginary ones.'
    ]
    covered = reference.get('pressures') or {}
    lacking = [
        pressure(value) for label, value in data['pressures'].items() if label not in covered
    ]
    if lacking:
        sentences.append(f'DFT reference modes are missing at {joined(lacking)} GPa.')
    return sentences


def _static_pressure(data: Mapping[str, Any]) -> str:
    """What static pressures leave out, in numbers where a potential gives them."""
    said = 'Pressures are static: zero-point and thermal pressure are left out.'
    for one in reversed(data.get('potentials') or []):
        found = (one.get('comparison') or {}).get('vibrational_pressure') or {}
        if found.get('gpa'):
            label, values = next(iter(found['gpa'].items()))
            parts = [
                f'{value:.1f} GPa at {kelvin:.0f} K'
                for kelvin, value in zip(found['temperatures'], values, strict=True)
            ]
            return (
                f'{said} In the quasi-harmonic approximation of {one["name"]} they add '
                f'{joined(parts)} to {pressure(data["pressures"][label])} GPa.'
            )
    return f'{said} In crystals of light atoms the zero-point pressure alone can be a GPa or more.'


def _spectrum_limits(spectra: Sequence[Mapping[str, Any]]) -> list[str]:
    if not spectra:
        return []
    sentences = ['Spectra are simulated, of a powder in the incoherent approximation.']
    errors = [
        (value, name)
        for one in spectra
        for name, value in (one.get('errors_percent') or {}).items()
        if value is not None
    ]
    if errors:
        value, name = max(errors)
        sentences.append(
            'Finite meshes, bins, directions and orders leave the spectra off by up to '
            f'{value:.2g} % of their area ({_ERRORS.get(name, name)}).'
        )
    # one sentence once, with the pressures it is said of
    said: dict[str, list[str]] = {}
    for one in spectra:
        for text in one.get('warnings') or []:
            said.setdefault(text, []).append(pressure(one['pressure']))
    return sentences + [f'At {joined(where)} GPa: {text}' for text, where in said.items()]


def _functional_limit(data: Mapping[str, Any]) -> list[str]:
    functional = functional_of((data.get('provenance') or {}).get('dft_level') or {})
    held = f'{functional} DFT has it' if functional else 'the DFT has it'
    return [
        f'Right means as {held}: a potential can be true to DFT where DFT is not true to nature.'
    ]
