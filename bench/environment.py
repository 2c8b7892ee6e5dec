"""The peers' own environment: ``.venv-peers``, made from ``bench/peers.txt`` and ``bench/peers/package.json``."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
PINS, PACKAGE = HERE / "peers.txt", HERE / "peers" / "package.json"
INSTALL_WITHIN = 900.0  # seconds

_NPM = ("--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error")


class Unavailable(Exception):
    """A peer cannot be had here; the message says why."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Environment:
    """A folder with a Python of its own, and Restate's server."""

    folder: Path

    @property
    def python(self) -> Path:
        """The interpreter that peers run on."""
        return self.folder / "bin" / "python"

    @property
    def restate_server(self) -> Path:
        """Restate's server."""
        return self.folder / "npm" / "node_modules" / ".bin" / "restate-server"

    def prepare(self) -> None:
        """Install the Python packages, unless they are there.

        Raises:
            Unavailable: they cannot be had.
        """
        stamp, digest = self.folder / ".ready", hashlib.sha256(PINS.read_bytes()).hexdigest()
        if stamp.exists() and stamp.read_text() == digest:
            return
        print(f"preparing {self.folder.name}: some minutes, once", file=sys.stderr)
        _run("making the peers' environment", [sys.executable, "-m", "venv", str(self.folder)])
        (self.folder / ".gitignore").write_text("*\n")
        pip = [str(self.python), "-m", "pip", "install", "-qq", "--disable-pip-version-check", "-r", str(PINS)]
        _run("installing bench/peers.txt", pip)
        stamp.write_text(digest)

    def prepare_restate_server(self) -> Path:
        """Install Restate's server, unless it is there.

        Raises:
            Unavailable: it cannot be had.
        """
        home = self.folder / "npm"
        copied = home / PACKAGE.name
        if self.restate_server.exists() and copied.exists() and copied.read_bytes() == PACKAGE.read_bytes():
            return self.restate_server
        npm = shutil.which("npm")
        if npm is None:
            raise Unavailable("Restate's server comes from npm, and there is no npm here")
        home.mkdir(exist_ok=True)
        shutil.copy(PACKAGE, copied)
        _run("installing bench/peers/package.json", [npm, "install", "--prefix", str(home), *_NPM])
        return self.restate_server


def _run(what: str, command: Sequence[str]) -> None:
    """Run a command; what it says when it fails is for this terminal, not for a report: it may name machines."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALL_WITHIN)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Unavailable(f"{what} failed: {type(error).__name__}") from error
    if done.returncode:
        print(done.stderr, file=sys.stderr)
        raise Unavailable(f"{what} failed with exit code {done.returncode}; the terminal shows why")
