"""`DatasetData`: frames as extended XYZ, labelled by DFT or waiting to be."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data
from aiida.orm.pydantic import OrmMetadataField
from ase import Atoms

from aiida_insbench.data.format_version import UNCOMPARED, Stamped, check_format, stamp
from aiida_insbench.science.dataset_split import SPLITS
from aiida_insbench.science.dft_settings import settings_of
from aiida_insbench.science.errors import DatasetError
from aiida_insbench.science.frames import (
    check_frames,
    is_gas_phase,
    is_isolated_atom,
    is_labelled,
    read_frames,
    target_pressure_of,
    write_frames,
)


class DatasetData(Stamped, Data):
    """Frames with the labels and tags described in `aiida_insbench.science.frames`.

    The same type holds labelled sets and pools that wait for labels; `labelled` tells them apart.
    Attributes that a node stored by an earlier version lacks are empty or None.

    Parameters
    ----------
    frames : sequence of Atoms
        The frames; either all labelled or none.
    dft_level : dict, optional
        Level of theory of the labels: see `aiida_insbench.science.dft_settings`. What of it can be
        asked for stands in attributes of its own.
    failed : dict, optional
        Frames that could not be labelled: ``frame_id`` to reason.
    split : str
        ``training``, ``validation``, ``test``, or empty for a set that was not split.
    source : str
        Where frames from outside came from.

    Raises
    ------
    DatasetError
        If frames are missing, mixed, without identity, or hold numbers that are not finite.
    """

    FILENAME = 'frames.extxyz'
    #: Latest version of the format of frames and attributes that this release reads, and writes.
    FORMAT_VERSION = 1
    _hash_ignored_attributes = (*Data._hash_ignored_attributes, *UNCOMPARED)

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
        functional: str = OrmMetadataField(
            '', description='Exchange and correlation, without dispersion', read_only=True
        )
        vdw: str = OrmMetadataField(
            '', description='Dispersion correction, such as D3(BJ)', read_only=True
        )
        ecutwfc: float | None = OrmMetadataField(
            None, description='Cutoff of the wave functions, Ry', read_only=True
        )
        ecutrho: float | None = OrmMetadataField(
            None, description='Cutoff of the density, Ry', read_only=True
        )
        kpoints_mesh: list[int] = OrmMetadataField(
            [], description='k mesh of the unit cell', read_only=True
        )
        kpoints_distance: float | None = OrmMetadataField(
            None, description='Largest spacing of k points, 1/Å', read_only=True
        )
        pseudo_hashes: dict[str, str] = OrmMetadataField(
            {}, description='Element to MD5 of its pseudopotential', read_only=True
        )
        pulay_stress_gpa: float | None = OrmMetadataField(
            None, description='Correction of the stress for the cutoff, GPa', read_only=True
        )
        split: str = OrmMetadataField(
            '', description='training, validation, test, or empty', read_only=True
        )
        n_failed: int = OrmMetadataField(
            0, description='Number of frames that could not be labelled', read_only=True
        )
        n_atoms: int = OrmMetadataField(
            0, description='Number of atoms of all frames', read_only=True
        )
        n_gas_phase: int = OrmMetadataField(
            0, description='Number of frames that are molecules or atoms in a box', read_only=True
        )
        source: str = OrmMetadataField(
            '', description='Where frames from outside came from', read_only=True
        )
        format_version: int = OrmMetadataField(
            1, description='Version of the format of frames and attributes', read_only=True
        )
        written_by: str = OrmMetadataField(
            '', description='Release of aiida-insbench that wrote it', read_only=True
        )

    def __init__(
        self,
        frames: Sequence[Atoms] | None = None,
        dft_level: dict[str, Any] | None = None,
        failed: dict[str, str] | None = None,
        split: str = '',
        source: str = '',
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if split not in ('', *SPLITS):
            raise DatasetError(f'`split` is {split!r}; known are {", ".join(SPLITS)}.')
        if frames is not None:
            self._set_frames(list(frames), dft_level=dft_level or {}, failed=failed or {})
            self.base.attributes.set_many({'split': split, 'source': source})

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
        pressures = {target_pressure_of(frame) for frame in frames} - {None}
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
                'n_failed': len(failed),
                'n_atoms': sum(len(frame) for frame in frames),
                'n_gas_phase': sum(is_gas_phase(f) or is_isolated_atom(f) for f in frames),
                **asdict(settings_of(dft_level)),
                **stamp(self.FORMAT_VERSION),
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
        """Extended XYZ text of all frames; `DatasetError` if a later release wrote it otherwise."""
        check_format(self, known=self.FORMAT_VERSION, error=DatasetError)
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

    @property
    def functional(self) -> str:
        """Exchange and correlation of the labels, without dispersion; empty where unknown."""
        return str(self._setting('functional'))

    @property
    def vdw(self) -> str:
        """Dispersion correction of the labels, such as ``D3(BJ)``; empty if none."""
        return str(self._setting('vdw'))

    @property
    def ecutwfc(self) -> float | None:
        """Cutoff of the wave functions, Ry."""
        return self._setting('ecutwfc')

    @property
    def ecutrho(self) -> float | None:
        """Cutoff of the density, Ry."""
        return self._setting('ecutrho')

    @property
    def kpoints_mesh(self) -> list[int]:
        """K mesh of the unit cell; empty where unknown."""
        return list(self._setting('kpoints_mesh'))

    @property
    def kpoints_distance(self) -> float | None:
        """Largest spacing of k points, 1/Å."""
        return self._setting('kpoints_distance')

    @property
    def pseudo_hashes(self) -> dict[str, str]:
        """Element to MD5 of its pseudopotential."""
        return dict(self._setting('pseudo_hashes'))

    @property
    def pulay_stress_gpa(self) -> float | None:
        """Correction of the stress for the finite cutoff, GPa."""
        return self._setting('pulay_stress_gpa')

    @property
    def split(self) -> str:
        """``training``, ``validation``, ``test``, or empty."""
        return str(self.base.attributes.get('split', ''))

    @property
    def n_failed(self) -> int:
        """Number of frames that could not be labelled."""
        return int(self.base.attributes.get('n_failed', len(self.failed)))

    @property
    def n_atoms(self) -> int:
        """Number of atoms of all frames."""
        known = self.base.attributes.get('n_atoms', None)
        return sum(len(f) for f in self.get_frames()) if known is None else int(known)

    @property
    def n_gas_phase(self) -> int:
        """Number of frames that are molecules or atoms in a box."""
        return int(self.base.attributes.get('n_gas_phase', 0))

    @property
    def source(self) -> str:
        """Where frames from outside came from."""
        return str(self.base.attributes.get('source', ''))

    def _setting(self, name: str) -> Any:
        """Attribute taken from the level; a node of an earlier version has only the level."""
        if name in self.base.attributes.all:
            return self.base.attributes.get(name)
        return getattr(settings_of(self.dft_level), name)
