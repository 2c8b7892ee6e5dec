"""E-mail, Slack, and a hundred other services, through apprise (the extra ``apprise``)."""

from __future__ import annotations

import asyncio
import re
from typing import Any
from urllib.parse import unquote, urlsplit

from holdfast.approvals.notifications.answer import Answer
from holdfast.approvals.notifications.channel import Channel
from holdfast.approvals.notifications.discretion import discreetly
from holdfast.approvals.notifications.reach import Reach, reaching
from holdfast.errors import BadOption, UsageError

TIMEOUT = 60.0  # seconds; its services have time limits of their own, and some need several requests
_SHORTEST = 4  # characters that could be a secret


def check(url: str) -> None:
    """See that apprise knows what to do with an address.

    Raises:
        BadOption: it does not; the message does not show it.
        UsageError: apprise is not installed.
    """
    with discreetly():
        known = _apprise().Apprise().add(url)
    if not known:
        scheme = urlsplit(url).scheme
        raise BadOption(f"apprise does not take this {scheme or '(no scheme)'}:// address: see its page on the service")


async def notify(channel: Channel, reach: Reach, title: str, text: str) -> Answer:
    """Send it once, to nothing beyond reach."""
    try:
        with discreetly(), reaching(reach):
            sending = asyncio.to_thread(_notify, channel.url.get_secret_value(), title, text)
            return await asyncio.wait_for(sending, TIMEOUT)
    except TimeoutError:
        return Answer(ok=False, error=f"not sent within {TIMEOUT:.0f} s")
    except Exception as error:  # a plugin's, of which there are a hundred: the message is tried again
        return Answer(ok=False, error=_without_secrets(f"{type(error).__name__}: {error}", channel))


def _notify(url: str, title: str, text: str) -> Answer:
    library = _apprise()
    service = library.Apprise()
    service.add(url)
    if service.notify(title=title, body=text, body_format=library.NotifyFormat.TEXT):
        return Answer(ok=True)
    return Answer(ok=False, error=f"apprise could not deliver it to {urlsplit(url).scheme}://…")


def _without_secrets(text: str, channel: Channel) -> str:
    """The text without any word of the address, for that may be a token."""
    url = channel.url.get_secret_value()
    words = re.split(r"[:/?&=@#]+", url)
    for word in sorted({*words, *map(unquote, words)}, key=len, reverse=True):
        if len(word) >= _SHORTEST:
            text = text.replace(word, "…")
    return " ".join(text.split())[:300]


def _apprise() -> Any:
    try:
        import apprise
    except ImportError:
        raise UsageError(
            "channels other than webhooks need an extra: pip install 'holdfast[apprise]', for the workers too"
        ) from None
    return apprise
