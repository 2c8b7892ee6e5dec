"""How the command says that something went wrong: one line on standard error, or one JSON object."""

from __future__ import annotations

import json
import sys

from holdfast.cli.codes import Exit
from holdfast.console import on_line


def tell(kind: str, message: str, code: Exit, *, as_json: bool) -> None:
    """Say it.

    Args:
        kind: the name of the error's class.
        message: what happened and what to do.
        code: the exit code that will follow.
        as_json: as ``{"error": kind, "message": message, "code": code}``.
    """
    if as_json:
        print(json.dumps({"error": kind, "message": message, "code": int(code)}, ensure_ascii=False), file=sys.stderr)
    else:
        print(f"error: {on_line(message)}", file=sys.stderr)
