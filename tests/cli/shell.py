"""The real command, as a process."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import holdfast
from holdfast.cli import main
from tests import waiting
from tests.cli import forked
from tests.postgres import schemas

COMMAND = (sys.executable, "-m", "holdfast")
SOURCES = Path(holdfast.__file__).parents[1]
WITHIN = 60.0  # seconds; far above what anything here takes, on a busy machine too


@dataclass(frozen=True, kw_only=True, slots=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Its output, which is one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its output, which is JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def problem(self) -> Any:
        """Its problem, which is one JSON object on standard error."""
        return json.loads(self.err)


class Shell:
    """Runs ``holdfast …`` in a folder that holds the module ``shop``."""

    def __init__(self, folder: Path, kind: str = "sqlite", **variables: str) -> None:
        self.folder = folder
        if kind == "postgres":
            variables["HOLDFAST_STORE"] = schemas.take()
        self.variables = {"PYTHONPATH": str(SOURCES), "SHOP_LEDGER": str(folder / "ledger"), **variables}
        self._started: list[subprocess.Popen[str]] = []
        shutil.copy(Path(__file__).with_name("shop.py"), folder)

    @property
    def environment(self) -> dict[str, str]:
        """That of the commands."""
        unwanted = {"HOLDFAST_STORE", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"}
        return {name: value for name, value in os.environ.items() if name not in unwanted} | self.variables

    def __call__(self, *arguments: str, stdin: str = "", **variables: str) -> Said:
        """The command in a process that was forked from this one, which has everything imported."""
        code, out, err = forked.run(arguments, self.folder, self.environment | variables, stdin, WITHIN)
        return Said(code=code, out=out, err=err)

    def afresh(self, *arguments: str, **variables: str) -> Said:
        """The command as whoever types it has it: half a second more, for what is about the beginning and the end."""
        done = subprocess.run(
            (*COMMAND, *arguments), cwd=self.folder, env=self.environment | variables, stdin=subprocess.DEVNULL,
            capture_output=True, text=True, timeout=WITHIN,
        )  # fmt: skip
        return Said(code=done.returncode, out=done.stdout, err=done.stderr)

    def inside(self, *arguments: str) -> Said:
        """The command in this process: quicker still, for what does not depend on being one."""
        out, err, path = io.StringIO(), io.StringIO(), [*sys.path]
        try:
            with (
                contextlib.chdir(self.folder),
                contextlib.redirect_stdout(out),
                contextlib.redirect_stderr(err),
                pytest.MonkeyPatch.context() as patch,
            ):
                for name in self.variables.keys() & {"HOLDFAST_STORE", "HOLDFAST_TOKEN", "VISUAL"}:
                    patch.setenv(name, self.variables[name])
                main(arguments)
        except SystemExit as ended:
            return Said(code=int(ended.code or 0), out=out.getvalue(), err=err.getvalue())
        finally:
            sys.path[:] = path
            sys.modules.pop("shop", None)

    def store(self, app: str) -> str:
        """The URL of the app's store."""
        return self.variables.get("HOLDFAST_STORE") or f"sqlite:///{self.folder}/.holdfast/{app}.db"

    def begin(self, *arguments: str, **variables: str) -> subprocess.Popen[str]:
        """A command that goes on; ended with the test at the latest."""
        process = subprocess.Popen(
            (*COMMAND, *arguments), cwd=self.folder, env=self.environment | variables,
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        self._started.append(process)
        return process

    def worker(self, *options: str, **variables: str) -> subprocess.Popen[str]:
        """A worker of the shop that is ready."""
        process = self.begin("worker", "shop:app", *options, **variables)
        assert process.stdout is not None
        first = process.stdout.readline()
        assert "ready" in first, first + process.communicate(timeout=WITHIN)[1]
        return process

    @property
    def ledger(self) -> list[str]:
        """What steps have noted."""
        path = self.folder / "ledger"
        return path.read_text().splitlines() if path.exists() else []

    def start(self, *arguments: str) -> str:
        """The id of a run that was started."""
        said = self("start", "shop:app", *arguments)
        assert said.code == 0, said
        return said.out.strip()

    def close(self) -> None:
        """End what still runs, and only that; what it wrote is shown if the test fails."""
        for process in self._started:
            process.kill()
            if process.stderr is not None and not process.stderr.closed:
                print(process.args, process.communicate(), sep="\n")
        if "HOLDFAST_STORE" in self.variables:
            schemas.give_back(self.variables["HOLDFAST_STORE"])


def until(met: Callable[[], Any]) -> Any:
    """Wait for a condition that another process brings about."""
    return waiting.until(met, "it comes about", WITHIN)


def end(process: subprocess.Popen[str]) -> Said:
    """Wait for the end of a command that was begun."""
    out, err = process.communicate(timeout=WITHIN)
    return Said(code=process.returncode, out=out, err=err)
