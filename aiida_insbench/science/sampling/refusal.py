"""Refusal of frames whose atoms come too close, and drawing again."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import ConvergenceError, StructureError, format_error
from aiida_insbench.science.structures import closest_contact

#: Smallest distance allowed, as a share of the sum of covalent radii. Bonds stand at 0.95 to 1.15;
#: O–H in brucite, shortened by three sigma of a 0.06 Å rattle, at 0.8.
MINIMUM_SHARE = 0.7
#: Draws of one frame before the settings are taken to be hopeless.
MAX_DRAWS = 50


def too_close(*, atoms: Atoms, minimum_share: float = MINIMUM_SHARE) -> bool:
    """Whether two atoms are closer than a share of the sum of their covalent radii.

    Parameters
    ----------
    atoms : Atoms
        The frame.
    minimum_share : float
        Share of the sum of covalent radii.
    """
    contact = closest_contact(atoms, reach=max(minimum_share, 0.1))
    return contact is not None and contact[3] < minimum_share


def check_start(*, atoms: Atoms, minimum_share: float, name: str = 'structure') -> None:
    """Refuse a crystal that is itself below the limit: every frame of it would be refused.

    Raises
    ------
    StructureError
        Naming the closest pair.
    """
    contact = closest_contact(atoms, reach=max(minimum_share, 0.1))
    if contact is not None and contact[3] < minimum_share:
        first, second, distance, share = contact
        raise StructureError(
            format_error(
                f'`{name}`: atoms {first} and {second} are {distance:.3f} Å apart, {share:.2f} of '
                f'the sum of their covalent radii; frames below {minimum_share} are refused.',
                fix='Lower `minimum_contact` if this bond is meant.',
            )
        )


def draw_until_apart(
    *,
    draw: Callable[[np.random.Generator], Atoms],
    rng: np.random.Generator,
    minimum_share: float = MINIMUM_SHARE,
) -> tuple[Atoms, int]:
    """Draw a frame until no atoms are too close.

    Parameters
    ----------
    draw : callable
        Makes a frame from the generator.
    rng : Generator
        The frame's generator; each draw goes on where the last one ended.
    minimum_share : float
        Share of the sum of covalent radii.

    Returns
    -------
    tuple (Atoms, int)
        The frame and how many draws were refused before it.

    Raises
    ------
    ConvergenceError
        If `MAX_DRAWS` draws were all refused.
    """
    for refused in range(MAX_DRAWS):
        frame = draw(rng)
        if not too_close(atoms=frame, minimum_share=minimum_share):
            return frame, refused
    raise ConvergenceError(
        format_error(
            f'All of {MAX_DRAWS} draws of one frame had atoms closer than {minimum_share} of the '
            'sum of their covalent radii.',
            fix='Displace less: lower `rattle`, `temperature` or `strain`.',
        )
    )
