r"""``insbench-job ins --force-constants FILE …``: a powder spectrum, without AiiDA or job file.

Example::

    insbench-job ins --force-constants phonopy_params.yaml --instrument TOSCA --temperature 10 \
        --range 0 1200 -o spectrum.csv --plot spectrum.png

The file is a phonopy YAML (FORCE_CONSTANTS or FORCE_SETS beside it are found), a CASTEP
.castep_bin or .phonon file, or a JSON file of Euphonic. Its mesh of q-points is refined until the
spectrum no longer changes by more than --tolerance, unless --mesh or --q-spacing is given.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aiida_insbench.jobs.ins_checks import LARGEST_ORDER
from aiida_insbench.jobs.ins_output import (
    draw_map,
    draw_spectrum,
    progress_bar,
    say_result,
    settings_of,
    spectrum_csv,
    write_map,
    write_or_print,
)
from aiida_insbench.jobs.ins_sources import START_SPACING, TOLERANCE
from aiida_insbench.science.errors import ComputationError, InputError

if TYPE_CHECKING:
    from aiida_insbench.science.ins.convergence import Convergence
    from aiida_insbench.science.ins.powder import PowderResult
    from aiida_insbench.science.ins.simulation import Simulation

#: Exit codes, as those of a stage.
_BAD_INPUT, _FAILED = 10, 11


def main(arguments: Sequence[str]) -> int:
    """Compute and write one spectrum; return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _run(options)
    except InputError as exc:
        sys.stderr.write(f'insbench-job ins: {exc}\n')
        return _BAD_INPUT
    except ComputationError as exc:
        sys.stderr.write(f'insbench-job ins: {exc}\n')
        return _FAILED
    return 0


def _run(options: argparse.Namespace) -> None:
    _check(options)
    started = time.monotonic()
    simulation = _simulation(options)
    result, convergence = _compute(options, simulation)
    settings = settings_of(options.force_constants.name, simulation, result, convergence)
    text = spectrum_csv(
        result, settings=settings, elements=options.elements, banks=options.banks,
        sites=options.sites,
    )  # fmt: skip
    write_or_print(options.output, text)
    if options.plot:
        title = (
            f'{options.force_constants.name}, {simulation.instrument.name}, '
            f'{options.temperature:g} K, {options.kernel}'
        )
        draw_spectrum(options.plot, result, title=title)
    if options.map:
        _make_map(options, simulation, result)
    say_result(result, convergence, seconds=time.monotonic() - started)
    for path in filter(None, (options.output, options.plot, options.map)):
        sys.stderr.write(f'{path}\n')


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
    add('--tolerance', type=float, default=TOLERANCE, metavar='PERCENT',
        help=f'largest error in per cent of the area, default {TOLERANCE:g}')  # fmt: skip
    add('--mesh', type=int, nargs=3, metavar='N', help='q-points; default: by --tolerance')
    add('--q-spacing', type=float, metavar='D', help='in 1/angstrom, in place of --mesh')
    add('--isotopes', nargs='*', default=(), metavar='SITE=ISOTOPE',
        help='such as H=2H, or 3=13C for the fourth atom, or H=2H:0.98,1H:0.02')  # fmt: skip
    add('--sum-rule', choices=('realspace', 'reciprocal'),
        help='impose the acoustic sum rule on force constants that break it, as those of CASTEP '
        'do')  # fmt: skip
    add('--cross-section', choices=('total', 'incoherent'), default='total')
    add('--coherent', action='store_true', help='coherent part of order 1 as such')
    add('--displacements', nargs='*', default=(), metavar='SITE=U',
        help='mean-square displacements in angstrom^2 for the Debye-Waller factors, '
        'such as H=0.03')  # fmt: skip
    add('--resolution', nargs='+', default=['published'], metavar='C',
        help='published, none, coefficients of sigma(omega) in cm-1, or settings of the '
        'published model, such as chopper_package=S')  # fmt: skip
    add('--minimum-frequency', type=float, default=1.0, metavar='F',
        help='modes below this many cm-1 are left out, default 1')  # fmt: skip
    add('--maximum-imaginary-weight', type=float, default=0.05, metavar='S',
        help='largest share of motion that may be left out, default 0.05')  # fmt: skip
    add('--elements', action='store_true', help='a column for each element')
    add('--banks', action='store_true', help='a column for each bank of detectors')
    add('--sites', action='store_true', help='a column for each site')
    add('-o', '--output', type=Path, metavar='CSV', help='default: standard output')
    add('--plot', type=Path, metavar='PICTURE', help='PNG, SVG or PDF')
    add('--map', type=Path, metavar='FILE',
        help='S(Q, omega) of a direct-geometry instrument as NPZ, PNG, SVG or PDF')  # fmt: skip
    add('--map-range', type=float, nargs=3, default=(0.1, 15.0, 0.1),
        metavar=('LOW', 'HIGH', 'STEP'), help='of Q in 1/angstrom, default 0.1 15 0.1')  # fmt: skip
    return parser


def _check(options: argparse.Namespace) -> None:
    """Refuse what cannot be computed or written, before anything is."""
    if not options.temperature > 0:
        raise InputError(f'--temperature is {options.temperature} K; give a number above 0.')
    if options.max_order is not None and not 1 <= options.max_order <= LARGEST_ORDER:
        raise InputError(
            f'--max-order is {options.max_order}; give 1 to {LARGEST_ORDER}, or leave it out.'
        )
    if options.mesh is not None and options.q_spacing is not None:
        raise InputError('Give --mesh or --q-spacing, not both.')
    for path in (options.output, options.plot, options.map):
        if path is not None and not path.resolve().parent.is_dir():
            raise InputError(f'There is no folder {path.parent} to write {path.name} into.')
    low, high, step = options.map_range
    if not 0 < low < high or not 0 < step <= high - low:
        raise InputError('--map-range must rise from above 0 in steps that fit.')


def _simulation(options: argparse.Namespace) -> Simulation:
    from aiida_insbench.science.ins.instruments import get_instrument
    from aiida_insbench.science.ins.options import PowderOptions
    from aiida_insbench.science.ins.simulation import Simulation

    instrument = get_instrument(options.instrument, incident_energy=options.incident_energy)
    if options.map and instrument.geometry != 'direct':
        raise InputError(f'--map needs an instrument of direct geometry, not {instrument.name}.')
    chosen = PowderOptions(
        max_order=options.max_order,
        kernel=options.kernel,
        quirks=tuple(options.quirks),
        cross_section=options.cross_section,
        coherent=options.coherent,
        resolution=_resolution(options.resolution),
        minimum_frequency=options.minimum_frequency,
        maximum_imaginary_weight=options.maximum_imaginary_weight,
        displacements=_displacements(options.displacements),
    )
    low, high = options.range
    return Simulation(instrument, options.temperature, (low, high), options.bin_width, chosen)


def _compute(
    options: argparse.Namespace, simulation: Simulation
) -> tuple[PowderResult, Convergence]:
    from aiida_insbench.science.ins.convergence import converged_spectrum
    from aiida_insbench.science.ins.mode_files import open_modes

    source = open_modes(
        options.force_constants,
        mesh=options.mesh,
        spacing=START_SPACING if options.q_spacing is None else options.q_spacing,
        isotopes=_isotopes(options.isotopes),
        sum_rule=options.sum_rule,
    )
    return converged_spectrum(
        source,
        simulation,
        tolerance=options.tolerance,
        refine=options.mesh is None and options.q_spacing is None,
        report=progress_bar if sys.stderr.isatty() else None,
    )


def _make_map(options: argparse.Namespace, simulation: Simulation, result: PowderResult) -> None:
    from aiida_insbench.science.ins.maps import map_rows, scattering_map

    drawn = scattering_map(
        result.vibrations,
        simulation,
        momentum_transfer=map_rows(*options.map_range),
        report=progress_bar if sys.stderr.isatty() else None,
    )
    if options.map.suffix.lower() == '.npz':
        write_map(options.map, drawn)
    else:
        draw_map(options.map, drawn, title=f'{simulation.instrument.name}, without kf/ki')


def _resolution(words: Sequence[str]) -> str | list[float] | dict[str, Any] | None:
    if list(words) in (['published'], ['none']):
        return 'published' if words[0] == 'published' else None
    if all('=' in word for word in words):
        return {key: _number_or_text(value) for key, value in _pairs('--resolution', words)}
    try:
        return [float(word) for word in words]
    except ValueError as exc:
        raise InputError(
            f'--resolution is {" ".join(words)!r}; give published, none, numbers or settings.'
        ) from exc


def _isotopes(words: Sequence[str]) -> dict[str, Any] | None:
    """``H=2H`` or ``H=2H:0.98,1H:0.02``."""
    found: dict[str, Any] = {}
    for site, value in _pairs('--isotopes', words):
        if ':' not in value:
            found[site] = value
            continue
        parts = [part.partition(':') for part in value.split(',')]
        found[site] = {name: _number('--isotopes', share) for name, _, share in parts}
    return found or None


def _displacements(words: Sequence[str]) -> dict[str, float] | None:
    pairs = _pairs('--displacements', words)
    return {site: _number('--displacements', value) for site, value in pairs} or None


def _pairs(option: str, words: Sequence[str]) -> list[tuple[str, str]]:
    pairs = [word.partition('=') for word in words]
    if wrong := [key for key, sign, value in pairs if not (key and sign and value)]:
        raise InputError(f'{option} takes NAME=VALUE, not {wrong[0]!r}.')
    return [(key, value) for key, _, value in pairs]


def _number(option: str, text: str) -> float:
    try:
        return float(text)
    except ValueError as exc:
        raise InputError(f'{option}: {text!r} is no number.') from exc


def _number_or_text(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
