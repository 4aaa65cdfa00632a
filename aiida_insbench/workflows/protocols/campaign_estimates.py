"""Estimates of the jobs of a campaign: of its last and largest round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aiida_insbench.science.job_estimates import JobEstimate, largest_of
from aiida_insbench.workflows.protocols.estimates import (
    edges_of_frames,
    edges_of_rounds,
    evaluation_of,
    md_of,
    phonons_of,
    spread_edges,
    trained_model,
    training_of,
)
from aiida_insbench.workflows.protocols.pw_estimates import cells_of, relaxation_of, scf_of


def campaign_estimates(builder: Any, inputs: Mapping[str, Any]) -> dict[str, JobEstimate | None]:
    """By stage, for `request_resources`, of a builder filled from a protocol's inputs."""
    given = builder._inputs(prune=True)
    structure, crystals = given['structure'], len(given['pressures'].get_list())
    known = given.get('known', {})
    start = next(iter(known.get('committee', {}).values()), given.get('start'))
    trainings = [
        given[name]['training']['train']['settings'].get_dict()
        for name in ('base_training', 'fine_tuning')
    ]
    model = trained_model(trainings[0], start)
    edges = edges_of_rounds(inputs, structure, model)
    edges += edges_of_frames([known.get('dataset'), known.get('validation')], model)
    estimates = {
        'train': largest_of(training_of(one, model=model, edges=edges) for one in trainings),
        'phonons': phonons_of(
            given['phonons']['phonons'], models=[model], structure=structure, pressures=crystals
        ),
    }
    if 'dynamics' in given:
        md = given['dynamics']['md']
        estimates['dynamics.md'] = md_of(md, model=model, structure=structure, crystals=crystals)
    if 'validation' in given:
        md, frames = given['validation']['md']['md'], given['validation']['spread_frames'].value
        estimates['validation.md'] = md_of(md, model=model, structure=structure, crystals=crystals)
        edges += spread_edges(md, structure, model, crystals, frames)
    estimates |= _pw_estimates(given, inputs)
    members = given['fine_tuning']['seeds'].get_list()
    estimates['evaluate'] = evaluation_of(models=[model] * len(members), edges=edges)
    return estimates


def _pw_estimates(given: Mapping[str, Any], inputs: Mapping[str, Any]) -> dict[str, JobEstimate]:
    """Of relaxations, and of the largest cells of all rounds; the reference has smaller ones."""
    structure, relax = given['structure'], given['relax']
    mesh = relax['kpoints_mesh'].get_list()
    cells = cells_of(
        structure,
        [
            cell['supercell_matrix']
            for name in ('first_round', 'later_rounds')
            for cell in inputs[name]['cells']
        ],
    )
    # on one rank, whatever the first relaxation has
    pw = given['first_round']['label']['pw_base']['pw']
    return {
        'relax.pw': relaxation_of(pw, structure, mesh=mesh),
        'label.pw': scf_of(pw, cells, mesh=mesh),
    }
