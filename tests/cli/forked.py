"""The command in a forked process, which has everything imported: for what is not about the beginning of a process."""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, NoReturn

from holdfast.cli import main

Done = tuple[int, str, str]  # exit code, and what was said on either stream


def run(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], stdin: str, within: float) -> Done:
    """Run ``holdfast …`` to its end: its exit code, and what it said on either stream."""
    with TemporaryFile() as said, TemporaryFile() as out, TemporaryFile() as err:
        said.write(stdin.encode())
        said.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # of threads: none holds a lock that the child needs
            pid = os.fork()
        if pid == 0:
            _live(arguments, folder, environment, [said, out, err])
        return _end_of(pid, within), _text(out), _text(err)


def _end_of(pid: int, within: float) -> int:
    end = os.pidfd_open(pid)
    try:
        if not select.select([end], [], [], within)[0]:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(end)
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert code != -signal.SIGKILL, f"the command did not end within {within:g} s"
    return code


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode().replace("\r\n", "\n")


def _live(arguments: Sequence[str], folder: Path, environment: Mapping[str, str], files: list[IO[bytes]]) -> NoReturn:
    code = 1
    try:
        for number, file in enumerate(files):
            os.dup2(file.fileno(), number)
        sys.stdin, sys.stdout, sys.stderr = map(os.fdopen, range(3), "rww")
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _forget_the_tests()
        main(arguments)
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the tests' own clean-up is none of this process's business


def _forget_the_tests() -> None:
    sys.path.insert(0, "")
    for name in ("shop", "depot"):
        sys.modules.pop(name, None)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # the tests have one for their time
    logging.root.handlers.clear()
    logging.root.setLevel(logging.WARNING)
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)
