"""Signatures of webhooks, after the Standard Webhooks specification (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from holdfast.errors import BadOption

PREFIX = "whsec_"
_SHORTEST, _LONGEST = 24, 64  # bytes, as the specification wants


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
    content = b".".join((message_id.encode(), str(at).encode(), body))
    signature = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{base64.b64encode(signature).decode()}",
    }
