"""How a body's end becomes a run's end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from holdfast import codec
from holdfast.durable.blame import blamed
from holdfast.durable.core import Cancelling, Core
from holdfast.durable.draft import renumbered
from holdfast.durable.outcomes import CANCELLED, RUN_TIMED_OUT
from holdfast.errors import NotStorable
from holdfast.records.delta import Block, End, Finish, Renew
from holdfast.records.journal import Entry
from holdfast.records.run import Status


def end_of(core: Core, returns: Any, at: int) -> End:
    """The end of a core that has stopped: blocked, continued, or finished."""
    if core.blocked is not None:
        return Block(why=codec.pack_failure("Blocked", core.blocked.message))
    if core.continuing is not None:
        promises, cancel = core.undelivered()
        return _renewed(core, promises) if cancel is None else cancelled(cancel, at)
    if core.cancelling is not None:
        return cancelled(core.cancelling, at)
    return _finished(core, returns, at)


def cancelled(cancelling: Cancelling, at: int) -> Finish:
    """The end of a cancelled run, whatever its body returned."""
    if cancelling.timed_out:
        value = codec.pack_failure(RUN_TIMED_OUT, cancelling.reason)
        return Finish(status=Status.FAILED, value=value, at=at, because=cancelling.seq)
    value = codec.pack_failure(CANCELLED, cancelling.reason or "cancelled")
    return Finish(status=Status.CANCELLED, value=value, at=at, because=cancelling.seq)


def failed(type_name: str, message: str, at: int) -> Finish:
    """The end of a run that the runtime gives up."""
    return Finish(status=Status.FAILED, value=codec.pack_failure(type_name, message), at=at)


def _renewed(core: Core, promises: Sequence[Entry]) -> Renew:
    call = core.continuing
    assert call is not None, "asked only when it is set"
    return Renew(
        agent=call.target.name,
        version=call.version,
        input=codec.pack(call.packed_arguments()),
        digest=core.identity.digest,  # start() under the run's key must find it whatever it goes on with
        carry=renumbered(promises),
    )


def _finished(core: Core, returns: Any, at: int) -> Finish:
    task = core.root.main
    assert task is not None, "a finished body has a task"
    if task.cancelled():
        return failed("CancelledError", "the body cancelled itself", at)
    error = task.exception()
    if error is None:
        try:
            value = core.place.shown(codec.shape_of(returns).settle(task.result())[0])
            return Finish(status=Status.SUCCEEDED, value=codec.pack(value), at=at)
        except NotStorable as problem:
            error = problem
    return Finish(status=Status.FAILED, value=codec.failure_of(error).pack(), at=at, because=blamed(error))
