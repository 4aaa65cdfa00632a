"""Families of pseudopotentials: made from a folder or an archive, asked for pseudos and cutoffs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aiida_insbench.cli.pseudo_files import opened, read_cutoffs, read_pseudos
from aiida_insbench.cli.site import MADE_BY_SETUP
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.pseudo_cutoffs import NORMAL, Cutoffs


@dataclass(frozen=True)
class Installed:
    """What became of a folder.

    Attributes
    ----------
    family : CutoffsPseudoPotentialFamily
        Stored.
    without_cutoffs : dict of str to list of str
        By stringency that could not be stored: elements without cutoffs.
    functional : str
        Of all pseudopotentials; empty where they do not say.
    """

    family: Any
    without_cutoffs: dict[str, list[str]]
    functional: str


def install_family(
    source: Path, label: str, *, cutoffs_file: Path | None = None, description: str = ''
) -> Installed:
    """Make a family of the UPF files of a folder or an archive, with the cutoffs beside them.

    Parameters
    ----------
    source : Path
        Folder with one ``.upf`` an element, or an archive of one (zip, tar, tar.gz, …). Cutoffs are
        taken from files ``Si.toml`` or one ``.json`` in it.
    label : str
        Of the family.
    cutoffs_file : Path, optional
        JSON with cutoffs that is not in the folder, as that of SSSP.
    description : str
        Of the family.

    Raises
    ------
    InputError
        If the label is taken; if there is no UPF file, two of one element, one that cannot be read,
        or ones of different functionals; if cutoffs are of other pseudopotentials. Nothing is
        stored then.
    """
    from aiida_pseudo.groups.family import CutoffsPseudoPotentialFamily, PseudoPotentialFamily

    _refuse_taken(label, PseudoPotentialFamily)
    pseudos, functional, found = read_family(source, cutoffs_file=cutoffs_file)
    new = [node for node in pseudos.values() if not node.is_stored]
    family = CutoffsPseudoPotentialFamily(label=label, description=description).store()
    family.add_nodes([node if node.is_stored else node.store() for node in pseudos.values()])
    family.base.extras.set(MADE_BY_SETUP, [node.uuid for node in new])
    lacking = {}
    for stringency, cutoffs in found.items():
        without = sorted(set(pseudos) - set(cutoffs))
        if without:  # aiida-pseudo wants all or none
            lacking[stringency] = without
            continue
        named = {
            element: dict(zip(('cutoff_wfc', 'cutoff_rho'), pair, strict=True))
            for element, pair in cutoffs.items()
        }
        family.set_cutoffs(named, stringency, unit='Ry')
    if NORMAL in family.get_cutoff_stringencies():
        family.set_default_stringency(NORMAL)
    return Installed(family, lacking, functional)


def read_family(
    source: Path, *, cutoffs_file: Path | None = None
) -> tuple[dict[str, Any], str, Cutoffs]:
    """Pseudopotentials by element, their functional and cutoffs (Ry), of a folder or an archive.

    Raises
    ------
    InputError
        As `install_family`.
    """
    from aiida_insbench.workflows.protocols.dft import functional_of_pseudos

    with opened(source) as folder:
        pseudos = read_pseudos(folder)
        functional = functional_of_pseudos(pseudos)
        return pseudos, functional, read_cutoffs(folder, pseudos, cutoffs_file)


def _refuse_taken(label: str, kind: Any) -> None:
    from aiida.orm import QueryBuilder

    if QueryBuilder().append(kind, filters={'label': label}).count():
        raise InputError(
            format_error(
                f'There is a family {label} already.',
                fix='Choose another label, or remove it: verdi group delete.',
            )
        )


def load_family(label: str) -> Any:
    """Load a family of aiida-pseudo.

    Raises
    ------
    InputError
        If there is none of this label.
    """
    from aiida.orm import QueryBuilder
    from aiida_pseudo.groups.family import PseudoPotentialFamily

    families = QueryBuilder().append(PseudoPotentialFamily).all(flat=True)
    for family in families:
        if family.label == label:
            return family
    there = ', '.join(sorted(family.label for family in families))
    raise InputError(
        format_error(
            f'There is no family of pseudopotentials {label}.',
            reason=f'There are {there}.' if there else 'There are none yet.',
            fix='`aiida-insbench setup pseudos FOLDER --label LABEL` makes one.',
        )
    )


def pseudos_of(label: str, elements: Iterable[str]) -> dict[str, Any]:
    """Pseudopotentials of a family, by element.

    Raises
    ------
    InputError
        If there is no such family, or it lacks an element.
    """
    family, wanted = load_family(label), sorted(elements)
    lacking = sorted(set(wanted) - set(family.elements))
    if lacking:
        raise InputError(
            format_error(
                f'The family {label} has no pseudopotential for {", ".join(lacking)}.',
                fix='Name a family that has them.',
            )
        )
    pseudos: dict[str, Any] = family.get_pseudos(elements=wanted)
    return pseudos


def choose_cutoffs(
    label: str,
    elements: Iterable[str],
    given: tuple[float, float] | None,
    convergence: Any = None,
) -> tuple[tuple[float, float], str]:
    """Cutoffs (Ry) and where they come from: given, converged, or recommended by the family.

    Parameters
    ----------
    label : str
        Of the family.
    elements : iterable of str
        For which the highest is taken.
    given : tuple of two floats, optional
        Taken where they are there.
    convergence : Dict, optional
        Of `insbench.converge`; else taken from it.

    Raises
    ------
    InputError
        If none are known, or those given are not positive.
    """
    if given:
        if not (given[0] > 0 and given[1] >= given[0]):
            raise InputError(
                f'--cutoffs are {given[0]:g} and {given[1]:g} Ry; give those of wave functions and '
                'density, the second the higher.'
            )
        return given, 'as given'
    if convergence is not None:
        wave_functions, density = convergence['cutoffs']
        return (wave_functions, density), f'of the convergence <{convergence.pk}>'
    family = load_family(label)
    stringencies = getattr(family, 'get_cutoff_stringencies', tuple)()
    try:
        chosen = family.get_recommended_cutoffs(elements=tuple(sorted(elements)), unit='Ry')
        source = f'recommended by {label} ({family.get_default_stringency()})'
    except (AttributeError, ValueError) as exc:
        reason = f' ({exc})' if stringencies else ''
        raise InputError(
            format_error(
                f'The family {label} recommends no cutoffs{reason}.',
                fix='Give --cutoffs WAVE_FUNCTIONS DENSITY in Ry; `aiida-insbench dataset '
                'converge` finds them, `aiida-pseudo family cutoffs set` keeps them.',
            )
        ) from exc
    return (round(chosen[0], 3), round(chosen[1], 3)), source
