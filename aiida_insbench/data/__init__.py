"""Node types: labelled frames, potentials, spectra."""

from aiida_insbench.data.dataset import DatasetData
from aiida_insbench.data.potential import PotentialData
from aiida_insbench.data.spectrum import SpectrumData

__all__ = ['DatasetData', 'PotentialData', 'SpectrumData']
