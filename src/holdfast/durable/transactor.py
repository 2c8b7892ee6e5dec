"""The transactor: runs a step's function inside a transaction of the store, which keeps what it returned.

So the effect and the record of it are one. That the run goes on with the value is written later, as for all steps; if
the worker dies in between, the next one asks again under the same key and is given what is kept.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from holdfast import codec
from holdfast.clock import jitter
from holdfast.durable.asks import Effect
from holdfast.durable.effects import Ended, StepInfo, is_async, timed_out
from holdfast.errors import BadOption, CommitUnknown, KeyConflict, LeaseLost, StoreBusy
from holdfast.store.transactions import Transacted, Work, WorkFailed, WorkTooLong

logger = logging.getLogger("holdfast.step")

_FIRST_WAIT, _LONGEST_WAIT = 0.02, 2.0


class Transactor:
    """Runs transactional steps.

    Args:
        transact: the store's, for this worker.
        may_begin: whether the lease allows anything to begin.
        longest: seconds that a transaction may take at the most: a part of the lease, which others wait for.
    """

    def __init__(
        self, transact: Callable[[Work], Awaitable[Transacted]], may_begin: Callable[[], bool], longest: float
    ) -> None:
        self._transact = transact
        self._may_begin = may_begin
        self._longest = longest

    async def attempt(self, effect: Effect, info: StepInfo) -> Ended:
        """Run the function once, or learn what it returned when it did; raises what it raised.

        Raises:
            LeaseLost: the run has, or will have, another owner.
            StoreError: the store can never do it.
        """
        given_up = threading.Event()
        work = self._work(effect, info, given_up)
        late = asyncio.get_running_loop().call_later(work.limit + 1, _complain, work)
        try:
            done = await self._insist(work)
        except WorkFailed as failed:
            raise failed.error from None
        except WorkTooLong as slow:
            return timed_out(effect.call.options, str(slow))
        except BadOption as error:  # it would be the same the next time
            return Ended(ok=False, value=codec.failure_of(error).pack())
        finally:
            late.cancel()
            given_up.set()  # nobody waits any more: what is still at work then is not committed
        if done.fingerprint and effect.fingerprint and done.fingerprint != effect.fingerprint:
            return _conflict(work)
        return Ended(ok=True, value=done.value)

    def _work(self, effect: Effect, info: StepInfo, given_up: threading.Event) -> Work:
        call, (rid, epoch) = effect.call, info.owner
        timeout = call.options.timeout
        context = contextvars.copy_context()  # of its step, in whatever thread it runs

        def do(transaction: Any) -> bytes | Awaitable[bytes]:
            args, kwargs = call.arguments()
            result = context.run(call.target.fn, transaction, *args, **kwargs)
            return _packed_later(effect, result) if asynchronous else _packed(effect, result)

        asynchronous = is_async(call.target.fn)
        return Work(
            rid=rid, epoch=epoch, key=info.idempotency_key, fingerprint=effect.fingerprint, do=do,
            is_async=asynchronous, wanted=lambda: not given_up.is_set(),
            limit=self._longest if timeout is None else min(timeout / 1e6, self._longest),
        )  # fmt: skip

    async def _insist(self, work: Work) -> Transacted:
        """Trouble of the store is none of the step's: nothing was done, or the key tells."""
        wait = _FIRST_WAIT
        while self._may_begin():
            try:
                return await self._transact(work)
            except (StoreBusy, CommitUnknown) as trouble:
                logger.warning("%s is not committed (%s); trying again in %.2f s", work.key, trouble, wait)
            await asyncio.sleep(wait * jitter())
            wait = min(wait * 2, _LONGEST_WAIT)
        raise LeaseLost(f"the worker's lease has ended: {work.key} may not begin any more")


def _packed(effect: Effect, result: Any) -> bytes:
    return codec.pack(effect.call.shape.settle(result)[0])


async def _packed_later(effect: Effect, result: Awaitable[Any]) -> bytes:
    return _packed(effect, await result)


def _conflict(work: Work) -> Ended:
    what = (
        f"{work.key} was committed before with other arguments: its rows are there, and it is not done again. Give the "
        "call another key (.using(key=…)) if it is another one"
    )
    return Ended(ok=False, value=codec.failure_of(KeyConflict(what)).pack())


def _complain(work: Work) -> None:
    logger.error(
        "the transaction of %s has not ended after %.1f s, and %s: nothing but SQL belongs into a transactional step",
        work.key,
        work.limit + 1,
        "whoever wants the rows that it has written waits for it" if work.is_async else "every writer waits for it",
    )
