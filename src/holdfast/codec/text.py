"""Canonical JSON, digests, and text that every store can hold."""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import PurePath
from typing import Any

from holdfast.errors import NotStorable


def canonical(value: Any) -> bytes:
    """The one JSON text of a JSON value: keys sorted, no spaces, UTF-8.

    Raises:
        NotStorable: the value is not made of None, bool, int, float, str, list and dict, or is not valid Unicode.

    Example:
        >>> canonical({"b": 1, "a": [True, None]})
        b'{"a":[true,null],"b":1}'
    """
    try:
        return _canonical(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise NotStorable(f"not a JSON value: {type(error).__name__} in a {type_name(type(value))}") from error


_canonical = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def fingerprint(data: bytes) -> bytes:
    """Sixteen bytes (BLAKE2b) that tell whether two encoded values are the same."""
    return hashlib.blake2b(data, digest_size=16).digest()


def hash64(text: str) -> int:
    """A signed 64-bit number (BLAKE2b) of a text, equal in every process; any str will do, also lone surrogates."""
    digest = hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


def clean(text: str) -> str:
    r"""The text with what UTF-8 or PostgreSQL cannot hold (lone surrogates, NUL) written as ``\ud800``, ``\x00``."""
    if text.isascii() and "\x00" not in text:
        return text
    return text.replace("\x00", "\\x00").encode("utf-8", "backslashreplace").decode()


def type_name(cls: type) -> str:
    """The module-qualified name of a class, without ``builtins.``.

    A class of the script that was started has the module it would have if it were imported: the same code runs
    as ``python claims.py`` and under ``holdfast worker claims:app``, and both have to give the same name.

    Example:
        >>> type_name(ValueError), type_name(PurePath)
        ('ValueError', 'pathlib.PurePath')
    """
    module = str(getattr(cls, "__module__", "") or "")
    if module == "__main__":
        module = _main_module()
    return cls.__qualname__ if module in ("", "builtins") else f"{module}.{cls.__qualname__}"


def _main_module() -> str:
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return str(spec.name).removesuffix(".__main__")
    return PurePath(getattr(main, "__file__", None) or "__main__").stem
