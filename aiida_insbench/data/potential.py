"""`PotentialData`: a machine-learned potential as JSON and safetensors; it cannot carry code."""

from __future__ import annotations

import io
from typing import Any

from aiida.common.exceptions import ValidationError
from aiida.orm import Data, QueryBuilder
from aiida.orm.pydantic import OrmMetadataField

from aiida_insbench.science.errors import PotentialError
from aiida_insbench.science.potential_files import (
    Potential,
    PotentialMetadata,
    check_weights,
    read_potential_metadata,
)


class PotentialData(Data):
    """A potential: hyperparameters as JSON, weights as safetensors, no pickle.

    Parameters
    ----------
    metadata_text : str
        The JSON text.
    weights : bytes
        The safetensors file; its SHA-256 must be the one the JSON names.

    Raises
    ------
    PotentialError
        If the two do not belong together, are cut short or name an unknown class.
    """

    METADATA = 'potential.json'
    WEIGHTS = 'potential.safetensors'

    class AttributesModel(Data.AttributesModel):
        """Attributes to query by."""

        flavour: str = OrmMetadataField(description='Family of potentials', read_only=True)
        elements: list[str] = OrmMetadataField(description='Chemical elements', read_only=True)
        cutoff: float = OrmMetadataField(description='Cutoff radius, Å', read_only=True)
        heads: list[str] = OrmMetadataField(description='Output heads', read_only=True)
        dtype: str = OrmMetadataField(description='float32 or float64', read_only=True)
        sha256: str = OrmMetadataField(description='SHA-256 of the weights', read_only=True)
        isolated_atom_energies: dict[str, Any] = OrmMetadataField(
            description='By head and element, eV', read_only=True
        )
        provenance: dict[str, Any] = OrmMetadataField(
            description='DFT level, licence, source', read_only=True
        )

    def __init__(
        self, metadata_text: str | None = None, weights: bytes | None = None, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        if metadata_text is None or weights is None:
            return
        metadata = read_potential_metadata(metadata_text)
        check_weights(metadata, weights)
        self.base.attributes.set_many(
            {
                'flavour': metadata.flavour,
                'elements': list(metadata.elements),
                'cutoff': metadata.cutoff,
                'heads': list(metadata.heads),
                'dtype': metadata.dtype,
                'sha256': metadata.weights_sha256,
                'isolated_atom_energies': metadata.isolated_atom_energies,
                'provenance': metadata.provenance,
            }
        )
        repository = self.base.repository
        repository.put_object_from_filelike(io.BytesIO(metadata_text.encode()), self.METADATA)
        repository.put_object_from_filelike(io.BytesIO(weights), self.WEIGHTS)

    def _validate(self) -> bool:
        super()._validate()
        names = set(self.base.repository.list_object_names())
        if names != {self.METADATA, self.WEIGHTS}:
            raise ValidationError(
                f'A potential holds {self.METADATA} and {self.WEIGHTS}; this one {sorted(names)}.'
            )
        try:
            check_weights(self.get_metadata(), self.get_weights())
        except PotentialError as exc:
            raise ValidationError(str(exc)) from exc
        return True

    @classmethod
    def from_potential(cls, potential: Potential) -> PotentialData:
        """Make a node, not yet stored, of a potential read from files."""
        return cls(metadata_text=potential.metadata.to_json(), weights=potential.weights)

    def get_potential(self) -> Potential:
        """Read the potential as science and jobs take it."""
        return Potential(self.get_metadata(), self.get_weights())

    def same_in_store(self) -> PotentialData | None:
        """Find a stored node with the same two files."""
        query = QueryBuilder().append(PotentialData, filters={'attributes.sha256': self.sha256})
        text = self.get_metadata_text()
        return next(
            (node for node in query.all(flat=True) if node.get_metadata_text() == text), None
        )

    def get_metadata(self) -> PotentialMetadata:
        """Read the JSON file alone, without the weights."""
        return read_potential_metadata(self.get_metadata_text())

    def get_metadata_text(self) -> str:
        """Text of the JSON file."""
        return str(self.base.repository.get_object_content(self.METADATA, mode='r'))

    def get_weights(self) -> bytes:
        """Bytes of the safetensors file."""
        return bytes(self.base.repository.get_object_content(self.WEIGHTS, mode='rb'))

    @property
    def flavour(self) -> str:
        """Family of potentials: ``mace``, or ``ase`` for calculators of other packages."""
        return str(self.base.attributes.get('flavour'))

    @property
    def elements(self) -> list[str]:
        """Chemical elements the potential knows."""
        return list(self.base.attributes.get('elements'))

    @property
    def cutoff(self) -> float:
        """Cutoff radius in Å."""
        return float(self.base.attributes.get('cutoff'))

    @property
    def heads(self) -> list[str]:
        """Output heads."""
        return list(self.base.attributes.get('heads'))

    @property
    def dtype(self) -> str:
        """``float32`` or ``float64``."""
        return str(self.base.attributes.get('dtype'))

    @property
    def sha256(self) -> str:
        """SHA-256 of the weights."""
        return str(self.base.attributes.get('sha256'))

    @property
    def isolated_atom_energies(self) -> dict[str, Any]:
        """Isolated-atom energies in eV by head and element."""
        return dict(self.base.attributes.get('isolated_atom_energies'))

    @property
    def provenance(self) -> dict[str, Any]:
        """DFT level, licence, source, training."""
        return dict(self.base.attributes.get('provenance'))

    @property
    def dft_level(self) -> dict[str, Any]:
        """Level of theory it learnt; empty where that is not on record."""
        level = self.provenance.get('dft_level')
        return dict(level) if isinstance(level, dict) else {}
