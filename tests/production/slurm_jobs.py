"""Submit an `insbench-job` and a pw.x run to the daemon, wait for both, and print what came of it.

verdi -p PROFILE run slurm_jobs.py COMPUTER FAMILY
"""

import json
import sys
import time
from pathlib import Path

from aiida.engine import submit
from aiida.orm import Dict, Int, KpointsData, List, Str, StructureData, load_code
from aiida_quantumespresso.calculations.pw import PwCalculation

from aiida_insbench.calculations.sample import SampleCalculation
from aiida_insbench.cli.demo_run import CUTOFFS, magnesium_hydride
from aiida_insbench.cli.pseudo_families import pseudos_of

PATIENCE = 300.0


def sampled(computer):
    """Six strained and rattled frames of MgH2."""
    builder = SampleCalculation.get_builder()
    builder.code = load_code(f'insbench-job@{computer}')
    builder.structure = StructureData(ase=magnesium_hydride())
    builder.method = Str('strain-rattle')
    builder.prefix = Str('t')
    builder.pressures = List([0.0, 1.0])
    builder.cells = List([{'supercell_matrix': [[1, 0, 0], [0, 1, 0], [0, 0, 1]], 'count': 6}])
    builder.seed = Int(1)
    builder.settings = Dict(
        {'volume_range': [0.98, 1.02], 'strain': 0.0, 'rattle': {'Mg': [0, 0.01], 'H': [0, 0.01]}}
    )
    return submit(builder)


def single_point(computer, family):
    """Energy of MgH2 on two ranks, started by the computer's own mpirun."""
    structure = StructureData(ase=magnesium_hydride())
    builder = PwCalculation.get_builder()
    builder.code = load_code(f'pw@{computer}')
    builder.structure = structure
    builder.pseudos = pseudos_of(family, structure.get_symbols_set())
    builder.kpoints = KpointsData()
    builder.kpoints.set_kpoints_mesh([2, 2, 2])
    builder.parameters = Dict(
        {
            'CONTROL': {'calculation': 'scf', 'disk_io': 'low'},
            'SYSTEM': {'ecutwfc': CUTOFFS[0], 'ecutrho': CUTOFFS[1], 'occupations': 'fixed'},
        }
    )
    builder.metadata.options.resources = {'num_machines': 1, 'num_mpiprocs_per_machine': 2}
    builder.metadata.options.withmpi = True
    builder.metadata.options.max_wallclock_seconds = 300
    return submit(builder)


def told(node):
    """What a test asks of a process that has ended."""
    return {
        'pk': node.pk,
        'state': node.process_state.value,
        'exit_status': node.exit_status,
        'exit_message': node.exit_message,
        'job_id': node.get_job_id(),
        'submit_script': (Path(node.get_remote_workdir()) / '_aiidasubmit.sh').read_text(),
    }


def main(computer, family):
    """Submit, wait, print."""
    nodes = [sampled(computer), single_point(computer, family)]
    deadline = time.monotonic() + PATIENCE
    while not all(node.is_terminated for node in nodes) and time.monotonic() < deadline:
        time.sleep(1)
    found = {node.process_label: told(node) for node in nodes}
    if nodes[1].is_finished_ok:
        found['energy'] = nodes[1].outputs.output_parameters['energy']
    sys.stdout.write(json.dumps(found) + '\n')


main(*sys.argv[1:])
