"""Targets of a benchmark, and the simulations they ask for.

Measured spectra of like conditions (instrument, temperature, isotopes) need one simulation a
potential; they are a group. The spectra of DFT are a group of their own, over the q-points that fit
the reference's supercell, so that nothing is interpolated that DFT does not know.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from aiida.orm import Dict

from aiida_insbench.calculations.cell_spectra import DEUTERATED, REFERENCE
from aiida_insbench.calculations.measured import conditions_of
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.science.benchmark.table import DFT, MEASURED, OF_DFT
from aiida_insbench.science.pressure import pressure_from_label, pressure_label
from aiida_insbench.science.scoring.cell import cell_rules
from aiida_insbench.workflows.ins_inputs import with_vibrations, without_mesh

DFT_GROUP = 'supercell'
#: How far a simulation goes beyond the measured range, cm⁻¹: bands are shifted by up to 40.
_BEYOND = 60.0
_SAME = 1e-6  # GPa
_FRACTION = 'deuterium_fraction'


@dataclass(frozen=True)
class Group:
    """Targets that one simulation a potential serves.

    Attributes
    ----------
    name : str
        In link labels.
    parameters : dict
        Laid over those of `insbench.ins`.
    members : tuple of str
        Measured spectra; none of DFT's group.
    reference_competes : bool
        Whether DFT's own spectrum can be made like that of the potentials.
    resolution : tuple of float
        As the measured spectra state it, coefficients in cm⁻¹; empty for the benchmark's own.
    deuterated : str or None
        Name of the group that simulates the same with all hydrogen as deuterium, where a fraction
        of it is to be fitted.
    """

    name: str
    parameters: dict[str, Any]
    members: tuple[str, ...] = ()
    reference_competes: bool = False
    resolution: tuple[float, ...] = ()
    deuterated: str | None = None


@dataclass(frozen=True)
class BenchmarkTarget:
    """One target.

    Attributes
    ----------
    row : dict
        What the table says of it: ``name``, ``kind``, ``pressure`` (GPa), ``pressure_error``,
        ``blind``, ``sample``, ``instrument``, ``temperature`` (K), ``doi``, ``file_hash``,
        ``uuid``.
    node : SpectrumData
        The spectrum.
    group : Group
        Whose simulations it is compared with.
    """

    row: dict[str, Any]
    node: SpectrumData
    group: Group

    @property
    def label(self) -> str:
        """Pressure label of its stated pressure."""
        return pressure_label(self.row['pressure'])

    def labels(self, spectra: Mapping[str, Any]) -> list[str]:
        """Pressure labels that the target's pressure, with its error, lies between."""
        pressures = {label: pressure_from_label(label) for label in spectra}
        low = self.row['pressure'] - self.row['pressure_error']
        high = self.row['pressure'] + self.row['pressure_error']
        below = [value for value in pressures.values() if value <= low + _SAME]
        above = [value for value in pressures.values() if value >= high - _SAME]
        first = max(below, default=min(pressures.values(), default=0.0))
        last = min(above, default=max(pressures.values(), default=0.0))
        return sorted(label for label, value in pressures.items() if first <= value <= last)

    def needed(self, spectra: Mapping[str, Any]) -> dict[str, Any]:
        """Of spectra by label (perhaps with a prefix), those that a score needs."""
        plain = {label.removeprefix(REFERENCE): label for label in spectra}
        return {plain[one]: spectra[plain[one]] for one in self.labels(plain)}

    def within(self, spectra: Mapping[str, Any]) -> bool:
        """Whether the stated pressure lies between those simulated."""
        pressures = [pressure_from_label(label) for label in spectra]
        if not pressures:
            return False
        return min(pressures) - _SAME <= self.row['pressure'] <= max(pressures) + _SAME

    def rules(self, rules: Dict) -> Dict:
        """Rules of a cell's score: of spectra of DFT, without freedoms that only data need."""
        given = rules.get_dict()
        kept = cell_rules(given)
        if self.row['kind'] == OF_DFT:
            kept['scoring'] = {**kept.get('scoring', {}), **given.get('dft_scoring', {})}
        return Dict(kept)


def groups_of(measured: Mapping[str, SpectrumData], *, reference: Mapping[str, Any]) -> list[Group]:
    """Group targets by the simulations they need.

    Parameters
    ----------
    measured : mapping of str to SpectrumData
        By name.
    reference : mapping of str to ForceConstantsData
        Of DFT, by pressure label.
    """
    supercell = reference_supercell(reference)
    competes = bool(reference) and supercell != np.eye(3, dtype=int).tolist()
    by_conditions: dict[str, list[str]] = {}
    for name, node in sorted(measured.items()):
        by_conditions.setdefault(json.dumps(_simulated_as(node), sort_keys=True), []).append(name)
    groups = []
    for number, (key, members) in enumerate(by_conditions.items(), start=1):
        nodes = [measured[one] for one in members]
        groups += _measured_groups(f'measured_{number}', json.loads(key), nodes, members, competes)
    if reference:
        groups.append(Group(DFT_GROUP, {'supercell_matrix': supercell}, reference_competes=True))
    return groups


def _measured_groups(
    name: str,
    conditions: dict[str, Any],
    nodes: Sequence[SpectrumData],
    members: Sequence[str],
    competes: bool,
) -> list[Group]:
    """One group, and where a fraction of deuterium is to be fitted its deuterated twin."""
    to_be_fitted = conditions.pop(_FRACTION, False)
    resolution = tuple(conditions.pop('resolution', ()))
    parameters = {**conditions, 'energy_range': _range(nodes)}
    twin = f'{name}_{DEUTERATED}'.rstrip('_') if to_be_fitted else None
    group = Group(name, parameters, tuple(members), competes, resolution, twin)
    if twin is None:
        return [group]
    heavy = {**parameters, 'isotopes': {**parameters.get('isotopes', {}), 'H': '2H'}}
    return [group, Group(twin, heavy, reference_competes=competes, resolution=resolution)]


def reference_supercell(reference: Mapping[str, Any]) -> list[list[int]]:
    """Supercell of DFT's force constants, rows are axes; the unit cell without any."""
    for node in reference.values():
        # phonopy's convention: columns are axes
        matrix = np.array(node.base.attributes.get('supercell_matrix', np.eye(3))).T
        return np.rint(matrix).astype(int).tolist()  # type: ignore[no-any-return]
    return np.eye(3, dtype=int).tolist()


def ins_inputs(inputs: Any, group: Group, constants: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs of `insbench.ins` for a group and one competitor's force constants."""
    parameters = {**inputs['ins']['parameters'].get_dict(), **group.parameters}
    if parameters.get('supercell_matrix') is not None:
        parameters = without_mesh(parameters)
    return {'ins': with_vibrations(inputs, parameters, force_constants=dict(constants))['ins']}


def target_rows(
    measured: Mapping[str, SpectrumData],
    groups: Sequence[Group],
    spectra: Mapping[str, Mapping[str, Mapping[str, SpectrumData]]],
    *,
    blind: Sequence[str],
) -> list[BenchmarkTarget]:
    """All targets: measured spectra, then those of DFT at each pressure it has one.

    Parameters
    ----------
    measured : mapping of str to SpectrumData
        By name.
    groups : sequence of Group
        See `groups_of`.
    spectra : mapping
        By group and competitor, then pressure label.
    blind : sequence of str
        Names of targets that no potential was made for.
    """
    found = []
    for group in groups:
        nodes = (
            {
                f'dft_{label}': node
                for label, node in spectra.get(group.name, {}).get(DFT, {}).items()
            }
            if group.name == DFT_GROUP
            else {name: measured[name] for name in group.members}
        )
        kind = OF_DFT if group.name == DFT_GROUP else MEASURED
        found += [
            BenchmarkTarget(_row(name, node, kind, name in blind), node, group)
            for name, node in sorted(nodes.items())
        ]
    return found


def _row(name: str, node: SpectrumData, kind: str, blind: bool) -> dict[str, Any]:
    attributes = node.base.attributes
    error = conditions_of(node).pressure_error if kind == MEASURED else 0.0
    return {
        'name': name,
        'kind': kind,
        'pressure': node.pressure,
        'pressure_error': error,
        'blind': blind,
        'sample': attributes.get('sample'),
        'instrument': node.instrument,
        'temperature': node.temperature,
        'doi': attributes.get('doi'),
        'file_hash': attributes.get('file_hash'),
        'uuid': str(node.uuid),
    }


def _simulated_as(node: SpectrumData) -> dict[str, Any]:
    """What of the conditions a simulation must share."""
    conditions = conditions_of(node)
    found: dict[str, Any] = {
        'instrument': conditions.instrument,
        'temperature': conditions.temperature,
    }
    if conditions.incident_energy is not None:
        found['incident_energy'] = conditions.incident_energy
    if conditions.deuterium_fraction is not None:
        found[_FRACTION] = True
    if conditions.resolution:
        found['resolution'] = list(conditions.resolution)
    if conditions.isotopes:
        found['isotopes'] = conditions.as_dict()['isotopes']
    return found


def _range(nodes: Sequence[SpectrumData]) -> list[float]:
    """Energies that all members cover together, with a margin for shifts, cm⁻¹."""
    low, high = np.inf, -np.inf
    for node in nodes:
        kept = node.energy_transfer[node.get_array('kept') > 0]
        low, high = min(low, float(kept[0])), max(high, float(kept[-1]))
    return [max(0.0, np.floor(low - _BEYOND)), float(np.ceil(high + _BEYOND))]
