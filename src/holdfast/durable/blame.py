"""Which recorded failure made a run fail: that is where a retry begins."""

from __future__ import annotations

from holdfast.errors import CallFailed


def blamed(error: BaseException) -> int | None:
    """The number of the entry whose failure an exception comes from; None if the body raised it by itself.

    Causes count like the exception itself, and so does what was being handled when it was raised. Of a group, the
    failure that was observed first.
    """
    return _blamed(error, set())


def _blamed(error: BaseException, seen: set[int]) -> int | None:
    """As above; an exception that is taken out of a group and raised has the group behind it, so ``seen`` is shared."""
    pending: BaseException | None = error
    while pending is not None and id(pending) not in seen:
        seen.add(id(pending))
        if isinstance(pending, CallFailed) and pending.seq is not None:
            return pending.seq
        if isinstance(pending, BaseExceptionGroup):
            found = [seq for one in pending.exceptions if (seq := _blamed(one, seen)) is not None]
            return min(found, default=None)
        pending = pending.__cause__ or pending.__context__
    return None
