"""Bound neutron scattering cross-sections of sites, in barn.

Source: Sears, *Neutron News* 3(3), 26 (1992); see `aiida_insbench.science.ins.isotopes`.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiida_insbench.science.errors import InputError
from aiida_insbench.science.ins.isotopes import scatterer

CROSS_SECTIONS = ('total', 'incoherent')


def cross_sections(labels: Iterable[str], *, kind: str = 'total') -> dict[str, float]:
    r"""Cross-section of each kind of site.

    .. math:: \sigma_\mathrm{total} = \sigma_\mathrm{coherent} + \sigma_\mathrm{incoherent}

    Parameters
    ----------
    labels : iterable of str
        Chemical symbols, isotopes or mixtures.
    kind : {'total', 'incoherent'}
        ``total`` is the incoherent approximation: interference between atoms is neglected.

    Returns
    -------
    dict from str to float
        In barn.

    Raises
    ------
    InputError
        If `kind` is unknown.
    StructureError
        If the tables lack an element.
    """
    if kind not in CROSS_SECTIONS:
        raise InputError(f'`cross_section` must be one of {CROSS_SECTIONS}, not {kind!r}.')
    sites = {label: scatterer(label) for label in labels}
    return {
        label: site.total if kind == 'total' else site.incoherent for label, site in sites.items()
    }
