r"""``insbench-job ins --force-constants FILE …``: a powder spectrum, without AiiDA or job file.

Example::

    insbench-job ins --force-constants phonopy_params.yaml --instrument TOSCA --temperature 10 \
        --range 0 1200 -o spectrum.csv --plot spectrum.png

The file is a phonopy YAML (FORCE_CONSTANTS or FORCE_SETS beside it are found), a CASTEP
.castep_bin or .phonon file, or a JSON file of Euphonic.
"""

from __future__ import annotations

import argparse
import csv
import io
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.science.errors import ComputationError, InputError, format_error

if TYPE_CHECKING:
    from aiida_insbench.science.ins.instruments import Instrument
    from aiida_insbench.science.ins.modes import PhononModes
    from aiida_insbench.science.ins.powder import PowderResult

#: Exit codes, as those of a stage.
_BAD_INPUT, _FAILED = 10, 11
_BAR = 30
_LARGEST_ORDER = 200


def main(arguments: Sequence[str]) -> int:
    """Compute and write one spectrum; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _check(options)
        started = time.monotonic()
        modes, result = _compute(options)
        text = spectrum_csv(result, settings=_settings(options, modes, result),
                            elements=options.elements, banks=options.banks)  # fmt: skip
        _write(options.output, text)
        if options.plot:
            _draw(options.plot, options, result)
        _say(options, modes, result, seconds=time.monotonic() - started)
    except InputError as exc:
        sys.stderr.write(f'insbench-job ins: {exc}\n')
        return _BAD_INPUT
    except ComputationError as exc:
        sys.stderr.write(f'insbench-job ins: {exc}\n')
        return _FAILED
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog='insbench-job ins',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add('--force-constants', type=Path, required=True, metavar='FILE', help='or modes; see above')
    add('--instrument', default='TOSCA', help='default TOSCA; a name, or a YAML file of your own')
    add('--incident-energy', type=float, metavar='E',
        help='of a direct-geometry instrument, in meV; default: its usual one')  # fmt: skip
    add('--temperature', type=float, default=10.0, metavar='K', help='default 10')
    add('--range', type=float, nargs=2, default=(0.0, 2000.0), metavar=('LOW', 'HIGH'),
        help='energy transfer in cm-1, default 0 2000')  # fmt: skip
    add('--bin-width', type=float, default=1.0, metavar='W', help='in cm-1, default 1')
    add('--max-order', type=int, metavar='N', help='phonons exchanged; default: by need')
    add('--kernel', choices=('exact', 'almost-isotropic'), default='exact')
    add('--quirks', nargs='*', default=(), metavar='NAME',
        help='of Abins, for almost-isotropic: within-qpoint half-overtones loss-only')  # fmt: skip
    add('--mesh', type=int, nargs=3, metavar='N', help='q-points; default: by --q-spacing')
    add('--q-spacing', type=float, default=0.1, metavar='D', help='in 1/angstrom, default 0.1')
    add('--cross-section', choices=('total', 'incoherent'), default='total')
    add('--resolution', nargs='+', default=['published'], metavar='C',
        help='published, none, or coefficients of sigma(omega) in cm-1')  # fmt: skip
    add('--minimum-frequency', type=float, default=1.0, metavar='F',
        help='modes below this many cm-1 are left out, default 1')  # fmt: skip
    add('--maximum-imaginary-weight', type=float, default=0.05, metavar='S',
        help='largest share of motion that may be left out, default 0.05')  # fmt: skip
    add('--elements', action='store_true', help='a column for each element')
    add('--banks', action='store_true', help='a column for each bank of detectors')
    add('-o', '--output', type=Path, metavar='CSV', help='default: standard output')
    add('--plot', type=Path, metavar='PICTURE', help='PNG, SVG or PDF')
    return parser


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be computed or written, before anything is."""
    _instrument(options)
    if not options.temperature > 0:
        raise InputError(f'--temperature is {options.temperature} K; give a number above 0.')
    if options.max_order is not None and not 1 <= options.max_order <= _LARGEST_ORDER:
        raise InputError(
            f'--max-order is {options.max_order}; give 1 to {_LARGEST_ORDER}, or leave it out.'
        )
    for path in (options.output, options.plot):
        if path is not None and not path.resolve().parent.is_dir():
            raise InputError(f'There is no folder {path.parent} to write {path.name} into.')


def _instrument(options: argparse.Namespace) -> Instrument:
    from aiida_insbench.science.ins.instruments import get_instrument

    return get_instrument(options.instrument, incident_energy=options.incident_energy)


def _resolution(words: Sequence[str]) -> str | list[float] | None:
    if list(words) in (['published'], ['none']):
        return 'published' if words[0] == 'published' else None
    try:
        return [float(word) for word in words]
    except ValueError as exc:
        raise InputError(
            f'--resolution is {" ".join(words)!r}; give published, none or numbers.'
        ) from exc


def _compute(options: argparse.Namespace) -> tuple[PhononModes, PowderResult]:
    from aiida_insbench.science.ins.mode_files import read_modes
    from aiida_insbench.science.ins.powder import PowderOptions, powder_spectrum

    modes = read_modes(options.force_constants, mesh=options.mesh, spacing=options.q_spacing)
    result = powder_spectrum(
        modes,
        instrument=_instrument(options),
        temperature=options.temperature,
        energy_range=tuple(options.range),
        bin_width=options.bin_width,
        options=PowderOptions(
            max_order=options.max_order,
            kernel=options.kernel,
            quirks=tuple(options.quirks),
            cross_section=options.cross_section,
            resolution=_resolution(options.resolution),
            minimum_frequency=options.minimum_frequency,
            maximum_imaginary_weight=options.maximum_imaginary_weight,
        ),
        report=_progress_bar if sys.stderr.isatty() else None,
    )
    return modes, result


def _settings(
    options: argparse.Namespace, modes: PhononModes, result: PowderResult
) -> dict[str, Any]:
    from aiida_insbench import __version__
    from aiida_insbench.science.ins.spectrum import UNITS

    instrument = _instrument(options)
    incident = {}
    if instrument.geometry == 'direct':
        incident = {'incident_energy_meV': instrument.banks[0].energy}
    return {
        'program': f'aiida-insbench {__version__}',
        'source': options.force_constants.name,
        'quantity': 'S(Q(omega), omega) times cross-section, without kf/ki',
        'units': f'cm^-1, {UNITS["intensity"]}',
        'instrument': instrument.name,
        **incident,
        'temperature_K': options.temperature,
        'kernel': ' '.join((options.kernel, *options.quirks)),
        'cross_section': options.cross_section,
        'resolution': ' '.join(options.resolution),
        'orders': result.spectrum.n_orders,
        'q_points': 'Gamma only' if modes.gamma_only else len(modes.weights),
        'directions': ' '.join(f'{k} {v}' for k, v in result.directions.items()),
        'direction_error': f'{result.direction_error:.1e}',
        'norm': f'{result.sum_rules.norm:.6f}',
        'first_moment': f'{result.sum_rules.first_moment:.6f}',
        'modes_left_out': result.census.n_imaginary + result.census.n_near_zero,
        'lowest_frequency_cm1': f'{result.census.lowest_frequency:.2f}',
    }


def spectrum_csv(
    result: PowderResult,
    *,
    settings: dict[str, Any],
    elements: bool = False,
    banks: bool = False,
) -> str:
    """Write a spectrum as CSV: settings after ``#``, a header row, one row a bin.

    Parameters
    ----------
    result : PowderResult
        As `powder_spectrum` gives it.
    settings : dict
        Written as comments.
    elements, banks : bool
        Whether to add columns ``element_H`` …, ``bank_forward`` ….
    """
    spectrum = result.spectrum
    columns = {'energy_transfer': spectrum.energy_transfer, 'total': spectrum.total}
    columns |= {f'order_{n}': line for n, line in enumerate(spectrum.by_order, start=1)}
    if elements:
        columns |= {f'element_{name}': line for name, line in spectrum.by_element.items()}
    if banks:
        columns |= {f'bank_{name}': line for name, line in spectrum.by_bank.items()}
    text = io.StringIO()
    for key, value in settings.items():
        text.write(f'# {key}: {value}\n')
    writer = csv.writer(text, lineterminator='\n')
    writer.writerow(columns)
    for row in zip(*columns.values(), strict=True):
        writer.writerow([f'{row[0]:.6g}', *(f'{value:.6e}' for value in row[1:])])
    return text.getvalue()


def _write(path: Path | None, text: str) -> None:
    if path is None:
        sys.stdout.write(text)
        return
    partial = path.with_name(path.name + '.part')
    partial.write_text(text, encoding='utf-8')
    partial.replace(path)


def _draw(path: Path, options: argparse.Namespace, result: PowderResult) -> None:
    """Draw the total, order 1 and what lies above it."""
    import matplotlib as mpl

    mpl.use('Agg')
    import matplotlib.pyplot as plt

    from aiida_insbench.science.ins.spectrum import UNITS

    spectrum = result.spectrum
    figure, axes = plt.subplots(figsize=(8, 4), layout='constrained')
    axes.plot(spectrum.energy_transfer, spectrum.total, color='black', lw=1, label='total')
    axes.plot(spectrum.energy_transfer, spectrum.by_order[0], lw=0.8, label='order 1')
    axes.fill_between(spectrum.energy_transfer, spectrum.by_order[1:].sum(axis=0), alpha=0.3,
                      lw=0, label='orders 2 and above')  # fmt: skip
    axes.set(
        xlabel='energy transfer / cm$^{-1}$',
        ylabel=f'{UNITS["intensity"]}',
        title=f'{options.force_constants.name}, {options.instrument}, {options.temperature:g} K, '
        f'{options.kernel}',
        xlim=(spectrum.energy_transfer[0], spectrum.energy_transfer[-1]),
        ylim=(0, None),
    )
    axes.legend()
    try:
        figure.savefig(path, dpi=150)
    except (OSError, ValueError) as exc:
        raise InputError(
            format_error(f'{path.name} cannot be drawn: {exc}.', fix='Give .png, .svg or .pdf.')
        ) from exc
    finally:
        plt.close(figure)


def _progress_bar(done: int, total: int) -> None:
    filled = _BAR * done // total
    end = '\n' if done == total else ''
    sys.stderr.write(f'\r[{"#" * filled}{"." * (_BAR - filled)}] site {done} of {total}{end}')
    sys.stderr.flush()


def _say(
    options: argparse.Namespace, modes: PhononModes, result: PowderResult, *, seconds: float
) -> None:
    """Say on standard error what was done and what to mind."""
    say = sys.stderr.write
    census = result.census
    say(
        f'{len(modes.symbols)} atoms, {len(modes.weights)} q-points, '
        f'{result.spectrum.n_orders} orders, {seconds:.1f} s; orders add up to '
        f'{result.sum_rules.norm:.4f}, first moment {result.sum_rules.first_moment:.4f} of the '
        'recoil energy\n'
    )
    for warning in result.warnings:
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
    for path in filter(None, (options.output, options.plot)):
        say(f'{path}\n')
