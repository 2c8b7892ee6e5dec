"""Whoever imports Holdfast, or types the command, waits for no library that few need: it is loaded where it is used."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import holdfast

HEAVY = {
    "apprise", "asyncpg", "authlib", "cryptography", "fastapi", "httpx2", "jinja2", "joserfc", "jsonschema", "mcp",
    "openai", "opentelemetry.sdk", "pydantic_ai", "pytest", "rich", "starlette", "uvicorn", "watchfiles",
}  # fmt: skip
SOURCES = str(Path(holdfast.__file__).parents[1])
STORE = "sqlite:///.holdfast/app.db"
OPENED = f"import asyncio, holdfast.runtime; asyncio.run(holdfast.runtime.open_store({STORE!r}))"
COMMAND = """
from holdfast.cli import main
try:
    main({!r})
except SystemExit as ended:
    assert not ended.code
"""


def loaded(folder: Path, *parts: str) -> set[str]:
    """The modules that a fresh interpreter has in the end."""
    done = subprocess.run(
        [sys.executable, "-c", "\n".join((*parts, "import sys; print(*sys.modules, file=sys.stderr)"))],
        cwd=folder, env={"PYTHONPATH": SOURCES}, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done
    return set(done.stderr.split())


def test_importing_it_loads_what_every_process_needs(tmp_path: Path) -> None:
    assert not loaded(tmp_path, "import holdfast") & (HEAVY | {"apsw", "typer"})


def test_a_process_loads_the_store_that_it_opens_and_no_other(tmp_path: Path) -> None:
    assert loaded(tmp_path, OPENED) & (HEAVY | {"apsw", "typer"}) == {"apsw"}


@pytest.mark.parametrize("typed", ["--help", "runs list", "inbox list", "channels list"])
def test_a_verb_loads_what_it_needs_itself(typed: str, tmp_path: Path) -> None:
    assert not loaded(tmp_path, OPENED, COMMAND.format(typed.split())) & HEAVY
