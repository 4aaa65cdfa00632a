"""Campaigns as `insbench.campaign` leaves them, many of them, for the speed of queries."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.orm import ArrayData, Dict, Int, SinglefileData, StructureData
from synthetic_rounds import CALC, CHAIN, PRESSURES, Round, Rounds

from aiida_insbench.data import PotentialData, SpectrumData


class Campaigns(Rounds):
    """Chains from a crystal to spectra and verdicts."""

    def campaign(
        self, *, n_frames: int, n_rounds: int, learnt: tuple[float, ...], committee: int = 3
    ) -> dict[str, str]:
        """One campaign; UUIDs of its spectrum at the highest pressure, dataset and work chain."""
        graph = self.graph
        structure = graph.node(StructureData, self.sites)
        chain = graph.chain(f'{CHAIN}campaign', inputs={'structure': structure})
        relaxed = self.relaxed(chain, structure)
        merged = self.labelled(chain, relaxed, 1, n_frames, learnt)
        potential = self._train(chain, merged, learnt)
        potentials = {'base': potential}
        for number in range(2, n_rounds + 1):
            found = self.labelled(chain, relaxed, number, n_frames, learnt, sampler=potential)
            merged = self.merged(chain, merged, found, learnt)
            members = [
                self._train(chain, merged, learnt, start=potential) for _ in range(committee)
            ]
            potential = members[0]
            potentials = {'base': potentials['base']} | {
                f'seed_{seed}': node for seed, node in enumerate(members)
            }
        evaluation = self._evaluate(chain, merged.validation, potentials)
        spectra = self._spectra(chain, relaxed, potential)
        self._validate(chain, potential, evaluation)
        self._benchmark(chain, potentials)
        graph.returns(chain, {'dataset': merged.training, 'evaluation': evaluation})
        graph.returns(chain, {f'spectrum__p_{i}': one for i, one in enumerate(spectra)})
        return {'spectrum': spectra[-1], 'dataset': merged.training, 'campaign': chain}

    def measured(self, number: int) -> None:
        """Measured spectra of one sample."""
        for pressure in PRESSURES:
            spectrum = self.graph.node(
                SpectrumData,
                {
                    **_spectrum_attributes(pressure, 'measured'),
                    'sample': f'sample {number}',
                    'doi': f'10.1000/{number}',
                    'details': {'conditions': {'pressure_error': 0.05}},
                },
            )
            self.graph.function(
                f'{CALC}import_spectrum',
                inputs={'file': self.graph.node(SinglefileData), 'settings': self.graph.node(Dict)},
                outputs={'spectrum': spectrum},
                caller='',
            )

    def _train(self, chain: str, data: Round, learnt: tuple[float, ...], *, start: str = '') -> str:
        potential = self.graph.node(
            PotentialData,
            {
                'flavour': 'mace',
                'elements': ['H', 'Mg'],
                'cutoff': 4.5,
                'heads': ['Default'],
                'provenance': {'training': {'strategy': 'finetune' if start else 'scratch'}},
            },
            label='finetuned' if start else 'base',
        )
        outer = self.graph.chain(f'{CHAIN}finetune', caller=chain)
        inputs = {'dataset': data.training, 'validation': data.validation, 'code': self.job_code}
        if start:
            inputs['start'] = start
        self.job(
            'train',
            outer,
            inputs=inputs,
            outputs={'potential': potential, 'training_curve': self.graph.node(Dict)},
            threads=8,
        )
        return potential

    def _evaluate(self, chain: str, dataset: str, potentials: dict[str, str]) -> str:
        parity = {f'by_{what}': {str(i): {'a': 1.0, 'b': 2.0} for i in range(8)} for what in 'xyz'}
        return self.job(
            'evaluate',
            chain,
            inputs={
                'dataset': dataset,
                'code': self.job_code,
                **{f'potentials__{name}': node for name, node in potentials.items()},
            },
            outputs={'predictions': self.graph.node(ArrayData)},
            results={
                'potentials': {
                    name: {'rmse_forces_mev_a': 10.0 + index, **parity}
                    for index, name in enumerate(potentials)
                }
            },
        )

    def _spectra(self, chain: str, structure: str, potential: str) -> list[str]:
        graph = self.graph
        constants = self.phonons(chain, structure, potential, PRESSURES)
        outer = graph.chain(f'{CHAIN}ins', caller=chain)
        raw = [
            graph.node(
                SpectrumData,
                _spectrum_attributes(pressure, 'simulated', ', without resolution'),
            )
            for pressure in PRESSURES
        ]
        self.job(
            'ins',
            outer,
            inputs={
                'code': self.job_code,
                'parameters': graph.node(Dict),
                **{f'force_constants__p_{i}': node for i, node in enumerate(constants)},
            },
            outputs={f'contributions__p_{i}': node for i, node in enumerate(raw)},
            threads=4,
        )
        spectra = []
        for pressure, contributions in zip(PRESSURES, raw, strict=True):
            spectra.append(graph.node(SpectrumData, _spectrum_attributes(pressure, 'simulated')))
            graph.function(
                f'{CALC}broaden_spectrum',
                inputs={'contributions': contributions, 'settings': graph.node(Dict)},
                outputs={'result': spectra[-1]},
                caller=outer,
            )
        return spectra

    def _validate(self, chain: str, potential: str, evaluation: str) -> None:
        outer = self.graph.chain(f'{CHAIN}validate', caller=chain, inputs={'potential': potential})
        runs = self.graph.node(Dict, {'drift': 0.1})
        self.job(
            'md',
            outer,
            inputs={'potential': potential, 'code': self.job_code},
            outputs={'runs__p_0000_npt': runs},
            threads=8,
        )
        verdict = self.job(
            'validate',
            outer,
            inputs={'code': self.job_code, 'evaluation': evaluation, 'runs__p_0000_npt': runs},
            outputs={},
            results={'passed': self.graph.n_nodes % 2 == 0, 'summary': 'so it is'},
        )
        self.graph.returns(outer, {'verdict': verdict})

    def _benchmark(self, chain: str, potentials: dict[str, str]) -> None:
        outer = self.graph.chain(
            f'{CHAIN}benchmark',
            caller=chain,
            inputs={f'potentials__{name}': node for name, node in potentials.items()},
        )
        ranked = [
            {'name': name, 'rank': place, 'mean': 0.2 * place, 'error': 0.05, 'cells': {}}
            for place, name in enumerate(potentials, start=1)
        ]
        ranking = self.graph.node(Dict, {'ranked': ranked})
        self.graph.function(
            f'{CALC}rank_scores',
            inputs={'rules': self.graph.node(Int, {'value': 1})},
            outputs={'result': ranking},
            caller=outer,
        )
        self.graph.returns(outer, {'ranking': ranking})


def _spectrum_attributes(pressure: float, origin: str, suffix: str = '') -> dict[str, Any]:
    return {
        'origin': origin,
        'instrument': 'TOSCA',
        'bank': '',
        'temperature': 10.0,
        'pressure': pressure,
        'sample': 'Mg2H4',
        'quantity': f'S(Q(w),w) times cross-section{suffix}',
        'units': {'energy_transfer': '1/cm'},
        'doi': '',
        'file_hash': 'f' * 64,
        'details': {
            'bands': [{'energy': float(one), 'area': 1.0} for one in range(20)],
            'settings': {'mesh': np.arange(3).tolist()},
        },
        'array|total': [2000],
        'array|energy_transfer': [2000],
    }
