"""Exit codes: the only place where they are said. They do not change between versions."""

from __future__ import annotations

from enum import IntEnum

from holdfast import errors


class Exit(IntEnum):
    """What the command's exit code says."""

    OK = 0
    RUN_FAILED = 1
    USAGE = 2
    NOT_FOUND = 3
    STORE_UNUSABLE = 4
    CONFLICT = 5
    TRY_AGAIN = 6
    DIVERGED = 7
    FAULT = 70
    INTERRUPTED = 130
    READER_GONE = 141


MEANING = {
    Exit.OK: "done; with `watch` and `--wait`: the run succeeded",
    Exit.RUN_FAILED: "the run failed, was cancelled, or is blocked; `doctor` found a problem",
    Exit.USAGE: "wrong usage: options, arguments, a value, or the module of the app",
    Exit.NOT_FOUND: "no such run, agent or promise",
    Exit.STORE_UNUSABLE: "the store is missing, foreign, damaged or newer",
    Exit.CONFLICT: "the state forbids it (for some runs at least): key taken, promise resolved, run ended, not blocked",
    Exit.TRY_AGAIN: "the store is busy or full: the same command may succeed later",
    Exit.DIVERGED: "a recorded run, replayed, does something else than is recorded",
    Exit.FAULT: "a fault of Holdfast, or of the app's own lifespan: a traceback was written",
    Exit.INTERRUPTED: "interrupted; runs go on without their watcher",
    Exit.READER_GONE: "whoever read the output closed it (`… | head`)",
}

_OF_ERROR: tuple[tuple[type[errors.HoldfastError], Exit], ...] = (
    (errors.UsageError, Exit.USAGE),
    (errors.NotStorable, Exit.USAGE),
    (errors.NotFound, Exit.NOT_FOUND),
    (errors.KeyConflict, Exit.CONFLICT),
    (errors.WrongState, Exit.CONFLICT),
    (errors.DeskRefused, Exit.CONFLICT),
    (errors.NotAuthenticated, Exit.USAGE),
    (errors.ScopeMissing, Exit.USAGE),
    (errors.StoreUnusable, Exit.STORE_UNUSABLE),
    (errors.StoreRejected, Exit.STORE_UNUSABLE),
    (errors.StoreError, Exit.TRY_AGAIN),
    (errors.HoldfastError, Exit.RUN_FAILED),
)


class Conflict(errors.HoldfastError):
    """Something is in the way, and is left as it is."""


class Diverges(errors.HoldfastError):
    """A run, replayed, does something else than is recorded."""


def code_of(error: errors.HoldfastError) -> Exit:
    """The exit code of an error."""
    if isinstance(error, Conflict):
        return Exit.CONFLICT
    if isinstance(error, Diverges):
        return Exit.DIVERGED
    return next(code for cls, code in _OF_ERROR if isinstance(error, cls))


def epilog() -> str:
    """The codes, for the help text."""
    return "Exit codes: " + "; ".join(f"{code:d} {MEANING[code]}" for code in Exit) + "."
