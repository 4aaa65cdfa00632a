"""Modes of force constants, followed with the settings of an analysis: what its table numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from phonopy import Phonopy

from aiida_insbench.jobs.analyse_settings import read_analyse_settings
from aiida_insbench.jobs.analyse_sources import make_sources
from aiida_insbench.science.followed_vibrations import FollowedVibrations, followed_vibrations

_NAME = 'the crystal'


def analysed_modes(
    phonons: dict[str, Phonopy], settings: Mapping[str, Any] | None = None
) -> list[FollowedVibrations]:
    """Followed modes of one source, a stretch of pressures with one crystal after the other.

    Parameters
    ----------
    phonons : dict of str to Phonopy
        By pressure label.
    settings : mapping, optional
        Of `insbench.analyse`: tolerances, symmetry, isotopes.

    Raises
    ------
    InputError
        If the settings make no sense, or the crystals are not one substance.
    ComputationError
        If modes cannot be told or followed.
    """
    read = read_analyse_settings(settings)
    if read.isotopes:
        phonons = make_sources({_NAME: phonons}, read)[_NAME].phonons
    return followed_vibrations(phonons, tolerances=read.tolerances, symprec=read.symprec)
