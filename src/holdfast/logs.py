"""Structured logs: each line says to which run, agent, version, step and attempt it belongs, and whether it repeats.

Lines of Holdfast itself carry these in ``extra={"holdfast": {...}}``. Lines of anybody else's code get them from where
that code runs: :class:`Where` asks the body's scope, or the step that is running. So an agent logs as any code does::

    logging.getLogger("claims").info("looking at %s", claim.id)
"""

from __future__ import annotations

import json
import logging
import sys
from typing import TextIO

from holdfast.clock import SECOND, to_datetime
from holdfast.durable.effects import step_or_none
from holdfast.durable.scope import scope_or_none

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "holdfast"}


def here() -> dict[str, object]:
    """Where the calling code is: ``run agent version``, and ``step attempt`` or ``branch``; empty outside runs.

    ``replay`` is true while a body goes again through what it has recorded: such a line was probably logged before.
    """
    if (scope := scope_or_none()) is not None:
        core = scope.core
        fields = {"run": core.run_id, "agent": core.identity.agent, "version": core.identity.version}
        return fields | ({"branch": scope.path} if scope.path else {}) | {"replay": core.replaying}
    if (step := step_or_none()) is not None:
        fields = {"run": step.run, "agent": step.agent, "version": step.version, "step": step.step}
        return fields | {"attempt": step.attempt, "replay": False}
    return {}


class Where(logging.Filter):
    """Puts :func:`here` into each record, as ``record.holdfast``. Add it to handlers of your own.

    To handlers, not to loggers: a logger's filters do not see the records of the loggers below it.

    Example:
        >>> handler = logging.StreamHandler()
        >>> handler.addFilter(Where())
    """

    def filter(self, record: logging.LogRecord) -> bool:
        vars(record)["holdfast"] = here() | vars(record).get("holdfast", {})
        return True


class JsonFormatter(logging.Formatter):
    """One JSON object per line: ``at level logger message``, the fields of the run, then those given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        line = {"at": _at(record), "level": record.levelname.lower(), "logger": record.name}
        line |= {"message": record.getMessage()} | vars(record).get("holdfast", {})
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and name not in line}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        if record.stack_info:
            line["stack"] = self.formatStack(record.stack_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class PlainFormatter(logging.Formatter):
    """One line for people: time, level, logger, message, then the fields as ``name=value``."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # the name is logging's
        fields = vars(record).get("holdfast", {})
        shown = "".join(f" {name}={value}" for name, value in fields.items() if name != "replay")
        again = " replay" if fields.get("replay") else ""
        return f"{_at(record)} {record.levelname:<8} {record.name}: {record.message}{shown}{again}"


def configure(*, json: bool = False, level: int | str = logging.INFO, stream: TextIO | None = None) -> None:
    """Send the logs of this process to standard error, structured; other handlers of the root logger are removed.

    Args:
        json: one JSON object per line, else lines for people.
        level: the lowest level that is shown, such as ``"INFO"``.
        stream: elsewhere than to standard error.

    Example:
        >>> configure(json=True, level="WARNING")
    """
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if json else PlainFormatter())
    handler.addFilter(Where())
    logging.basicConfig(handlers=[handler], level=level, force=True)


def _at(record: logging.LogRecord) -> str:
    return to_datetime(int(record.created * SECOND)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
