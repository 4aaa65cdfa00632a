"""What labelling a pool of frames will take: said and stored before the first run starts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ase import Atoms

from aiida_insbench.science.errors import DatasetError, format_error
from aiida_insbench.science.label_plan import FramePlan, plan_cost
from aiida_insbench.science.structures import MINIMUM_CONTACT, closest_contact


def labelling_preflight(
    frames: Sequence[Atoms],
    plans: Sequence[FramePlan],
    *,
    cutoffs: tuple[float, float],
    valence: Mapping[str, float],
    lanes: int,
    ranks: int = 1,
    smeared: bool = False,
    converged_range: tuple[float, float] | None = None,
) -> dict[str, Any]:
    """Estimate core-hours, memory and disk of labelling, and check that frames agree.

    Parameters
    ----------
    frames : sequence of Atoms
        The pool.
    plans : sequence of FramePlan
        One each.
    cutoffs : tuple of two floats
        Ry.
    valence : mapping
        Element to valence electrons.
    lanes, ranks : int
        Runs at once, and processes of each.
    smeared : bool
        Whether occupations are smeared.
    converged_range : tuple of two floats, optional
        Pressures (GPa) for which the cutoffs were converged.

    Returns
    -------
    dict
        ``frames``, ``electrons`` and ``k_points`` (most of any frame), ``core_hours`` (good to a
        factor of three), ``memory_gb`` and ``disk_gb`` (at most, all lanes together),
        ``seconds_by_frame``, ``kpoints`` (frames by set of k points) and ``warnings``.

    Raises
    ------
    DatasetError
        If atoms of a frame lie on top of each other.
    InputError
        If an element has no pseudopotential or a cutoff is not positive.
    """
    check_contacts(frames)
    costs = [
        plan_cost(frame, plan, cutoffs=cutoffs, valence=valence, smeared=smeared)
        for frame, plan in zip(frames, plans, strict=True)
    ]
    at_once = min(lanes, len(frames))
    memory = sorted((cost.memory_bytes for cost in costs), reverse=True)[:at_once]
    disk = sorted((cost.disk_bytes for cost in costs), reverse=True)[:at_once]
    return {
        'frames': len(frames),
        'electrons': max(cost.electrons for cost in costs),
        'k_points': max(cost.k_points for cost in costs),
        'plane_waves': max(cost.plane_waves for cost in costs),
        'core_hours': sum(cost.core_seconds for cost in costs) / 3600,
        'memory_gb': sum(memory) / 1e9,
        'disk_gb': sum(disk) / 1e9,
        'lanes': at_once,
        'ranks': ranks,
        'kpoints': dict(Counter(plan.kpoints_key for plan in plans)),
        'seconds_by_frame': {
            plan.frame_id: cost.core_seconds for plan, cost in zip(plans, costs, strict=True)
        },
        'warnings': [
            *_mesh_warnings(plans),
            *_range_warnings(frames, converged_range),
        ],
    }


def check_contacts(frames: Sequence[Atoms]) -> None:
    """Refuse frames in which atoms lie on top of each other.

    Raises
    ------
    DatasetError
        Naming the frame, the atoms and their distance.
    """
    for number, frame in enumerate(frames):
        close = closest_contact(frame, reach=1.0) if len(frame) > 1 else None
        if close is not None and close[3] < MINIMUM_CONTACT:
            first, second, distance, share = close
            raise DatasetError(
                format_error(
                    f'Frame {number} ({frame.info.get("frame_id")}): atoms {first} and {second} '
                    f'are {distance:.3f} Å apart, {share:.2f} of the sum of their covalent radii.',
                    fix='Remove the frame (`aiida-insbench dataset filter`) or displace less.',
                )
            )


def format_preflight(found: Mapping[str, Any]) -> list[str]:
    """Lines that tell a user what `labelling_preflight` found."""
    lines = [
        f'{found["frames"]} frames, up to {found["electrons"]:.0f} electrons, '
        f'{found["k_points"]} k points and {found["plane_waves"]} plane waves',
        f'about {found["core_hours"]:.2g} core-hours (to a factor of three), {found["lanes"]} runs '
        f'at once on {found["ranks"]} core{"s" if found["ranks"] > 1 else ""} each',
        f'at most {found["memory_gb"]:.2g} GB of memory and {found["disk_gb"]:.2g} GB of disk',
    ]
    return [*lines, *(f'Warning: {text}' for text in found['warnings'])]


def _mesh_warnings(plans: Sequence[FramePlan]) -> list[str]:
    inexact = [plan.frame_id for plan in plans if not plan.exact]
    if not inexact:
        return []
    return [
        f'{len(inexact)} of {len(plans)} frames have k points that are not those of the unit cell '
        f'({", ".join(inexact[:3])} …): their energies may be off by meV/atom. Choose a mesh that '
        'the supercells divide.'
    ]


def _range_warnings(frames: Sequence[Atoms], converged: tuple[float, float] | None) -> list[str]:
    if converged is None:
        return []
    low, high = converged
    outside = sorted(
        {
            pressure
            for frame in frames
            if not low - 0.05
            <= (pressure := float(frame.info.get('target_pressure', 0)))
            <= high + 0.05
        }
    )
    if not outside:
        return []
    return [
        f'Frames were placed for {", ".join(f"{pressure:g}" for pressure in outside)} GPa, but the '
        f'cutoffs were converged from {low:g} to {high:g} GPa only.'
    ]
