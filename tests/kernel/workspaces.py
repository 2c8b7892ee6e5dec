"""What the tests of workspaces share: steps that touch files, and what is in a folder."""

from __future__ import annotations

import asyncio
import os
import stat
from pathlib import Path

from holdfast import Settings
from holdfast.testing import Rig


def write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def append(path: Path, line: str) -> Path:
    with path.open("a") as file:
        file.write(f"{line}\n")
    return path


def read(path: Path) -> str:
    return path.read_text()


def inside(folder: Path) -> dict[str, str]:
    """Everything in a folder: content, mode or target by path."""
    found: dict[str, str] = {}
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent, name) for name in (*folders, *files)):
            mode = stat.S_IMODE(path.lstat().st_mode)
            what = f"{path.read_text()} {mode:o}" if path.is_file() and not path.is_symlink() else f"folder {mode:o}"
            found[str(path.relative_to(folder))] = f"-> {os.readlink(path)}" if path.is_symlink() else what
    return found


def rooted(folder: Path) -> Settings:
    """Settings under which workspaces are in a folder."""
    return Settings(workspaces=str(folder))


def directories(t: Rig) -> list[str]:
    """Workspaces that there are on disk."""
    root = Path(t.settings.workspaces)
    return sorted(path.name for path in root.iterdir() if path.is_dir()) if root.exists() else []


async def removed(t: Rig) -> None:
    """Wait until no workspace is on disk: they go in a thread, after their runs have left memory."""
    async with asyncio.timeout(60):
        while directories(t):  # noqa: ASYNC110  # nobody tells when a thread has removed it
            await asyncio.sleep(0.001)


async def contents(t: Rig, run_id: str, *, at: int | None = None) -> dict[str, str]:
    """What is recorded, by path."""
    return {
        file.path: b"".join([piece async for piece in t.read_file(run_id, file.path, at=at)]).decode()
        for file in await t.files(run_id, at=at)
        if file.kind == "file"
    }
