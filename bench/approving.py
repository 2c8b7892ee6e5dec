"""Very many runs that wait for a person: how soon one goes on after its decision over HTTP, and many decided at once.

The server is a process of its own, as is a worker: this one. What is decided goes client, server, store, worker, store.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from statistics import median, quantiles

import httpx2

from bench.figure import Figure, Measured
from bench.plan import Plan
from bench.waiting import AT_ONCE, all_evicted
from holdfast import App, Approved, Context
from holdfast.clock import SystemClock
from holdfast.people import People
from holdfast.records.approval import ApprovalState
from holdfast.runtime import Runtime
from holdfast.store.desk import ApprovalFilter

P50_MS, P99_MS, BATCH_S = 15.0, 60.0, 5.0
BULK, BATCH = 1000, 10_000
_LOOK = 0.05

app = App("bench-approving")
_durable: dict[str, asyncio.Future[float]] = {}


@app.tool
async def pay(number: int, amount: int) -> int:
    """A step that costs nothing itself."""
    return amount


@app.agent
async def careful(ctx: Context, number: int) -> int:
    """Asks, then pays."""
    decision = await ctx.approve(pay(number, 90), because="covered", to="role:adjuster", within="9d")
    if not isinstance(decision, Approved):
        return 0
    paid = await decision.value
    waiting = _durable.get(ctx.run_id)  # a body learns what a step returned once that is on disk
    if waiting is not None and not waiting.done():
        waiting.set_result(time.perf_counter())
    return paid


def measure(plan: Plan) -> Iterator[Figure]:
    """The figures."""
    with plan.folder() as folder:
        count, samples = plan.count(plan.suspended, 300), plan.count(1000, 20)
        yield from asyncio.run(_approving(folder, count, samples=samples, batch=plan.count(BATCH, 100)))


async def _approving(folder: Path, count: int, *, samples: int, batch: int) -> Sequence[Figure]:
    store = str(folder / "approving.db")
    async with app.open(store, settings=AT_ONCE) as runtime, _served(runtime, store) as client:
        waiting = await _ask(runtime, count)
        chosen = random.Random(1).sample(sorted(waiting), samples)
        times = [await _decide(client, run_id, waiting[run_id]) for run_id in chosen]
        left = [waiting[run_id] for run_id in sorted(waiting.keys() - set(chosen))][:batch]
        took = await _decide_all(client, left)
    return [*_latencies(count, times), _at_once(len(left), took)]


def _latencies(count: int, times: Sequence[float]) -> Iterator[Figure]:
    name = f"{count:,} runs that wait for a person: decide one over HTTP"
    note = f"from the request until the step after it is durable, in another process; {len(times):,} times, one by one"
    p50, p99 = median(times) * 1e3, quantiles(times, n=100)[98] * 1e3
    yield Measured(name=f"{name}, p50", value=p50, unit="ms", note=note).below(P50_MS)
    yield Measured(name=f"{name}, p99", value=p99, unit="ms", note=note).below(P99_MS)


def _at_once(count: int, seconds: float) -> Figure:
    note = "one request: each is checked, recorded, audited and wakes its run"
    return Measured(name=f"{count:,} approvals decided in one batch", value=seconds, unit="s", note=note).below(BATCH_S)


async def _ask(runtime: Runtime, count: int) -> dict[str, str]:
    """Have so many runs ask and leave memory; their approvals' ids, by run."""
    for first in range(0, count, BULK):
        await runtime.start_all([careful(number) for number in range(first, min(first + BULK, count))])
    await all_evicted(runtime, count)
    while (due := await runtime.store.next_due()) is not None and due <= SystemClock().now():  # noqa: ASYNC110 - as there
        await asyncio.sleep(_LOOK)
    asked: dict[str, str] = {}
    after = None
    while page := await runtime.store.approvals(ApprovalFilter(limit=BULK, after=after)):
        asked |= {one.run_id: one.id for one in page}
        after = (page[-1].risk, page[-1].n)
    return asked


async def _decide(client: httpx2.AsyncClient, run_id: str, approval_id: str) -> float:
    case = (await client.get(f"/api/approvals/{approval_id}")).raise_for_status().json()
    durable = _durable[run_id] = asyncio.get_running_loop().create_future()
    begun = time.perf_counter()
    answer = {"answer": {"kind": "approve"}, "digest": case["digest"]}
    told = await client.post(f"/api/approvals/{approval_id}/decision", json=answer)
    assert told.raise_for_status().json()["state"] == ApprovalState.APPROVED
    at = await durable
    del _durable[run_id]
    return at - begun


async def _decide_all(client: httpx2.AsyncClient, approval_ids: Sequence[str]) -> float:
    begun = time.perf_counter()
    asked = {"answer": {"kind": "reject", "reason": "too late"}, "ids": list(approval_ids)}
    told = (await client.post("/api/approvals/decisions", json=asked, timeout=120.0)).raise_for_status().json()
    took = time.perf_counter() - begun
    assert all(one["state"] == ApprovalState.REJECTED for one in told["outcomes"])
    return took


@asynccontextmanager
async def _served(runtime: Runtime, store: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A server of the store, and a client of it that is somebody who is asked."""
    people = People(runtime.store, SystemClock())
    await people.add("ann", ["adjuster"], by="bench")
    secret, _ = await people.tokens.issue("ann", ["read", "decide"], by="bench")
    command = [sys.executable, "-m", "holdfast", "server", "--store", store, "--port", "0", "--json"]
    server = await asyncio.create_subprocess_exec(
        *command, "--log-level", "warning", stdout=asyncio.subprocess.PIPE, cwd=Path.cwd()
    )
    try:
        assert server.stdout is not None, "asked for"
        url = json.loads(await server.stdout.readline())["url"]
        async with httpx2.AsyncClient(base_url=url, headers={"authorization": f"Bearer {secret}"}) as client:
            yield client
    finally:
        server.terminate()
        await server.wait()
