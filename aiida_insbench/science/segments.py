"""Cut a list of pressures where the crystal becomes another one.

Modes can be followed as long as the atoms stand on the same sites of the same space group. Relaxed
crystals obey their symmetry up to noise only, and a tolerance that is too tight finds a subgroup,
one that is too loose by chance a supergroup, at one pressure and not at the next. Groups are
therefore looked for at tolerances from `symprec` to `NOISE`. Two crystals are the same if the group
that one of them has at the loosest tolerance is, at any of them, one of the other.

Space groups by spglib (Togo, Shinohara & Tanaka, *Sci. Technol. Adv. Mater. Meth.* 4, 2384822
(2024)). Lengths in Å, pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import StructureError, format_error
from aiida_insbench.science.mode_sets import IntArray
from aiida_insbench.science.pressure import pressure_from_label
from aiida_insbench.science.relaxation import space_group
from aiida_insbench.science.sites import site_order

#: Positions relaxed to forces of 1e-4 eV/Å along a soft direction (0.05 eV/Å²) are off by 0.002 Å,
#: and an atom from the image of another by twice as much.
NOISE = 5e-3
#: Cells whose axes differ by more than this strain are not taken for the same crystal.
MAX_STRAIN = 0.25


@dataclass(frozen=True)
class Groups:
    """Space groups of a crystal.

    Attributes
    ----------
    likely : str
        At the loosest tolerance, that of noise.
    known : frozenset of str
        At any tolerance.
    """

    likely: str
    known: frozenset[str]

    def same(self, other: Groups) -> bool:
        """Whether two crystals have one space group, up to noise."""
        return self.likely in other.known or other.likely in self.known


@dataclass(frozen=True)
class Segment:
    """Neighbouring pressures at which a crystal is the same one.

    Attributes
    ----------
    labels : tuple of str
        Pressure labels, rising.
    space_group : str
        International symbol and number.
    n_atoms : int
        Of the primitive cell.
    orders : dict from str to ndarray of int, shape (n_atoms,)
        Atom k of the first crystal stands on the site of atom ``order[k]`` of the one at a label.
    change : str
        What changed against the pressure before the first; empty for the first segment.
    """

    labels: tuple[str, ...]
    space_group: str
    n_atoms: int
    orders: dict[str, IntArray]
    change: str = ''

    @property
    def crystal(self) -> str:
        """The crystal in a sentence."""
        return f'{self.space_group} with {self.n_atoms} atoms'


def find_segments(crystals: Mapping[str, Atoms], *, symprec: float, name: str) -> list[Segment]:
    """Cut a list of pressures where space group, number of atoms or sites change.

    Parameters
    ----------
    crystals : mapping from str to Atoms
        Primitive cells by pressure label.
    symprec : float
        Tolerance of positions, Å.
    name : str
        Of the source, for messages.

    Returns
    -------
    list of Segment
        In order of pressure; together they hold every label once.

    Raises
    ------
    StructureError
        If the crystals are not of one composition, or one has no space group.
    """
    _check_composition(crystals, name)
    segments: list[Segment] = []
    groups: list[Groups] = []
    for label in sorted(crystals, key=pressure_from_label):
        own = find_groups(crystals[label], symprec=symprec)
        change, order = '', np.arange(len(crystals[label]))
        if segments:
            change, order = _step(segments[-1], groups, crystals, label, own)
        if not segments or change:
            groups = [own]
            segments.append(Segment((label,), own.likely, len(order), {label: order}, change))
        else:
            groups.append(own)
            segments[-1] = _longer(segments[-1], label, order, _shared_name(groups))
    return segments


def find_groups(atoms: Atoms, *, symprec: float) -> Groups:
    """Space groups at tolerances between `symprec` and `NOISE`.

    Raises
    ------
    StructureError
        If spglib finds none.
    """
    low, high = sorted((symprec, NOISE))
    tolerances = np.geomspace(low, high, 1 + int(np.ceil(2 * np.log10(high / low))))
    found = [space_group(atoms=atoms, symprec=float(one)) for one in tolerances]
    return Groups(found[-1], frozenset(found))


def atom_order(cell: Atoms, standard: Atoms, *, where: str) -> IntArray:
    """Order of a crystal's atoms in which they stand on the sites of another.

    Parameters
    ----------
    cell, standard : Atoms
        One crystal in one setting, perhaps strained.
    where : str
        What `cell` is, for messages.

    Returns
    -------
    ndarray of int, shape (n_atoms,)
        Atom k of `standard` is atom ``order[k]`` of `cell`.

    Raises
    ------
    StructureError
        If it is not the same crystal in the same setting.
    """
    strain = np.linalg.solve(standard.cell.array, cell.cell.array) - np.eye(3)
    if np.abs(strain).max() > MAX_STRAIN:
        raise StructureError(
            format_error(
                f'{where}: the axes differ by a strain of {np.abs(strain).max():.2f}.',
                reason='Eigenvectors are compared in cartesian components.',
                fix='Give all crystals in one setting.',
            )
        )
    try:
        return site_order(
            symbols=standard.get_chemical_symbols(),
            fractional=standard.get_scaled_positions(),
            other_symbols=cell.get_chemical_symbols(),
            other_fractional=cell.get_scaled_positions(),
            cell=standard.cell.array,
        )
    except StructureError as exc:
        raise StructureError(f'{where}: {exc}') from exc


def end_of_following(segments: Sequence[Segment]) -> str | None:
    """Sentence on how far modes can be followed and what changes there; None if to the end."""
    if len(segments) < 2:
        return None
    first, last = segments[0].labels[0], segments[0].labels[-1]
    start, end = pressure_from_label(first), pressure_from_label(last)
    far = f'from {start:g} to {end:g} GPa' if first != last else f'at {start:g} GPa'
    beyond = pressure_from_label(segments[1].labels[0])
    return f'Modes are followed {far} only: at {beyond:g} GPa {segments[1].change}.'


def other_crystals(mine: Sequence[Segment], theirs: Sequence[Segment]) -> list[str]:
    """Sentences on common pressures where one of two crystals has changed and the other not."""
    sentences = []
    for label in (label for one in mine for label in one.labels):
        own, other = (_holding(label, segments) for segments in (mine, theirs))
        if own is None or other is None or (own is mine[0]) == (other is theirs[0]):
            continue
        sentences.append(
            f'At {pressure_from_label(label):g} GPa the crystal is {own.crystal}, in DFT '
            f'{other.crystal}.'
        )
    return sentences


def _holding(label: str, segments: Sequence[Segment]) -> Segment | None:
    return next((one for one in segments if label in one.labels), None)


def _step(
    before: Segment,
    groups: Sequence[Groups],
    crystals: Mapping[str, Atoms],
    label: str,
    own: Groups,
) -> tuple[str, IntArray]:
    """What has changed, empty for nothing, and the order of atoms then."""
    cell, last = crystals[label], before.labels[-1]
    none = np.arange(len(cell))
    changes = []
    if len(cell) != before.n_atoms:
        changes.append(f'has {len(cell)} atoms in its cell instead of {before.n_atoms}')
    if not all(own.same(one) for one in groups):
        changes.append(f'is {own.likely} instead of {before.space_group}')
    if changes:
        return f'the crystal {" and ".join(changes)}', none
    previous = crystals[last][before.orders[last]]
    try:
        return '', atom_order(cell, previous, where=label)
    except StructureError:
        return 'atoms have moved to other sites, or the axes are others', none


def _shared_name(groups: Sequence[Groups]) -> str:
    """The group that all crystals have, the likely one of as many as possible."""
    likely = [one.likely for one in groups]
    shared = [name for name in likely if all(name in one.known for one in groups)]
    return max(shared or likely, key=likely.count)


def _longer(segment: Segment, label: str, order: IntArray, group: str) -> Segment:
    return Segment(
        (*segment.labels, label),
        group,
        segment.n_atoms,
        {**segment.orders, label: order},
        segment.change,
    )


def _check_composition(crystals: Mapping[str, Atoms], name: str) -> None:
    formulas = {one.symbols.formula.reduce()[0].format('hill') for one in crystals.values()}
    if len(formulas) > 1:
        raise StructureError(
            f'{name} is of {" and ".join(sorted(formulas))} at different pressures: these are not '
            'one substance.'
        )
