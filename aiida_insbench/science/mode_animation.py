r"""Atoms moving in one vibration, frame by frame over one period.

In a mode of frequency ω at the wave vector **q**, the atom j of the cell at the lattice vector
:math:`\mathbf R_l` stands off its place by

.. math:: \mathbf u_{jl}(t) = \mathrm{Re}\left[A\,\frac{\mathbf e_j}{\sqrt{m_j}}\,
          e^{i(\mathbf q\cdot\mathbf R_l-\omega t)}\right].

An imaginary mode does not vibrate. Its frames go along the mode and back, :math:`\cos(2\pi k/n)` in
place of :math:`e^{-i\omega t}`: a path through structures, without time and velocities.

Frequencies in cm⁻¹, negative for imaginary modes; lengths in Å, masses in u, times in fs.

Source: Born & Huang, *Dynamical Theory of Crystal Lattices* (1954), §§ 16 (oscillators), 24
(lattice waves).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.build import make_supercell
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.science.errors import ImaginaryModeError, InputError, format_error
from aiida_insbench.science.ins.debye_waller import mean_square_displacement
from aiida_insbench.science.lattice_waves import STILL_BELOW, Vibration, whole_waves
from aiida_insbench.science.molecules import find_molecules

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

#: Largest displacement where none is asked for, Å.
AMPLITUDE = 0.3


def animate(
    vibration: Vibration,
    *,
    supercell_matrix: ArrayLike | None = None,
    amplitude: float | None = None,
    temperature: float | None = None,
    frames: int = 24,
    pressure: float | None = None,
) -> list[Atoms]:
    r"""Frames of one mode over one period, the first at the largest displacement.

    Parameters
    ----------
    vibration : Vibration
        The mode.
    supercell_matrix : array_like, shape (3, 3), optional
        Holds whole waves; rows are axes. By default the smallest along the axes.
    amplitude : float, optional
        Largest displacement of an atom, Å; `AMPLITUDE` where no temperature is given either.
    temperature : float, optional
        In K. The mean square of the normal coordinate is that of a quantum oscillator in each cell,

        .. math:: \tfrac12 A^2 = \frac{\hbar}{2\omega}\coth\frac{\hbar\omega}{2k_BT},

        so that each atom moves as it would if the whole branch had this frequency and shape.
    frames : int
        At least 2.
    pressure : float, optional
        In GPa, noted in the frames.

    Returns
    -------
    list of Atoms
        Of the supercell, with velocities (ASE's units) if the mode vibrates; molecules are whole.
        ``info``: ``mode``, ``irrep``, ``frequency_cm1``, ``qpoint``, ``pressure_gpa``,
        ``temperature_k``, ``largest_displacement`` (Å), ``phase`` (0 to 1), ``time_fs``, ``label``.

    Raises
    ------
    InputError
        If the supercell cuts a wave off, or a number makes no sense.
    ImaginaryModeError
        If a temperature is given for a mode that does not vibrate.
    """
    if amplitude is not None and temperature is not None:
        raise InputError('Give an amplitude or a temperature, not both.')
    if frames < 2:
        raise InputError(f'{frames} frames make no animation; give at least 2.')
    exact, matrix = whole_waves(vibration.qpoint, supercell_matrix)
    if np.abs(exact - vibration.qpoint).max() > 1e-9:
        raise InputError('The mode was not computed at the q-point the supercell holds.')
    start = make_supercell(vibration.cell, matrix, wrap=False)
    moves = _moves(vibration, start, amplitude=amplitude, temperature=temperature)
    notes = {
        **_notes(vibration, pressure=pressure, temperature=temperature),
        'largest_displacement': float(_semi_axes(moves).max()),
    }
    start = _whole_molecules(start)
    return [_frame(start, moves, vibration, index / frames, notes) for index in range(frames)]


def _moves(
    vibration: Vibration, start: Atoms, *, amplitude: float | None, temperature: float | None
) -> ComplexArray:
    """Complex displacement of each atom of the supercell at the time 0, Å, shape (n, 3)."""
    index = np.arange(len(start)) % len(vibration.cell)
    shifts = start.positions - vibration.cell.positions[index]
    lattice = np.rint(shifts @ np.linalg.inv(vibration.cell.cell.array))
    waves = np.exp(2j * np.pi * lattice @ np.array(vibration.qpoint))
    field = _at_its_largest(waves[:, None] * vibration.displacements[index])
    if vibration.period is None:
        field = field.real.astype(complex)
    if temperature is not None:
        return np.asarray(_thermal_amplitude(vibration, temperature) * field)
    wanted = AMPLITUDE if amplitude is None else float(amplitude)
    if not (np.isfinite(wanted) and wanted > 0):
        raise InputError(f'The amplitude is {amplitude!r}; give a length in Å above 0.')
    return np.asarray(wanted / _semi_axes(field).max() * field)


def _thermal_amplitude(vibration: Vibration, temperature: float) -> float:
    """A in Å √u, of a quantum oscillator."""
    if vibration.period is None:
        raise ImaginaryModeError(
            format_error(
                f'The mode of {vibration.frequency:.1f} cm⁻¹ has no amplitude at a temperature.',
                reason='It is imaginary, or a translation of the crystal: no force holds it.',
                fix='Give an amplitude in Å.',
            )
        )
    square = mean_square_displacement(
        frequencies=np.array([vibration.frequency]), masses=np.ones(1), temperature=temperature
    )
    return float(np.sqrt(2 * square[0]))


def _semi_axes(field: ComplexArray) -> FloatArray:
    """Largest displacement of each atom on the ellipse Re(u exp(−iωt)), shape (n,)."""
    square = np.abs((field**2).sum(axis=1))
    return np.asarray(np.sqrt(0.5 * ((np.abs(field) ** 2).sum(axis=1) + square)))


def _at_its_largest(field: ComplexArray) -> ComplexArray:
    """Turn the phase so that the atom that moves farthest is there at the time 0."""
    farthest = field[int(np.argmax(np.round(_semi_axes(field), 9)))]
    field = field * np.exp(-0.5j * np.angle((farthest**2).sum()))
    farthest = field[int(np.argmax(np.round(_semi_axes(field), 9)))].real
    return np.asarray(field * np.sign(farthest[np.argmax(np.abs(farthest))]))


def _whole_molecules(start: Atoms) -> Atoms:
    """Move atoms by the supercell's axes so that no molecule is cut by its faces."""
    molecules = find_molecules(start)
    if molecules is not None:
        start = start.copy()
        for one in molecules:
            start.positions[one.atoms] = one.positions
    return start


def _frame(
    start: Atoms, moves: ComplexArray, vibration: Vibration, share: float, notes: dict[str, Any]
) -> Atoms:
    """The supercell after a share of the period."""
    frame = start.copy()
    turned = moves * np.exp(-2j * np.pi * share)
    frame.positions += turned.real
    frame.info = {**notes, 'phase': share}
    if vibration.period is not None:
        frequency = 2 * np.pi / (vibration.period * units.fs)
        frame.set_velocities(frequency * turned.imag)
        frame.info['time_fs'] = share * vibration.period
    return frame


def _notes(
    vibration: Vibration, *, pressure: float | None, temperature: float | None
) -> dict[str, Any]:
    """What every frame says of its mode."""
    known = {
        'mode': vibration.number or None,
        'irrep': vibration.irrep or None,
        'pressure_gpa': pressure,
        'temperature_k': temperature,
    }
    return {
        'label': _label(vibration),
        'frequency_cm1': vibration.frequency,
        'qpoint': np.array(vibration.qpoint),
        **{key: value for key, value in known.items() if value is not None},
    }


def _label(vibration: Vibration) -> str:
    if vibration.period is not None:
        return f'vibration at {vibration.frequency:.1f} cm-1'
    if vibration.frequency < -STILL_BELOW:
        return (
            f'imaginary mode, {-vibration.frequency:.1f}i cm-1: a path through structures, '
            'not a vibration'
        )
    return 'mode without a restoring force: not a vibration'
