"""Which spectra there are: simulated ones by what their potential has learnt, and measured ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from aiida.orm import ArrayData, CalculationNode, Data, QueryBuilder
from aiida_phonopy.data import ForceConstantsData

from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData
from aiida_insbench.queries.graph import these
from aiida_insbench.queries.training import Learnt, all_trainings, learnt_by

#: Contributions of `insbench.ins` are spectra too, but not yet such as an instrument sees.
_UNFINISHED = '%without resolution'
#: What leads from a spectrum to a potential: contributions, force constants, densities of runs.
_VIBRATIONS = (SpectrumData, ForceConstantsData, ArrayData)


@dataclass(frozen=True)
class SpectrumRow:
    """A simulated spectrum and what the potential behind it has learnt.

    Pressures are in GPa, temperatures in K. ``validated``: of frames that chose among the weights.
    ``untold``: trainings whose frames or pressures are not on record.
    """

    pk: int
    pressure: float
    temperature: float
    sample: str
    instrument: str
    potential: int
    potential_label: str
    learnt: tuple[float, ...]
    validated: tuple[float, ...]
    untold: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


@dataclass(frozen=True)
class SpectraFound:
    """Rows, and how many spectra above the pressure were left out, by reason."""

    rows: tuple[SpectrumRow, ...]
    n_without_potential: int
    n_trained_above: int
    n_untold: int


@dataclass(frozen=True)
class MeasuredRow:
    """A measured spectrum. Pressures are in GPa, the temperature in K; None if not said."""

    pk: int
    sample: str
    pressure: float
    pressure_error: float | None
    temperature: float
    instrument: str
    doi: str
    file_hash: str

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return asdict(self)


def spectra_above(
    pressure: float, *, trained_at_most: float = 0.0, allow_untold: bool = False
) -> SpectraFound:
    """Simulated spectra of a pressure that the potential behind them has not learnt.

    Parameters
    ----------
    pressure : float
        The spectra lie above it, GPa.
    trained_at_most : float
        No frame that a potential learnt, or one it was fine-tuned from, may lie above it, GPa.
    allow_untold : bool
        Whether potentials count of which not all training is on record, such as those that
        were fine-tuned from an imported one.

    Returns
    -------
    SpectraFound
        By pressure, then identifier.
    """
    found = _simulated_above(pressure)
    sources = potentials_behind(found)
    trainings = all_trainings() if sources else {}
    learnt = learnt_by(trainings)
    rows, n_above, n_untold = [], 0, 0
    for pk, attributes in found.items():
        # a spectrum rests on one potential; were it made of several, all of them must comply
        behind = {one: learnt[one] for one in sorted(sources.get(pk, ()))}
        if not all(one.is_below(trained_at_most) for one in behind.values()):
            n_above += 1
        elif not allow_untold and any(one.untold for one in behind.values()):
            n_untold += 1
        else:
            rows += [
                _row(pk, attributes, potential=one, label=trainings[one].label, learnt=known)
                for one, known in behind.items()
            ]
    return SpectraFound(
        rows=tuple(sorted(rows, key=lambda row: (row.pressure, row.pk, row.potential))),
        n_without_potential=len(found) - len(sources),
        n_trained_above=n_above,
        n_untold=n_untold,
    )


def potentials_behind(spectra: Iterable[int]) -> dict[int, set[int]]:
    """Potentials that gave the vibrations of spectra, by spectrum; those of DFT have none.

    Whatever potentials chose frames or relaxed a crystal further back do not count.
    """
    begin = set(spectra)
    inputs: dict[int, list[tuple[int, bool]]] = {}
    front = begin
    while front:
        inputs |= {pk: [] for pk in front}
        for made, source, is_potential in _sources(front):
            inputs[made].append((source, is_potential))
        behind = (one for pk in front if not _potentials(inputs[pk]) for one, _ in inputs[pk])
        front = set(behind) - set(inputs)
    found = {pk: _behind(pk, inputs) for pk in begin}
    return {pk: potentials for pk, potentials in found.items() if potentials}


def _behind(pk: int, inputs: Mapping[int, list[tuple[int, bool]]]) -> set[int]:
    """The nearest potentials: what is behind them does not count."""
    nearest = _potentials(inputs[pk])
    return nearest or {one for source, _ in inputs[pk] for one in _behind(source, inputs)}


def _potentials(inputs: Iterable[tuple[int, bool]]) -> set[int]:
    return {source for source, is_potential in inputs if is_potential}


def _sources(made: Iterable[int]) -> list[tuple[int, int, bool]]:
    """A node, an input of the process that made it, and whether that is a potential."""
    query = QueryBuilder()
    query.append(Data, filters=these(made), tag='made', project='id')
    query.append(
        CalculationNode,
        with_outgoing='made',
        tag='maker',
    )
    query.append(
        (PotentialData, *_VIBRATIONS),
        with_outgoing='maker',
        project=['id', 'node_type'],
        subclassing=False,
    )
    own = PotentialData.class_node_type
    return [(pk, source, kind == own) for pk, source, kind in query.distinct().all()]


def _simulated_above(pressure: float) -> dict[int, list[Any]]:
    names = ('pressure', 'temperature', 'sample', 'instrument')
    query = QueryBuilder().append(
        SpectrumData,
        filters={
            'attributes.origin': 'simulated',
            'attributes.pressure': {'>': pressure},
            'attributes.quantity': {'!like': _UNFINISHED},
        },
        project=['id', *(f'attributes.{name}' for name in names)],
    )
    return {pk: values for pk, *values in query.all()}


def _row(
    pk: int, attributes: list[Any], *, potential: int, label: str, learnt: Learnt
) -> SpectrumRow:
    pressure, temperature, sample, instrument = attributes
    return SpectrumRow(
        pk=pk,
        pressure=pressure,
        temperature=temperature,
        sample=sample,
        instrument=instrument,
        potential=potential,
        potential_label=label,
        learnt=learnt.pressures,
        validated=learnt.validated,
        untold=learnt.untold,
    )


def measured_spectra(*, sample: str = '') -> list[MeasuredRow]:
    """Measured spectra, by sample, pressure and identifier.

    Parameters
    ----------
    sample : str
        Part of the sample's name; large and small letters count the same.
    """
    names = (
        'sample',
        'pressure',
        'details.conditions.pressure_error',
        'temperature',
        'instrument',
        'doi',
        'file_hash',
    )
    query = QueryBuilder().append(
        SpectrumData,
        filters={'attributes.origin': 'measured'},
        project=['id', *(f'attributes.{name}' for name in names)],
    )
    rows = [MeasuredRow(*values) for values in query.all()]
    return sorted(
        (row for row in rows if sample.casefold() in row.sample.casefold()),
        key=lambda row: (row.sample.casefold(), row.pressure, row.pk),
    )
