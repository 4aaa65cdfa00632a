"""Folders, passwords and probes that the servers of `services.py` share."""

import secrets
import shutil
import socket
import subprocess
from pathlib import Path

from processes import ServiceError


def make_folder(folder: Path, name: str, user: str) -> Path:
    """Make the folder of a server, which its user owns."""
    made = folder / name
    made.mkdir(mode=0o750, parents=True, exist_ok=True)
    shutil.chown(made, user, user)
    for parent in made.parents:
        if not parent.stat().st_mode & 0o001:
            raise ServiceError(
                f'The user {user} cannot enter {parent}. Take a folder that all may enter: '
                'make services SERVICES=/var/tmp/insbench-services.'
            )
    return made


def answers(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    try:
        with socket.create_connection(('127.0.0.1', port), timeout=1):
            return True
    except OSError:
        return False


def succeeds(command: list[str], environment: dict[str, str] | None = None) -> bool:
    """Whether a command ends with 0."""
    done = subprocess.run(command, check=False, capture_output=True, env=environment, timeout=30)
    return done.returncode == 0


def run(what: str, command: list[str], environment: dict[str, str] | None = None) -> None:
    """Run a command that ends; its output is shown only if it fails."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=environment)
    if done.returncode:
        raise ServiceError(f'{what} failed ({done.returncode}):\n{done.stdout}{done.stderr}')


def secret_of(path: Path, user: str) -> str:
    """Password kept in a file that only its owner reads; made once."""
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(16))
        shutil.chown(path, user, user)
    return path.read_text().strip()
