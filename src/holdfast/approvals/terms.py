"""Terms: whom an approval is asked of, for how long, and what follows if nobody decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import get_args

from holdfast.approvals.case import ROLE
from holdfast.approvals.decision import Escalate, Last, OnExpire
from holdfast.approvals.request import Ends, NextHop
from holdfast.approvals.routing import people
from holdfast.clock import Duration, micros
from holdfast.durable.calls import Fact
from holdfast.errors import BadOption


@dataclass(frozen=True, kw_only=True, slots=True)
class Terms:
    """What is asked along with a matter; :func:`terms_of` checks it."""

    because: str = ""
    to: tuple[str, ...] = ()
    within: int | None = None
    on_expire: tuple[NextHop | Ends, ...] = ("expire",)
    quorum: int = 1
    risk: int = 0
    requester: str = ""
    facts: dict[str, Fact] = field(default_factory=dict)


def terms_of(
    *,
    because: str,
    to: str | Sequence[str],
    within: Duration | None,
    on_expire: OnExpire,
    risk: int,
    quorum: int = 1,
    requester: str = "",
    confidence: float | None = None,
) -> Terms:
    """Terms, checked.

    Raises:
        BadOption: one of them makes no sense.
    """
    for name, text in (("because", because), ("requester", requester)):
        if not isinstance(text, str):
            raise BadOption(f"{name}={text!r}: a text is needed")
    _check_number("risk", risk, 0, 100)
    _check_number("quorum", quorum, 1, 1000)
    asked = people(to)
    check_quorum(quorum, asked)
    chain = _chain(on_expire)
    if within is None and chain != ("expire",):
        raise BadOption("on_expire= without within=: say how long they have")
    for hop in chain:
        if isinstance(hop, NextHop):
            check_quorum(quorum, hop.to)
    return Terms(
        because=because,
        to=asked,
        within=None if within is None else micros(within),
        on_expire=chain,
        quorum=quorum,
        risk=risk,
        requester=requester,
        facts={} if confidence is None else {"confidence": _checked_confidence(confidence)},
    )


def _check_number(name: str, value: int, least: int, most: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
        raise BadOption(f"{name}={value!r}: a whole number from {least} to {most}")


def _checked_confidence(value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        raise BadOption(f"confidence={value!r}: a finite number, usually from 0 to 1")
    return value


def check_quorum(quorum: int, to: tuple[str, ...]) -> None:
    """Refuse that more people have to approve than are asked.

    Raises:
        BadOption: so many will never.
    """
    if to and len(to) < quorum and not any(one.startswith(ROLE) for one in to):
        raise BadOption(f"quorum={quorum} of {', '.join(to)}: so many will never approve")


def _chain(on_expire: OnExpire) -> tuple[NextHop | Ends, ...]:
    steps = (on_expire,) if isinstance(on_expire, str | Escalate) else tuple(on_expire)
    hops = tuple(_step(step) for step in steps)
    if any(not isinstance(hop, NextHop) for hop in hops[:-1]):
        raise BadOption(f"on_expire={on_expire!r}: {', '.join(get_args(Last))} come last: nothing follows")
    return hops if hops and not isinstance(hops[-1], NextHop) else (*hops, "expire")


def _step(step: Escalate | str) -> NextHop | Ends:
    if isinstance(step, Escalate):
        return NextHop(to=people(step.to), within=micros(step.within))
    for word in get_args(Ends):
        if step == word:
            found: Ends = word
            return found
    raise BadOption(f"on_expire={step!r}: choose {', '.join(get_args(Last))}, or Escalate(to, within=…)")
