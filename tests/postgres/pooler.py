"""PgBouncer in front of a server, giving out connections by transaction: the system's, where there is one."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from tests.postgres.server import free_port
from tests.waiting import until

_CONFIG = """
[databases]
* = host={host} port={port} user=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 4
server_reset_query =
logfile = {folder}/log
"""


class Pooler:
    """One PgBouncer; a client's next transaction may meet another session than its last."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-pooler-"))
        self._port = free_port()

    @staticmethod
    def installed() -> bool:
        """Whether this machine has it."""
        return shutil.which("pgbouncer") is not None

    @property
    def url(self) -> str:
        """The store's URL, by way of the pooler."""
        login = self._parts.netloc.rpartition("@")[0]
        return urlunsplit(self._parts._replace(netloc=f"{login}@127.0.0.1:{self._port}"))

    def __enter__(self) -> Pooler:
        config = self._folder / "pgbouncer.ini"
        config.write_text(
            _CONFIG.format(host=self._parts.hostname, port=self._parts.port, listen=self._port, folder=self._folder)
        )
        command = ["pgbouncer", config]
        if os.geteuid() == 0:  # as which it does not run
            found = pwd.getpwnam("nobody")
            for path in (self._folder, config):
                os.chown(path, found.pw_uid, found.pw_gid)
            command[1:1] = ["-u", "nobody"]
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(self._answers, "the pooler answers", 60)
        return self

    def __exit__(self, *error: object) -> None:
        self._process.terminate()
        self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _answers(self) -> bool:
        assert self._process.poll() is None, "the pooler does not start"
        try:
            socket.create_connection(("127.0.0.1", self._port), 1).close()
        except OSError:
            return False
        return True
