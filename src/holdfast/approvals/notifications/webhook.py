"""Webhooks: a message as one signed POST, after the Standard Webhooks specification."""

from __future__ import annotations

import asyncio
import json
from email.utils import parsedate_to_datetime
from typing import Any

import httpx2

from holdfast.approvals.notifications.answer import Answer
from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.direct import transport
from holdfast.approvals.notifications.discretion import discreetly
from holdfast.approvals.notifications.reach import Reach
from holdfast.clock import SECOND, from_datetime
from holdfast.errors import BadOption
from holdfast.wire.signing import signed

TIMEOUT = 15.0  # seconds for all of it; the specification advises 15 to 30
_LATEST = 86_400 * SECOND  # a receiver cannot put us off for longer
_GONE = 410


def new_client(reach: Reach) -> httpx2.AsyncClient:
    """A client for webhooks: no redirects, no cookies to speak of, and no connection beyond reach."""
    return httpx2.AsyncClient(
        follow_redirects=False, timeout=TIMEOUT, headers={"user-agent": "holdfast"}, transport=transport(reach)
    )


async def post(
    client: httpx2.AsyncClient, channel: Channel, message_id: str, content: dict[str, Any], now: int
) -> Answer:
    """Send it once. Of the answer only the status is looked at, and never more than its head is read.

    Args:
        client: what sends.
        channel: where to.
        message_id: the same whenever this message is sent again.
        content: the message.
        now: the time, in microseconds.
    """
    body = json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
    headers = signed(channel.secret.get_secret_value(), message_id, now // SECOND, body)
    headers["content-type"] = "application/json"
    url = channel.url.get_secret_value()
    try:
        with discreetly():
            async with asyncio.timeout(TIMEOUT), client.stream("POST", url, content=body, headers=headers) as response:
                client.cookies.clear()
                return _answer(response, now)
    except TimeoutError:
        return Answer(ok=False, error=f"no answer within {TIMEOUT:.0f} s")
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return Answer(ok=False, error=f"{type(error).__name__}: {error}".replace(url, channel.address)[:300])


def _answer(response: httpx2.Response, now: int) -> Answer:
    status = response.status_code
    if response.is_success:
        return Answer(ok=True)
    said = f"it answered {status} {response.reason_phrase}"[:120]
    if response.is_redirect:
        return Answer(ok=False, error=f"{said}: redirects are not followed, give the address that it leads to")
    return Answer(ok=False, error=said, gone=status == _GONE, not_before=_retry_after(response, now))


def _retry_after(response: httpx2.Response, now: int) -> int | None:
    """When the receiver may be tried again, in microseconds (RFC 9110, 10.2.3: seconds, or a date)."""
    text = response.headers.get("retry-after", "")
    if text.isascii() and text.isdigit():
        return now + min(int(text[:9]) * SECOND, _LATEST)
    try:
        return min(from_datetime(parsedate_to_datetime(text)), now + _LATEST)
    except (ValueError, BadOption):  # it says none, or nonsense, or leaves out the time zone
        return None
