"""``aiida-insbench phonons``: modes listed, chosen and written, from every kind of node."""

import json

import ase.io
import numpy as np
import pytest
from aiida.orm import Dict
from click.testing import CliRunner
from fake_nodes import job
from spring_nodes import campaign_of, phonon_job, spring_node, spring_phonons

from aiida_insbench.calculations.phonons import PhononsCalculation
from aiida_insbench.cli import cmd_root
from aiida_insbench.science.followed_vibrations import followed_vibrations
from aiida_insbench.science.lattice_waves import vibrations_at
from aiida_insbench.science.shifts import mode_table

pytestmark = [
    pytest.mark.filterwarnings('ignore'),
    pytest.mark.usefixtures('aiida_profile'),
]


def run(*words):
    done = CliRunner().invoke(cmd_root, ['phonons', *(str(word) for word in words)])
    assert 'Traceback' not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture(scope='module')
def graph():
    calculation, nodes = phonon_job()
    _, base = phonon_job(scale=1.3)
    return calculation, nodes, campaign_of({'round_1': base, 'round_2': nodes})


@pytest.fixture(scope='module')
def expected():
    (found,) = followed_vibrations({f'p_{step}000': spring_phonons(step) for step in range(3)})
    return found


def test_modes_of_a_process(graph, expected):
    calculation, _, _ = graph
    done = run('modes', calculation.pk)
    assert done.exit_code == 0, done.output
    lines = done.output.splitlines()
    assert lines[0] == f'PhononsCalculation<{calculation.pk}>: optical modes at Γ, cm⁻¹'
    rows = mode_table(expected.series)
    assert len(lines) == 2 + len(rows)
    for line, row in zip(lines[2:], rows, strict=True):
        cells = line.split()
        assert cells[0] == str(row['index'] + 1)
        assert cells[1] == row['irrep']
        for value in row['frequencies'].values():
            assert f'{value:.1f}' in cells
    assert sum('anomalous' in line for line in lines) == sum(row['anomalous'] for row in rows) > 0


def test_modes_as_json(graph, expected):
    done = run('modes', graph[0].pk, '--format', 'json')
    rows = json.loads(done.output)
    assert [row['number'] for row in rows] == list(range(1, len(rows) + 1))
    for row, other in zip(rows, mode_table(expected.series), strict=True):
        assert row['frequencies'] == pytest.approx(other['frequencies'])


def test_modes_of_each_potential_of_a_campaign(graph):
    *_, campaign = graph
    tuned, base = run('modes', campaign.pk), run('modes', campaign.pk, '--potential', 'round_1')
    assert 'potential round_2' in tuned.output
    assert 'potential round_1' in base.output
    assert tuned.output.splitlines()[2:] == run('modes', graph[0].pk).output.splitlines()[2:]
    values = [float(done.output.splitlines()[2].split()[2]) for done in (tuned, base)]
    assert values[1] == pytest.approx(values[0] * np.sqrt(1.3), abs=0.1)
    other = run('modes', campaign.pk, '--potential', 'best')
    assert 'no force constants of a potential `best`; there are those of round_1' in other.output


def test_isotopes_of_the_analysis_hold_for_its_modes():
    """The optical modes of H fall by about √2 with deuterium; their numbers are the report's."""
    _, nodes = phonon_job((0,))
    light, heavy = (
        campaign_of({'round_1': nodes}, **settings) for settings in ({}, {'isotopes': {'H': '2H'}})
    )
    values = [
        float(run('modes', campaign.pk).output.splitlines()[-1].split()[2])
        for campaign in (light, heavy)
    ]
    assert values[0] / values[1] == pytest.approx(np.sqrt(2.014 / 1.008), rel=0.02)


def test_modes_at_another_qpoint(graph):
    done = run('modes', graph[0].pk, '--qpoint', '1/2', '0', '0.5')
    lines = done.output.splitlines()
    assert 'modes at q = 0.5 0 0.5' in lines[0]
    assert len(lines) == 2 + 18
    first = vibrations_at(spring_phonons(0), (0.5, 0, 0.5))
    assert [float(line.split()[1]) for line in lines[2:]] == pytest.approx(
        [mode.frequency for mode in first], abs=0.06
    )


def test_force_constants_alone_know_their_pressure_from_their_maker(graph):
    _, nodes, _ = graph
    assert '2 GPa' in run('modes', nodes['p_2000'].pk).output
    lone = spring_node(0).store()
    listed = run('modes', lone.pk).output
    assert 'GPa' not in listed.splitlines()[1]
    refused = run('animate', lone.pk, '--pressure', 0, '--mode', 1)
    assert 'pressure of these force constants is not known: leave `--pressure`' in refused.output


def test_node_without_force_constants():
    node = Dict({}).store()
    done = run('modes', node.pk)
    assert done.exit_code == 1
    assert f'Dict<{node.pk}> has no force constants. Give a ForceConstantsData' in done.output
    empty = job(PhononsCalculation, 300)
    assert 'has no force constants' in run('modes', empty.pk).output


def test_animation_is_that_of_the_mode(graph, expected, tmp_path):
    *_, campaign = graph
    row = mode_table(expected.series)[3]
    path = tmp_path / 'mode.xyz'
    done = run('animate', campaign.pk, '--pressure', 1, '--mode', 4, '--frames', 8, '-o', path)
    assert done.exit_code == 0, done.output
    assert f'mode 4 {row["irrep"]}, vibration at {row["frequencies"]["p_1000"]:.1f} cm-1; 8 fr' in (
        done.output
    )
    frames = ase.io.read(path, index=':')
    mode = expected.vibration(3, 'p_1000')
    moves = frames[0].positions - np.mean([frame.positions for frame in frames], axis=0)
    shape = mode.displacements.real
    assert np.abs(np.vdot(moves, shape)) == pytest.approx(
        np.linalg.norm(moves) * np.linalg.norm(shape), rel=1e-6
    )
    assert np.linalg.norm(moves, axis=1).max() == pytest.approx(0.3, abs=1e-6)
    assert frames[0].info['pressure_gpa'] == 1
    assert frames[0].info['irrep'] == row['irrep']


def test_same_mode_by_its_frequency(graph, expected, tmp_path):
    value = mode_table(expected.series)[3]['frequencies']['p_1000']
    for name, words in (('a', ('--mode', 4)), ('b', ('--near', round(value)))):
        run('animate', graph[0].pk, '--pressure', 1, *words, '-o', tmp_path / name)
    assert (tmp_path / 'a').read_text() == (tmp_path / 'b').read_text()


def test_wave_in_a_supercell(graph, tmp_path):
    path = tmp_path / 'wave.xyz'
    words = ('--pressure', 0, '--qpoint', '1/2', 0, 0, '--mode', 18, '--temperature', 10)
    assert run('animate', graph[0].pk, *words, '-o', path).exit_code == 0
    frames = ase.io.read(path, index=':')
    assert len(frames) == 24
    assert len(frames[0]) == 12
    moves = frames[0].positions - np.mean([frame.positions for frame in frames], axis=0)
    assert moves[6:] == pytest.approx(-moves[:6], abs=1e-6)
    words = (*words, '--supercell', 2, 1, 2)
    run('animate', graph[0].pk, *words, '-o', path, '--overwrite')
    assert len(ase.io.read(path)) == 24


@pytest.mark.parametrize(
    ('words', 'message'),
    [
        (['--mode', 1], r'Which pressure? Known are 0, 1, 2 GPa.'),
        (['--pressure', 5, '--mode', 1], '5 GPa was not computed. Known are 0, 1, 2 GPa.'),
        (['--pressure', 0], 'by its number or by a frequency near it'),
        (['--pressure', 0, '--mode', 99], 'There is no mode 99; the modes are 1 to '),
        (['--pressure', 0, '--near', 9000], 'No mode lies within 5 cm⁻¹ of 9000; the nearest are'),
        (['--pressure', 0, '--mode', 1, '--member', 5], 'there is no member 5'),
        (['--pressure', 0, '--mode', 1, '--qpoint', 'x', 0, 0], "'x 0 0' is no q-point"),
        (
            ['--pressure', 0, '--mode', 1, '--qpoint', '1/2', 0, 0, '--supercell', 3, 1, 1],
            'holds 1.5, 0, 0 waves',
        ),
        (['--pressure', 0, '--mode', 2, '--qpoint', '1/2', 0, 0, '--member', 2], 'leave member'),
        (['--pressure', 0, '--mode', 1, '--amplitude', 0.1, '--temperature', 5], 'not both'),
    ],
)
def test_refusals(graph, words, message, tmp_path):
    done = run('animate', graph[0].pk, *words, '-o', tmp_path / 'none.xyz')
    assert done.exit_code == 1
    assert message in done.output
    assert not (tmp_path / 'none.xyz').exists()


def test_ambiguous_frequency_lists_the_candidates(graph, expected, tmp_path):
    """Away from Γ every mode at this zone boundary is a pair."""
    levels = [mode.frequency for mode in vibrations_at(spring_phonons(0), (0.5, 0, 0))]
    value = levels[0]
    near = sum(abs(level - value) < 5 for level in levels)
    assert near >= 2
    words = ('--pressure', 0, '--qpoint', 0.5, 0, 0, '--near', f'{value:.1f}')
    done = run('animate', graph[0].pk, *words, '-o', tmp_path / 'none.xyz')
    assert f'{near} modes lie within 5 cm⁻¹ of {value:.1f}: ' in done.output
    assert f'1 ({value:.1f} cm⁻¹)' in done.output
    assert f'2 ({value:.1f} cm⁻¹)' in done.output


def test_a_file_is_not_replaced_unasked(graph, tmp_path):
    path = tmp_path / 'thesis.xyz'
    path.write_text('mine')
    done = run('animate', graph[0].pk, '--pressure', 0, '--mode', 1, '-o', path)
    assert done.exit_code == 1
    assert path.read_text() == 'mine'
