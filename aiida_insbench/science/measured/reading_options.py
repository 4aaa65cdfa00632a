"""What a user says about a file of a measured spectrum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.instruments import DIRECT, Instrument, get_instrument
from aiida_insbench.science.measured.ascii_spectra import ASCII_FORMATS
from aiida_insbench.science.measured.jcamp import JCAMP
from aiida_insbench.science.measured.nexus import NEXUS
from aiida_insbench.science.measured.oclimax import OCLIMAX
from aiida_insbench.science.measured.spectrum_csv import INSBENCH

FORMATS = (*ASCII_FORMATS, OCLIMAX, JCAMP, NEXUS, INSBENCH)


@dataclass(frozen=True)
class ReadingOptions:
    """What a user says about a file; all of it optional.

    Parameters
    ----------
    format : str, optional
        One of `FORMATS`; found in the content if not given.
    unit : str, optional
        Of the energies: meV, cm-1 or THz. It goes before what the file says.
    instrument : Instrument or str, optional
        Against whose window the unit is found or checked.
    incident_energy : float, optional
        Of a spectrometer of direct geometry, in meV. If it is named without one, its window is not
        known and nothing is checked.
    block : str or int, optional
        Name or number of the block that is wanted.
    keep_range : (float, float), optional
        In cm⁻¹; what lies outside is dropped before counts are checked.
    energy_error : float, optional
        Standard deviation of all energies in cm⁻¹, of a digitised spectrum.
    counts_per_bin : bool, optional
        Whether intensities are counts of a bin, to be divided by its width; as the file says if not
        given.
    sure_of_unit : bool
        Whether the unit holds although the instrument's window speaks against it.
    """

    format: str | None = None
    unit: str | None = None
    instrument: Instrument | str | None = None
    incident_energy: float | None = None
    block: str | int | None = None
    keep_range: tuple[float, float] | None = None
    energy_error: float | None = None
    counts_per_bin: bool | None = None
    sure_of_unit: bool = False

    def __post_init__(self) -> None:
        if self.format is not None and self.format not in FORMATS:
            raise InputError(f'`format` must be one of {", ".join(FORMATS)}, not {self.format!r}.')
        if self.keep_range is not None and not self.keep_range[0] < self.keep_range[1]:
            raise InputError(f'`keep_range` must rise, not {self.keep_range}.')
        if self.energy_error is not None and not 0 <= self.energy_error < np.inf:
            raise InputError(f'`energy_error` must be ≥ 0 cm⁻¹, not {self.energy_error}.')

    def known_instrument(self) -> Instrument | None:
        """The instrument given, looked up if it is a name."""
        if isinstance(self.instrument, str):
            return get_instrument(self.instrument, incident_energy=self.incident_energy)
        return self.instrument

    def window_instrument(self) -> Instrument | None:
        """The instrument, if its window is known: not of direct geometry by its name alone."""
        found = self.known_instrument()
        by_name = isinstance(self.instrument, str) and self.incident_energy is None
        return None if found and found.geometry == DIRECT and by_name else found
