"""`SpectrumData`: a powder INS spectrum, measured or simulated."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.common.exceptions import ValidationError
from aiida.orm import ArrayData
from aiida.orm.pydantic import OrmMetadataField
from numpy.typing import ArrayLike, NDArray

from aiida_insbench.data.format_version import UNCOMPARED, Stamped, check_format, stamp
from aiida_insbench.science.errors import InputError

ORIGINS = ('measured', 'simulated')
#: Arrays of a map S(Q, ω) have axes of their own.
MAP_PREFIX = 'map_'
BIN_EDGES = 'bin_edges'


class SpectrumData(Stamped, ArrayData):
    """A powder spectrum S(Q(ω), ω) on an energy axis in cm⁻¹, with its conditions.

    Arrays: ``energy_transfer`` (cm⁻¹, bin centres) and ``total``, shape ``(n,)``; of simulations
    besides the parts ``order_1`` …, ``element_H`` …, ``bank_forward`` …, ``group_<name>``, of the
    same shape, and ``momentum_transfer`` (Å⁻¹), shape ``(banks, n)``. Before the resolution:
    ``contributions``, shape ``(banks, sites, orders, n)``, and ``coherent``, shape ``(banks, n)``.
    Of measurements ``kept`` (0 where masked), ``error``, ``energy_error`` and ``bin_edges``, shape
    ``(n + 1,)``. A map: ``map_total`` and ``map_order_1``, shape ``(q, m)``, ``map_accessible``
    (1 where a detector reaches), ``map_momentum_transfer`` (q,) and ``map_energy_transfer`` (m,).

    Parameters
    ----------
    energy_transfer : array_like, shape (n,)
        In cm⁻¹, rising.
    total : array_like, shape (n,)
        Intensity.
    components : dict of array_like, optional
        Other arrays; their last axis is the energy transfer, maps excepted.
    origin : {'measured', 'simulated'}
        Where it comes from.
    instrument : str
        For example TOSCA.
    instrument_version : str
        Which state of it, or which source.
    bank : str
        Bank, or banks, of detectors.
    temperature : float
        In K.
    pressure : float
        In GPa.
    sample : str
        What was measured or simulated.
    quantity : str
        What the intensity is.
    units : dict, optional
        Units of the arrays.
    doi, file_hash : str
        Where measured data come from: DOI, and SHA-256 of the file.
    details : dict, optional
        Everything else worth keeping: bands, sum rules, convergence, mesh, settings.

    Raises
    ------
    ValueError
        If the axis does not rise, shapes differ or a number is not finite.
    """

    #: Latest version of the format of arrays and attributes that this release reads, and writes.
    FORMAT_VERSION = 1
    _hash_ignored_attributes = (*ArrayData._hash_ignored_attributes, *UNCOMPARED)

    class AttributesModel(ArrayData.AttributesModel):
        """Attributes to query by."""

        origin: str = OrmMetadataField(description='measured or simulated', read_only=True)
        instrument: str = OrmMetadataField(description='Instrument', read_only=True)
        instrument_version: str = OrmMetadataField(description='Which state of it', read_only=True)
        bank: str = OrmMetadataField(description='Banks of detectors', read_only=True)
        temperature: float = OrmMetadataField(description='Temperature, K', read_only=True)
        pressure: float = OrmMetadataField(description='Pressure, GPa', read_only=True)
        sample: str = OrmMetadataField(description='Sample', read_only=True)
        quantity: str = OrmMetadataField(description='Quantity on the y axis', read_only=True)
        units: dict[str, str] = OrmMetadataField(description='Units', read_only=True)
        doi: str = OrmMetadataField(description='DOI of measured data', read_only=True)
        file_hash: str = OrmMetadataField(description='SHA-256 of the file', read_only=True)
        details: dict[str, Any] = OrmMetadataField(
            description='Bands, sum rules, convergence, mesh, settings', read_only=True
        )
        format_version: int = OrmMetadataField(
            1, description='Version of the format of arrays and attributes', read_only=True
        )
        written_by: str = OrmMetadataField(
            '', description='Release of aiida-insbench that wrote it', read_only=True
        )

    def __init__(
        self,
        *,
        energy_transfer: ArrayLike | None = None,
        total: ArrayLike | None = None,
        components: dict[str, ArrayLike] | None = None,
        origin: str = 'simulated',
        instrument: str = '',
        instrument_version: str = '',
        bank: str = '',
        temperature: float = 0.0,
        pressure: float = 0.0,
        sample: str = '',
        quantity: str = 'S(Q,w)',
        units: dict[str, str] | None = None,
        doi: str = '',
        file_hash: str = '',
        details: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if energy_transfer is None or total is None:
            return
        arrays = {'energy_transfer': energy_transfer, 'total': total, **(components or {})}
        for name, values in _checked_arrays(arrays).items():
            self.set_array(name, values)
        self.base.attributes.set_many(
            {
                'origin': origin,
                'instrument': instrument,
                'instrument_version': instrument_version,
                'bank': bank,
                'temperature': float(temperature),
                'pressure': float(pressure),
                'sample': sample,
                'quantity': quantity,
                'units': units or {'energy_transfer': '1/cm'},
                'doi': doi,
                'file_hash': file_hash,
                'details': details or {},
                **stamp(self.FORMAT_VERSION),
            }
        )

    def _validate(self) -> bool:
        super()._validate()
        for name in ('energy_transfer', 'total'):
            if name not in self.get_arraynames():
                raise ValidationError(f'A spectrum needs the array `{name}`.')
        if self.origin not in ORIGINS:
            raise ValidationError(f'`origin` is {self.origin!r}; it must be one of {ORIGINS}.')
        if not self.instrument:
            raise ValidationError('A spectrum needs its `instrument`.')
        return True

    def get_array(self, name: str | None = None) -> NDArray[Any]:
        """Read an array; `InputError` if a later release wrote the node otherwise."""
        check_format(self, known=self.FORMAT_VERSION, error=InputError)
        return np.asarray(super().get_array(name))

    @property
    def energy_transfer(self) -> NDArray[np.float64]:
        """Energy transfer at the bin centres, cm⁻¹, shape (n,)."""
        return np.asarray(self.get_array('energy_transfer'))

    @property
    def total(self) -> NDArray[np.float64]:
        """Intensity, shape (n,)."""
        return np.asarray(self.get_array('total'))

    def components(self, kind: str) -> dict[str, NDArray[np.float64]]:
        """Parts of the total by `kind`: ``order``, ``element``, ``bank`` or ``group``."""
        prefix = f'{kind}_'
        # names of arrays are letters, digits and _; what they stand for is kept beside them
        names = self.details.get('names', {})
        return {
            names.get(name, name).removeprefix(prefix): np.asarray(self.get_array(name))
            for name in self.get_arraynames()
            if name.startswith(prefix)
        }

    @property
    def has_contributions(self) -> bool:
        """Whether it holds contributions without resolution, to be grouped and broadened."""
        return 'contributions' in self.get_arraynames()

    @property
    def origin(self) -> str:
        """``measured`` or ``simulated``."""
        return str(self.base.attributes.get('origin'))

    @property
    def instrument(self) -> str:
        """Instrument."""
        return str(self.base.attributes.get('instrument'))

    @property
    def temperature(self) -> float:
        """Temperature in K."""
        return float(self.base.attributes.get('temperature'))

    @property
    def pressure(self) -> float:
        """Pressure in GPa."""
        return float(self.base.attributes.get('pressure'))

    @property
    def details(self) -> dict[str, Any]:
        """Bands, sum rules, convergence, mesh and settings."""
        return dict(self.base.attributes.get('details'))


def _checked_arrays(arrays: dict[str, ArrayLike]) -> dict[str, NDArray[Any]]:
    # single precision is kept where it is given: contributions are large
    checked = {
        name: np.asarray(values, dtype=np.float32 if _is_single(values) else np.float64)
        for name, values in arrays.items()
    }
    size = checked['energy_transfer'].shape
    for name, values in checked.items():
        flat = name in ('energy_transfer', 'total')
        shape = values.shape if flat else values.shape[-1:]
        if name == BIN_EDGES:
            _check_edges(values, checked['energy_transfer'])
        elif shape != size and not name.startswith(MAP_PREFIX):
            raise ValueError(f'`{name}` has shape {values.shape}; `energy_transfer` has {size}.')
        if not np.isfinite(values).all():
            raise ValueError(f'`{name}` holds numbers that are not finite.')
    if len(size) != 1 or not (np.diff(checked['energy_transfer']) > 0).all():
        raise ValueError('`energy_transfer` does not rise from bin to bin.')
    return checked


def _check_edges(edges: NDArray[Any], centres: NDArray[Any]) -> None:
    inside = len(edges) == len(centres) + 1 and (edges[:-1] < centres) & (centres < edges[1:])
    if not np.all(inside):
        raise ValueError(f'`{BIN_EDGES}` must be one more than the energies, and enclose each.')


def _is_single(values: ArrayLike) -> bool:
    return getattr(values, 'dtype', None) == np.float32
