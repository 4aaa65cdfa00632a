"""Settings of the stage ``analyse``: defaults and checks.

Lengths in Å, temperatures in K, frequencies in cm⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from aiida_insbench.science.errors import JobFileError
from aiida_insbench.science.ins.qpoint_mesh import check_mesh
from aiida_insbench.science.shifts import Tolerances


@dataclass(frozen=True)
class AnalyseSettings:
    """What the stage is asked for.

    Attributes
    ----------
    tolerances : Tolerances
        What counts as noise.
    symprec : float
        Tolerance of positions for symmetry, Å.
    temperature : float
        Of thermal motion, K.
    mesh : tuple of three int, optional
        Mesh of q-points over which modes are followed too; None for Γ alone.
    committees : dict of str to tuple of str
        Names of potentials whose spread is looked for, by the name of the committee.
    isotopes : dict
        Isotopes by chemical symbol or by number of the first crystal's atom, from 0; see
        `aiida_insbench.science.ins.isotopes.labels_of_sites`.
    """

    tolerances: Tolerances
    symprec: float = 1e-3
    temperature: float = 300.0
    mesh: tuple[int, int, int] | None = None
    committees: dict[str, tuple[str, ...]] = field(default_factory=dict)
    isotopes: dict[str, Any] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """All settings, JSON-ready, tolerances among the others."""
        settings = asdict(self)
        return {
            **settings.pop('tolerances'),
            **settings,
            'mesh': None if self.mesh is None else list(self.mesh),
            'committees': {name: list(members) for name, members in self.committees.items()},
        }


def read_analyse_settings(given: Mapping[str, Any] | None) -> AnalyseSettings:
    """Read the settings of a job file.

    Raises
    ------
    InputError
        If a setting is unknown or has no value it can have.
    """
    rest = dict(given or {})
    own: dict[str, Any] = {}
    if 'symprec' in rest:
        own['symprec'] = _number(rest.pop('symprec'), 'symprec', 'Å', zero=False)
    if 'temperature' in rest:
        own['temperature'] = _number(rest.pop('temperature'), 'temperature', 'K', zero=True)
    if rest.get('mesh') is not None:
        own['mesh'] = _mesh(rest['mesh'])
    rest.pop('mesh', None)
    own['committees'] = _committees(rest.pop('committees', None) or {})
    own['isotopes'] = _isotopes(rest.pop('isotopes', None) or {})
    return AnalyseSettings(Tolerances.from_settings(rest), **own)


def _number(value: Any, name: str, unit: str, *, zero: bool) -> float:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not number or not (value >= 0 if zero else value > 0):
        least = '≥ 0' if zero else '> 0'
        raise JobFileError(f'`{name}` is {value!r}; give a number {least} in {unit}.')
    return float(value)


def _mesh(value: Any) -> tuple[int, int, int]:
    if not isinstance(value, list | tuple):
        raise JobFileError(f'`mesh` is {value!r}; give three positive whole numbers.')
    return check_mesh(value)


def _committees(value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, Mapping) or not all(
        isinstance(members, list | tuple) and all(isinstance(one, str) for one in members)
        for members in value.values()
    ):
        raise JobFileError(
            f'`committees` is {value!r}; give lists of potentials by name of the committee.'
        )
    return {str(name): tuple(members) for name, members in value.items()}


def _isotopes(value: Any) -> dict[str, Any]:
    if not isinstance(value, Mapping) or not all(
        isinstance(key, str) and isinstance(given, str | Mapping) for key, given in value.items()
    ):
        raise JobFileError(
            f'`isotopes` is {value!r}; give isotopes by element or number, as in {{"H": "2H"}}.'
        )
    return dict(value)
