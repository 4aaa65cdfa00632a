"""Silicon under pressure by `insbench.reference`: TA of the zone boundary goes red, Γ goes blue.

``python tests/benchmarks/silicon_reference.py`` runs every variant (20 minutes on two cores) and
writes ``data/silicon_reference.json``. ``main`` is the claim: pw.x in the LDA, 24 Ry, 8×8×8 k
points, supercell of 2×2×2 primitive cells, whose X, L and Γ are exact. ``linear_response`` is
ph.x at X at the volumes of ``main``: no displacements, no phonopy. The others say how far it is
converged: each is the cube of 8 atoms, whose X and Γ are exact, with one thing changed.

Measured at room temperature: the Raman mode rises by 5.2 ± 0.3 cm⁻¹/GPa, γ is 0.98 ± 0.06 there,
−1.4 ± 0.3 for TA(X) and −1.3 ± 0.3 for TA(L) (Weinstein & Piermarini, *Phys. Rev. B* 12, 1172
(1975)).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from aiida_insbench.science.pressure import pressure_from_label

DATA = Path(__file__).with_name('data') / 'silicon_reference.json'
CUBE = [[-1, 1, 1], [1, -1, 1], [1, 1, -1]]
TWICE = [[2, 0, 0], [0, 2, 0], [0, 0, 2]]
Q_POINTS = {'gamma': (0.0, 0.0, 0.0), 'X': (0.5, 0.0, 0.5), 'L': (0.5, 0.0, 0.0)}
#: Cutoff (Ry), k mesh, supercell, displacement (Å), pressures (GPa).
VARIANTS: dict[str, tuple[float, int, list[list[int]], float, tuple[float, ...]]] = {
    'main': (24.0, 8, TWICE, 0.01, (0.0, 2.0, 5.0, 10.0)),
    'cube': (24.0, 8, CUBE, 0.01, (0.0, 5.0)),
    'cube_cutoff_36': (36.0, 8, CUBE, 0.01, (0.0, 5.0)),
    'cube_k_12': (24.0, 12, CUBE, 0.01, (0.0, 5.0)),
    'cube_displacement_0.02': (24.0, 8, CUBE, 0.02, (0.0, 5.0)),
}
PSEUDO = 'Si.pz-vbc.UPF'
BOHR = 0.529177210903  # Å
_CELL = """&CONTROL
 calculation='scf', prefix='si', outdir='{folder}', pseudo_dir='{folder}'
/
&SYSTEM
 ibrav=2, celldm(1)={length:.8f}, nat=2, ntyp=1, ecutwfc={cutoff}, occupations='fixed'
/
&ELECTRONS
 conv_thr=1e-12
/
ATOMIC_SPECIES
Si 28.0855 {pseudo}
ATOMIC_POSITIONS alat
Si 0 0 0
Si 0.25 0.25 0.25
K_POINTS automatic
{divisions} {divisions} {divisions} 0 0 0
"""
_RESPONSE = """X
&INPUTPH
 prefix='si', outdir='{folder}', tr2_ph=1e-16, fildyn='{folder}/dyn'
/
1.0 0.0 0.0
"""


def main() -> None:
    """Run the variants asked for; those of earlier runs are kept."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', choices=(*VARIANTS, 'linear_response'), action='append')
    parser.add_argument('--output', type=Path, default=DATA)
    options = parser.parse_args()
    record = (
        json.loads(options.output.read_text(encoding='utf-8')) if options.output.exists() else {}
    )
    with tempfile.TemporaryDirectory(prefix='insbench-silicon-') as name:
        os.environ['AIIDA_PATH'] = name
        codes = prepare(Path(name))
        for variant in options.only or (*VARIANTS, 'linear_response'):
            started = time.monotonic()
            if variant == 'linear_response':
                record[variant] = linear_response(record['main'], Path(name))
            else:
                record[variant] = measure(codes, *VARIANTS[variant])
            record[variant]['seconds'] = round(time.monotonic() - started)
            options.output.parent.mkdir(exist_ok=True)
            options.output.write_text(json.dumps(record, indent=1) + '\n', encoding='utf-8')


def prepare(folder: Path) -> tuple[Any, Any]:
    """Profile, computer and codes in a folder of their own."""
    from aiida import load_profile
    from aiida.manage import get_config
    from aiida.storage.sqlite_temp import SqliteTempBackend

    from aiida_insbench.cli.site import prepare_codes, prepare_computer

    load_profile(SqliteTempBackend.create_profile('silicon'))
    # without a broker a parent asks for its child once a minute
    get_config().set_option('runner.poll.interval', 1)
    pw, job = prepare_codes(prepare_computer(folder / 'work'))
    return pw, job


def measure(
    codes: tuple[Any, Any],
    cutoff: float,
    divisions: int,
    supercell: list[list[int]],
    displacement: float,
    pressures: tuple[float, ...],
) -> dict[str, Any]:
    """Frequencies (cm⁻¹) at each pressure, slopes and Grüneisen parameters."""
    from aiida.engine import run_get_node
    from aiida.orm import StructureData
    from ase.build import bulk

    from aiida_insbench.cli.site import find_pseudos, prepare_pseudos
    from aiida_insbench.workflows.reference import ReferenceWorkChain

    builder = ReferenceWorkChain.get_builder_from_protocol(
        *codes,
        StructureData(ase=bulk('Si', a=5.38)),
        pressures,
        pseudos=prepare_pseudos(find_pseudos([PSEUDO])),
        cutoffs=(cutoff, 4 * cutoff),
        protocol='stringent',
        overrides={
            'kpoints_mesh': 3 * [divisions],
            'reference': {
                'supercell_matrix': supercell,
                'displacement': displacement,
                'mesh': [8, 8, 8],
            },
        },
    )
    outputs, node = run_get_node(builder)
    if not node.is_finished_ok:
        raise SystemExit(f'The reference ended with {node.exit_status}: {node.exit_message}')
    found = {
        'cutoff_ry': cutoff,
        'kpoints_mesh': 3 * [divisions],
        'supercell_matrix': supercell,
        'displacement': displacement,
        'pressures': list(pressures),
        'pw': builder.displacements.pw_base.pw.parameters.get_dict(),
        'pseudopotential': PSEUDO,
        **read(outputs),
    }
    return {**found, **derivatives(found)}


def read(outputs: Any) -> dict[str, Any]:
    """Volumes, stresses and frequencies at special points, by pressure label."""
    found: dict[str, Any] = {'volumes': {}, 'static_pressures': {}, 'frequencies': {}}
    for label, node in sorted(
        outputs['modes'].items(), key=lambda one: pressure_from_label(one[0])
    ):
        record = node.get_dict()
        found['volumes'][label] = record['volume']
        found['static_pressures'][label] = record['static_pressure']
        phonon = outputs['force_constants'][label].get_phonopy_instance()
        values = phonon.run_qpoints(list(Q_POINTS.values())).frequencies * 33.35640951981521
        found['frequencies'][label] = {
            name: np.round(row, 3).tolist() for name, row in zip(Q_POINTS, values, strict=True)
        }
        found.setdefault('verdicts', {})[label] = record['verdict']
    return found


def linear_response(main: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Frequencies (cm⁻¹) at X by ph.x, in the cells and with the settings of `main`."""
    from aiida_insbench.cli.site import find_pseudos

    shutil.copy(find_pseudos([PSEUDO])[0], folder)
    found, worst = {}, 0.0
    for label, volume in main['volumes'].items():
        names = {
            'folder': folder,
            'length': (4 * volume) ** (1 / 3) / BOHR,
            'cutoff': main['cutoff_ry'],
            'divisions': main['kpoints_mesh'][0],
            'pseudo': PSEUDO,
        }
        text = ''
        for program, template in (('pw.x', _CELL), ('ph.x', _RESPONSE)):
            text = subprocess.run(
                [program], input=template.format(**names), capture_output=True, text=True,
                check=True, cwd=folder,
            ).stdout  # fmt: skip
        values = [float(value) for value in re.findall(r'=\s+(-?[\d.]+) \[cm-1', text)]
        found[label] = {'X': values}
        worst = max(worst, np.abs(np.subtract(values, main['frequencies'][label]['X'])).max())
    return {'frequencies': found, 'largest_difference_cm1': round(float(worst), 3)}


def derivatives(found: dict[str, Any]) -> dict[str, Any]:
    """Slope of the Γ mode and Grüneisen parameters at the lowest pressure.

    From the polynomial through all points (of the third degree at most): ω² over ln V, which
    bends less than ln ω where a mode softens, and ω over P.
    """
    labels = sorted(found['frequencies'], key=pressure_from_label)
    volumes = np.log([found['volumes'][label] for label in labels])
    degree = min(3, len(labels) - 1)
    modes = {
        'raman': ('gamma', 5), 'TA(X)': ('X', 0), 'LA(X)': ('X', 2), 'TO(X)': ('X', 4),
    }  # fmt: skip
    if found['supercell_matrix'] == TWICE:
        modes |= {'TA(L)': ('L', 0)}
    gamma = {}
    for name, (point, band) in modes.items():
        squares = np.array([found['frequencies'][label][point][band] for label in labels]) ** 2
        fit = np.polyfit(volumes - volumes[0], squares, degree)
        gamma[name] = round(-float(np.polyval(np.polyder(fit), 0.0)) / (2 * squares[0]), 3)
    raman = [found['frequencies'][label]['gamma'][5] for label in labels]
    pressures = np.array([found['static_pressures'][label] for label in labels])
    slope = np.polyval(np.polyder(np.polyfit(pressures - pressures[0], raman, degree)), 0.0)
    return {'raman_slope_cm1_gpa': round(float(slope), 3), 'grueneisen': gamma}


if __name__ == '__main__':
    main()
