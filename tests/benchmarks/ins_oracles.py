"""How far spectra are from those of other programs, whose numbers are stored."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from ins import _figure
from ins_crystals import (
    MAGNESIUM_HYDRIDE,
    MAGNESIUM_HYDRIDE_SPRINGS,
    save_crystal,
    spring_crystal,
)
from ins_references import (
    ETHANOL,
    GRAPHITE,
    OCLIMAX_MESH,
    abinslib_differences,
    as_in_file,
    graphite_modes,
    irma_differences,
    read_oclimax,
    read_reference,
    vision_as_oclimax,
)

from aiida_insbench.science.ins.mode_files import read_modes


def oracle_figures(work: Path, data: Path) -> Iterator[dict[str, Any]]:
    """Figures one by one; those that need shared data only where they are."""
    if (data / ETHANOL).is_file():
        yield abinslib_figure(data)
    else:
        sys.stdout.write(f'no difference from abinslib: there is no {data / ETHANOL}\n')
    if (data / GRAPHITE).is_dir():
        yield irma_figure(work, data)
        yield oclimax_figure(work, data)
    else:
        sys.stdout.write(f'no graphite beside IRMA and OCLIMAX: there is no {data / GRAPHITE}\n')


def abinslib_figure(data: Path) -> dict[str, Any]:
    """The almost-isotropic kernel against abinslib."""
    found = abinslib_differences(read_modes(data / ETHANOL, mesh=None))
    where = max(found, key=found.__getitem__)
    return _figure(
        'ins.abinslib_difference_percent',
        100 * found[where],
        '%',
        0.5,
        'lower',
        'ethanol at 10 K, backscattering: orders 1 and 2 of each element by the almost-isotropic '
        'kernel with the quirks of Abins against abinslib 0.3.0, worst bin in parts of the maximum '
        f'(worst: {where.replace("_", ", order ")})',
    )


def irma_figure(work: Path, data: Path) -> dict[str, Any]:
    """The exact kernel against IRMA."""
    reference = read_reference('irma_graphite')
    graphite = irma_differences(graphite_modes(data, work, mesh=reference['mesh']), reference)
    springs = read_reference('irma_magnesium_hydride')
    crystal = spring_crystal(MAGNESIUM_HYDRIDE, MAGNESIUM_HYDRIDE_SPRINGS)
    path = save_crystal(crystal, work / 'springs.yaml')
    modes = read_modes(path, mesh=springs['mesh'], shift=(0.5, 0.5, 0.5))
    hydride = irma_differences(modes, springs)
    worst = [100 * max(found.values()) for found in (graphite, hydride)]
    return _figure(
        'ins.irma_difference_percent',
        max(worst),
        '%',
        2,
        'lower',
        'exact kernel against IRMA 1.1.0, worst bin in parts of the maximum of each order: '
        f'graphite at {reference["temperature"]:.0f} K, Q = 4, 8, 12 Å⁻¹, orders 1 to 4 and all '
        f'({worst[0]:.2f} %); MgH2 of springs at {springs["temperature"]:.0f} K, Q = 4, 9 Å⁻¹, '
        f'orders 1 to 3 and all ({worst[1]:.2f} %)',
    )


def oclimax_figure(work: Path, data: Path) -> dict[str, Any]:
    """The exact kernel against OCLIMAX's graphite on VISION."""
    stored = read_oclimax(data, energy_range=(100.0, 2000.0))
    ours = vision_as_oclimax(
        graphite_modes(data, work, mesh=OCLIMAX_MESH), energy_transfer=stored.energy_transfer
    )
    totals = {bank: orders.sum(axis=0) for bank, orders in ours.items()}
    banks = {bank: np.corrcoef(total, stored.banks[bank])[0, 1] for bank, total in totals.items()}
    shares = as_in_file(ours['backward']).sum(axis=1), stored.orders.sum(axis=1)
    apart = np.abs(shares[0] / shares[0].sum() - shares[1] / shares[1].sum()).max()
    return _figure(
        'ins.graphite_vs_oclimax_r',
        float(np.corrcoef(sum(totals.values()), sum(stored.banks.values()))[0, 1]),
        '1',
        0.97,
        'higher',
        'exact kernel against the stored spectrum of VISION, graphite at 5 K, OCLIMAX mesh of '
        '20 × 20 × 20, 100 to 2000 cm⁻¹, mean of the banks '
        f'(backward {banks["backward"]:.4f}, forward {banks["forward"]:.4f}); '
        f'shares of the orders within {apart:.3f}',
    )
