"""Modes of a node for the commands: found in the graph, listed, chosen, set in motion.

Frequencies in cm⁻¹, negative for imaginary modes; pressures in GPa.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from aiida.orm import Node
from ase import Atoms
from phonopy import Phonopy

from aiida_insbench.queries import analysis_settings_of, force_constants_of, latest
from aiida_insbench.report.analysed_modes import analysed_modes
from aiida_insbench.report.numbers import MISSING, number, pressure
from aiida_insbench.report.tables_modes import remark, shares_text, slope_text
from aiida_insbench.science.errors import InputError, format_error
from aiida_insbench.science.followed_vibrations import FollowedVibrations
from aiida_insbench.science.lattice_waves import Vibration, vibrations_at, whole_waves
from aiida_insbench.science.mode_animation import animate
from aiida_insbench.science.mode_choice import Candidate, choose_mode
from aiida_insbench.science.pressure import pressure_from_label, pressure_label
from aiida_insbench.science.shifts import mode_table

#: Stands for the pressure of force constants that nobody knows the pressure of.
_UNKNOWN = 'p_0000'
_GAMMA = (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Phonons:
    """Force constants of one source.

    Attributes
    ----------
    by_label : dict of str to Phonopy
        By pressure label, rising.
    title : str
        What they are of.
    known : bool
        Whether their pressure is known.
    settings : dict
        Of the analysis they stand in, if any.
    """

    by_label: dict[str, Phonopy]
    title: str
    known: bool
    settings: dict[str, Any]

    def followed(self) -> list[FollowedVibrations]:
        """Modes at Γ, followed as in the analysis."""
        return analysed_modes(self.by_label, self.settings)

    def heading(self, label: str) -> str:
        """Pressure as the heading of a column."""
        return f'{pressure(pressure_from_label(label))} GPa' if self.known else 'cm⁻¹'


def read_phonons(node: Node, *, potential: str | None) -> Phonons:
    """Force constants of a node, of one potential.

    Raises
    ------
    InputError
        If there are none, or none of the potential.
    """
    sources = force_constants_of(node)
    name = potential or latest(sources)
    if name not in sources:
        known = ', '.join(key for key in sources if key)
        raise InputError(
            f'There are no force constants of a potential `{name}`; '
            + (f'there are those of {known}.' if known else 'leave `--potential` out.')
        )
    nodes = {label or _UNKNOWN: one for label, one in sources[name].items()}
    kind = getattr(node, 'process_label', None) or node.__class__.__name__
    title = f'{kind}<{node.pk}>' + (f', potential {name}' if name else '')
    return Phonons(
        {
            label: nodes[label].get_phonopy_instance()
            for label in sorted(nodes, key=pressure_from_label)
        },
        title,
        known='' not in sources[name],
        settings=analysis_settings_of(node),
    )


def read_qpoint(words: Sequence[str] | None) -> tuple[float, float, float]:
    """Three fractions or decimals; Γ if there are none.

    Raises
    ------
    InputError
        If one is no number.
    """
    try:
        first, second, third = (float(Fraction(word)) for word in words or ('0', '0', '0'))
    except (ValueError, ZeroDivisionError) as exc:
        raise InputError(
            f'{" ".join(words or ())!r} is no q-point: give three numbers such as 1/2 0 0.'
        ) from exc
    return first, second, third


def gamma_rows(phonons: Phonons) -> list[list[dict[str, Any]]]:
    """Rows of `mode_table` with ``number``, of every stretch of pressures with one crystal."""
    return [
        [{'number': row['index'] + 1, **row} for row in mode_table(found.series)]
        for found in phonons.followed()
    ]


def gamma_lines(phonons: Phonons, tables: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """Followed optical modes as lines to print."""
    lines = [f'{phonons.title}: optical modes at Γ, cm⁻¹']
    for rows in tables:
        labels = list(rows[0]['frequencies']) if rows else []
        heads = ['No.', 'irrep', *(phonons.heading(label) for label in labels)]
        heads += ['slope (cm⁻¹/GPa)', 'atoms', 'molecules', 'remark']
        cells = [
            [
                str(row['number']),
                (row['irrep'] or MISSING) + (f' ×{row["degeneracy"]}' * (row['degeneracy'] > 1)),
                *(_wavenumber(row['frequencies'][label]) for label in labels),
                slope_text(row, ''),
                shares_text(row['participation']),
                shares_text(row['motion']),
                remark(row)[0],
            ]
            for row in rows
        ]
        lines += _columns(heads, cells, left=('irrep', 'atoms', 'molecules', 'remark'))
    if len(tables) > 1:
        lines.append('The crystal changes between the tables: modes are not followed further.')
    return lines


def wave_rows(phonons: Phonons, qpoint: Sequence[float]) -> list[dict[str, Any]]:
    """Modes at one q-point, numbered by frequency at each pressure."""
    columns = {
        label: [one.frequency for one in vibrations_at(phonon, qpoint)]
        for label, phonon in phonons.by_label.items()
    }
    return [
        {'number': index + 1, 'frequencies': dict(zip(columns, values, strict=True))}
        for index, values in enumerate(zip(*columns.values(), strict=True))
    ]


def wave_lines(
    phonons: Phonons, rows: Sequence[Mapping[str, Any]], qpoint: Sequence[float]
) -> list[str]:
    """Modes at one q-point as lines to print."""
    at = ' '.join(f'{value:g}' for value in qpoint)
    heads = ['No.', *(phonons.heading(label) for label in phonons.by_label)]
    cells = [
        [str(row['number']), *(_wavenumber(value) for value in row['frequencies'].values())]
        for row in rows
    ]
    return [
        f'{phonons.title}: modes at q = {at}, cm⁻¹, by frequency at each pressure',
        *_columns(heads, cells),
    ]


def moving_atoms(
    node: Node,
    *,
    potential: str | None = None,
    qpoint: Sequence[str] | None = None,
    pressure: float | None = None,
    number: int | None = None,
    near: float | None = None,
    member: int = 1,
    supercell: Sequence[int] | None = None,
    **words: Any,
) -> list[Atoms]:
    """Frames of one mode of a node; see ``aiida-insbench phonons animate``.

    Raises
    ------
    InputError
        If the mode, the pressure or the supercell cannot be what is meant.
    """
    phonons = read_phonons(node, potential=potential)
    label = _label(phonons, pressure)
    matrix = np.diag(supercell) if supercell else None
    point, matrix = whole_waves(read_qpoint(qpoint), matrix)
    if np.allclose(point, _GAMMA):
        found = next(one for one in phonons.followed() if label in one.cells)
        vibration = _at_gamma(found, label, number=number, near=near, member=member)
    else:
        if member != 1:
            raise InputError('Away from Γ every mode has a number of its own: leave member out.')
        modes = vibrations_at(phonons.by_label[label], point.tolist())
        candidates = [Candidate(one.number, '', one.frequency) for one in modes]
        vibration = modes[choose_mode(candidates, number=number, near=near).number - 1]
    return animate(
        vibration,
        supercell_matrix=matrix,
        pressure=pressure_from_label(label) if phonons.known else None,
        **words,
    )


def _at_gamma(
    found: FollowedVibrations, label: str, *, number: int | None, near: float | None, member: int
) -> Vibration:
    optical = found.series.optical
    candidates = [
        Candidate(group + 1, optical.irrep(group), found.series.by_label(group)[label])
        for group in range(len(optical.groups))
    ]
    chosen = choose_mode(candidates, number=number, near=near)
    return found.vibration(chosen.number - 1, label, member=member - 1)


def _label(phonons: Phonons, wanted: float | None) -> str:
    """Label of the pressure that is wanted, or of the only one."""
    labels = list(phonons.by_label)
    if wanted is None and len(labels) == 1:
        return labels[0]
    label = None if wanted is None else pressure_label(wanted)
    if label not in labels or not phonons.known:
        known = ', '.join(pressure(pressure_from_label(one)) for one in labels)
        asked = 'Which pressure?' if wanted is None else f'{wanted:g} GPa was not computed.'
        raise InputError(
            format_error(asked, fix=f'Known are {known} GPa.')
            if phonons.known
            else 'The pressure of these force constants is not known: leave `--pressure` out.'
        )
    return label


def _wavenumber(value: float) -> str:
    """One decimal, imaginary as 142.6i."""
    return f'{-value:.1f}i' if value < -0.05 else number(abs(value), 1)


def _columns(
    heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: Sequence[str] = ()
) -> list[str]:
    """Aligned lines; columns that hold nothing are left out."""
    kept = [n for n in range(len(heads)) if any(row[n] != MISSING for row in rows)]
    widths = {n: max(len(line[n]) for line in (heads, *rows)) for n in kept}
    return [
        '  '.join(
            line[n].ljust(widths[n]) if heads[n] in left else line[n].rjust(widths[n]) for n in kept
        ).rstrip()
        for line in (heads, *rows)
    ]
