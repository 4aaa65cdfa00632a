"""ASE calculators of potentials, with elements and results checked at each calculation."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError

from aiida_insbench.science.errors import ComputationError, PotentialError, format_error

if TYPE_CHECKING:
    from aiida_insbench.science.potential_files import PotentialMetadata


def checked(base: type[Any], metadata: PotentialMetadata) -> type[Any]:
    """Derive a class from an ASE calculator's that checks what goes in and what comes out.

    Parameters
    ----------
    base : type
        Class of an ASE calculator.
    metadata : PotentialMetadata
        Of the potential it computes.

    Returns
    -------
    type
        Raises `PotentialError` on an element the potential does not know and `ComputationError` on
        results that are not finite.
    """

    class PotentialCalculator(base):  # type: ignore[misc]
        """The calculator, with elements and results checked."""

        def calculate(self, atoms: Atoms | None = None, *args: Any, **kwargs: Any) -> None:
            """Compute energy, forces and stress."""
            if atoms is not None:
                metadata.check_elements(atoms.get_chemical_symbols())
            super().calculate(atoms, *args, **kwargs)
            for name in ('energy', 'forces', 'stress'):
                if not np.isfinite(self.results.get(name, 0.0)).all():
                    raise ComputationError(f'The potential gives a {name} that is not finite.')

    return PotentialCalculator


def check_gives_stress(calculator: Any, atoms: Atoms) -> None:
    """Refuse a calculator that gives no stress, before a relaxation under pressure begins.

    Parameters
    ----------
    calculator : ase Calculator
        Computes one frame here.
    atoms : Atoms
        A crystal it knows.

    Raises
    ------
    PotentialError
        If there is no stress.
    """
    frame = atoms.copy()
    frame.calc = calculator
    try:
        frame.get_stress()
    except (PropertyNotImplementedError, NotImplementedError) as exc:
        raise PotentialError(
            format_error(
                'The potential gives no stress.',
                reason='Cells are relaxed under pressure by it.',
                fix='Use another potential, or give the cells and `cell_policy: experimental`.',
            )
        ) from exc
