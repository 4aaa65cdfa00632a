"""Many frames at once through one MACE model: for a GPU, whose memory a single frame leaves empty.

On a CPU it was measured to be no faster than frame after frame. Energies eV, forces eV/Å, stress
eV/Å³ in ASE's sign and Voigt order.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from ase import Atoms

from aiida_insbench.science.errors import OutOfMemoryError
from aiida_insbench.science.mace_models import building, mace_from_potential, mace_parts
from aiida_insbench.science.parity import Properties
from aiida_insbench.science.potential_files import Potential

_LARGEST = 4096
_VOIGT = (0, 4, 8, 5, 2, 1)


class BatchedPotential:
    """A MACE model that takes as many frames at once as memory holds.

    Parameters
    ----------
    potential : Potential
        Of the flavour ``mace``.
    device : str
        ``cuda``, or ``cpu`` in tests.
    dtype : str
        Precision of the computation.
    head : str
        Which output; empty for the only one.
    batch : int
        Frames to begin with; doubled after each batch that fits, halved when memory is spent.
    """

    def __init__(
        self,
        potential: Potential,
        *,
        device: str,
        dtype: str = 'float64',
        head: str = '',
        batch: int = 16,
    ) -> None:
        self._model = mace_from_potential(potential, device=device, dtype=dtype)
        self._device, self._dtype = device, dtype
        self._heads = list(potential.metadata.heads)
        self._head = head or self._heads[0]
        self._batch, self._limit = batch, _LARGEST

    def predict(self, frames: Sequence[Atoms]) -> Properties:
        """Predict energies, forces and stresses of frames.

        Raises
        ------
        OutOfMemoryError
            If not even one frame fits.
        """
        found: list[Properties] = []
        place = 0
        while place < len(frames):
            chosen = frames[place : place + self._batch]
            try:
                found.append(self._predict_batch(chosen))
            except (importlib.import_module('torch').OutOfMemoryError, MemoryError) as exc:
                self._shrink(len(chosen), exc)
                continue
            place += len(chosen)
            if len(chosen) == self._batch:
                self._batch = min(2 * self._batch, self._limit)
        return Properties(
            energy=np.concatenate([one.energy for one in found]),
            forces=np.concatenate([one.forces for one in found]),
            stress=np.concatenate([one.stress for one in found]),
        )

    def _shrink(self, tried: int, exc: BaseException) -> None:
        importlib.import_module('torch').cuda.empty_cache()
        if tried == 1:
            raise OutOfMemoryError('One frame is too large for the memory of the device.') from exc
        self._batch = self._limit = max(1, tried // 2)

    def _predict_batch(self, frames: Sequence[Atoms]) -> Properties:
        mace = mace_parts()
        numbers = mace['tools'].AtomicNumberTable([int(z) for z in self._model.atomic_numbers])
        with building(mace['torch'], self._dtype):
            graphs = [
                mace['data'].AtomicData.from_config(
                    mace['data'].config_from_atoms(_bare(frame), head_name=self._head),
                    z_table=numbers,
                    cutoff=float(self._model.r_max),
                    heads=self._heads,
                )
                for frame in frames
            ]
            batch = mace['tools'].torch_geometric.Batch.from_data_list(graphs).to(self._device)
            out = self._model(batch.to_dict(), compute_stress=True)
        return Properties(
            energy=_plain(out['energy']),
            forces=_plain(out['forces']),
            stress=_plain(out['stress']).reshape(-1, 9)[:, _VOIGT],
        )


def _bare(frame: Atoms) -> Atoms:
    return Atoms(frame.numbers, positions=frame.positions, cell=frame.cell, pbc=frame.pbc)


def _plain(tensor: Any) -> Any:
    return tensor.detach().cpu().numpy().astype(float)
