"""`SpectrumData`: a powder INS spectrum, measured or simulated."""

from __future__ import annotations

from typing import Any

import numpy as np
from aiida.common.exceptions import ValidationError
from aiida.orm import ArrayData
from aiida.orm.pydantic import OrmMetadataField
from numpy.typing import ArrayLike, NDArray

ORIGINS = ('measured', 'simulated')


class SpectrumData(ArrayData):
    """A powder spectrum S(Q(ω), ω) on an energy axis in cm⁻¹, with its conditions.

    Arrays: ``energy_transfer`` (cm⁻¹, bin centres), ``total``, and for simulations the parts
    ``order_1`` …, ``element_H`` …, ``bank_forward`` …, each of the same shape ``(n,)``.

    Parameters
    ----------
    energy_transfer : array_like, shape (n,)
        In cm⁻¹, rising.
    total : array_like, shape (n,)
        Intensity.
    components : dict of array_like, optional
        Parts of the total.
    origin : {'measured', 'simulated'}
        Where it comes from.
    instrument : str
        For example TOSCA.
    temperature : float
        In K.
    pressure : float
        In GPa.
    quantity : str
        What the intensity is, for example ``S(Q,w)``.
    units : dict, optional
        Units of the arrays.
    details : dict, optional
        Everything else worth keeping: bands, sum rules, mesh, settings.

    Raises
    ------
    ValueError
        If the axis does not rise, shapes differ or a number is not finite.
    """

    class AttributesModel(ArrayData.AttributesModel):
        """Attributes to query by."""

        origin: str = OrmMetadataField(description='measured or simulated', read_only=True)
        instrument: str = OrmMetadataField(description='Instrument', read_only=True)
        temperature: float = OrmMetadataField(description='Temperature, K', read_only=True)
        pressure: float = OrmMetadataField(description='Pressure, GPa', read_only=True)
        quantity: str = OrmMetadataField(description='Quantity on the y axis', read_only=True)
        units: dict[str, str] = OrmMetadataField(description='Units', read_only=True)
        details: dict[str, Any] = OrmMetadataField(
            description='Bands, sum rules, mesh, settings', read_only=True
        )

    def __init__(
        self,
        *,
        energy_transfer: ArrayLike | None = None,
        total: ArrayLike | None = None,
        components: dict[str, ArrayLike] | None = None,
        origin: str = 'simulated',
        instrument: str = '',
        temperature: float = 0.0,
        pressure: float = 0.0,
        quantity: str = 'S(Q,w)',
        units: dict[str, str] | None = None,
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
                'temperature': float(temperature),
                'pressure': float(pressure),
                'quantity': quantity,
                'units': units or {'energy_transfer': '1/cm'},
                'details': details or {},
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

    @property
    def energy_transfer(self) -> NDArray[np.float64]:
        """Energy transfer at the bin centres, cm⁻¹, shape (n,)."""
        return np.asarray(self.get_array('energy_transfer'))

    @property
    def total(self) -> NDArray[np.float64]:
        """Intensity, shape (n,)."""
        return np.asarray(self.get_array('total'))

    def components(self, kind: str) -> dict[str, NDArray[np.float64]]:
        """Parts of the total by `kind`: ``order``, ``element`` or ``bank``."""
        prefix = f'{kind}_'
        return {
            name.removeprefix(prefix): np.asarray(self.get_array(name))
            for name in self.get_arraynames()
            if name.startswith(prefix)
        }

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
        """Bands, sum rules, mesh and settings."""
        return dict(self.base.attributes.get('details'))


def _checked_arrays(arrays: dict[str, ArrayLike]) -> dict[str, NDArray[np.float64]]:
    checked = {name: np.asarray(values, dtype=float) for name, values in arrays.items()}
    shape = checked['energy_transfer'].shape
    for name, values in checked.items():
        if values.ndim != 1 or values.shape != shape:
            raise ValueError(f'`{name}` has shape {values.shape}; `energy_transfer` has {shape}.')
        if not np.isfinite(values).all():
            raise ValueError(f'`{name}` holds numbers that are not finite.')
    if not (np.diff(checked['energy_transfer']) > 0).all():
        raise ValueError('`energy_transfer` does not rise from bin to bin.')
    return checked
