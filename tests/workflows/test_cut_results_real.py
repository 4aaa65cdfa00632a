"""Result files cut in half: an exit code says so, and only what was lost is run again."""

import shutil

import pytest
from aiida.engine import run_get_node
from aiida.orm import Dict, InstalledCode, KpointsData, List, Str, StructureData
from aiida_quantumespresso.workflows.pw.base import PwBaseWorkChain
from ase.build import bulk

from aiida_insbench.cli.site import find_job_program, find_pseudos, prepare_pseudos
from aiida_insbench.data import PotentialData
from aiida_insbench.science.potentials import potential_from_ase
from aiida_insbench.workflows.phonons_base import PhononsBaseWorkChain
from aiida_insbench.workflows.protocols.options import job_metadata

pytestmark = [pytest.mark.real, pytest.mark.filterwarnings('ignore')]

#: Runs a program; the first time, one of its files loses its second half.
WRAPPER = """#!/bin/bash
{program} "$@" || exit
if [ ! -e {folder}/once ]; then
  touch {folder}/once
  truncate --size=$(( $(stat --format=%s {name}) / 2 )) {name}
fi
"""


@pytest.fixture
def cutting(job_code, tmp_path):
    """Code of a program that cuts one of its files in half when it runs for the first time."""

    def make(program, name, plugin):
        script = tmp_path / 'cutting'
        script.write_text(WRAPPER.format(program=program, folder=tmp_path, name=name))
        script.chmod(0o755)
        return InstalledCode(
            label=f'cutting-{tmp_path.name}',
            computer=job_code.computer,
            filepath_executable=str(script),
            default_calc_job_plugin=plugin,
        ).store()

    return make


def jobs_of(node):
    return sorted(node.called, key=lambda one: one.pk)


def phonons(code):
    return run_get_node(
        PhononsBaseWorkChain,
        phonons={
            'code': code,
            'potential': PotentialData.from_potential(potential_from_ase('emt')),
            'structure': StructureData(ase=bulk('Cu', cubic=True, a=3.6)),
            'pressures': List([0.0, 2.0, 4.0]),
            'supercell_matrix': List([[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
            'settings': Dict({'mesh': [2, 2, 2], 'displacements': 'auto', 'strained': False}),
            'metadata': job_metadata(1),
        },
    )


@pytest.mark.parametrize(
    ('name', 'spared'),
    [
        ('p_2000.npz', ['p_0000', 'p_4000']),
        pytest.param('p_0000.json', ['p_2000', 'p_4000'], marks=pytest.mark.full),
        pytest.param('result.json', ['p_0000', 'p_2000', 'p_4000'], marks=pytest.mark.full),
    ],
)
def test_a_job_whose_file_was_cut(cutting, job_code, name, spared):
    whole, _ = phonons(job_code)
    results, node = phonons(cutting(find_job_program(), name, 'insbench.phonons'))
    assert node.is_finished_ok, node.exit_message
    first, second = jobs_of(node)
    assert first.exit_status == 417
    assert name in first.exit_message
    assert sorted(second.inputs.finished) == spared
    for label, modes in whole['modes'].items():
        expected = modes['gamma']['frequencies']
        assert results['modes'][label]['gamma']['frequencies'] == pytest.approx(expected, abs=0.01)


@pytest.mark.skipif(shutil.which('pw.x') is None, reason='pw.x is not installed')
@pytest.mark.parametrize(
    ('name', 'codes'),
    [('out/aiida.save/data-file-schema.xml', {321, 322}), ('aiida.out', {305, 312})],
)
def test_a_pw_whose_file_was_cut(cutting, name, codes):
    """The exit codes are those of aiida-quantumespresso: our inputs let it be run once more."""
    silicon = StructureData(ase=bulk('Si'))
    kpoints = KpointsData()
    kpoints.set_kpoints_mesh([2, 2, 2])
    results, node = run_get_node(
        PwBaseWorkChain,
        kpoints=kpoints,
        on_unhandled_failure=Str('restart_once'),
        pw={
            'code': cutting(shutil.which('pw.x'), name, 'quantumespresso.pw'),
            'structure': silicon,
            'pseudos': prepare_pseudos(find_pseudos(['Si.pz-vbc.UPF'])),
            'parameters': Dict(
                {
                    'CONTROL': {'calculation': 'scf', 'disk_io': 'low'},
                    'SYSTEM': {'ecutwfc': 12.0, 'ecutrho': 48.0, 'occupations': 'fixed'},
                }
            ),
            'metadata': {'options': {'resources': {'num_machines': 1}, 'withmpi': False}},
        },
    )
    first, second = jobs_of(node)
    assert first.exit_status in codes, (first.exit_status, first.exit_message)
    assert second.is_finished_ok
    assert node.is_finished_ok, node.exit_message
    assert results['output_parameters']['energy'] < 0
