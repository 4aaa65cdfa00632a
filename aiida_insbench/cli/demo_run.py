"""The demo itself: profile, codes, campaign, progress, report. Runs with AIIDA_PATH in its folder.

The crystal is MgH2 (rutile, P4₂/mnm): under pressure almost all of its modes go blue, a rotation
of the hydrogens goes red and softens towards the rutile → CaCl₂ transition.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import click

from aiida_insbench.cli.preflight import check_disk
from aiida_insbench.science.errors import InputError
from aiida_insbench.science.pressure import parse_pressures

PROFILE = 'insbench-demo'
PSEUDOS = ('Mg.pz-n-vbc.UPF', 'H.pz-vbc.UPF')
CUTOFFS = (50.0, 200.0)
LOOK_SECONDS = 1.0
REFRESH_SECONDS = 10.0
LOG_SECONDS = 20.0
HEALTH_SECONDS = 30.0


@dataclass(frozen=True)
class DemoSettings:
    """What the user can choose."""

    pressures: tuple[float, ...]
    reference: tuple[float, ...]
    frames: tuple[int, int]
    epochs: tuple[int, int]
    rounds: int
    seed: int
    workers: int
    again: bool

    @property
    def label(self) -> str:
        """Label of the campaign: the same choices give the same label."""
        chosen = {k: v for k, v in asdict(self).items() if k not in ('workers', 'again')}
        digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()
        return f'demo {digest[:10]}'


def read_settings(
    *, pressures: str, reference: str, frames: str, epochs: str, **others: Any
) -> DemoSettings:
    """Check what the user chose.

    Raises
    ------
    InputError
        If a number is none, or there are too few frames to train on.
    """
    wanted = parse_pressures(pressures)
    checks = parse_pressures(reference) if reference else wanted
    return DemoSettings(
        pressures=wanted,
        reference=checks,
        frames=_two_numbers(frames, 'frames', least=6),
        epochs=_two_numbers(epochs, 'epochs', least=1),
        **others,
    )


def run_demo(folder: Path, settings: DemoSettings) -> bool:
    """Run, continue or show the demo; return whether it ended well."""
    from aiida_insbench.cli.health import ensure_daemon, stop_daemon
    from aiida_insbench.cli.site import find_pseudos, find_pw

    check_disk(folder)
    find_pw()
    find_pseudos(PSEUDOS)
    prepare_profile(folder)
    campaign = find_campaign(settings)
    if campaign is None or not campaign.is_terminated:
        click.echo('Starting the daemon of the demo profile ...')
        with ThreadPoolExecutor(1) as beside:
            starting = beside.submit(ensure_daemon, settings.workers)
            builder = None if campaign else campaign_builder(folder, settings)
            health = starting.result()
        if health.faults:
            raise InputError(f'The daemon does not work: {" ".join(health.faults)}')
        campaign = campaign or submit_campaign(builder)
        watch(campaign, settings.workers)
        with ThreadPoolExecutor(1) as beside:
            beside.submit(stop_daemon)
            return show_result(campaign, folder)
    return show_result(campaign, folder)


def prepare_profile(folder: Path) -> None:
    """Make (once) and load the demo's own profile: SQLite, ZeroMQ broker, caching on."""
    from aiida import load_profile
    from aiida.manage import get_config
    from aiida.manage.configuration import reset_config

    config = get_config(create=True)
    if PROFILE not in config.profile_names:
        click.echo(f'Making the AiiDA profile {PROFILE} in {folder / "aiida"} ...')
        _verdi('presto', '--use-zeromq', '-n', '-p', PROFILE)
        reset_config()
        config = get_config()
        config.set_option('caching.default_enabled', True, scope=PROFILE)
        config.set_option('logging.aiida_loglevel', 'REPORT', scope=PROFILE)
        # Processes hear of the end of others by broadcast. `presto` lets each also look once a
        # second, which took 6 % of a worker's time.
        config.set_option('runner.poll.interval', 10, scope=PROFILE)
        config.store()
        _write_ahead(config.get_profile(PROFILE))
    load_profile(PROFILE, allow_switch=True)


def _write_ahead(profile: Any) -> None:
    """Keep the database in write-ahead mode, once and for all.

    Half of a daemon worker's time was spent in SQLite's commits: 25 ms each, and 6 ms this way.
    Readers no longer wait for writers, and a kill loses nothing in either mode.
    """
    database = Path(profile.storage_config['filepath']) / 'database.sqlite'
    connection = sqlite3.connect(database)
    try:
        connection.execute('PRAGMA journal_mode=WAL')
    finally:
        connection.close()


def find_campaign(settings: DemoSettings) -> Any:
    """Return the last campaign with these settings that runs or has ended well, or None."""
    from aiida.orm import QueryBuilder, WorkChainNode

    if settings.again:
        return None
    query = QueryBuilder()
    query.append(
        WorkChainNode,
        filters={
            'label': settings.label,
            'attributes.process_label': 'CampaignWorkChain',
        },
    )
    query.order_by({WorkChainNode: {'ctime': 'desc'}})
    for node in query.all(flat=True):
        if not node.is_terminated or node.is_finished_ok:
            return node
    return None


def submit_campaign(builder: Any) -> Any:
    """Submit the campaign."""
    from aiida.engine import submit

    node = submit(builder)
    click.echo(f'Submitted campaign {node.pk}: {node.label}')
    return node


def campaign_builder(folder: Path, settings: DemoSettings) -> Any:
    """Builder of the demo campaign."""
    from aiida.orm import StructureData

    from aiida_insbench.cli.site import (
        find_pseudos,
        prepare_codes,
        prepare_computer,
        prepare_pseudos,
    )
    from aiida_insbench.workflows.campaign import CampaignWorkChain

    computer = prepare_computer(folder / 'work')
    pw_code, job_code = prepare_codes(computer)
    builder = CampaignWorkChain.get_builder_from_protocol(
        pw_code,
        job_code,
        StructureData(ase=magnesium_hydride()),
        settings.pressures,
        pseudos=prepare_pseudos(find_pseudos(PSEUDOS)),
        cutoffs=CUTOFFS,
        protocol='fast',
        overrides={
            'kpoints_mesh': [4, 4, 4],
            'first_round': {'frames': settings.frames[0]},
            'later_rounds': {'frames': settings.frames[1]},
            'base_training': {'max_epochs': settings.epochs[0]},
            'fine_tuning': {'max_epochs': settings.epochs[1]},
            'stopping': {
                'most_rounds': settings.rounds,
                'least_rounds': min(2, settings.rounds),
            },
        },
        reference_pressures=settings.reference,
        seed=settings.seed,
        relaxation_ranks=min(2, os.cpu_count() or 1),
    )
    builder.metadata.label = settings.label
    return builder


def magnesium_hydride() -> Any:
    """MgH2 in the rutile structure, near its measured cell (a 4.501 Å, c 3.010 Å, u 0.304)."""
    from ase.spacegroup import crystal

    atoms = crystal(
        ['Mg', 'H'],
        basis=[(0, 0, 0), (0.304, 0.304, 0)],
        spacegroup=136,
        cellpar=[4.501, 4.501, 3.010, 90, 90, 90],
    )
    return atoms[[0, 1, 2, 3, 4, 5]]


def watch(campaign: Any, workers: int) -> None:
    """Show the stages until the campaign has ended; mend the daemon if it falls deaf."""
    from aiida_insbench.cli.health import check_daemon, mend_daemon
    from aiida_insbench.report.stages import CampaignWatch

    reader = CampaignWatch(campaign)
    screen = _Screen(campaign.pk)
    last_check = last_shown = time.monotonic()
    ended = False
    while not ended:
        ended = campaign.is_terminated
        now = time.monotonic()
        if ended or now - last_shown > REFRESH_SECONDS:
            last_shown = now
            screen.show(reader.stages())
        if not ended and now - last_check > HEALTH_SECONDS:
            last_check = now
            faults = check_daemon().faults
            if faults:
                click.echo(f'{" ".join(faults)} Mending it.')
                mend_daemon(workers)
        if not ended:
            time.sleep(LOOK_SECONDS)


class _Screen:
    """A terminal is redrawn; into a file go changes of state, and what runs every 20 s."""

    def __init__(self, pk: int) -> None:
        self._pk = pk
        self._states: dict[str, str] = {}
        self._last = 0.0

    def show(self, stages: list[Any]) -> None:
        from aiida_insbench.report.stages import format_stages

        if sys.stdout.isatty():
            click.clear()
            click.echo(f'Campaign {self._pk}\n{format_stages(stages)}')
            return
        due = time.monotonic() - self._last > LOG_SECONDS
        changed = [
            stage
            for stage in stages
            if self._states.get(stage.name, 'waiting') != stage.state
            or (due and stage.state == 'running')
        ]
        self._states = {stage.name: stage.state for stage in stages}
        if due:
            self._last = time.monotonic()
        if changed:
            click.echo(format_stages(changed))


def show_result(campaign: Any, folder: Path) -> bool:
    """Write the report and print what was found, or say why there is none."""
    from aiida_insbench.report.write import write_report

    if not campaign.is_finished_ok:
        click.echo(
            f'Campaign {campaign.pk} did not end well: {campaign.process_state.value} '
            f'[{campaign.exit_status}] {campaign.exit_message or ""}\n'
            'The same command starts it again; finished calculations are taken from the cache.'
        )
        return False
    written = write_report(campaign, folder)
    for line in written.findings:
        click.echo(line)
    click.echo(f'Report:  {written.html}\nNumbers: {written.json}\nSpectra: {written.csv}')
    return True


def show_status(folder: Path) -> None:
    """Print the stages of the last campaign."""
    from aiida.orm import QueryBuilder, WorkChainNode

    from aiida_insbench.cli.health import check_daemon
    from aiida_insbench.report.stages import CampaignWatch, format_stages

    prepare_profile(folder)
    query = QueryBuilder()
    query.append(WorkChainNode, filters={'attributes.process_label': 'CampaignWorkChain'})
    query.order_by({WorkChainNode: {'ctime': 'desc'}})
    campaign = query.first(flat=True)
    if campaign is None:
        click.echo('No campaign yet.')
        return
    click.echo(f'Campaign {campaign.pk} {campaign.process_state.value}')
    click.echo(format_stages(CampaignWatch(campaign).stages()))
    if not campaign.is_terminated:
        for fault in check_daemon().faults:
            click.echo(fault)


def stop_everything(folder: Path) -> None:
    """Stop the daemon and end the jobs that run in this folder."""
    import psutil
    from aiida import load_profile
    from aiida.manage import get_config

    from aiida_insbench.cli.daemon_processes import own_processes
    from aiida_insbench.cli.health import stop_daemon

    if PROFILE not in get_config(create=True).profile_names:
        return
    load_profile(PROFILE, allow_switch=True)
    stop_daemon()
    leftover = own_processes('worker') + own_processes('broker')
    jobs = str(folder / 'work')
    for process in psutil.process_iter(['cwd']):
        if (process.info['cwd'] or '').startswith(jobs):
            leftover.append(process)
    for process in leftover:
        process.terminate()
    psutil.wait_procs(leftover, timeout=10)


def _two_numbers(text: str, name: str, *, least: int) -> tuple[int, int]:
    words = text.split(',')
    problem = f'`--{name}` is {text!r}; give two whole numbers of at least {least}, as 24,18.'
    try:
        numbers = [int(word) for word in words]
    except ValueError as exc:
        raise InputError(problem) from exc
    if len(numbers) != 2 or min(numbers) < least:
        raise InputError(problem)
    return numbers[0], numbers[1]


def _verdi(*words: str) -> None:
    from aiida_insbench.cli.health import run_verdi

    done = run_verdi(*words)
    if done.returncode:
        raise InputError(f'`verdi {" ".join(words)}` failed: {done.stderr or done.stdout}')
