"""Draw the pictures of ``docs/topics/ins.md`` into ``docs/images``.

Each shows a spectrum by the kernels ``exact`` and ``almost-isotropic`` and by another program,
whose numbers the scripts in ``tests/oracles`` have written, and below the differences to ``exact``:

.. code-block:: bash

    python docs/make_ins_pictures.py --data SHARED_DATA --benzene FORCE_CONSTANTS.yaml

SHARED_DATA is the folder the tests read too: modes of ethanol, forces of graphite. The force
constants of benzene are made by ``tests/oracles/sevennet_benzene.py``. What is not given is not
drawn. Printed are the figures the captions give. The same input gives the same files.
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / 'tests'))

from ins_references import (  # noqa: E402 - found only with the path above
    ALMOST_ISOTROPIC,
    ETHANOL,
    EXACT,
    GRAPHITE,
    abinslib_spectra,
    graphite_modes,
    read_reference,
)

from aiida_insbench.science.ins.almost_isotropic import almost_isotropic_orders  # noqa: E402
from aiida_insbench.science.ins.arrays import FloatArray  # noqa: E402
from aiida_insbench.science.ins.cross_sections import cross_sections  # noqa: E402
from aiida_insbench.science.ins.debye_waller import displacement_tensors  # noqa: E402
from aiida_insbench.science.ins.density import displacement_density  # noqa: E402
from aiida_insbench.science.ins.directions import sphere_rule  # noqa: E402
from aiida_insbench.science.ins.energies import EnergyGrid  # noqa: E402
from aiida_insbench.science.ins.instruments import get_instrument  # noqa: E402
from aiida_insbench.science.ins.kernel import powder_orders  # noqa: E402
from aiida_insbench.science.ins.kinematics import indirect_momentum_transfer  # noqa: E402
from aiida_insbench.science.ins.mode_files import read_modes  # noqa: E402
from aiida_insbench.science.ins.modes import PhononModes  # noqa: E402
from aiida_insbench.science.ins.options import PowderOptions  # noqa: E402
from aiida_insbench.science.ins.powder import powder_spectrum  # noqa: E402
from aiida_insbench.science.ins.units import MEV_TO_WAVENUMBER  # noqa: E402

# Okabe & Ito's colours, told apart by the colour-blind too
BLACK, VERMILION, BLUE = '#000000', '#d55e00', '#0072b2'
DIRECTIONS = 974
LOWEST = 10.0  # cm⁻¹: abinslib leaves out modes below it
FIXED_Q_ORDERS = 24
_LONG = re.compile(r'-?\d+\.\d{3,}')


@dataclass(frozen=True)
class Panel:
    """Spectra of one column of a picture.

    Parameters
    ----------
    title : str
        Above it.
    energies : ndarray, shape (n,)
        In cm⁻¹, of `exact` and `almost`.
    exact, almost : ndarray, shape (n,)
        By the two kernels, in the unit of the picture.
    places : ndarray, shape (m,)
        Energies of `oracle`, each one of `energies`.
    oracle : ndarray, shape (m,)
        By the other program.
    """

    title: str
    energies: FloatArray
    exact: FloatArray
    almost: FloatArray
    places: FloatArray
    oracle: FloatArray

    def within(self, low: float, high: float) -> Panel:
        """Part of a panel."""
        kept = (self.energies >= low) & (self.energies <= high)
        dots = (self.places >= low) & (self.places <= high)
        return Panel(
            self.title, self.energies[kept], self.exact[kept], self.almost[kept],
            self.places[dots], self.oracle[dots],
        )  # fmt: skip

    def differences(self) -> tuple[FloatArray, FloatArray]:
        """Of `almost` and `oracle` to `exact`, in per cent of its maximum."""
        scale = 100 / self.exact.max()
        there = np.interp(self.places, self.energies, self.exact)
        return scale * (self.almost - self.exact), scale * (self.oracle - there)


def main() -> None:
    """Read the command line and draw."""
    parser = argparse.ArgumentParser(description='Draw the pictures of docs/topics/ins.md.')
    parser.add_argument('--data', type=Path, help='folder of shared data')
    parser.add_argument('--benzene', type=Path, help='force constants of benzene, phonopy YAML')
    parser.add_argument('--images', type=Path, default=ROOT / 'docs' / 'images', help='where to')
    parser.add_argument('--format', choices=('svg', 'png'), default='svg', help='of the files')
    given = parser.parse_args()
    given.images.mkdir(parents=True, exist_ok=True)
    mpl.use('agg')
    # the same names every time
    mpl.rcParams['svg.hashsalt'] = 'insbench'
    sources = {
        'ethanol': (ethanol, given.data and given.data / ETHANOL),
        'benzene': (benzene, given.benzene),
        'graphite': (graphite, given.data and given.data / GRAPHITE),
    }
    for name, (draw, path) in sources.items():
        if path is None or not path.exists():
            say(f'ins_{name}: skipped, {path or "nothing given"}')
            continue
        draw(
            given.data if name == 'graphite' else path, given.images / f'ins_{name}.{given.format}'
        )


# Ethanol: orders 1 and 2 as abinslib has them


def ethanol(source: Path, target: Path) -> None:
    """Draw orders 1 and 2 of a molecule along the path of TOSCA, and abinslib's."""
    reference = read_reference('abinslib_ethanol')
    modes = read_modes(source)
    barns = cross_sections(modes.elements)
    low, high, step = reference['energy_transfer']
    fine = np.arange(low, high + step / 4, step / 2)
    grid = EnergyGrid(0.1, 0, round((high + 5 * reference['sigma']) / 0.1))
    transfers = indirect_momentum_transfer(
        energy_transfer=grid.energies,
        final_energy=reference['final_energy_cm1'] / MEV_TO_WAVENUMBER,
        angle=reference['angle'],
    )[None]
    quirky = abinslib_spectra(modes, {**reference, 'energy_transfer': [low, high, step / 2]})
    kernel = gaussians(fine, grid, reference['sigma'])

    def weighted(parts: Mapping[str, Any], *, order: str = '') -> FloatArray:
        """Sum over elements of cross-sections times lines, named ``H_1``, ``H_2`` and so on."""
        names = [name for name in parts if name.endswith(order)]
        return sum(barns[name.partition('_')[0]] * np.asarray(parts[name]) for name in names)

    ours = {
        kind: {
            f'{element}_{order}': lines[0, order - 1] @ kernel.T
            for element, lines in orders_of(
                modes, kind, grid=grid, transfers=transfers, orders=2,
                temperature=reference['temperature'], minimum_frequency=LOWEST,
            ).items()
            for order in (1, 2)
        }
        for kind in (EXACT, ALMOST_ISOTROPIC)
    }  # fmt: skip
    panel = Panel(
        '',
        fine,
        weighted(ours[EXACT]),
        weighted(quirky),
        np.arange(low, high + step / 2, step),
        weighted(reference['spectra']),
    )
    ranges = (low, 160.0, 480.0, high)
    panels = [panel.within(*ends) for ends in pairwise(ranges)]
    for one in panels:
        tell(target, one)
    for order in '12':
        exact = weighted(ours[EXACT], order=order)
        for name, parts in {'without': ours[ALMOST_ISOTROPIC], 'with': quirky}.items():
            off = apart(weighted(parts, order=order), exact)
            say(f'  order {order} almost isotropic, {name} quirks, is off by {off}')
    without = apart(weighted(ours[ALMOST_ISOTROPIC]), panel.exact)
    say(f'  both without quirks: {without}')
    draw_picture(
        target,
        panels,
        widths=(1, 1.1, 2),
        label='σS(Q, ω), orders 1 + 2 (barn per cm⁻¹)',
        names=('exact', 'almost isotropic, with the quirks of Abins', 'abinslib 0.3.0'),
    )


# Graphite: fixed Q as IRMA has it


def graphite(data: Path, target: Path) -> None:
    """Draw all orders at fixed Q, and IRMA's."""
    reference = read_reference('irma_graphite')
    with tempfile.TemporaryDirectory() as folder:
        modes = graphite_modes(data, Path(folder), mesh=reference['mesh'])
    low, high, step = reference['energy_transfer']
    fine = np.arange(low, high + step / 4, step / 2)
    width = reference['bin_width']
    grid = EnergyGrid(width, 0, round((high + 5 * reference['sigma']) / width))
    transfers = np.repeat([reference['momentum_transfers']], len(grid.energies), axis=0).T
    kernel = gaussians(fine, grid, reference['sigma'])
    lines = {
        kind: orders_of(
            modes, kind, grid=grid, transfers=transfers, orders=FIXED_Q_ORDERS,
            temperature=reference['temperature'],
        )['C'] @ kernel.T / len(modes.symbols)
        for kind in (EXACT, ALMOST_ISOTROPIC)
    }  # fmt: skip
    panels = []
    for bank, transfer in enumerate(reference['momentum_transfers']):
        panel = Panel(
            f'Q = {transfer:g} Å⁻¹',
            fine,
            1000 * lines[EXACT][bank].sum(axis=0),
            1000 * lines[ALMOST_ISOTROPIC][bank].sum(axis=0),
            np.arange(low, high + step / 2, step),
            1000 * np.array(reference['spectra']['C'][bank]['all']),
        )
        tell(target, panel)
        for order in range(4):
            off = apart(lines[ALMOST_ISOTROPIC][bank, order], lines[EXACT][bank, order])
            say(f'  order {order + 1} almost isotropic is off by {off}')
        panels.append(panel.within(low, 1700.0))
    draw_picture(
        target,
        panels[1:],
        label='S(Q, ω) per atom (10⁻³ per cm⁻¹)',
        names=('exact', 'almost isotropic', 'IRMA 1.1.0'),
    )


# Benzene: TOSCA, with IRMA's numbers along its path


def benzene(source: Path, target: Path) -> None:
    """Draw all orders on TOSCA, and IRMA's."""
    reference = read_reference('irma_benzene')
    modes = read_modes(source, mesh=reference['mesh'], shift=(0.5, 0.5, 0.5))
    low, high, step = reference['energy_transfer']
    width = 0.25
    orders = {}
    for kind in (EXACT, ALMOST_ISOTROPIC):
        result = powder_spectrum(
            modes,
            instrument=get_instrument('TOSCA'),
            temperature=reference['temperature'],
            energy_range=(low, high),
            bin_width=width,
            options=PowderOptions(kernel=kind, max_order=reference['orders'], tolerance=1e-9),
        )
        orders[kind] = result.spectrum.by_order
    energies = result.spectrum.energy_transfer
    banks = reference['spectra'].values()
    oracle = {order: np.mean([bank[order] for bank in banks], axis=0) for order in ('1', 'all')}
    places = np.arange(low, high + step / 2, step)
    kept = slice(None, None, round(2 / width))
    total = {kind: parts.sum(axis=0) for kind, parts in orders.items()}
    panel = Panel(
        '', energies[kept], total[EXACT][kept], total[ALMOST_ISOTROPIC][kept],
        places, oracle['all'],
    )  # fmt: skip
    tell(target, panel)
    say(f'  modes: {modes.frequencies.min():.1f} to {modes.frequencies.max():.1f} cm⁻¹')
    census = result.census
    say(f'  {census.n_imaginary} imaginary of {census.n_modes}, {census.n_near_zero} near zero')
    exact, almost = orders[EXACT], orders[ALMOST_ISOTROPIC]
    first = apart(oracle['1'], np.interp(places, energies, exact[0]))
    say(f'  order 1 of IRMA is off by {first}')
    for order in range(4):
        say(f'  order {order + 1} almost isotropic is off by {apart(almost[order], exact[order])}')
    shares = exact.sum(axis=1) / exact.sum()
    say(f'  area by order {np.round(100 * shares[:6], 1)} %')
    for name, parts in orders.items():
        say(f'  orders 1 + 2, {name}: {apart(parts[:2].sum(axis=0), total[EXACT])}')
    draw_picture(
        target,
        [panel],
        label='σS(Q, ω) per cell (barn per cm⁻¹)',
        names=('exact', 'almost isotropic', 'IRMA 1.1.0'),
    )


def orders_of(
    modes: PhononModes,
    kind: str,
    *,
    grid: EnergyGrid,
    transfers: FloatArray,
    orders: int,
    temperature: float,
    minimum_frequency: float = 1.0,
) -> dict[str, FloatArray]:
    """By element, summed over atoms, without cross-section: shape (n_banks, orders, n_bins)."""
    options = {'temperature': temperature, 'minimum_frequency': minimum_frequency}
    tensors = displacement_tensors(modes, **options)
    directions, weights = sphere_rule(DIRECTIONS)
    found: dict[str, FloatArray] = {}
    for atom, symbol in enumerate(modes.symbols):
        density = displacement_density(modes, atom=atom, bin_width=grid.bin_width, **options)
        common = {'grid': grid, 'momentum_transfer': transfers, 'orders': orders}
        if kind == EXACT:
            lines = powder_orders(density, **common, directions=directions, weights=weights)
        else:
            lines = almost_isotropic_orders(density, **common, tensor=tensors[atom])
        found[symbol] = found.get(symbol, 0.0) + lines
    return found


def gaussians(places: FloatArray, grid: EnergyGrid, sigma: float) -> FloatArray:
    """Matrix that carries bins to `places`, broadened, shape (n_places, n_bins)."""
    kernel = np.exp(-0.5 * ((places[:, None] - grid.energies) / sigma) ** 2)
    return kernel * grid.bin_width / (sigma * np.sqrt(2 * np.pi))


def apart(values: FloatArray, exact: FloatArray) -> str:
    """Largest difference of single bins and that of the areas, in per cent."""
    single = 100 * np.abs(values - exact).max() / exact.max()
    area = 100 * (values.sum() / exact.sum() - 1)
    return f'{single:.2f} % of the maximum, area {area:+.2f} %'


def tell(target: Path, panel: Panel) -> None:
    """Print what the differences are."""
    almost, oracle = panel.differences()
    near = np.interp(panel.places, panel.energies, panel.almost)
    say(f'{target.name} {panel.title}')
    say(f'  almost isotropic: {almost.min():+.2f} to {almost.max():+.2f} % of the maximum')
    say(f'  other program: {oracle.min():+.2f} to {oracle.max():+.2f} % of the maximum')
    beside = 100 * np.abs(near - panel.oracle).max() / panel.oracle.max()
    say(f'  other program to almost isotropic: {beside:.2f} %')


def draw_picture(
    target: Path,
    panels: list[Panel],
    *,
    label: str,
    names: tuple[str, str, str],
    widths: tuple[float, ...] | None = None,
) -> None:
    """Spectra above, differences to the first below, a column for each panel.

    Columns of one width share their scales.
    """
    plt.rcParams.update({'font.size': 11, 'axes.linewidth': 0.8, 'axes.titlesize': 11})
    figure, axes = plt.subplots(
        2, len(panels), sharex='col', sharey=False if widths else 'row', squeeze=False,
        figsize=(9, 5.6), height_ratios=(3, 1.5), width_ratios=widths, layout='constrained',
    )  # fmt: skip
    for panel, (above, below) in zip(panels, axes.T, strict=True):
        draw_panel(panel, above, below, names)
    for axis in axes.flat:
        axis.grid(color='#dddddd', linewidth=0.6)
        axis.set_axisbelow(True)
    for axis in axes[0]:
        axis.set_ylim(bottom=0)
    figure.supxlabel('energy transfer (cm⁻¹)', fontsize=11)
    axes[0, 0].set_ylabel(label)
    axes[1, 0].set_ylabel('difference to exact\n(% of maximum)')
    handles, labels = axes[0, -1].get_legend_handles_labels()
    chosen = [handles[labels.index(name)] for name in names]
    figure.legend(chosen, names, loc='outside upper center', ncols=3, frameon=False)
    dated = {'Date': None} if target.suffix == '.svg' else {}
    figure.savefig(target, dpi=100, metadata=dated)
    plt.close(figure)
    if target.suffix == '.svg':
        shorten(target)
    say(f'  {target.name}: {target.stat().st_size / 1000:.0f} kB')


def draw_panel(panel: Panel, above: Axes, below: Axes, names: tuple[str, str, str]) -> None:
    """Draw one column."""
    almost, oracle = panel.differences()
    # where they would hide each other, fewer
    every = max(1, round(len(oracle) / 200))
    dots = {
        'markevery': every,
        'color': BLUE,
        'marker': 'o',
        'markersize': 2.8,
        'linestyle': 'none',
    }
    lines = {'linewidth': 1.4}
    above.plot(panel.energies, panel.almost, color=VERMILION, label=names[1], **lines)
    above.plot(panel.energies, panel.exact, color=BLACK, label=names[0], **lines)
    above.plot(panel.places, panel.oracle, label=names[2], **dots)
    below.axhline(0.0, color=BLACK, **lines)
    below.plot(panel.energies, almost, color=VERMILION, **lines)
    below.plot(panel.places, oracle, **dots)
    above.set_title(panel.title)
    above.set_xlim(panel.energies[0], panel.energies[-1])
    share = above.get_subplotspec().get_position(above.figure).width
    above.xaxis.set_major_locator(MaxNLocator(max(3, round(11 * share)), steps=[1, 2, 5, 10]))


def shorten(path: Path) -> None:
    """Round coordinates of lines and dots to 0.01 points; give all dots their colour at once."""
    text = path.read_text(encoding='utf-8')
    both = f'style="fill: {BLUE}; stroke: {BLUE}"'
    text = text.replace(f' {both}/>', '/>').replace(f'style="stroke: {BLUE}"', both)
    lines = [
        _LONG.sub(lambda found: f'{float(found[0]):.2f}', line)
        if line.startswith(('L ', 'M ')) or '<use ' in line or 'd="M ' in line
        else line
        for line in map(str.strip, text.splitlines())
    ]
    path.write_text('\n'.join(lines) + '\n', encoding='utf-8')


def say(line: str) -> None:
    """Print."""
    sys.stdout.write(f'{line}\n')


if __name__ == '__main__':
    main()
