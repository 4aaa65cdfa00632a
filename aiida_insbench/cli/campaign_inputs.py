"""From a campaign's file to nodes: everything named in it is found, or all problems are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from aiida_insbench.science.campaign.composition import (
    claimed_composition,
    composition_faults,
    occupancy_faults,
    parse_formula,
)
from aiida_insbench.science.campaign.config import CampaignConfig
from aiida_insbench.science.errors import InputError, StructureError, format_error
from aiida_insbench.science.vacuum import refuse_vacuum_under_pressure


def campaign_inputs(config: CampaignConfig, folder: Path, *, codes: Any = None) -> dict[str, Any]:
    """Arguments of the builder, cutoffs apart; ``codes`` (or None) are to be taken out.

    Parameters
    ----------
    config : CampaignConfig
        As read from a file.
    folder : Path
        From which its relative paths count.
    codes : sequence of AbstractCode, optional
        Instead of those of the file.

    Raises
    ------
    InputError
        With every problem, one a line.
    """
    finder = _Finder()
    atoms = finder.ask('structure', lambda: _crystal(folder / config.structure))
    if atoms is not None:
        finder.faults += crystal_faults(atoms, config, folder / config.structure)
    measured = {
        name: finder.node(f'measured.{name}', label, 'insbench.spectrum')
        for name, label in config.measured.items()
    }
    band_shifts = {
        name: finder.node(f'band_shifts.{name}', label, 'core.dict')
        for name, label in config.band_shifts.items()
    }
    start = finder.node('start', config.start, 'insbench.potential')
    known = finder.ask('continue', lambda: _known(config.continue_from))
    if codes is None or not len(codes):
        codes = finder.ask('codes', lambda: _codes(config))
    pseudos = finder.ask('pseudo_family', lambda: _pseudos(config, atoms))
    finder.refuse()
    from aiida.orm import StructureData

    return {
        'codes': codes,
        'structure': StructureData(ase=atoms),
        'pressures': config.pressures,
        'pseudos': pseudos,
        'measured': measured,
        'band_shifts': band_shifts,
        'blind': config.blind,
        'start': start,
        'known': known,
        'reference_pressures': config.reference_pressures,
        'protocol': config.protocol,
        'overrides': config.protocol_overrides,
        'seed': config.seed,
        'relaxation_ranks': config.relaxation_ranks,
    }


def crystal_faults(atoms: Any, config: CampaignConfig, path: Path) -> list[str]:
    """What is wrong with the crystal: sites occupied in part, atoms missing, a vacuum."""
    faults = occupancy_faults(atoms, name=path.name)
    if faults:
        return faults
    try:
        refuse_vacuum_under_pressure(atoms, pressures=config.pressures, name=path.name)
    except StructureError as exc:
        return [str(exc)]
    claimed = claimed_composition(path)
    if config.formula is not None:
        try:
            formula = parse_formula(config.formula)
        except InputError as exc:
            return [f'`formula`: {exc}']
        return composition_faults(
            atoms, formula, units=config.formula_units, of=f'`formula` {config.formula}'
        )
    if claimed is not None:
        return composition_faults(
            atoms, claimed[0], units=claimed[1], of=f"{path.name}'s own formula"
        )
    return []


class _Finder:
    """Collects what cannot be found."""

    def __init__(self) -> None:
        self.faults: list[str] = []

    def ask(self, name: str, make: Callable[[], Any]) -> Any:
        """What `make` returns, or None and a fault."""
        from aiida.common.exceptions import AiidaException

        try:
            return make()
        except (InputError, AiidaException, ValueError) as exc:
            self.faults.append(f'`{name}`: {exc}')
            return None

    def node(self, name: str, identifier: str | int | None, entry_point: str) -> Any:
        """A node by label, PK or UUID."""
        if identifier is None:
            return None
        from aiida.cmdline.params.types import DataParamType

        kind = DataParamType(sub_classes=(f'aiida.data:{entry_point}',))
        return self.ask(name, lambda: _converted(kind, identifier))

    def refuse(self) -> None:
        """Raise with all faults."""
        if self.faults:
            lines = '\n'.join(f'- {fault}' for fault in self.faults)
            raise InputError(f'The campaign cannot be started:\n{lines}')


def _converted(kind: Any, identifier: str | int) -> Any:
    import click

    try:
        return kind.convert(str(identifier), None, None)
    except click.ClickException as exc:
        raise InputError(exc.format_message()) from exc


def _crystal(path: Path) -> Any:
    from aiida_insbench.science.structure_files import read_crystal_file

    return read_crystal_file(path)


def _known(identifier: str | int | None) -> Any:
    if identifier is None:
        return None
    from aiida.orm import load_node

    from aiida_insbench.workflows.campaign import CampaignWorkChain

    node = load_node(identifier)
    if getattr(node, 'process_label', None) != CampaignWorkChain.__name__:
        raise InputError(
            format_error(
                f'Node {node.pk} is no campaign.', fix='`verdi process list -a` lists them.'
            )
        )
    return CampaignWorkChain.continued_inputs(node)


def _codes(config: CampaignConfig) -> Any:
    from aiida.orm import load_code

    from aiida_insbench.cli.submission import two_codes

    if config.codes is None:
        return two_codes(None)
    return [load_code(config.codes.pw), load_code(config.codes.job)]


def _pseudos(config: CampaignConfig, atoms: Any) -> Any:
    from aiida_insbench.cli.pseudo_families import pseudos_of

    return pseudos_of(config.pseudo_family, set(atoms.get_chemical_symbols()) if atoms else set())
