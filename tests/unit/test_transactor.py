"""A transaction that does not end is named in the log, with what it holds up."""

from __future__ import annotations

import pytest

from holdfast.durable import transactor
from holdfast.store.transactions import Work

HELD_UP = {False: "every writer waits for it", True: "whoever wants the rows that it has written waits"}


@pytest.mark.parametrize("is_async", HELD_UP)
def test_it_says_who_waits(caplog: pytest.LogCaptureFixture, is_async: bool) -> None:
    work = Work(
        rid=1, epoch=1, key="r-1/book#1", fingerprint=b"", do=lambda _: b"", is_async=is_async, limit=5.0,
        wanted=lambda: True,
    )  # fmt: skip
    transactor._complain(work)
    assert "the transaction of r-1/book#1 has not ended after 6.0 s" in caplog.text
    assert HELD_UP[is_async] in caplog.text
