"""Secrets: only their digests are kept. They are random and long, so a plain digest cannot be turned round."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from holdfast import codec


def digest_of(secret: str) -> str:
    """SHA-256 of a secret, in hexadecimal digits: the id of the document that is about it."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def packed(body: dict[str, Any]) -> bytes:
    """The body of a document."""
    return codec.pack(codec.canonical(body))


def unpacked(body: bytes) -> Any:
    """What :func:`packed` packed."""
    return json.loads(codec.unpack(body))
