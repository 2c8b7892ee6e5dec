"""Quotas as apps declare them: how much of an agent all workers together may do."""

from __future__ import annotations

import re

from holdfast.clock import micros
from holdfast.errors import BadOption
from holdfast.records.worker import Quota

_RATE = re.compile(r"(\d+)\s*/\s*(\S+)")


def quota_of(limit: int | None, rate: str | None) -> Quota | None:
    """The quota that an agent's ``limit`` and ``rate`` say; None if it has neither.

    Raises:
        BadOption: one of them makes no sense.

    Example:
        >>> quota_of(50, "10/1m")
        Quota(limit=50, starts=10, period=60000000)
    """
    if limit is None and rate is None:
        return None
    if limit is not None and (isinstance(limit, bool) or not isinstance(limit, int) or limit < 1):
        raise BadOption(f"limit={limit!r}: how many runs of the agent may be in memory at once, 1 or more")
    if rate is None:
        return Quota(limit=limit)
    found = _RATE.fullmatch(rate) if isinstance(rate, str) else None
    if found is None:
        raise BadOption(f"rate={rate!r}: write how many runs may begin in which time, such as '10/1m' or '5/s'")
    period = found[2] if found[2][0].isdigit() else f"1{found[2]}"
    quota = Quota(limit=limit, starts=int(found[1]), period=micros(period))
    if not (quota.starts and quota.period):
        raise BadOption(f"rate={rate!r}: at least one run, in some time")
    return quota
