"""Settings of a level of theory: cutoffs, k points, pseudopotentials; where two levels differ.

Cutoffs in Ry as in pw.x, spacing of k points in 1/Å (with the factor 2π), pressure in GPa. A level
is a dictionary with any of ``code``, ``version``, ``functional``, ``parameters`` (of pw.x),
``pseudopotentials`` (element to ``filename`` and ``md5``), ``kpoints_mesh`` (of the unit cell),
``kpoints_distance`` (largest spacing) and ``pulay_stress_gpa``; older ones lack the last three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aiida_insbench.science.dft_levels import (
    dispersion_of,
    exchange_correlation_of,
    functional_of,
)

#: Largest ratio of two k spacings that count as one: meshes of whole numbers do not meet a spacing.
SPACING_RATIO = 1.25
#: Of ``SYSTEM``: compared under other names, or without influence on converged labels.
_NOT_COMPARED = {
    'ibrav', 'nat', 'ntyp', 'nosym', 'noinv', 'nosym_evc', 'no_t_rev', 'force_symmorphic', 'nbnd',
    'ecutwfc', 'ecutrho', 'input_dft', 'vdw_corr', 'dftd3_version', 'occupations', 'smearing',
    'degauss',
}  # fmt: skip
#: Names of pw.x for one smearing.
_SMEARINGS = {
    'gauss': 'gaussian',
    'm-p': 'methfessel-paxton',
    'mp': 'methfessel-paxton',
    'cold': 'marzari-vanderbilt',
    'm-v': 'marzari-vanderbilt',
    'mv': 'marzari-vanderbilt',
    'f-d': 'fermi-dirac',
    'fd': 'fermi-dirac',
}
_HANDLED = {
    'code', 'version', 'functional', 'parameters', 'pseudopotentials', 'kpoints_mesh',
    'kpoints_distance', 'pulay_stress_gpa', 'source', 'converged_cutoffs_ry',
    'converged_pressures_gpa',
}  # fmt: skip


@dataclass(frozen=True)
class DftSettings:
    """What of a level can be asked for.

    Attributes
    ----------
    functional, vdw : str
        Exchange and correlation (``PBE``), dispersion (``D3(BJ)``); empty where unknown or none.
    ecutwfc, ecutrho : float or None
        Cutoffs, Ry; pw.x takes ``ecutrho = 4 ecutwfc`` unless told otherwise.
    kpoints_mesh : list of int
        Of the unit cell; empty where unknown.
    kpoints_distance : float or None
        Largest spacing of k points, 1/Å.
    pseudo_hashes : dict
        Element to MD5.
    pulay_stress_gpa : float or None
        Correction to the stress for the finite cutoff, GPa, as stored with the labels.
    """

    functional: str
    vdw: str
    ecutwfc: float | None
    ecutrho: float | None
    kpoints_mesh: list[int]
    kpoints_distance: float | None
    pseudo_hashes: dict[str, str]
    pulay_stress_gpa: float | None


def settings_of(level: Mapping[str, Any]) -> DftSettings:
    """Read the settings of a level; what it does not say is None or empty."""
    system = _system(level)
    wave = _number(system.get('ecutwfc'))
    density = _number(system.get('ecutrho'))
    return DftSettings(
        functional=exchange_correlation_of(level) or '',
        vdw=dispersion_of(level),
        ecutwfc=wave,
        ecutrho=4 * wave if density is None and wave is not None else density,
        kpoints_mesh=[int(n) for n in level.get('kpoints_mesh') or ()],
        kpoints_distance=_number(level.get('kpoints_distance')),
        pseudo_hashes={
            element: str(entry.get('md5', ''))
            for element, entry in sorted((level.get('pseudopotentials') or {}).items())
        },
        pulay_stress_gpa=_number(level.get('pulay_stress_gpa')),
    )


def level_in_words(level: Mapping[str, Any]) -> str:
    """One line: functional, cutoffs, k points, program."""
    if not level:
        return 'no labels'
    found = settings_of(level)
    words = [functional_of(level) or 'functional unknown']
    if found.ecutwfc is not None:
        words.append(f'{found.ecutwfc:g}/{found.ecutrho:g} Ry')
    if found.kpoints_mesh:
        words.append('k ' + '×'.join(str(n) for n in found.kpoints_mesh))
    if found.kpoints_distance is not None:
        words.append(f'k spacing {found.kpoints_distance:.3g} Å⁻¹')
    if found.pulay_stress_gpa is not None:
        words.append(f'Pulay stress {found.pulay_stress_gpa:+.3g} GPa')
    words.append(f'{level.get("code", "")} {level.get("version", "")}'.strip())
    return ', '.join(word for word in words if word)


def level_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """List where two levels of theory differ.

    Parameters
    ----------
    first, second : mapping
        Levels.

    Returns
    -------
    list of str
        Such as ``cutoff of wave functions: 60 Ry / 80 Ry``; empty if labels of both can be learnt
        together. What one level does not say is a difference: nobody can tell.
    """
    return [
        *_functional_differences(first, second),
        *_cutoff_differences(first, second),
        *_pseudo_differences(first, second),
        *_occupation_differences(first, second),
        *_mesh_differences(first, second),
        *_other_differences(first, second),
    ]


def _functional_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    here, there = settings_of(first), settings_of(second)
    return [
        *_pair(
            'functional', here.functional or 'not on record', there.functional or 'not on record'
        ),
        *_pair('dispersion correction', here.vdw or 'none', there.vdw or 'none'),
    ]


def _cutoff_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    here, there = settings_of(first), settings_of(second)
    return [
        *_pair('cutoff of wave functions', _in_ry(here.ecutwfc), _in_ry(there.ecutwfc)),
        *_pair('cutoff of the density', _in_ry(here.ecutrho), _in_ry(there.ecutrho)),
    ]


def _pseudo_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """Of elements that both have; a level without any beside one with some is a difference."""
    here, there = (level.get('pseudopotentials') or {} for level in (first, second))
    if bool(here) != bool(there):
        return _pair(
            'pseudopotentials', *('on record' if p else 'not on record' for p in (here, there))
        )
    return [
        line
        for element in sorted({*here} & {*there})
        if here[element].get('md5') != there[element].get('md5')
        for line in [
            f'pseudopotential of {element}: {_pseudo(here[element])} / {_pseudo(there[element])}'
        ]
    ]


def _occupation_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    here, there = (_occupations(_system(level)) for level in (first, second))
    return _pair('occupations', here, there)


def _mesh_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    here, there = settings_of(first), settings_of(second)
    if here.kpoints_mesh == there.kpoints_mesh and (
        here.kpoints_mesh or here.kpoints_distance == there.kpoints_distance
    ):
        return []
    spacings = (here.kpoints_distance, there.kpoints_distance)
    if spacings[0] is not None and spacings[1] is not None:
        if max(spacings[0], spacings[1]) <= SPACING_RATIO * min(spacings[0], spacings[1]):
            return []
        return _pair('k spacing', *(f'{value:.3g} Å⁻¹' for value in (spacings[0], spacings[1])))
    return _pair('k points', _mesh(here), _mesh(there))


def _other_differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    lines = []
    systems = [_system(first), _system(second)]
    for key in sorted({*systems[0], *systems[1]} - _NOT_COMPARED):
        lines += _pair(f'SYSTEM.{key}', *(str(one.get(key, 'default')) for one in systems))
    for key in ('code', 'version', *sorted({*first, *second} - _HANDLED)):
        lines += _pair(key, *(str(one.get(key, 'not on record')) for one in (first, second)))
    return lines


def _pair(what: str, here: str, there: str) -> list[str]:
    return [] if here == there else [f'{what}: {here} / {there}']


def _occupations(system: Mapping[str, Any]) -> str:
    kind = system.get('occupations', 'default')
    if kind != 'smearing':
        return str(kind)
    name = str(system.get('smearing', 'gaussian')).lower()
    return f'{_SMEARINGS.get(name, name)} smearing of {system.get("degauss", 0.0):g} Ry'


def _mesh(settings: DftSettings) -> str:
    if settings.kpoints_mesh:
        return 'mesh ' + '×'.join(str(n) for n in settings.kpoints_mesh)
    if settings.kpoints_distance is not None:
        return f'spacing {settings.kpoints_distance:.3g} Å⁻¹'
    return 'not on record'


def _pseudo(entry: Mapping[str, Any]) -> str:
    return f'{entry.get("filename", "?")} ({str(entry.get("md5", "?"))[:8]})'


def _in_ry(value: float | None) -> str:
    return 'not on record' if value is None else f'{value:g} Ry'


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _system(level: Mapping[str, Any]) -> Mapping[str, Any]:
    return (level.get('parameters') or {}).get('SYSTEM') or {}
