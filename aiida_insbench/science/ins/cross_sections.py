"""Bound neutron scattering cross-sections of the elements, natural isotopes, in barn.

Source: Sears, *Neutron News* 3(3), 26 (1992), as reproduced by Mitchell et al. (2005) and
transcribed in Euphonic's collection ``BlueBook``.
"""

from __future__ import annotations

from collections.abc import Iterable

from aiida_insbench.science.errors import InputError, StructureError, format_error

CROSS_SECTIONS = ('total', 'incoherent')


def cross_sections(elements: Iterable[str], *, kind: str = 'total') -> dict[str, float]:
    r"""Cross-section of each element.

    .. math:: \sigma_\mathrm{total} = \sigma_\mathrm{coherent} + \sigma_\mathrm{incoherent}

    Parameters
    ----------
    elements : iterable of str
        Chemical symbols.
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
        If the table lacks an element.
    """
    if kind not in CROSS_SECTIONS:
        raise InputError(f'`cross_section` must be one of {CROSS_SECTIONS}, not {kind!r}.')
    from euphonic.util import get_reference_data

    names = ('coherent', 'incoherent') if kind == 'total' else ('incoherent',)
    tables = [
        get_reference_data(collection='BlueBook', physical_property=f'{name}_cross_section')
        for name in names
    ]
    wanted = list(dict.fromkeys(elements))
    missing = [element for element in wanted if any(element not in table for table in tables)]
    if missing:
        raise StructureError(
            format_error(
                f'No {kind} neutron cross-section is tabulated for {", ".join(missing)}.',
                fix='Without it there is no spectrum.',
            )
        )
    return {
        element: sum(float(table[element].to('barn').magnitude) for table in tables)
        for element in wanted
    }
