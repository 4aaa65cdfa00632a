"""Steps of `BenchmarkWorkChain` that score: one cell after another, none left out."""

from __future__ import annotations

from typing import Any

from aiida.orm import Dict

from aiida_insbench.calculations.cell_spectra import DEUTERATED, REFERENCE
from aiida_insbench.calculations.difference_scores import score_difference_spectra
from aiida_insbench.calculations.scores import (
    DIFFERENCES,
    SEPARATOR,
    SHIFTS,
    score_spectra,
)
from aiida_insbench.calculations.shift_scores import modes_in, score_band_shifts
from aiida_insbench.science.benchmark.table import DFT, OF_DFT
from aiida_insbench.workflows.benchmark_committees import keywords
from aiida_insbench.workflows.benchmark_differences import difference_pairs
from aiida_insbench.workflows.benchmark_targets import BenchmarkTarget


class ScoringSteps:
    """What the benchmark does with spectra once it has them."""

    ctx: Any
    inputs: Any
    out: Any
    report: Any
    _targets: Any
    _competitors: Any

    def score_cells(self) -> None:
        """One score for each potential and target that has spectra."""
        self.ctx.scores, self.ctx.cell_failures = {}, {name: {} for name in self.inputs.potentials}
        for target in self._targets():
            for name in self._competitors(target.group):
                if not (name == DFT and target.row['kind'] == OF_DFT):
                    self._score(name, target)
            for name in self.inputs.potentials:
                self._note_failure(name, target)

    def _score(self, name: str, target: BenchmarkTarget) -> None:
        cell = target.row['name']
        if not target.within(self._sound(name, target.group.name)):
            return
        results, node = score_spectra.run_get_node(
            target=target.node,
            rules=target.rules(self.inputs.rules),
            **self._compared(name, target, target.group.name),
            **self._deuterated(name, target),
            metadata={'call_link_label': f'{name}{SEPARATOR}{cell}'},
        )
        if node.is_finished_ok:
            self.ctx.scores[f'{name}{SEPARATOR}{cell}'] = results['score']
            self.out(f'scores.{name}.{cell}', results['score'])
            self.out(f'overlays.{name}.{cell}', results['overlay'])
        elif name != DFT:
            self.ctx.cell_failures[name][cell] = str(node.exit_message)

    def _compared(self, name: str, target: BenchmarkTarget, group: str) -> dict[str, Any]:
        """Spectra of a competitor, of DFT and of members of one group, by link label."""
        return {
            **target.needed(self._sound(name, group)),
            **target.needed(self._anchors(name, target, group)),
            **keywords(self._members(name, target, group)),
        }

    def _deuterated(self, name: str, target: BenchmarkTarget) -> dict[str, Any]:
        twin = target.group.deuterated
        if twin is None:
            return {}
        found = self._compared(name, target, twin)
        return {f'{DEUTERATED}{label}': node for label, node in found.items()}

    def score_shifts(self) -> None:
        """Slopes of every competitor's modes against each table of measured band shifts."""
        self.ctx.shift_scores = {}
        tables = self.inputs.get('band_shifts', {})
        if tables and 'comparison' not in self.ctx:
            self.report('Band shifts are not scored: there are no modes to compare.')
            return
        for table, node in tables.items():
            names = list(self.inputs.potentials)
            if modes_in(self.ctx.comparison.get_dict(), DFT):
                names.append(DFT)
            for name in names:
                self._score_shifts(name, table, node)

    def _score_shifts(self, name: str, table: str, node: Dict) -> None:
        given = self.inputs.rules.get_dict().get('shift_scoring', {})
        results, process = score_band_shifts.run_get_node(
            table=node,
            comparison=self.ctx.comparison,
            settings=Dict({**given, 'competitor': name}),
            metadata={'call_link_label': f'{name}{SEPARATOR}{SHIFTS}{table}'},
        )
        if process.is_finished_ok:
            self.ctx.shift_scores[f'{name}{SEPARATOR}{SHIFTS}{table}'] = results
            self.out(f'shift_scores.{name}.{table}', results)
        else:
            self.report(f'Band shifts {table} of {name}: {process.exit_message}')

    def score_differences(self) -> None:
        """What pressure changes, of every competitor and pair of targets of one cell."""
        for lower, higher in difference_pairs(self._targets()):
            for name in self._competitors(higher.group):
                if not (name == DFT and higher.row['kind'] == OF_DFT):
                    self._score_difference(name, lower, higher)

    def _score_difference(self, name: str, lower: BenchmarkTarget, higher: BenchmarkTarget) -> None:
        spectra = self._sound(name, higher.group.name)
        if not (lower.within(spectra) and higher.within(spectra)):
            return
        cell = higher.row['name']
        results, node = score_difference_spectra.run_get_node(
            lower=lower.node,
            higher=higher.node,
            rules=higher.rules(self.inputs.rules),
            **{**lower.needed(spectra), **higher.needed(spectra)},
            metadata={'call_link_label': f'{name}{SEPARATOR}{DIFFERENCES}{cell}'},
        )
        if node.is_finished_ok:
            self.out(f'difference_scores.{name}.{cell}', results['score'])
            self.out(f'difference_overlays.{name}.{cell}', results['overlay'])
        else:
            self.report(f'Difference {cell} of {name}: {node.exit_message}')

    def _sound(self, name: str, group: str) -> dict[str, Any]:
        """Spectra by pressure label, but for pressures at which the competitor failed."""
        failed = self.ctx.failures.get(name, {})
        return {
            label: node
            for label, node in self.ctx.spectra[group].get(name, {}).items()
            if label not in failed
        }

    def _anchors(self, name: str, target: BenchmarkTarget, group: str) -> dict[str, Any]:
        """Spectra of DFT beside those of a potential on measured targets."""
        if name == DFT or target.row['kind'] == OF_DFT:
            return {}
        dft = self.ctx.spectra[group].get(DFT, {})
        return {f'{REFERENCE}{label}': node for label, node in dft.items()}

    def _members(self, name: str, target: BenchmarkTarget, group: str) -> dict[str, dict[str, Any]]:
        """Spectra of a potential's committee that the target needs, by member and label."""
        found = self.ctx.committee_spectra[group].get(name, {})
        return {member: target.needed(spectra) for member, spectra in found.items() if spectra}

    def _note_failure(self, name: str, target: BenchmarkTarget) -> None:
        """Why a potential has no score on a target, from what failed at the pressures it needs."""
        cell, reasons = target.row['name'], self.ctx.failures[name]
        if f'{name}{SEPARATOR}{cell}' in self.ctx.scores or cell in self.ctx.cell_failures[name]:
            return
        known = [reasons[target.label]] if target.label in reasons else list(reasons.values())
        self.ctx.cell_failures[name][cell] = (
            known[0] if known else 'Its spectra do not reach this pressure.'
        )
