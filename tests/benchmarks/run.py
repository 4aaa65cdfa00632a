"""Measure what the project promises and write ``benchmarks.json``.

Run by ``make bench``. Each figure is ``{"name", "value", "unit", "goal", "better", "how"}``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get('INSBENCH_SHARED_DATA', ROOT.parent / 'shared' / 'data'))
PROGRAM = [sys.executable, '-m', 'aiida_insbench.cli']


def main() -> int:
    """Run the suites asked for and write their figures; others are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--output', type=Path, default=ROOT / 'benchmarks.json')
    parser.add_argument('--folder', type=Path, help='Keep the demo here instead of removing it.')
    parser.add_argument('--suite', choices=('all', *SUITES), default='all')
    parser.add_argument(
        '--only',
        help='One figure of the suite potentials, by its function, or part of the suite phonons: '
        'mgh2, benzene, overhead, truth; or of the suite campaign: overhead, active; or of the '
        'suite production, by its name without `production.`.',
    )
    parser.add_argument('--data', type=Path, default=DATA, help='Folder of shared data.')
    parser.add_argument('--potential', type=Path, help='Of MgH2, for the suite phonons (.json).')
    parser.add_argument(
        '--janus',
        default=os.environ.get('INSBENCH_JANUS', ''),
        help='Program of janus-core, in an environment of its own, for the suite phonons.',
    )
    options = parser.parse_args()
    chosen = list(SUITES) if options.suite == 'all' else [options.suite]
    if options.suite == 'all':
        options.only = None
    for name in chosen:
        with tempfile.TemporaryDirectory(prefix='insbench-bench-') as folder:
            keep(options.output, SUITES[name](Path(folder), options))
    return 0


def _demo(_folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    return demo_figures(options.folder)


def _potentials(folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from potentials import potentials_figures

    return potentials_figures(folder, options.data, only=options.only)


def _ins(folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from ins import ins_figures

    return ins_figures(folder, options.data)


def _validate(folder: Path, _options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from md import md_figures

    return md_figures(folder)


def _queries(folder: Path, _options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from queries import queries_figures

    return queries_figures(folder)


def _report(folder: Path, _options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from report import report_figures

    return report_figures(folder)


def _vision(folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from vision import vision_figures

    return vision_figures(folder, options.data)


def _campaign(folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from campaign import campaign_figures

    return campaign_figures(options.folder or folder, only=options.only)


def _production(_folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from production import production_figures

    return production_figures(only=options.only)


def _phonons(folder: Path, options: argparse.Namespace) -> Iterable[dict[str, Any]]:
    from phonons import phonons_figures

    return phonons_figures(
        folder,
        options.data,
        janus=options.janus,
        potential=options.potential,
        only=options.only,
    )


#: In the order in which all of them run.
SUITES: dict[str, Callable[[Path, argparse.Namespace], Iterable[dict[str, Any]]]] = {
    'demo': _demo,
    'potentials': _potentials,
    'ins': _ins,
    'validate': _validate,
    'queries': _queries,
    'report': _report,
    'vision': _vision,
    'campaign': _campaign,
    'production': _production,
    'phonons': _phonons,
}


def keep(output: Path, figures: Iterable[dict[str, Any]]) -> None:
    """Write and print each figure as soon as it is measured."""
    for found in figures:
        write_figures(output, [found])
        sys.stdout.write(
            f'{found["name"]}: {found["value"]} {found["unit"]} (goal {found["goal"]})\n'
        )
        sys.stdout.flush()


def demo_figures(folder: Path | None) -> list[dict[str, Any]]:
    """Run the demo on a new profile, then once more with caching on."""
    if folder is None:
        with tempfile.TemporaryDirectory(prefix='insbench-bench-') as name:
            return demo_figures(Path(name) / 'demo')
    first = run_demo(folder)
    report = json.loads((folder / 'report.json').read_text(encoding='utf-8'))
    again = run_demo(folder, '--again')
    repeated = json.loads((folder / 'report.json').read_text(encoding='utf-8'))
    subprocess.run([*PROGRAM, 'demo', 'clean', '--folder', str(folder)], check=True)
    tuned = report['potentials'][-1]
    ran = repeated['provenance']['n_pw'] - repeated['provenance']['n_pw_cached']
    return [
        figure('main.demo_s', first, 's', 600, 'lower', 'demo run on a new profile, wall time'),
        figure(
            'main.demo_again_s',
            again,
            's',
            120,
            'lower',
            f'demo run --again, caching on, wall time; pw.x really run: {ran}',
        ),
        figure(
            'main.demo_force_rmse_mev_a',
            tuned['errors']['rmse_forces_mev_a'],
            'meV/Å',
            15,
            'lower',
            'fine-tuned potential, held-out frames of both rounds',
        ),
        figure(
            'main.demo_gamma_rms_cm1',
            tuned['comparison']['rms_error_all_cm1'],
            '1/cm',
            15,
            'lower',
            'fine-tuned potential against frozen phonons by DFT, Γ optical modes, '
            f'{", ".join(tuned["comparison"]["rms_error_cm1"])}',
        ),
    ]


def run_demo(folder: Path, *options: str) -> float:
    """Wall time of one ``demo run`` in seconds."""
    started = time.monotonic()
    subprocess.run([*PROGRAM, 'demo', 'run', '--folder', str(folder), *options], check=True)
    return time.monotonic() - started


def figure(
    name: str, value: float, unit: str, goal: float, better: str, how: str
) -> dict[str, Any]:
    """One line of ``benchmarks.json``."""
    return {
        'name': name,
        'value': round(float(value), 3),
        'unit': unit,
        'goal': goal,
        'better': better,
        'how': how,
    }


def write_figures(path: Path, figures: list[dict[str, Any]]) -> None:
    """Replace the figures of the same names, keep the others."""
    old = json.loads(path.read_text(encoding='utf-8')) if path.exists() else []
    names = {entry['name'] for entry in figures}
    kept = [entry for entry in old if entry['name'] not in names]
    path.write_text(json.dumps(kept + figures, indent=1, ensure_ascii=False) + '\n', 'utf-8')


if __name__ == '__main__':
    sys.exit(main())
