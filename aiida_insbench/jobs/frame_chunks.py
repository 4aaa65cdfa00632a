"""Frames read bit by bit and results kept chunk by chunk: a killed job loses one chunk at most."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import DatasetError, JobFileError
from aiida_insbench.science.frames import check_frames, is_labelled, read_frames, split_frames
from aiida_insbench.science.parity import Properties


class FrameFile:
    """Frames of an extended-XYZ file, checked once and read when they are needed.

    Parameters
    ----------
    path : Path
        The file.

    Attributes
    ----------
    identities : list of str
        ``frame_id`` of each frame.
    counts : list of int
        Atoms of each frame.
    elements : set of str
        Of all frames.
    labelled : bool
        Whether all frames carry labels.

    Raises
    ------
    DatasetError
        If the file is unreadable, a frame is broken, or some carry labels and others do not.
    """

    def __init__(self, path: Path) -> None:
        try:
            text = path.read_text(encoding='utf-8')
        except (OSError, UnicodeDecodeError) as exc:
            raise DatasetError(f'{path.name} cannot be read: {exc}.') from exc
        self._name = path.name
        self._blocks = split_frames(text, name=path.name)
        self.identities: list[str] = []
        self.counts: list[int] = []
        self.elements: set[str] = set()
        self._check()

    def __len__(self) -> int:
        return len(self._blocks)

    def read(self, indices: Sequence[int]) -> list[Atoms]:
        """Read some frames."""
        return read_frames(''.join(self._blocks[i] for i in indices), name=self._name)

    def all_frames(self) -> list[Atoms]:
        """Read all frames."""
        return self.read(range(len(self)))

    def _check(self) -> None:
        if not self._blocks:
            raise DatasetError(f'{self._name} holds no frame.')
        with_labels = []
        for index in range(len(self)):
            (frame,) = self.read([index])
            with_labels.append(is_labelled(frame))
            check_frames([frame], labelled=with_labels[0], name=f'{self._name}, {index + 1}')
            identity = str(frame.info['frame_id'])
            self.identities.append(identity)
            self.counts.append(len(frame))
            self.elements.update(frame.get_chemical_symbols())
        if len(set(self.identities)) < len(self):
            again = next(one for one in self.identities if self.identities.count(one) > 1)
            raise DatasetError(f'{self._name}: `frame_id` {again} occurs twice.')
        if len(set(with_labels)) > 1:
            first = self.identities[with_labels.index(True)]
            raise DatasetError(
                f'{self._name}: {first} carries labels and {self.identities[0]} does not. '
                'Give one kind only.'
            )
        self.labelled = with_labels[0]


class ChunkStore:
    """Arrays of consecutive frames, one file a chunk.

    Parameters
    ----------
    folder : Path
        Where the files are; made if it is not there.
    frames : FrameFile
        All frames.
    size : int
        Frames of a chunk.
    """

    def __init__(self, folder: Path, frames: FrameFile, *, size: int) -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._file, self._size = folder, frames, size
        self.n_frames = len(frames)
        self._numbers = range(-(-self.n_frames // size))

    def finished(self, *, keys: Sequence[str]) -> int:
        """Count the frames done by an earlier run.

        A chunk cut short by a kill is removed.

        Raises
        ------
        JobFileError
            If a chunk is of other frames, other potentials or another size.
        """
        count = 0
        for number in self._numbers:
            if not self._path(number).exists():
                continue
            try:
                with np.load(self._path(number), allow_pickle=False) as arrays:
                    names, identities = set(arrays.files), arrays['frame_ids'].tolist()
            except (OSError, ValueError, KeyError, zipfile.BadZipFile):
                self._path(number).unlink()
                continue
            wanted = [self._file.identities[i] for i in self._range(number)]
            if names != {*keys, 'frame_ids'} or identities != wanted:
                raise JobFileError(
                    f'{self._path(number).name} was left by another evaluation. Remove it.'
                )
            count += len(wanted)
        return count

    def missing(self) -> list[int]:
        """Numbers of the chunks that are not done."""
        return [number for number in self._numbers if not self._path(number).exists()]

    def frames(self, number: int) -> list[Atoms]:
        """Frames of a chunk."""
        return self._file.read(self._range(number))

    def last_frame(self, number: int) -> int:
        """How many frames are behind the end of a chunk."""
        return self._range(number).stop

    def write(self, number: int, arrays: Mapping[str, Any]) -> None:
        """Write a chunk so that a kill leaves none by its final name that is half written."""
        identities = [self._file.identities[i] for i in self._range(number)]
        path = self._path(number)
        partial = path.with_suffix('.part.npz')
        np.savez(partial, frame_ids=np.array(identities), **arrays)
        partial.replace(path)

    def array(self, key: str) -> np.ndarray[Any, Any]:
        """Join one array of all chunks along its first axis."""
        parts = []
        for number in self._numbers:
            with np.load(self._path(number), allow_pickle=False) as arrays:
                parts.append(arrays[key])
        return np.concatenate(parts)

    def properties(self, name: str) -> Properties:
        """Join what a potential predicted."""
        return Properties(
            energy=self.array(f'{name}__energy'),
            forces=self.array(f'{name}__forces'),
            stress=self.array(f'{name}__stress'),
        )

    def _range(self, number: int) -> range:
        return range(number * self._size, min((number + 1) * self._size, self.n_frames))

    def _path(self, number: int) -> Path:
        return self._folder / f'chunk_{number:06d}.npz'
