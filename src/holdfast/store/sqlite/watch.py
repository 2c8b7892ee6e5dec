"""Watching: how a commit is noticed by those who wait, in this process and in others.

In this process a commit wakes the watches directly. Other processes are nudged by a datagram to the loopback port that
each has registered: an empty file ``ports/<number>``, which its owner keeps locked while it lives, so that the dead are
told from the living. Datagrams may be lost; therefore ``PRAGMA data_version`` is polled as well.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from pathlib import Path

import apsw

from holdfast.store.sqlite.living import claim, remove_dead
from holdfast.store.sqlite.opening import connect
from holdfast.store.sqlite.statements import CONNECTION
from holdfast.store.watching import HubWatch

POLL_S = 0.25
_PEERS_TRUSTED_S = 1.0  # how long the list of ports is believed without looking: mtimes are coarse


class Hub:
    """The watches of one process on one file; a listener thread while there are any."""

    def __init__(self, path: Path, ports: Path, poll_s: float = POLL_S) -> None:
        self.changes = 0
        self.poll_s = poll_s
        self._path = path
        self._ports = ports
        self._lock = threading.Lock()
        self._watches: tuple[HubWatch, ...] = ()
        self._listener: _Listener | None = None
        self._sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sender.setblocking(False)
        self._peers: list[int] = []
        self._peers_from = (0, 0.0)  # the folder's mtime, and when it was read

    def join(self, watch: HubWatch) -> None:
        with self._lock:
            if self._listener is None:
                self._listener = _Listener(self, self._path, self._ports)
            self._watches += (watch,)

    def leave(self, watch: HubWatch) -> None:
        with self._lock:
            self._watches = tuple(other for other in self._watches if other is not watch)
            unused = None if self._watches else self._listener
            if unused is not None:
                self._listener = None
        if unused is not None:
            unused.stop()

    def notify(self) -> None:
        """This process committed something that others may wait for."""
        self.ring()
        listener = self._listener
        own = listener.port if listener is not None else 0
        for port in self._living_peers():
            if port != own:
                with suppress(OSError):  # full buffers, no loopback: polling stands behind it
                    self._sender.sendto(b".", ("127.0.0.1", port))

    def ring(self) -> None:
        """Wake this process's watches."""
        self.changes += 1
        for watch in self._watches:
            watch.ring()

    def _living_peers(self) -> list[int]:
        with suppress(OSError):
            changed, read_at = os.stat(self._ports).st_mtime_ns, time.monotonic()
            if changed != self._peers_from[0] or read_at - self._peers_from[1] > _PEERS_TRUSTED_S:
                self._peers = [int(name) for name in os.listdir(self._ports) if name.isdigit()]
                self._peers_from = (changed, read_at)
        return self._peers

    def close(self) -> None:
        """Close every watch and the sockets."""
        for watch in self._watches:
            watch.close()
        self._sender.close()


class _Listener:
    """The thread that hears datagrams and polls ``data_version``."""

    def __init__(self, hub: Hub, path: Path, ports: Path) -> None:
        self._hub = hub
        self._db = connect(path, write=False)
        self._version = self._data_version()  # before the first wait: a change from now on is noticed
        self._stopped = threading.Event()
        self._port = _Port.open(ports, hub.poll_s)
        self.port = 0 if self._port is None else self._port.number
        self._thread = threading.Thread(target=self._run, name="holdfast-watch", daemon=True)
        self._thread.start()

    def _data_version(self) -> int:
        return int(self._db.execute(CONNECTION.data_version).get)

    def _run(self) -> None:
        while not self._stopped.is_set():
            nudged = self._hear()
            with suppress(apsw.Error):  # busy or out of memory: looked at again in a moment
                before, self._version = self._version, self._data_version()
                nudged = nudged or before != self._version
            if nudged:
                self._hub.ring()

    def _hear(self) -> bool:
        if self._port is not None:
            with suppress(OSError):
                return self._port.hear()
        self._stopped.wait(self._hub.poll_s)  # without a port, polling must do
        return False

    def stop(self) -> None:
        """Stop the thread and give the port back."""
        self._stopped.set()
        if self._port is not None:
            self._port.nudge()
        self._thread.join()
        self._db.close()
        if self._port is not None:
            self._port.close()


class _Port:
    """A registered loopback port."""

    def __init__(self, ports: Path, timeout: float) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.settimeout(timeout)
        self.number: int = self._socket.getsockname()[1]
        self._file = ports / str(self.number)
        self._claim = claim(self._file)
        remove_dead(ports, own=str(self.number))

    @classmethod
    def open(cls, ports: Path, timeout: float) -> _Port | None:
        """A port, None where there is no loopback network."""
        try:
            return cls(ports, timeout)
        except OSError:
            return None

    def hear(self) -> bool:
        """Wait for a datagram. False if none came in time."""
        try:
            self._socket.recv(16)
        except TimeoutError:
            return False
        return True

    def nudge(self) -> None:
        """Wake the listener's own thread."""
        with suppress(OSError):
            self._socket.sendto(b".", ("127.0.0.1", self.number))

    def close(self) -> None:
        """Unregister."""
        self._socket.close()
        with suppress(OSError):
            self._file.unlink()
        os.close(self._claim)
