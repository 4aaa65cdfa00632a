"""Potentials on disk: JSON that says what the model is, safetensors that holds its weights.

Neither file can carry code. The JSON names classes and irreps; each name is compared with a list
and none is ever evaluated or imported. The JSON holds the SHA-256 of the weights and the type and
shape of every tensor, so that a pair of files can be checked without torch. Energies in eV,
lengths in Å.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ase.data import atomic_numbers

from aiida_insbench.science.ase_calculators import CALCULATORS, check_arguments
from aiida_insbench.science.errors import PotentialError, format_error
from aiida_insbench.science.potential_hyperparameters import check_hyperparameters
from aiida_insbench.science.safe_json import load_json
from aiida_insbench.science.weights_header import (
    NUMPY_TYPES,
    TensorInfo,
    read_shape,
    tensors_of_weights,
)

FORMAT = 'insbench-potential'
FORMAT_VERSION = 1
MODEL_CLASSES = ('ScaleShiftMACE',)
DTYPES = ('float32', 'float64')
_ELEMENTS_NAMED = 12
_FETCH_AGAIN = 'Fetch or export the potential again; never edit its files by hand.'


@dataclass(frozen=True)
class PotentialMetadata:
    """What the JSON file says.

    Attributes
    ----------
    flavour : str
        The family of potentials: ``mace``, or ``ase`` for calculators of other packages.
    model_class : str
        One of `MODEL_CLASSES`, or one of `aiida_insbench.science.ase_calculators.CALCULATORS`.
    hyperparameters : dict
        As `check_hyperparameters` wants them, or arguments of the calculator.
    elements : tuple of str
        Symbols in the order the model counts them (rising atomic number).
    cutoff : float
        In Å.
    heads : tuple of str
        Names of the model's outputs, one for each level of theory it was trained on.
    isolated_atom_energies : dict
        Head to element to energy in eV; empty where they are not known.
    dtype : str
        ``float64`` or ``float32``.
    weights_sha256 : str
        Of the whole safetensors file.
    weights_size : int
        Of the whole safetensors file, in bytes.
    tensors : dict
        Name to `TensorInfo` of every parameter and buffer.
    provenance : dict
        DFT level, licence, source: free JSON.
    versions : dict
        Packages that wrote the potential.
    """

    flavour: str
    model_class: str
    hyperparameters: dict[str, Any]
    elements: tuple[str, ...]
    cutoff: float
    heads: tuple[str, ...]
    isolated_atom_energies: dict[str, dict[str, float]]
    dtype: str
    weights_sha256: str
    weights_size: int
    tensors: dict[str, TensorInfo]
    provenance: dict[str, Any]
    versions: dict[str, str]

    def to_json(self) -> str:
        """Write as text; equal metadata give equal text."""
        data = {'format': FORMAT, 'format_version': FORMAT_VERSION, **asdict(self)}
        try:
            return json.dumps(data, indent=1, sort_keys=True, allow_nan=False) + '\n'
        except (TypeError, ValueError) as exc:
            raise PotentialError(f'The provenance cannot be written as JSON: {exc}.') from exc

    def check_elements(self, symbols: object, *, name: str = 'structure') -> None:
        """Raise `PotentialError` naming the elements of `symbols` the potential does not know."""
        lacking = sorted({str(symbol) for symbol in symbols} - set(self.elements))  # type: ignore[attr-defined]
        if lacking:
            known = f'{", ".join(self.elements)} only'
            if len(self.elements) > _ELEMENTS_NAMED:
                known = f'{len(self.elements)} elements, not these'
            raise PotentialError(
                format_error(
                    f'`{name}` holds {", ".join(lacking)}.',
                    reason=f'The potential knows {known}.',
                    fix='Choose another potential, or train one on these elements.',
                )
            )


@dataclass(frozen=True)
class Potential:
    """A checked pair: metadata and the bytes of the safetensors file."""

    metadata: PotentialMetadata
    weights: bytes

    def __post_init__(self) -> None:
        check_weights(self.metadata, self.weights)


def potential_paths(prefix: Path) -> tuple[Path, Path]:
    """Name the files of a potential, ``<prefix>.json`` and ``<prefix>.safetensors``."""
    return prefix.with_name(f'{prefix.name}.json'), prefix.with_name(f'{prefix.name}.safetensors')


def read_potential(prefix: Path) -> Potential:
    """Read and check ``<prefix>.json`` and ``<prefix>.safetensors``.

    Raises
    ------
    PotentialError
        If a file is missing, unreadable or does not fit the other.
    """
    described, numbers = potential_paths(prefix)
    try:
        text, weights = described.read_text(encoding='utf-8'), numbers.read_bytes()
    except (OSError, UnicodeDecodeError) as exc:
        raise PotentialError(f'The potential {prefix.name} cannot be read: {exc}.') from exc
    return Potential(read_potential_metadata(text, name=described.name), weights)


def write_potential(potential: Potential, prefix: Path) -> None:
    """Write the two files; the JSON comes last, so a kill never leaves a pair that seems whole."""
    described, numbers = potential_paths(prefix)
    described.unlink(missing_ok=True)
    numbers.write_bytes(potential.weights)
    partial = described.with_name(described.name + '.part')
    partial.write_text(potential.metadata.to_json(), encoding='utf-8')
    partial.replace(described)


def read_potential_metadata(text: str, *, name: str = 'potential') -> PotentialMetadata:
    """Read the JSON of a potential and check every entry; needs no torch.

    Parameters
    ----------
    text : str
        The content of the JSON file.
    name : str
        How messages name it.

    Raises
    ------
    PotentialError
        If it is no JSON, of another format or version, lacks an entry or has one too many, or
        names a class, irrep or element that is not on the lists.
    """
    data = _load_json(text, name)
    _check_format(data.pop('format', None), data.pop('format_version', None), name)
    expected = set(PotentialMetadata.__dataclass_fields__)
    if set(data) != expected:
        odd = ', '.join(sorted(set(data) ^ expected))
        raise PotentialError(f'{name}: entries missing or too many: {odd}. {_FETCH_AGAIN}')
    try:
        flavour = _FLAVOURS[_one_of(data['flavour'], _FLAVOURS, 'flavour')]
        model_class = _one_of(data['model_class'], flavour.model_classes, 'model_class')
        metadata = PotentialMetadata(
            flavour=data['flavour'],
            model_class=model_class,
            hyperparameters=flavour.check(model_class, data['hyperparameters']),
            elements=tuple(_one_of(e, atomic_numbers, 'elements') for e in data['elements']),
            cutoff=_positive(data['cutoff'], 'cutoff'),
            heads=tuple(str(head) for head in data['heads']),
            isolated_atom_energies={
                str(head): {str(e): float(value) for e, value in energies.items()}
                for head, energies in data['isolated_atom_energies'].items()
            },
            dtype=_one_of(data['dtype'], DTYPES, 'dtype'),
            weights_sha256=str(data['weights_sha256']),
            weights_size=int(data['weights_size']),
            tensors={
                str(key): TensorInfo(
                    _one_of(info['dtype'], NUMPY_TYPES, key), read_shape(info['shape'])
                )
                for key, info in data['tensors'].items()
            },
            provenance=dict(data['provenance']),
            versions={str(key): str(value) for key, value in data['versions'].items()},
        )
        _check_energies(metadata)
    except PotentialError as exc:
        raise PotentialError(f'{name}: {exc}') from exc
    except (AttributeError, KeyError, TypeError, ValueError) as exc:
        raise PotentialError(f'{name} cannot be read: {exc!r}. {_FETCH_AGAIN}') from exc
    return metadata


def check_weights(metadata: PotentialMetadata, weights: bytes) -> None:
    """Check the bytes of a safetensors file against the metadata; needs no torch.

    Parameters
    ----------
    metadata : PotentialMetadata
        Of the same potential.
    weights : bytes
        The whole file.

    Raises
    ------
    PotentialError
        If size or SHA-256 differ, the header is unreadable, a tensor is missing, too many, of
        another type or shape, or holds numbers that are not finite.
    """
    digest = hashlib.sha256(weights).hexdigest()
    if len(weights) != metadata.weights_size or digest != metadata.weights_sha256:
        raise PotentialError(
            format_error(
                f'The weights ({len(weights)} bytes, SHA-256 {digest[:12]}…) are not those of the '
                f'metadata ({metadata.weights_size} bytes, {metadata.weights_sha256[:12]}…).',
                reason='They were cut short, changed or belong to another potential.',
                fix=_FETCH_AGAIN,
            )
        )
    found = tensors_of_weights(weights)
    odd = sorted(set(found) ^ set(metadata.tensors))
    if odd:
        raise PotentialError(f'Tensors missing or too many: {", ".join(odd[:5])}. {_FETCH_AGAIN}')
    for name, info in metadata.tensors.items():
        if found[name] != info:
            raise PotentialError(
                f'Tensor {name} is {found[name].dtype} {list(found[name].shape)}; the metadata '
                f'say {info.dtype} {list(info.shape)}. {_FETCH_AGAIN}'
            )


def metadata_with_weights(described: Mapping[str, Any], weights: bytes) -> PotentialMetadata:
    """Complete metadata by size, SHA-256 and tensors of the weights."""
    return PotentialMetadata(
        **described,
        weights_sha256=hashlib.sha256(weights).hexdigest(),
        weights_size=len(weights),
        tensors=tensors_of_weights(weights),
    )


@dataclass(frozen=True)
class _Flavour:
    """What the JSON of one family of potentials may say."""

    model_classes: tuple[str, ...]
    check: Callable[[str, object], dict[str, Any]]


_FLAVOURS = {
    'mace': _Flavour(MODEL_CLASSES, lambda _name, given: check_hyperparameters(given)),
    'ase': _Flavour(tuple(CALCULATORS), check_arguments),
}


def _check_format(found: object, version: object, name: str) -> None:
    if found == FORMAT and isinstance(version, int) and version > FORMAT_VERSION:
        raise PotentialError(
            format_error(
                f'{name} is of the format {FORMAT}, version {version}, of a later release; this '
                f'one reads versions up to {FORMAT_VERSION}.',
                fix='Install the latest aiida-insbench.',
            )
        )
    if found != FORMAT or version != FORMAT_VERSION:
        raise PotentialError(f'{name} is not of the format {FORMAT}, version {FORMAT_VERSION}.')


def _load_json(text: str, name: str) -> dict[str, Any]:
    data = load_json(text, name=name, error=PotentialError)
    if not isinstance(data, dict):
        raise PotentialError(f'{name} is no JSON object.')
    return data


def _check_energies(metadata: PotentialMetadata) -> None:
    energies = metadata.isolated_atom_energies
    known = bool(energies) or metadata.flavour == 'mace'
    if not metadata.elements or list(metadata.elements) != sorted(
        set(metadata.elements), key=lambda symbol: atomic_numbers[symbol]
    ):
        raise PotentialError('`elements` must rise in atomic number, each once.')
    if len(set(metadata.heads)) != len(metadata.heads) or (
        known and set(energies) != set(metadata.heads)
    ):
        raise PotentialError('`isolated_atom_energies` must have each of the heads.')
    for head, values in energies.items():
        if set(values) != set(metadata.elements):
            raise PotentialError(f'`isolated_atom_energies` of {head} must have each element.')


def _one_of(value: object, known: Mapping[str, Any] | tuple[str, ...], name: str) -> str:
    if not isinstance(value, str) or value not in known:
        raise PotentialError(f'`{name}` {value!r} is not on the list of what this program knows.')
    return value


def _positive(value: object, name: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise PotentialError(f'`{name}` is {value!r}; it must be a number above 0.')
    return float(value)
