"""The context of bodies: durable primitives, and the patterns on top of them."""

from __future__ import annotations

from typing import Any, Generic, NoReturn

from typing_extensions import TypeVar

from holdfast.approvals.approved import ApprovedCall
from holdfast.approvals.asking import Approving
from holdfast.durable.calls import Call
from holdfast.durable.context import BaseContext
from holdfast.durable.handles import Run

D = TypeVar("D", default=None)
R = TypeVar("R")


class Context(BaseContext[D], Approving, Generic[D]):
    """The first parameter of an agent.

    Attributes:
        run_id: the run's id.
        deps: what the app's lifespan yielded; live objects for steps, not recorded.
    """

    async def start(self, call: Call[R], /, *, key: str | None = None, detached: bool = False) -> Run[R]:
        if isinstance(call, ApprovedCall):
            call = await call.released("started")
        return await super().start(call, key=key, detached=detached)

    start.__doc__ = BaseContext.start.__doc__

    async def continue_as(self, call: Call[Any], /) -> NoReturn:
        if isinstance(call, ApprovedCall):
            call = await call.released("continued as")
        await super().continue_as(call)

    continue_as.__doc__ = BaseContext.continue_as.__doc__
