"""Choose one mode by its number or by its frequency, or say which ones it may be.

Frequencies in cm⁻¹, negative for imaginary modes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aiida_insbench.science.errors import InputError, format_error

#: A frequency names a mode that lies within this, cm⁻¹, if it is the only one.
NEAR = 5.0


@dataclass(frozen=True)
class Candidate:
    """A mode as it is listed: number from 1, symbol (empty where unknown), frequency."""

    number: int
    irrep: str
    frequency: float

    def __str__(self) -> str:
        return ' '.join([str(self.number), *([self.irrep] * bool(self.irrep)), self.place])

    @property
    def place(self) -> str:
        """Its frequency as it is printed."""
        imaginary = self.frequency < -0.05
        return f'({abs(self.frequency):.1f}{"i" if imaginary else ""} cm⁻¹)'


def choose_mode(
    candidates: Sequence[Candidate], *, number: int | None = None, near: float | None = None
) -> Candidate:
    """Return the one mode that is meant.

    Parameters
    ----------
    candidates : sequence of Candidate
        All modes there are.
    number : int, optional
        Its number.
    near : float, optional
        A frequency within `NEAR` of it and of no other, cm⁻¹.

    Raises
    ------
    InputError
        If not exactly one of both is given, or none or several modes answer to it; the message
        lists the ones that may be meant.
    """
    if (number is None) == (near is None):
        raise InputError('Name the mode by its number or by a frequency near it, one of both.')
    if number is not None:
        found = [one for one in candidates if one.number == number]
        if not found:
            numbers = [one.number for one in candidates]
            raise InputError(
                f'There is no mode {number}; the modes are {min(numbers)} to {max(numbers)}.'
            )
        return found[0]
    assert near is not None
    close = sorted(candidates, key=lambda one: abs(one.frequency - near))
    inside = [one for one in close if abs(one.frequency - near) <= NEAR]
    if len(inside) == 1:
        return inside[0]
    listed = ', '.join(str(one) for one in inside or close[:3])
    if inside:
        raise InputError(
            format_error(
                f'{len(inside)} modes lie within {NEAR:g} cm⁻¹ of {near:g}: {listed}.',
                fix='Give the number of one.',
            )
        )
    raise InputError(f'No mode lies within {NEAR:g} cm⁻¹ of {near:g}; the nearest are {listed}.')
