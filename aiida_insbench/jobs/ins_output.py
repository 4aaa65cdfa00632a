"""What ``insbench-job ins`` writes, draws and says of a spectrum."""

from __future__ import annotations

import csv
import dataclasses
import io
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.jobs.program import write_arrays, write_text
from aiida_insbench.science.errors import InputError, format_error

if TYPE_CHECKING:
    from aiida_insbench.science.ins.convergence import Convergence
    from aiida_insbench.science.ins.maps import ScatteringMap
    from aiida_insbench.science.ins.powder import PowderResult
    from aiida_insbench.science.ins.simulation import Simulation

_BAR = 30


def settings_of(
    source: str, simulation: Simulation, result: PowderResult, convergence: Convergence
) -> dict[str, Any]:
    """What belongs on top of a file of a spectrum."""
    from aiida_insbench import __version__
    from aiida_insbench.science.ins.spectrum import QUANTITY, UNITS

    instrument, options, census = simulation.instrument, simulation.options, result.census
    incident = {}
    if instrument.geometry == 'direct':
        incident = {'incident_energy_meV': instrument.banks[0].energy}
    mesh = 'x'.join(map(str, convergence.meshes[-1])) if convergence.meshes else 'as given'
    return {
        'program': f'aiida-insbench {__version__}',
        'source': source,
        'quantity': QUANTITY,
        'units': f'cm^-1, {UNITS["intensity"]}',
        'instrument': instrument.name,
        'instrument_version': instrument.version or 'not given',
        'banks': f'mean of {" ".join(bank.name for bank in instrument.banks)}',
        **incident,
        'temperature_K': simulation.temperature,
        'kernel': ' '.join((options.kernel, *options.quirks)),
        'cross_section': f'{options.cross_section}{", order 1 coherent" * options.coherent}',
        'resolution': _resolution_text(options.resolution),
        'sites': ' '.join(f'{site.name}*{len(site.atoms)}' for site in result.spectrum.sites),
        'orders': result.spectrum.n_orders,
        'q_mesh': 'Gamma only' if result.vibrations.gamma_only else mesh,
        'directions': ' '.join(f'{k} {v}' for k, v in result.directions.items()),
        'errors_percent_of_area': ' '.join(
            f'{name} {value:.2g}' for name, value in convergence.errors.items()
        ),
        'norm': f'{result.sum_rules.norm:.6f}',
        'first_moment': f'{result.sum_rules.first_moment:.6f}',
        'modes_left_out': census.n_imaginary + census.n_near_zero,
        'lowest_frequency_cm1': f'{census.lowest_frequency:.2f}',
    }


def spectrum_csv(
    result: PowderResult,
    *,
    settings: dict[str, Any],
    elements: bool = False,
    banks: bool = False,
    sites: bool = False,
) -> str:
    """Write a spectrum as CSV: settings after ``#``, a header row, one row a bin.

    Parameters
    ----------
    result : PowderResult
        As `powder_spectrum` gives it.
    settings : dict
        Written as comments.
    elements, banks, sites : bool
        Whether to add columns ``element_H`` …, ``bank_forward`` …, ``site_H1`` ….
    """
    spectrum = result.spectrum
    columns = {'energy_transfer': spectrum.energy_transfer, 'total': spectrum.total}
    columns |= {f'order_{n}': line for n, line in enumerate(spectrum.by_order, start=1)}
    if spectrum.coherent_total is not None:
        columns['coherent'] = spectrum.coherent_total
    for kind, wanted in (('element', elements), ('bank', banks), ('site', sites)):
        if wanted:
            parts = getattr(spectrum, f'by_{kind}')
            columns |= {f'{kind}_{name}': line for name, line in parts.items()}
    text = io.StringIO()
    for key, value in settings.items():
        text.write(f'# {key}: {value}\n')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([f'{row[0]:.6g}', *(f'{value:.6e}' for value in row[1:])])
    return text.getvalue()


def write_or_print(path: Path | None, text: str) -> None:
    """Write whole or not at all; to standard output without a path."""
    if path is None:
        sys.stdout.write(text)
    else:
        write_text(path, text)


def write_map(path: Path, drawn: ScatteringMap) -> None:
    """Write a map as NPZ: its fields by their names."""
    write_arrays(
        path, {field.name: getattr(drawn, field.name) for field in dataclasses.fields(drawn)}
    )


def draw_spectrum(path: Path, result: PowderResult, *, title: str) -> None:
    """Draw the total, order 1 and what lies above it."""
    from aiida_insbench.science.ins.spectrum import UNITS

    spectrum = result.spectrum
    plt, figure, axes = _figure()
    axes.plot(spectrum.energy_transfer, spectrum.total, color='black', lw=1, label='total')
    axes.plot(spectrum.energy_transfer, spectrum.by_order[0], lw=0.8, label='order 1')
    axes.fill_between(spectrum.energy_transfer, spectrum.by_order[1:].sum(axis=0), alpha=0.3,
                      lw=0, label='orders 2 and above')  # fmt: skip
    axes.set(
        xlabel='energy transfer / cm$^{-1}$',
        ylabel=f'{UNITS["intensity"]}',
        title=title,
        xlim=(spectrum.energy_transfer[0], spectrum.energy_transfer[-1]),
        ylim=(0, None),
    )
    axes.legend()
    _save(plt, figure, path)


def draw_map(path: Path, drawn: ScatteringMap, *, title: str) -> None:
    """Draw a map; what no detector reaches is left white."""
    import numpy as np

    from aiida_insbench.science.ins.spectrum import UNITS

    plt, figure, axes = _figure()
    seen = np.where(drawn.accessible, drawn.total, np.nan)
    # a few high points would leave the rest dark
    highest = np.nanpercentile(seen, 99.5) if drawn.accessible.any() else None
    image = axes.pcolormesh(
        drawn.momentum_transfer,
        drawn.energy_transfer,
        seen.T,
        shading='nearest',
        rasterized=True,
        vmin=0,
        vmax=highest,
    )
    figure.colorbar(image, extend='max', label=UNITS['intensity'])
    axes.set(
        xlabel='momentum transfer / Å$^{-1}$',
        ylabel='energy transfer / cm$^{-1}$',
        title=title,
    )
    _save(plt, figure, path)


def progress_bar(what: str, done: int, total: int) -> None:
    """Show on standard error how far a part of the work is."""
    filled = _BAR * done // total
    end = '\n' if done == total else ''
    bar = f'{"#" * filled}{"." * (_BAR - filled)}'
    sys.stderr.write(f'\r[{bar}] {what} {done} of {total}{end}')
    sys.stderr.flush()


def say_result(result: PowderResult, convergence: Convergence, *, seconds: float) -> None:
    """Say on standard error what was done and what to mind."""
    say = sys.stderr.write
    census, vibrations = result.census, result.vibrations
    say(
        f'{len(vibrations.symbols)} atoms, {vibrations.n_qpoints} q-points, '
        f'{result.spectrum.n_orders} orders, {seconds:.1f} s; orders add up to '
        f'{result.sum_rules.norm:.4f}, first moment {result.sum_rules.first_moment:.4f} of the '
        'recoil energy\n'
    )
    errors = ', '.join(f'{name} {value:.2g}' for name, value in convergence.errors.items())
    say(f'errors in per cent of the area: {errors}\n')
    for warning in (*result.warnings, *convergence.warnings):
        say(f'{warning}\n')
    left_out = census.n_imaginary + census.n_near_zero
    if left_out:
        say(
            f'{census.n_imaginary} imaginary and {census.n_near_zero} zero modes are left out '
            f'(lowest {census.lowest_frequency:.1f} cm-1); they hold '
            f'{max(census.left_out.values()):.2%} of the motion of an element.\n'
        )
    if census.n_translations:
        say(f'{census.n_translations} translations of frequency zero have no part in it.\n')


def _resolution_text(resolution: Any) -> str:
    if isinstance(resolution, dict):
        return ' '.join(f'{key}={value}' for key, value in resolution.items())
    if isinstance(resolution, list):
        return ' '.join(f'{value:g}' for value in resolution)
    return resolution or 'none'


def _figure() -> tuple[Any, Any, Any]:
    import matplotlib as mpl

    mpl.use('Agg')
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4), layout='constrained')
    return plt, figure, axes


def _save(plt: Any, figure: Any, path: Path) -> None:
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as exc:
        raise InputError(
            format_error(f'{path.name} cannot be drawn: {exc}.', fix='Give .png, .svg or .pdf.')
        ) from exc
    finally:
        plt.close(figure)
