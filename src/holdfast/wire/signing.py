"""Signatures of webhooks, after the Standard Webhooks specification (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterable

from holdfast.errors import BadOption

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes, as the specification wants
_SIGNATURES = 20  # of one message, at the most: one per key while keys are rotated


def key_of(secret: str) -> bytes:
    """The key in a secret.

    Raises:
        BadOption: it is none; the message does not show it.
    """
    try:
        key = base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if not _SHORTEST <= len(key) <= _LONGEST:
        raise BadOption(f"a webhook's secret is {PREFIX} and base64 of {_SHORTEST} to {_LONGEST} bytes: this is not")
    return key


def secret_of(key: bytes) -> str:
    """The secret that a key is given to people as."""
    return PREFIX + base64.b64encode(key).decode()


def signed(secret: str, message_id: str, at: int, body: bytes) -> dict[str, str]:
    """The headers of a message.

    Args:
        secret: the channel's.
        message_id: the same whenever this message is sent again.
        at: the time of sending, in seconds.
        body: exactly what is sent.
    """
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": _signature(secret, message_id, str(at), body),
    }


def is_signed(secrets: Iterable[str], message_id: str, at: str, signatures: str, body: bytes) -> bool:
    """Whether one of the signatures of a message is by one of these secrets.

    Args:
        secrets: any of them may have signed it.
        message_id: ``webhook-id``, as it came.
        at: ``webhook-timestamp``, as it came.
        signatures: ``webhook-signature``: versions and signatures, separated by blanks. Versions other than ``v1`` are
            passed over.
        body: exactly what came.

    Example:
        >>> headers = signed(secret := secret_of(bytes(32)), "msg-1", 1_795_000_000, b"{}")
        >>> is_signed([secret], "msg-1", "1795000000", headers["webhook-signature"], b"{}")
        True
    """
    given = [one.encode("utf-8", "replace") for one in signatures.split(" ")[:_SIGNATURES]]
    wanted = [_signature(secret, message_id, at, body).encode() for secret in secrets]
    return any(hmac.compare_digest(one, other) for one in wanted for other in given)


def _signature(secret: str, message_id: str, at: str, body: bytes) -> str:
    content = b".".join((message_id.encode("utf-8", "replace"), at.encode("utf-8", "replace"), body))
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"
