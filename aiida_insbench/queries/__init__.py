"""Questions to the provenance graph."""

from aiida_insbench.queries.cost import Cost, CostRow, cost_behind
from aiida_insbench.queries.force_constants import analysis_settings_of, force_constants_of, latest
from aiida_insbench.queries.frames import calculations_of_dataset, runs_of_frames
from aiida_insbench.queries.graph import ancestors, behind, called
from aiida_insbench.queries.lineage import (
    PwRun,
    describe_run,
    describe_runs,
    lineage,
    pw_calculations_behind,
    pw_pks_behind,
)
from aiida_insbench.queries.potentials import PotentialRow, describe_potential, potentials
from aiida_insbench.queries.scores import PotentialScore, potential_scores
from aiida_insbench.queries.spectra import (
    MeasuredRow,
    SpectraFound,
    SpectrumRow,
    measured_spectra,
    spectra_above,
)
from aiida_insbench.queries.training import Learnt, learnt_by

__all__ = (
    'Cost',
    'CostRow',
    'Learnt',
    'MeasuredRow',
    'PotentialRow',
    'PotentialScore',
    'PwRun',
    'SpectraFound',
    'SpectrumRow',
    'analysis_settings_of',
    'ancestors',
    'behind',
    'calculations_of_dataset',
    'called',
    'cost_behind',
    'describe_potential',
    'describe_run',
    'describe_runs',
    'force_constants_of',
    'latest',
    'learnt_by',
    'lineage',
    'measured_spectra',
    'potential_scores',
    'potentials',
    'pw_calculations_behind',
    'pw_pks_behind',
    'runs_of_frames',
    'spectra_above',
)
