"""Frames of stage ``select``: read, named by pool, and parted into fit and refused ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ase import Atoms

from aiida_insbench.science.errors import DatasetError, JobFileError, format_error
from aiida_insbench.science.frames import check_frames, read_frames
from aiida_insbench.science.sampling.refusal import too_close


@dataclass(frozen=True)
class Pools:
    """Frames to choose from behind those that are known.

    Attributes
    ----------
    frames : list of Atoms
        Known ones first, then pool by pool in the order of the pools' names.
    n_known : int
        How many are known.
    pool_of : list of str
        Name of the pool of each frame that is not known.
    """

    frames: list[Atoms]
    n_known: int
    pool_of: list[str]

    @property
    def candidates(self) -> range:
        """Indices of the frames that may be chosen, before any is refused."""
        return range(self.n_known, len(self.frames))

    def without(self, refused: Collection[int]) -> Pools:
        """The same, less some frames that are not known."""
        kept = [index for index in self.candidates if index not in refused]
        return Pools(
            self.frames[: self.n_known] + [self.frames[index] for index in kept],
            self.n_known,
            [self.pool(index) for index in kept],
        )

    def identity(self, index: int) -> str:
        """``frame_id`` of a frame."""
        return str(self.frames[index].info['frame_id'])

    def pool(self, index: int) -> str:
        """Pool of a frame; ``known`` for one that is known."""
        return 'known' if index < self.n_known else self.pool_of[index - self.n_known]


def read_pools(given: object, known: object, folder: Path) -> Pools:
    """Read the files of the pools and of the known frames.

    Raises
    ------
    JobFileError
        If there is no pool.
    DatasetError
        If a file is unreadable or empty, a frame is broken or without identity, or a ``frame_id``
        stands in two pools.
    """
    if not isinstance(given, Mapping) or not given:
        raise JobFileError('`pools` must name at least one file of frames.')
    frames = _read(folder / str(known), 'known') if known else []
    n_known, owner, pool_of = len(frames), dict[str, str](), []
    for name in sorted(given):
        some = _read(folder / str(given[name]), f'pools.{name}')
        for frame in some:
            identity = str(frame.info['frame_id'])
            if identity in owner:
                raise DatasetError(
                    format_error(
                        f'`frame_id` {identity} stands in `pools.{owner[identity]}` and in '
                        f'`pools.{name}`.',
                        reason='A label could not be led back to its frame.',
                        fix='Draw one of the pools with another `prefix`.',
                    )
                )
            owner[identity] = name
        frames += some
        pool_of += [name] * len(some)
    return Pools(frames, n_known, pool_of)


def check_known_identities(pools: Pools, copies: Mapping[int, int]) -> None:
    """Refuse a frame of the pool that bears the name of a known one without being its copy.

    Raises
    ------
    DatasetError
        Naming the frame and its pool.
    """
    known = {pools.identity(index): index for index in range(pools.n_known)}
    for index in pools.candidates:
        identity = pools.identity(index)
        if identity in known and copies.get(index, len(known)) >= pools.n_known:
            raise DatasetError(
                format_error(
                    f'`frame_id` {identity} stands in `known` and, as another structure, in '
                    f'`pools.{pools.pool(index)}`.',
                    reason='A label could not be led back to its frame.',
                    fix='Draw the pool with another `prefix`.',
                )
            )


def contacts_refused(pools: Pools, *, minimum_contact: float) -> list[int]:
    """Frames of the pools with atoms closer than a share of the sum of their covalent radii."""
    return [
        index
        for index in pools.candidates
        if too_close(atoms=pools.frames[index], minimum_share=minimum_contact)
    ]


def pressures_of(pools: Pools, indices: list[int]) -> dict[int, float] | None:
    """``target_pressure`` (GPa) of frames; None if one lacks it."""
    found: dict[int, Any] = {i: pools.frames[i].info.get('target_pressure') for i in indices}
    if any(value is None for value in found.values()):
        return None
    return {index: float(value) for index, value in found.items()}


def _read(path: Path, name: str) -> list[Atoms]:
    try:
        text = path.read_text(encoding='utf-8')
    except (OSError, UnicodeDecodeError) as exc:
        raise DatasetError(f'{name} cannot be read: {exc}.') from exc
    if not text.strip():
        raise DatasetError(f'{name} holds no frame.')
    frames = read_frames(text, name=name)
    check_frames(frames, labelled=False, name=name)
    return frames
