"""Discretion: libraries that send log addresses, and addresses hold tokens. What they log of our sending is dropped."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_TALKATIVE = ("apprise", "httpx2", "requests_oauthlib.oauth1_session", "urllib3.connectionpool", "urllib3.util.retry")
_ours: ContextVar[bool] = ContextVar("holdfast_notifying", default=False)


class _Discreet(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return not _ours.get()


_filter = _Discreet()


@contextmanager
def discreetly() -> Iterator[None]:
    """Inside, and in threads begun there with ``asyncio.to_thread``, the libraries log nothing."""
    for name in _TALKATIVE:
        logging.getLogger(name).addFilter(_filter)  # adding it again changes nothing
    token = _ours.set(True)
    try:
        yield
    finally:
        _ours.reset(token)
