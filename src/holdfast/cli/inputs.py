"""JSON that a person gives: on the command line, in a file, on standard input; and as the arguments of an agent."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from holdfast.durable.calls import Call
from holdfast.durable.catalog import Agent
from holdfast.durable.given import call_given
from holdfast.errors import UsageError


def parse(text: str, what: str) -> Any:
    """A JSON value.

    Raises:
        UsageError: it is none; ``what`` names it.
    """
    try:
        return json.loads(text)
    except ValueError as error:
        advice = "" if text[:1] in ("{", "[", '"') else f"; text is written with quotes, '{json.dumps(text[:40])}'"
        raise UsageError(f"{what} is not JSON: {text[:80]!r} ({error}){advice}") from error


def read(given: str, what: str) -> Any:
    """The JSON value that was given as itself, as ``@file``, or as ``-`` (standard input).

    Raises:
        UsageError: it is no JSON, or the file cannot be read.
    """
    try:
        if given == "-":
            return parse(sys.stdin.read(), f"{what} (standard input)")
        if given.startswith("@"):
            return parse(Path(given[1:]).read_text(encoding="utf-8"), f"{what} ({given[1:]})")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{what} cannot be read: {error}") from error
    return parse(given, what)


def call_of(agent: Agent[Any, Any], texts: Sequence[str], whole: str | None) -> Call[Any]:
    """A call of an agent with arguments given as JSON.

    Args:
        agent: of which.
        texts: one JSON value for each positional argument.
        whole: instead of them, an object (by name) or a list (by position), as :func:`read` takes it.

    Raises:
        UsageError: they do not fit the agent's signature; the message names the argument.
    """
    if texts and whole is not None:
        raise UsageError("arguments are given one by one or with --input, not both")
    values = [parse(text, f"argument {number}") for number, text in enumerate(texts, 1)]
    given = values if whole is None else read(whole, "--input")
    if not isinstance(given, list | dict):
        raise UsageError("--input takes an object (arguments by name) or a list (by position)")
    return call_given(agent, given)


def web_address(text: str, what: str) -> str:
    """The address of a server as people reach it, without a slash at its end.

    Raises:
        UsageError: it is none, or has more than a host and a port; ``what`` names it.
    """
    try:
        parts = urlsplit(text)
        plain = bool(parts.hostname) and (parts.port is None or parts.port > 0) and parts.path in ("", "/")
    except ValueError:
        plain = False
    if not plain or parts.scheme not in ("http", "https") or parts.query or parts.fragment or parts.username:
        raise UsageError(f"{what} is no address of a server: {text[:80]!r}; write https://holdfast.example.com")
    return text.rstrip("/")
