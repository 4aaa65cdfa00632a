"""`DatasetData`: frames as extended XYZ, labelled by DFT or waiting to be."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data
from aiida.orm.pydantic import OrmMetadataField
from ase import Atoms

from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import check_frames, is_labelled, read_frames, write_frames


class DatasetData(Data):
    """Frames with the labels and tags described in `aiida_insbench.science.frames`.

    The same type holds labelled sets and pools that wait for labels; `labelled` tells them apart.

    Parameters
    ----------
    frames : sequence of Atoms
        The frames; either all labelled or none.
    dft_level : dict, optional
        Functional, cutoffs, k mesh and pseudopotential hashes of the labels.
    failed : dict, optional
        Frames that could not be labelled: ``frame_id`` to reason.

    Raises
    ------
    DatasetError
        If frames are missing, mixed, without identity, or hold numbers that are not finite.
    """

    FILENAME = 'frames.extxyz'

    class AttributesModel(Data.AttributesModel):
        """Attributes to query by."""

        n_frames: int = OrmMetadataField(description='Number of frames', read_only=True)
        labelled: bool = OrmMetadataField(
            description='Whether energy, forces and stress are there', read_only=True
        )
        elements: list[str] = OrmMetadataField(description='Chemical elements', read_only=True)
        methods: dict[str, int] = OrmMetadataField(
            description='Frames by sampling method', read_only=True
        )
        target_pressures: list[float] = OrmMetadataField(
            description='Pressures the frames were placed for, GPa', read_only=True
        )
        dft_level: dict[str, Any] = OrmMetadataField(
            description='Level of theory of the labels', read_only=True
        )
        failed: dict[str, str] = OrmMetadataField(
            description='Frames without labels: frame_id to reason', read_only=True
        )

    def __init__(
        self,
        frames: Sequence[Atoms] | None = None,
        dft_level: dict[str, Any] | None = None,
        failed: dict[str, str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if frames is not None:
            self._set_frames(list(frames), dft_level=dft_level or {}, failed=failed or {})

    def _set_frames(
        self, frames: list[Atoms], *, dft_level: dict[str, Any], failed: dict[str, str]
    ) -> None:
        labelled = [is_labelled(frame) for frame in frames]
        if not frames or (any(labelled) and not all(labelled)):
            raise DatasetError(
                f'A dataset needs frames that are all labelled or all unlabelled; '
                f'{sum(labelled)} of {len(frames)} are labelled.'
            )
        check_frames(frames, labelled=labelled[0], name='dataset')
        pressures = {float(frame.info.get('target_pressure', 0.0)) for frame in frames}
        self.base.attributes.set_many(
            {
                'n_frames': len(frames),
                'labelled': labelled[0],
                'elements': sorted({s for frame in frames for s in frame.symbols}),
                'methods': dict(
                    Counter(str(frame.info.get('method', 'unknown')) for frame in frames)
                ),
                'target_pressures': sorted(pressures),
                'dft_level': dft_level,
                'failed': failed,
            }
        )
        content = write_frames(frames).encode()
        self.base.repository.put_object_from_filelike(io.BytesIO(content), self.FILENAME)

    def _validate(self) -> bool:
        super()._validate()
        if self.FILENAME not in self.base.repository.list_object_names():
            raise ValidationError('The dataset holds no frames.')
        if self.labelled and not self.dft_level:
            raise ValidationError(
                'Labelled frames need `dft_level`: the functional, cutoffs and pseudopotentials '
                'that made the labels.'
            )
        return True

    def get_text(self) -> str:
        """Extended XYZ text of all frames."""
        return str(self.base.repository.get_object_content(self.FILENAME, mode='r'))

    def get_frames(self) -> list[Atoms]:
        """All frames, in stored order."""
        return read_frames(self.get_text(), name=f'dataset {self.pk}')

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return int(self.base.attributes.get('n_frames'))

    @property
    def labelled(self) -> bool:
        """Whether the frames carry energy, forces and stress."""
        return bool(self.base.attributes.get('labelled'))

    @property
    def elements(self) -> list[str]:
        """Chemical elements, sorted."""
        return list(self.base.attributes.get('elements'))

    @property
    def methods(self) -> dict[str, int]:
        """Frames by sampling method."""
        return dict(self.base.attributes.get('methods'))

    @property
    def target_pressures(self) -> list[float]:
        """Pressures the frames were placed for, GPa."""
        return list(self.base.attributes.get('target_pressures'))

    @property
    def dft_level(self) -> dict[str, Any]:
        """Level of theory of the labels; empty for a pool."""
        return dict(self.base.attributes.get('dft_level'))

    @property
    def failed(self) -> dict[str, str]:
        """Frames that got no label: ``frame_id`` to reason."""
        return dict(self.base.attributes.get('failed'))
