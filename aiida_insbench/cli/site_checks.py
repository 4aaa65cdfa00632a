"""What `doctor` asks of the profile: storage, broker, computers, codes, pseudopotentials."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from aiida_insbench.science.errors import InputError

_PLUGINS = ('quantumespresso.', 'insbench.')


@dataclass(frozen=True)
class Finding:
    """One thing looked at.

    Attributes
    ----------
    name : str
        Of the thing.
    text : str
        What was found; of a fault with its remedy.
    good : bool or None
        None where there is nothing yet, which is no fault.
    """

    name: str
    text: str
    good: bool | None


def check_site() -> Iterator[Finding]:
    """Look at everything that the loaded profile needs outside its daemon."""
    yield from _check_profile()
    computers = _computers()
    if not computers:
        yield Finding('computers', 'none yet; `aiida-insbench setup --work FOLDER`', None)
    for computer in computers:
        finding = _check_computer(computer)
        yield finding
        if finding.good:
            yield from _check_codes(computer)
    yield _check_pseudos()


def _check_profile() -> Iterator[Finding]:
    from aiida.manage import get_manager

    manager = get_manager()
    profile, storage = manager.get_profile(), manager.get_profile_storage()
    yield Finding(f'profile {profile.name if profile else ""}', str(storage), True)
    broker = manager.get_broker()
    if broker is None:
        text = 'there is none, so no daemon runs. `verdi profile configure-broker` sets one'
        yield Finding('broker', text, False)
    elif profile is not None and profile.process_control_backend == 'core.rabbitmq':
        yield _check_rabbitmq(broker)
    else:
        yield Finding('broker', 'ZeroMQ, started with the daemon', True)


def _check_rabbitmq(broker: Any) -> Finding:
    if broker.check_service_reachable():
        return Finding('broker', str(broker), True)
    url = broker.get_url(redact_credentials=True)
    return Finding('broker', f'RabbitMQ does not answer at {url}. Remedy: start it', False)


def _computers() -> list[Any]:
    """Computers that the user has configured."""
    from aiida.orm import Computer, User

    user = User.collection.get_default()
    return [one for one in Computer.collection.all() if one.is_user_configured(user)]


def _check_computer(computer: Any) -> Finding:
    from aiida_insbench.cli.computers import try_out

    name = f'computer {computer.label}'
    try:
        return Finding(name, try_out(computer), True)
    except InputError as exc:
        return Finding(name, str(exc), False)


def _check_codes(computer: Any) -> Iterator[Finding]:
    from aiida.common.exceptions import ValidationError
    from aiida.orm import Computer, InstalledCode, QueryBuilder

    query = QueryBuilder().append(Computer, filters={'id': computer.pk}, tag='computer')
    query.append(InstalledCode, with_computer='computer')
    for code in query.all(flat=True):
        if not (code.default_calc_job_plugin or '').startswith(_PLUGINS) or code.is_hidden:
            continue
        name = f'code {code.full_label}'
        try:
            code.validate_filepath_executable()
        except ValidationError as exc:
            remedy = f'Remedy: install it there, or `verdi code hide {code.full_label}`.'
            yield Finding(name, f'{exc} {remedy}', False)
        else:
            yield Finding(name, str(code.filepath_executable), True)


def _check_pseudos() -> Finding:
    from aiida.orm import QueryBuilder
    from aiida_pseudo.groups.family import PseudoPotentialFamily

    labels = sorted(QueryBuilder().append(PseudoPotentialFamily, project='label').all(flat=True))
    if not labels:
        return Finding('pseudopotentials', 'no family yet; `aiida-insbench setup pseudos`', None)
    return Finding('pseudopotentials', ', '.join(labels), True)
