"""Estimates of the jobs of potentials in a builder, from a protocol's inputs and nodes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiida.orm import StructureData

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.jobs import md_task, phonon_task
from aiida_insbench.jobs.training_settings import model_defaults, training_default
from aiida_insbench.science.dynamics.ensembles import ENSEMBLES
from aiida_insbench.science.job_estimates import (
    JobEstimate,
    MaceSize,
    edges_by_density,
    evaluate_estimate,
    largest_of,
    md_estimate,
    phonons_estimate,
    train_estimate,
)
from aiida_insbench.science.memory_estimate import cells_in
from aiida_insbench.workflows.protocols.rounds import shared_cells

Sizes = Sequence[MaceSize | None]


def sizes_of(potentials: Iterable[PotentialData]) -> Sizes:
    """Of each potential; None of those that are not MACE."""
    return [MaceSize.of_potential(node.get_metadata()) for node in potentials]


def phonons_of(
    inputs: Any, *, models: Sizes, structure: StructureData, pressures: int
) -> JobEstimate | None:
    """Of `insbench.phonons` by the slowest of some potentials; `inputs` as it gets them."""
    settings = {**phonon_task.DEFAULTS, **inputs['settings'].get_dict()}
    return largest_of(
        model
        and phonons_estimate(
            atoms=structure.get_ase(),
            supercell_matrix=inputs['supercell_matrix'].get_list(),
            model=model,
            pressures=pressures,
            settings=settings,
        )
        for model in models
    )


def md_of(
    inputs: Any, *, model: MaceSize | None, structure: StructureData, crystals: int
) -> JobEstimate | None:
    """Of `insbench.md`; `inputs` as it gets them."""
    if model is None:
        return None
    settings = {'ensembles': ENSEMBLES, **md_task.DEFAULTS, **inputs['settings'].get_dict()}
    return md_estimate(
        atoms=structure.get_ase(),
        supercell_matrix=inputs['supercell_matrix'].get_list(),
        model=model,
        crystals=crystals,
        settings=settings,
    )


def trained_model(settings: Mapping[str, Any], start: PotentialData | None) -> MaceSize | None:
    """What a training makes: of its settings or, from a potential, of that."""
    if start is not None:
        return MaceSize.of_potential(start.get_metadata())
    return MaceSize.of_settings({**model_defaults(), **settings.get('model', {})})


def training_of(
    settings: Mapping[str, Any], *, model: MaceSize | None, edges: Sequence[float]
) -> JobEstimate | None:
    """Of `insbench.train` with so many edges in each frame."""
    if model is None or not edges:
        return None
    names = ('max_epochs', 'batch_size')
    complete = {name: settings.get(name, training_default(name)) for name in names}
    return train_estimate(
        edges=float(sum(edges)), largest=float(max(edges)), model=model, settings=complete
    )


def evaluation_of(
    *, models: Sizes, edges: Sequence[float], frames: int | None = None
) -> JobEstimate | None:
    """Of `insbench.evaluate` by some potentials; `frames` where there may be more than `edges`."""
    if not edges:
        return None
    return largest_of(
        model
        and evaluate_estimate(
            frames=max(len(edges), frames or 0),
            largest=max(edges),
            model=model,
            members=len(models),
        )
        for model in models
    )


def edges_of_frames(datasets: Iterable[DatasetData | None], model: MaceSize | None) -> list[float]:
    """Edges of each frame of some datasets."""
    if model is None:
        return []
    return [
        edges_by_density(frame, model.cutoff)
        for dataset in datasets
        if dataset is not None
        for frame in dataset.get_frames()
    ]


def edges_of_rounds(
    inputs: Mapping[str, Any], structure: StructureData, model: MaceSize | None
) -> list[float]:
    """Edges of each frame that a campaign may label, of all its rounds."""
    if model is None:
        return []
    unit = model.edges(structure.get_ase())
    rounds = ['first_round', *['later_rounds'] * int(inputs['stopping']['most_rounds'])]
    return [
        unit * cells_in(cell['supercell_matrix'])
        for name in rounds
        for cell in shared_cells(inputs[name]['cells'], int(inputs[name]['frames']))
        for _ in range(cell['count'])
    ]


def spread_edges(
    md: Any, structure: StructureData, model: MaceSize | None, crystals: int, frames: int
) -> list[float]:
    """Edges of each frame that a committee is asked about, `frames` of each run."""
    if model is None:
        return []
    runs = crystals * len(md['settings'].get_dict().get('ensembles', ENSEMBLES))
    copies = cells_in(md['supercell_matrix'].get_list())
    return [copies * model.edges(structure.get_ase())] * (runs * frames)
