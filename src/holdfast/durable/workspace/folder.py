"""The directory of a workspace on this machine: one activation's alone, as long as it is in memory.

Two activations of one run can overlap: a worker that lost its lease while it was stopped has not noticed yet, and its
threads still write. So whoever comes first locks the name, and the other takes a name of its own. The locks are ranges
of one file per root, held by the process: they end with it, however it ends, and cost no descriptor per run.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import stat
import tempfile
import threading
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from holdfast import codec
from holdfast.errors import BadOption

_locks: dict[tuple[int, Path], _Locks] = {}  # by process: a forked child does not have its parent's
_changing = threading.Lock()


def root_of(setting: str) -> Path:
    """The root that a setting names; by default one of this user's own, in the folder for temporary files."""
    own = Path(tempfile.gettempdir()) / f"holdfast-{os.getuid()}"
    return Path(os.path.realpath(setting or own))


class Folder:
    """The directory of one activation's workspace.

    Args:
        root: the folder in which it is.
        run_id: the run's, which names it.
        epoch: of the activation, which names it if another activation still holds the name.
    """

    def __init__(self, root: Path, run_id: str, epoch: int) -> None:
        self._root = root
        self._names = (run_id, f"{run_id}.{epoch}")
        self._name = run_id
        self._held = False
        self._problem: Exception | None = None

    @property
    def path(self) -> Path:
        """Where it is."""
        return self._root / self._name

    def claim(self) -> Path:
        """Choose the name. What stands in the way is raised by :meth:`make`: no body has to deal with it."""
        try:
            self._name = next(name for name in self._names if _acquire(self._root, name))
            self._held = True
        except (OSError, BadOption) as error:
            self._problem = error
        return self.path

    def make(self) -> None:
        """Make the directory. Blocking.

        Raises:
            OSError: it cannot be made.
            BadOption: the root is somebody else's.
        """
        if self._problem is not None:
            raise self._problem
        if not is_folder(self.path):
            self.path.unlink(missing_ok=True)
            self.path.mkdir(mode=0o700)
        self.path.chmod(0o700)

    def remove(self) -> None:
        """Remove what can be removed of it. Blocking."""
        if self._held and is_folder(self.path):
            with suppress(OSError):
                clear(self.path)
            shutil.rmtree(self.path, ignore_errors=True)

    def release(self) -> None:
        """Let others have the name."""
        if self._held:
            self._held = False
            _release(self._root, self._name)


def is_folder(path: Path) -> bool:
    """Whether it is a directory, and no link to one."""
    return path.is_dir() and not path.is_symlink()


def clear(folder: Path) -> None:
    """Make it possible to list and to change every directory in a folder, whatever mode a step gave it."""
    folder.chmod(0o700)
    for parent, names, _ in os.walk(folder):  # top down: each is listed after its mode was set; links are not followed
        for name in names:
            child = Path(parent, name)
            if not child.is_symlink():
                child.chmod(0o700)


@dataclass(slots=True)
class _Locks:
    """What this process holds in one root."""

    file: int
    held: set[str] = field(default_factory=set)  # POSIX locks do not keep a process off its own


def _acquire(root: Path, name: str) -> bool:
    key = os.getpid(), root
    with _changing:
        if key not in _locks:
            _locks[key] = _Locks(_opened(root))
        locks = _locks[key]
        if name in locks.held or not _lock(locks.file, name):
            return False
        locks.held.add(name)
        return True


def _release(root: Path, name: str) -> None:
    key = os.getpid(), root
    with _changing:
        locks = _locks[key]
        locks.held.discard(name)
        fcntl.lockf(locks.file, fcntl.LOCK_UN, 1, _offset(name))
        if not locks.held:  # not before: to close any descriptor of a file drops all of the process's locks on it
            os.close(_locks.pop(key).file)


def _lock(file: int, name: str) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _offset(name))
    except BlockingIOError:
        return False
    return True


def _opened(root: Path) -> int:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _refuse_foreign(root)
    return os.open(root / ".locks", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)


def _offset(name: str) -> int:
    return codec.hash64(name) & (2**62 - 1)


def _refuse_foreign(root: Path) -> None:
    """In a folder that everybody may write to, somebody else may have taken the name first."""
    shared = root.parent.stat().st_mode & stat.S_IWOTH
    if shared and root.stat().st_uid != os.getuid():
        raise BadOption(f"workspaces cannot be in {root}, which is somebody else's: set HOLDFAST_WORKSPACES")
