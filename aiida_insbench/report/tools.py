"""What ``load_node(pk).tools`` offers for processes of this package, in a notebook above all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida.tools.workflows import WorkflowTools

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class SpectraTools(WorkflowTools):
    """Of `insbench.ins` and of whatever else has spectra by pressure label."""

    def plot(self) -> Figure:
        """Draw spectra of all pressures above each other, each divided by its maximum.

        Returns
        -------
        matplotlib.figure.Figure
            Not shown; notebooks draw it by themselves.

        Raises
        ------
        InputError
            If there is no spectrum.
        """
        return draw_spectra(self._node)


class CampaignTools(SpectraTools):
    """Of `insbench.campaign`."""

    def rounds(self) -> list[dict[str, Any]]:
        """Records of all rounds, in their order; see `insbench.assess_round`."""
        outputs = self._node.outputs
        records = (
            [node.get_dict() for node in outputs.rounds.values()] if 'rounds' in outputs else []
        )
        return sorted(records, key=lambda one: int(one['number']))

    def report(self, folder: str | Path) -> Path:
        """Write the report into a folder; return the page."""
        from aiida_insbench.report.write import write_report

        return write_report(self._node, Path(folder)).html


class BenchmarkTools(WorkflowTools):
    """Of `insbench.benchmark`."""

    def ranking(self) -> list[tuple[int, str, float, float]]:
        """Rank, potential, mean cost and its error, best first."""
        table = self._node.outputs.ranking.get_dict()
        return [(one['rank'], one['name'], one['mean'], one['error']) for one in table['ranked']]

    def report(self, folder: str | Path) -> Path:
        """Write the report into a folder; return the page."""
        from aiida_insbench.report.benchmark_write import write_benchmark

        return write_benchmark(self._node, Path(folder))[0]


class PhononsTools(WorkflowTools):
    """Of `insbench.phonons` and `insbench.reference`."""

    def frequencies(self) -> dict[str, list[float]]:
        """Frequencies at Γ in cm⁻¹ by pressure label, below zero imaginary."""
        outputs = self._node.outputs
        modes = outputs.modes if 'modes' in outputs else {}
        return {label: list(modes[label]['gamma']['frequencies']) for label in sorted(modes)}


def draw_spectra(node: Any) -> Figure:
    """Draw the spectra among a process's outputs; raises `InputError` if there are none."""
    from aiida_insbench.report.figures_measured import stacked
    from aiida_insbench.science.errors import InputError
    from aiida_insbench.science.pressure import pressure_from_label

    found = dict(node.outputs.spectrum.items()) if 'spectrum' in node.outputs else {}
    if not found:
        raise InputError(f'Process {node.pk} ({node.process_label}) has no `spectrum`.')
    return stacked(
        [
            {
                'name': f'{pressure_from_label(label):g} GPa',
                'energy': found[label].energy_transfer,
                'total': found[label].total,
                'error': None,
                'kept': None,
            }
            for label in sorted(found, key=pressure_from_label)
        ]
    )
