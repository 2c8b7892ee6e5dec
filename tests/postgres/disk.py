"""A disk that is full: a small file system, and a schema's tables moved onto it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from contextlib import ExitStack
from functools import cache
from pathlib import Path

from tests.postgres import schemas

_TABLES = ("journal", "runs")


class SmallDisk:
    """A file system of a few megabytes that holds the tables that grow."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._folder = Path(tempfile.mkdtemp(prefix="holdfast-disk-"))
        self._name = self._folder.name.replace("-", "_")

    @staticmethod
    @cache
    def possible() -> bool:
        """Whether this process may mount, on the server's own machine."""
        if os.geteuid() != 0 or os.environ.get(schemas.VARIABLE) or shutil.which("mount") is None:
            return False
        folder = tempfile.mkdtemp(prefix="holdfast-disk-")
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", folder], capture_output=True)
        if done.returncode == 0:
            subprocess.run(["umount", folder], check=True)
        os.rmdir(folder)
        return done.returncode == 0

    def __enter__(self) -> SmallDisk:
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m,mode=777", "tmpfs", self._folder], check=True)
        with ExitStack() as undo:
            undo.callback(self._unmount)
            self._move_tables()
            undo.pop_all()
        return self

    def _move_tables(self) -> None:
        place = self._folder / "space"
        place.mkdir()
        shutil.chown(place, "nobody")
        place.chmod(0o700)
        schemas.execute(self._url, f"CREATE TABLESPACE {self._name} LOCATION '{place}'")
        for table in _TABLES:  # without the room that tests before have taken in this schema
            schemas.execute(self._url, f"VACUUM FULL holdfast.{table}")
            schemas.execute(self._url, f"ALTER TABLE holdfast.{table} SET TABLESPACE {self._name}")

    def grow(self) -> None:
        """Make room."""
        subprocess.run(["mount", "-o", "remount,size=64m", self._folder], check=True)

    def __exit__(self, *error: object) -> None:
        self.grow()
        schemas.execute(self._url, *(f"ALTER TABLE holdfast.{table} SET TABLESPACE pg_default" for table in _TABLES))
        schemas.execute(self._url, "CHECKPOINT", f"DROP TABLESPACE {self._name}")
        self._unmount()

    def _unmount(self) -> None:
        # lazily: sessions of the server keep files of it open
        subprocess.run(["umount", "-l", self._folder], check=True)
        self._folder.rmdir()
