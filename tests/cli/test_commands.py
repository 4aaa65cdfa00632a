"""Commands: their help, their refusals, and the slots that jobs of this machine wait for."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import ase.io
import click
import pytest
from click.testing import CliRunner
from fake_nodes import code, crystal, potential, pw_code

from aiida_insbench.cli import cmd_root
from aiida_insbench.cli.demo_run import read_settings
from aiida_insbench.cli.preflight import check_disk
from aiida_insbench.cli.site import (
    PSEUDO_FOLDERS,
    find_job_program,
    find_pseudos,
    find_pw,
    prepare_codes,
    prepare_computer,
    prepare_pseudos,
)
from aiida_insbench.science.errors import InputError, StructureError
from aiida_insbench.science.structure_files import read_crystal_file


def run(*words):
    return CliRunner().invoke(cmd_root, [str(word) for word in words])


def all_commands(command=cmd_root, path=()):
    yield path
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            yield from all_commands(command.get_command(context, name), (*path, name))


class TestHelp:
    @pytest.mark.parametrize('path', list(all_commands()), ids=' '.join)
    def test_every_command(self, path):
        done = run(*path, '--help')
        assert done.exit_code == 0, done.output
        assert done.output.startswith(f'Usage: insbench {" ".join(path)}'.rstrip())
        assert len(done.output.splitlines()) > 5
        assert '\\b' not in done.output  # the mark for lines that are kept as they are

    def test_every_command_that_does_something_has_an_example(self):
        groups = {path[:-1] for path in all_commands() if path}
        lacking = [
            ' '.join(path)
            for path in all_commands()
            if path not in groups and 'Example:' not in run(*path, '--help').output
        ]
        assert sorted(lacking) == ['demo clean', 'demo status']

    def test_lists_the_same_commands_as_it_has(self):
        listed = run('--help').output
        for path in all_commands():
            if len(path) == 1:
                assert f'  {path[0]}' in listed

    def test_unknown_command(self):
        done = run('laumch')
        assert done.exit_code == 2
        assert "No such command 'laumch'" in done.output

    def test_version(self):
        from aiida_insbench import __version__

        assert __version__ in run('--version').output


class TestDemoOptions:
    @pytest.fixture(autouse=True)
    def nothing_starts(self, monkeypatch):
        def execve(*_words):
            pytest.fail('the demo was started')

        monkeypatch.setattr(os, 'execve', execve)

    @pytest.mark.parametrize(
        ('option', 'value', 'message'),
        [
            ('--pressures', 'a,b', "'a' is not a pressure. Give a finite number in GPa"),
            ('--pressures', '0,inf', "'inf' is not a pressure"),
            ('--pressures', '', 'The list of pressures is empty'),
            ('--pressures', '1,1.0001', 'share the label p_1000'),
            ('--reference', '0,x', "'x' is not a pressure"),
            ('--frames', '3', "`--frames` is '3'; give two whole numbers of at least 6"),
            ('--frames', '24,5', 'of at least 6'),
            ('--frames', '24,18,12', 'give two whole numbers'),
            ('--epochs', 'x', "`--epochs` is 'x'; give two whole numbers of at least 1"),
            ('--epochs', '10,0', 'of at least 1'),
            ('--seed', '-1', '-1 is not in the range x>=0'),
            ('--workers', '0', '0 is not in the range 1<=x<=16'),
        ],
    )
    def test_refusals(self, option, value, message, tmp_path):
        folder = tmp_path / 'demo'
        done = run('demo', 'run', '--folder', folder, f'{option}={value}')
        assert done.exit_code != 0
        assert message in done.output
        assert 'Traceback' not in done.output
        assert not folder.exists()

    def test_settings_and_their_label(self):
        given = {
            'pressures': '2,0', 'reference': '', 'frames': '24,18', 'epochs': '5,3',
            'rounds': 3, 'seed': 1, 'workers': 2, 'again': False,
        }  # fmt: skip
        settings = read_settings(**given)
        assert settings.pressures == (0.0, 2.0)
        assert settings.reference == (0.0, 2.0)
        assert (settings.frames, settings.epochs) == ((24, 18), (5, 3))
        same = read_settings(**{**given, 'pressures': '0,2', 'workers': 4, 'again': True})
        assert same.label == settings.label
        for name, value in (('pressures', '0'), ('frames', '24,19'), ('seed', 2)):
            assert read_settings(**{**given, name: value}).label != settings.label

    def test_one_pressure_has_one_reference(self):
        settings = read_settings(pressures='1', reference='', frames='9,9', epochs='1,1', seed=1,
                                 rounds=2, workers=1, again=False)  # fmt: skip
        assert settings.reference == (1.0,)

    @pytest.mark.parametrize('command', ['status', 'clean'])
    def test_no_demo_there(self, command, tmp_path):
        done = run('demo', command, '--folder', tmp_path / 'nothing')
        assert 'nothing' in done.output
        assert done.exit_code == (1 if command == 'status' else 0)
        assert not (tmp_path / 'nothing').exists()

    def test_foreign_folder_is_not_removed(self, tmp_path):
        (tmp_path / 'thesis.tex').touch()
        done = run('demo', 'clean', '--folder', tmp_path)
        assert done.exit_code == 1
        assert 'is not a folder of the demo; nothing removed' in done.output
        assert (tmp_path / 'thesis.tex').exists()


class TestReadStructure:
    def test_good_one(self, tmp_path):
        ase.io.write(tmp_path / 'good.cif', crystal())
        assert sorted(read_crystal_file(tmp_path / 'good.cif').symbols) == sorted(crystal().symbols)

    def test_no_file(self, tmp_path):
        with pytest.raises(StructureError, match=r'none\.cif: no such file'):
            read_crystal_file(tmp_path / 'none.cif')

    @pytest.mark.parametrize('name', ['bad.cif', 'bad.xyz', 'bad.unknown', 'POSCAR'])
    @pytest.mark.parametrize('content', ['', 'no structure\nat all\n'])
    def test_no_structure(self, tmp_path, name, content):
        (tmp_path / name).write_text(content)
        with pytest.raises(StructureError, match='cannot be read as a structure'):
            read_crystal_file(tmp_path / name)

    def test_molecule(self, tmp_path):
        (tmp_path / 'h2.xyz').write_text('2\n\nH 0 0 0\nH 0 0 0.7\n')
        with pytest.raises(StructureError, match=r'`h2\.xyz` is not periodic'):
            read_crystal_file(tmp_path / 'h2.xyz')

    def test_overlapping_atoms(self, tmp_path):
        atoms = crystal()
        atoms.positions[1] = atoms.positions[0] + 0.01
        ase.io.write(tmp_path / 'over.extxyz', atoms)
        with pytest.raises(StructureError, match=r'`over\.extxyz`: atoms 0 \(Mg\) and 1 \(Mg\)'):
            read_crystal_file(tmp_path / 'over.extxyz')


class TestPrograms:
    def test_no_pw(self, monkeypatch, tmp_path):
        monkeypatch.setenv('PATH', str(tmp_path))
        with pytest.raises(InputError, match=r'pw\.x .* not found on PATH\. .*apt-get install'):
            find_pw()

    def test_pw(self, monkeypatch, tmp_path):
        (tmp_path / 'pw.x').touch(mode=0o755)
        monkeypatch.setenv('PATH', str(tmp_path))
        assert find_pw() == str(tmp_path / 'pw.x')

    def test_no_job_program(self, monkeypatch, tmp_path):
        monkeypatch.setenv('PATH', str(tmp_path))
        monkeypatch.setattr('sys.executable', str(tmp_path / 'python'))
        with pytest.raises(InputError, match='insbench-job was not found; install the package'):
            find_job_program()

    def test_no_pseudopotential(self, monkeypatch, tmp_path):
        monkeypatch.delenv('ESPRESSO_PSEUDO', raising=False)
        with pytest.raises(InputError) as caught:
            find_pseudos(['Xx.none.UPF'], folder=tmp_path)
        assert 'The pseudopotential Xx.none.UPF was not found in' in str(caught.value)
        for folder in (tmp_path, *PSEUDO_FOLDERS):
            assert str(folder) in str(caught.value)
        assert 'ESPRESSO_PSEUDO' in str(caught.value)

    def test_order_of_folders(self, monkeypatch, tmp_path):
        for name in ('given', 'variable'):
            (tmp_path / name).mkdir()
            (tmp_path / name / 'H.UPF').touch()
        (tmp_path / 'variable' / 'Mg.UPF').touch()
        monkeypatch.setenv('ESPRESSO_PSEUDO', str(tmp_path / 'variable'))
        assert find_pseudos(['H.UPF', 'Mg.UPF'], folder=tmp_path / 'given') == [
            tmp_path / 'given' / 'H.UPF',
            tmp_path / 'variable' / 'Mg.UPF',
        ]

    def test_pseudopotential_is_stored_once(self, tmp_path):
        path = tmp_path / 'Li.UPF'
        path.write_text('<UPF version="2.0.1">\nelement="Li"\nz_valence="1.0"\n</UPF>')
        first, second = prepare_pseudos([path]), prepare_pseudos([path])
        assert first['Li'].pk == second['Li'].pk

    def test_codes_are_made_once(self, monkeypatch, tmp_path):
        (tmp_path / 'pw.x').touch(mode=0o755)
        monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
        computer = prepare_computer(tmp_path, label='codes')
        assert prepare_computer(tmp_path, label='codes').pk == computer.pk
        first, second = prepare_codes(computer), prepare_codes(computer)
        assert [code.pk for code in first] == [code.pk for code in second]
        assert str(first[0].filepath_executable) == str(tmp_path / 'pw.x')
        assert first[1].label == 'insbench-job'


class TestDisk:
    def test_enough(self, tmp_path):
        assert check_disk(tmp_path / 'not' / 'there', needed=1).endswith('GB free')

    def test_full(self, monkeypatch, tmp_path):
        usage = shutil._ntuple_diskusage(10 * 1024**3, 9 * 1024**3, 1024**3)
        monkeypatch.setattr(shutil, 'disk_usage', lambda _place: usage)
        with pytest.raises(InputError, match=r'has 1\.0 GB free\. A campaign needs 2 GB\. Free'):
            check_disk(tmp_path)


class TestLaunch:
    def campaign(self, tmp_path, *words):
        ase.io.write(tmp_path / 'good.cif', crystal())
        return run(
            'launch', 'campaign', '--structure', tmp_path / 'good.cif', '--pressures', '0',
            '--pseudo-family', 'none', '--cutoffs', 50, 200, '--dry-run', *words,
        )  # fmt: skip

    @pytest.mark.parametrize(
        ('words', 'message'),
        [
            (['--structure', 'none.cif'], 'none.cif: no such file'),
            (['--protocol', 'quick'], "'quick' is not one of"),
            ([], 'insbench'),
        ],
    )
    def test_refusals(self, tmp_path, words, message):
        done = self.campaign(tmp_path, *words)
        assert done.exit_code != 0
        assert isinstance(done.exception, SystemExit), done.exception
        assert message in done.output

    def test_one_code_is_refused(self, tmp_path):
        done = self.campaign(tmp_path, '--codes', pw_code().full_label)
        assert done.exit_code != 0
        assert isinstance(done.exception, SystemExit), done.exception


class TestLaunchPhonons:
    def phonons(self, tmp_path, *words, pressures='0,1.5'):
        ase.io.write(tmp_path / 'good.cif', crystal())
        return run(
            'launch', 'phonons', '--code', code().store().uuid, '--pressures', pressures,
            '--dry-run', *words,
        )  # fmt: skip

    def test_a_crystal_and_a_measured_cell(self, tmp_path):
        node = potential().store()
        done = self.phonons(
            tmp_path, '--potential', node.pk, '--structure', tmp_path / 'good.cif',
            '--structure-at', 1.5, tmp_path / 'good.cif',
        )  # fmt: skip
        assert done.exit_code == 0, done.output
        assert 'can be submitted' in done.output

    @pytest.mark.parametrize(
        ('words', 'message'),
        [
            ([], 'Give a `structure`'),
            (['--structure', 'none.cif'], 'none.cif: no such file'),
            (['--previous', '999999'], 'no'),
        ],
    )
    def test_refusals(self, tmp_path, words, message):
        done = self.phonons(tmp_path, '--potential', potential().store().pk, *words)
        assert done.exit_code != 0
        assert isinstance(done.exception, SystemExit), done.exception
        assert message in done.output

    def test_pressures_that_collide(self, tmp_path):
        done = self.phonons(
            tmp_path, '--potential', potential().store().pk,
            '--structure', tmp_path / 'good.cif', pressures='1,1.0001',
        )  # fmt: skip
        assert done.exit_code != 0
        assert 'share the label p_1000' in done.output


# The slots, by bash itself


class Site:
    """Jobs on a computer with slots; each writes when it starts and when it ends."""

    def __init__(self, folder, slots):
        label = f'slots-{folder.name}'
        self.folder = folder
        self.script = prepare_computer(folder, label=label, slots=slots).get_prepend_text()
        self.jobs = []

    def submit(self, name, seconds, *, slots=1, **environment):
        log = self.folder / 'log'
        lines = (
            self.script,
            f'echo "$EPOCHREALTIME start {name} {slots}" >> {log}',
            f'sleep {seconds}',
            f'echo "$EPOCHREALTIME end {name} {slots}" >> {log}',
        )
        job = subprocess.Popen(
            ['bash', '-c', '\n'.join(lines)],
            env={**os.environ, 'INSBENCH_SLOTS': str(slots), **environment},
            start_new_session=True,
        )
        self.jobs.append(job)
        return job

    def events(self):
        path = self.folder / 'log'
        text = path.read_text() if path.exists() else ''
        rows = [line.split() for line in text.splitlines()]
        return sorted((float(when), what, name, int(slots)) for when, what, name, slots in rows)

    def names(self, what):
        return [name for _, kind, name, _ in self.events() if kind == what]

    def wait_for(self, what, name):
        deadline = time.monotonic() + 20
        while name not in self.names(what):
            assert time.monotonic() < deadline, f'{name} did not {what}: {self.events()}'
            time.sleep(0.02)

    def wait(self):
        for job in self.jobs:
            assert job.wait(timeout=20) == 0

    def most_at_once(self):
        taken, most = 0, 0
        for _, what, _, slots in self.events():
            taken += slots if what == 'start' else -slots
            most = max(most, taken)
        return most


@pytest.fixture
def site(tmp_path):
    made = []

    def make(slots):
        made.append(Site(tmp_path, slots))
        return made[0]

    yield make
    for job in made[0].jobs:
        if job.poll() is None:
            os.killpg(job.pid, signal.SIGKILL)
            job.wait()


class TestSlots:
    def test_two_slots_for_five_jobs(self, site):
        two = site(2)
        for number in range(5):
            two.submit(f'job{number}', 0.5)
        two.wait()
        assert len(two.names('end')) == 5
        assert two.most_at_once() == 2

    def test_wide_job_waits_for_all_it_needs(self, site):
        two = site(2)
        for number in range(2):
            two.submit(f'narrow{number}', 0.3)
        two.wait_for('start', 'narrow0')
        two.wait_for('start', 'narrow1')
        two.submit('wide', 0.2, slots=2)
        two.submit('late', 0.1)
        two.wait()
        assert two.most_at_once() == 2
        assert len(two.names('end')) == 4

    def test_job_wider_than_the_computer_runs(self, site):
        one = site(1)
        one.submit('wide', 0.1, slots=8)
        one.wait()
        assert one.names('end') == ['wide']

    @pytest.mark.parametrize('number', [signal.SIGKILL, signal.SIGTERM])
    def test_killed_job_frees_its_slot(self, site, number):
        one = site(1)
        victim = one.submit('victim', 60)
        one.wait_for('start', 'victim')
        heir = one.submit('heir', 0.1)
        time.sleep(0.3)
        assert one.names('start') == ['victim']
        os.killpg(victim.pid, number)
        victim.wait()
        assert heir.wait(timeout=10) == 0
        assert one.names('end') == ['heir']

    def test_job_killed_in_the_queue_does_not_stop_it(self, site):
        one = site(1)
        one.submit('first', 1.0)
        one.wait_for('start', 'first')
        waiting = one.submit('waiting', 60)
        time.sleep(0.2)
        last = one.submit('last', 0.1)
        time.sleep(0.2)
        os.killpg(waiting.pid, signal.SIGKILL)
        waiting.wait()
        assert last.wait(timeout=10) == 0
        assert one.names('start') == ['first', 'last']
        one.jobs.remove(waiting)
        one.wait()

    def test_slot_is_held_until_the_program_ends(self, site):
        """Only the shell is killed: its program goes on, and so holds the slot."""
        one = site(1)
        victim = one.submit('victim', 1.0)
        one.wait_for('start', 'victim')
        os.kill(victim.pid, signal.SIGKILL)
        victim.wait()
        one.jobs.remove(victim)
        one.submit('heir', 0.1)
        one.wait()
        started = {name: when for when, what, name, _ in one.events() if what == 'start'}
        assert started['heir'] - started['victim'] >= 1.0

    def test_background_jobs_give_way(self, site):
        """However long they have waited, they start only when nobody else waits."""
        one = site(1)
        one.submit('running', 3.0)
        one.wait_for('start', 'running')
        for number in range(3):
            one.submit(f'background{number}', 0.05, INSBENCH_QUEUE='background')
        time.sleep(1.5)
        for number in range(2):
            one.submit(f'front{number}', 0.05)
        one.wait()
        order = one.names('start')
        assert len(order) == 6
        assert set(order[1:3]) == {'front0', 'front1'}
        assert one.most_at_once() == 1

    def test_path_with_a_blank(self, tmp_path, site):
        folder = tmp_path / 'my work'
        script = prepare_computer(folder, label='blank', slots=1).get_prepend_text()
        subprocess.run(['bash', '-euc', script], check=True, timeout=10)
        assert (Path(folder) / 'slots' / 'slot_1').is_file()
        site(1)

    def test_background_takes_what_is_free(self, site):
        two = site(2)
        two.submit('job', 2.0)
        two.wait_for('start', 'job')
        for number in range(2):
            two.submit(f'background{number}', 0.1, INSBENCH_QUEUE='background')
        two.wait()
        assert two.names('end')[-1] == 'job'
