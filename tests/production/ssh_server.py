"""A server of SSH and SFTP on loopback, as the user who starts it: ``ssh_server.py PORT FOLDER``.

Its host key and the only key it lets in, ``FOLDER/user``, are made for it. It ends with the process
that started it, or after ten minutes.
"""

import asyncio
import os
import sys
from pathlib import Path

import asyncssh

PATIENCE = 600.0


async def execute(process):
    """Run a command by the shell."""
    child = await asyncio.create_subprocess_shell(
        process.command or '/bin/bash',
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    await process.redirect(stdin=child.stdin, stdout=child.stdout, stderr=child.stderr)
    process.exit(await child.wait())
    await process.wait_closed()


class Everybody(asyncssh.SSHServer):
    """Any name is welcome, with the right key."""

    def begin_auth(self, _username):
        return True


async def serve(port, folder):
    """Listen until the parent has gone."""
    parent = os.getppid()
    async with await asyncssh.listen(
        '127.0.0.1',
        port,
        server_factory=Everybody,
        server_host_keys=[str(folder / 'host')],
        authorized_client_keys=str(folder / 'user.pub'),
        process_factory=execute,
        sftp_factory=True,
        encoding=None,
    ):
        for _ in range(int(PATIENCE)):
            await asyncio.sleep(1.0)
            if os.getppid() != parent:
                return


def make_keys(folder):
    """Make the keys of server and user."""
    for name in ('host', 'user'):
        key = asyncssh.generate_private_key('ssh-rsa', key_size=2048)
        key.write_private_key(str(folder / name), 'pkcs1-pem')
        key.write_public_key(str(folder / f'{name}.pub'))
        (folder / name).chmod(0o600)


if __name__ == '__main__':
    asyncio.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
