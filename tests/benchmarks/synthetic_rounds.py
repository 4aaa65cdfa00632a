"""Rounds of sampling and labelling, as `insbench.dataset` leaves them."""

from __future__ import annotations

import io
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiida.orm import Dict, InstalledCode, KpointsData, List, StructureData, TrajectoryData
from aiida_phonopy.data import ForceConstantsData
from aiida_pseudo.data.pseudo import UpfData
from synthetic_graph import Graph

from aiida_insbench.data import DatasetData
from aiida_insbench.science.frames import write_frames

sys.path.insert(0, str(Path(__file__).parents[1]))
from fake_nodes import LEVEL, crystal, frames

PRESSURES = (0.0, 0.5, 1.0, 2.0)
CALC, CHAIN = 'aiida.calculations:insbench.', 'aiida.workflows:insbench.'
_PW = 'aiida.calculations:quantumespresso.pw'
_FUNCTION = 'aiida_insbench.workflows.frames.'


@dataclass
class Round:
    """What a round of labelling leaves behind."""

    training: str
    validation: str
    names: list[str] = field(default_factory=list)


class Rounds:
    """From a crystal to labelled frames.

    Parameters
    ----------
    graph : Graph
        Where they go.
    repository : AbstractRepositoryBackend
        Where frames go, so that those of a dataset can be read.
    """

    def __init__(self, graph: Graph, repository: Any) -> None:
        self.graph, self._repository = graph, repository
        self._files: dict[tuple[str, ...], str] = {}
        self.pw_code = graph.node(InstalledCode, {'filepath_executable': '/bin/pw.x'}, label='pw')
        self.job_code = graph.node(InstalledCode, {'filepath_executable': '/bin/job'}, label='job')
        self.pseudos = {f'pseudos__{one}': graph.node(UpfData, {'element': one}) for one in 'HM'}
        self.sites = _structure_attributes()

    def relaxed(self, chain: str, structure: str) -> str:
        outer = self.graph.chain(f'{CHAIN}relax', caller=chain)
        relaxed = self.graph.node(StructureData, self.sites)
        self._pw(outer, structure, outputs={'output_structure': relaxed}, kind='vc-relax')
        return relaxed

    def _pw(
        self, caller: str, structure: str, *, outputs: dict[str, str], kind: str = 'scf'
    ) -> dict[str, str]:
        graph = self.graph
        trajectory = graph.node(TrajectoryData, {'array|forces': [1, 24, 3]})
        results = graph.job(
            _PW,
            inputs={
                'code': self.pw_code,
                'structure': structure,
                'kpoints': graph.node(KpointsData, {'mesh': [4, 4, 4]}),
                'parameters': graph.node(
                    Dict, {'CONTROL': {'calculation': kind}, 'SYSTEM': {'ecutwfc': 60}}
                ),
                **self.pseudos,
            },
            outputs={'output_trajectory': trajectory, **outputs},
            caller=caller,
            results={
                'energy': -100.0,
                'wall_time_seconds': 42.0,
                **{f'value_{number}': number * 0.1 for number in range(60)},
            },
            ranks=4,
            cached_from='somewhere' if graph.n_nodes % 7 == 0 else '',
        )
        return {'results': results, 'trajectories': trajectory}

    def labelled(
        self,
        chain: str,
        structure: str,
        number: int,
        n_frames: int,
        learnt: tuple[float, ...],
        *,
        sampler: str = '',
    ) -> Round:
        graph = self.graph
        outer = graph.chain(f'{CHAIN}dataset', caller=chain, label=f'round_{number}')
        names = [f'r{number}_{index:03d}' for index in range(n_frames)]
        pool = self._dataset(names, learnt, labelled=False)
        sample_inputs = {'structure': structure, 'code': self.job_code}
        if sampler:
            phonons = self.phonons(outer, structure, sampler, PRESSURES[:1])
            sample_inputs['force_constants__p_0000'] = phonons[0]
        self.job('sample', outer, inputs=sample_inputs, outputs={'pool': pool})
        structures = {name: graph.node(StructureData, self.sites) for name in names}
        graph.function(
            f'{_FUNCTION}unpack_pool',
            inputs={'pool': pool},
            outputs={f'structures__{name}': node for name, node in structures.items()},
            caller=outer,
        )
        label = graph.chain(f'{CHAIN}label', caller=outer, inputs={'pool': pool})
        collected = {'pool': pool, **{f'structures__{k}': v for k, v in structures.items()}}
        for lane in range(4):
            lane_chain = graph.chain(f'{CHAIN}label.lane', caller=label, label=f'lane_{lane:03d}')
            for name in names[lane::4]:
                base = graph.chain(
                    'aiida.workflows:quantumespresso.pw.base', caller=lane_chain, label=name
                )
                made = self._pw(base, structures[name], outputs={})
                collected |= {f'{key}__{name}': node for key, node in made.items()}
        whole = self._dataset(names, learnt)
        graph.function(
            f'{_FUNCTION}collect_labels', inputs=collected, outputs={'result': whole}, caller=label
        )
        cut = max(1, n_frames // 8)
        parts = Round(self._dataset(names[cut:], learnt), self._dataset(names[:cut], learnt), names)
        graph.function(
            f'{CALC}split_dataset',
            inputs={'dataset': whole},
            outputs={'training': parts.training, 'validation': parts.validation},
            caller=outer,
        )
        return parts

    def merged(self, chain: str, one: Round, two: Round, learnt: tuple[float, ...]) -> Round:
        names = [*one.names, *two.names]
        cut = max(1, len(two.names) // 8)
        made = Round(self._dataset(names[cut:], learnt), self._dataset(names[:cut], learnt), names)
        for part in ('training', 'validation'):
            self.graph.function(
                f'{CALC}merge_datasets',
                inputs={'r1': getattr(one, part), 'r2': getattr(two, part)},
                outputs={'result': getattr(made, part)},
                caller=chain,
            )
        return made

    def phonons(
        self, chain: str, structure: str, potential: str, pressures: tuple[float, ...]
    ) -> list[str]:
        outer = self.graph.chain(
            f'{CHAIN}phonons', caller=chain, inputs={'phonons__potential': potential}
        )
        made = [
            self.graph.node(ForceConstantsData, {'array|force_constants': [6]}) for _ in pressures
        ]
        parts: dict[str, str] = {}
        for index, node in enumerate(made):
            parts[f'force_constants__p_{index}'] = node
            parts[f'structure__p_{index}'] = self.graph.node(StructureData, self.sites)
            parts[f'modes__p_{index}'] = self.graph.node(Dict, {'gamma': list(range(18))})
        self.job(
            'phonons',
            outer,
            inputs={
                'potential': potential,
                'structure': structure,
                'code': self.job_code,
                'pressures': self.graph.node(List),
            },
            outputs=parts,
            threads=4,
        )
        return made

    def job(
        self,
        stage: str,
        caller: str,
        *,
        inputs: dict[str, str],
        outputs: dict[str, str],
        results: dict[str, Any] | None = None,
        threads: int = 1,
    ) -> str:
        return self.graph.job(
            f'{CALC}{stage}',
            inputs=inputs,
            outputs=outputs,
            caller=caller,
            results={**(results or {}), 'job': {'seconds': 60.0, 'stage': stage}},
            threads=threads,
        )

    def _dataset(
        self, names: list[str], learnt: tuple[float, ...], *, labelled: bool = True
    ) -> str:
        return self.graph.node(
            DatasetData,
            {
                'n_frames': len(names),
                'labelled': labelled,
                'elements': ['H', 'Mg'],
                'methods': {'rattle': len(names)},
                'target_pressures': list(learnt),
                'dft_level': LEVEL if labelled else {},
                'failed': {},
                'n_gas_phase': 0,
            },
            files={DatasetData.FILENAME: self._frames_file(names, labelled=labelled)},
        )

    def _frames_file(self, names: list[str], *, labelled: bool) -> str:
        key = (*names, str(labelled))
        if key not in self._files:
            made = frames(len(names), labelled=labelled)
            for frame, name in zip(made, names, strict=True):
                frame.info['frame_id'] = name
            content = io.BytesIO(write_frames(made).encode())
            self._files[key] = self._repository.put_object_from_filelike(content)
        return self._files[key]


def _structure_attributes() -> dict[str, Any]:
    """Attributes of a crystal of 24 atoms, as the frames of a real set have."""
    node = StructureData(ase=crystal() * (2, 2, 1))
    found: dict[str, Any] = node.base.attributes.all
    return found
