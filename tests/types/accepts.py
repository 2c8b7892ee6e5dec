"""Every line here type-checks under mypy --strict and pyright: the agreed surface, as far as it is built."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any, Concatenate, Generic, ParamSpec, TypeVar, assert_never, assert_type
from uuid import UUID

from agents import Agent as SdkAgent
from pydantic import BaseModel
from pydantic_ai import Agent as ModelAgent
from pydantic_ai import ModelMessage
from pydantic_ai import Tool as ModelTool

from holdfast import (
    Agent,
    App,
    Approve,
    Approved,
    Call,
    CallFailed,
    Case,
    Client,
    Context,
    Decision,
    Done,
    Escalate,
    Expired,
    Failure,
    Forked,
    ForkPlan,
    HoldfastError,
    InboxFilter,
    Outcome,
    Person,
    PostgresTransaction,
    Promise,
    Reject,
    Rejected,
    Responded,
    Retention,
    Run,
    RunEvent,
    RunFilter,
    Runtime,
    Selection,
    Settings,
    SqliteTransaction,
    Standing,
    Status,
    StepFailed,
    Teller,
    Tool,
    ToolContext,
    idempotency_key,
    teller,
)
from holdfast.integrations.openai_agents import as_tool, durable
from holdfast.integrations.pydantic_ai import Durable, StepOptions, ToolDecision, Transient, pending_calls
from holdfast.testing import Rig


class Claim(BaseModel):
    id: str
    text: str


class Facts(BaseModel):
    summary: str


@dataclass
class Deps:
    http: object


@asynccontextmanager
async def clients() -> AsyncIterator[Deps]:
    yield Deps(object())


app = App("claims", lifespan=clients)
plain = App("plain")
assert_type(app, App[Deps])
assert_type(plain, App[None])


# -- what an app defines


@app.tool
async def pay(claim_id: str, amount: float) -> str:
    return claim_id


@app.tool
async def ban_user(ctx: ToolContext[Deps], user_id: str) -> None:
    assert_type(ctx.deps, Deps)
    assert_type(ctx.idempotency_key, str)


@app.tool(name="wire", timeout="30s", effect="at_most_once")
async def send_wire(claim_id: str, amount: float = 0.0) -> bool:
    return True


@app.tool(retries=3, retry_on=[ConnectionError])
async def notify(ctx: ToolContext[Deps], user_id: str) -> int:
    return 1


assert_type(pay("c-1", 1.0), Call[str])
assert_type(pay(claim_id="c-1", amount=1), Call[str])
assert_type(ban_user("u-1"), Call[None])
assert_type(send_wire("c-1"), Call[bool])


async def extract(claim: Claim) -> Facts:
    return Facts(summary=claim.text)


async def fetch(url: str, timeout: float = 5) -> str:
    return url


def parse(text: str) -> Facts:
    return Facts(summary=text)


def book(tx: SqliteTransaction, account: str, amount: int = 0) -> Facts:
    assert_type(tx.execute("SELECT 1 WHERE :a", {"a": 1}), list[tuple[Any, ...]])
    tx.executemany("INSERT INTO bookings VALUES (?, ?)", [(account, amount)])
    assert_type(tx.changes, int)
    return Facts(summary=account)


async def book_there(tx: PostgresTransaction, account: str, amount: int = 0) -> int:
    await tx.execute("INSERT INTO bookings VALUES ($1, $2)", account, amount)
    return len(await tx.fetch("SELECT 1"))


class Books:
    def book(self, tx: SqliteTransaction, account: str) -> str:
        return account


@app.agent(version="4", limit=50, rate="10/1m")
async def limited(ctx: Context[Deps], claim: Claim) -> int:
    return 1


async def transacting(ctx: Context[Deps]) -> None:
    assert_type(ctx.step(book, "ann", 90), Call[Facts])
    assert_type(ctx.step(book, "ann", amount=90).using(effect="transactional", retries=2), Call[Facts])
    assert_type(ctx.step(book_there, "ann"), Call[int])
    assert_type(await ctx.step(Books().book, "ann"), str)


def maybe(text: str) -> Facts | None:
    return None


@app.agent(version="3")
async def adjust(ctx: Context[Deps], claim: Claim) -> str:
    assert_type(ctx.deps, Deps)
    assert_type(ctx.run_id, str)
    assert_type(ctx.now(), datetime)
    assert_type(ctx.uuid(), UUID)
    assert_type(ctx.random, Random)
    assert_type(ctx.changed("pay"), bool)
    ctx.progress(1, 3, "read")
    # steps
    assert_type(await ctx.step(extract, claim), Facts)
    assert_type(await ctx.step(parse, "x"), Facts)
    assert_type(await ctx.step(maybe, "x"), Facts | None)
    assert_type(await ctx.step(fetch, "u", timeout=60).using(timeout="5m", retries=5), str)
    assert_type(await ctx.step(fetch, "u").using(timeout=timedelta(minutes=5), backoff="1s", raises=[OSError]), str)
    assert_type(await pay(claim.id, 10.0).using(key="first", effect="at_most_once"), str)
    await ban_user("u-1")
    # time, and the rest of asyncio
    await asyncio.sleep(3 * 86400)
    await ctx.sleep_until(datetime(2027, 1, 1, tzinfo=UTC))
    one, two = await asyncio.gather(extract_all([claim]), ctx.step(parse, "y"))
    assert_type(one, list[Facts])
    assert_type(two, Facts)
    async with asyncio.TaskGroup() as group:
        third = group.create_task(ctx.step(parse, "z"))
        fourth = group.create_task(extract_all([claim]))
    assert_type(third.result(), Facts)
    assert_type(fourth.result(), list[Facts])
    assert_type(await asyncio.wait_for(ctx.step(parse, "w"), 60), Facts)
    assert_type(await asyncio.create_task(pay(claim.id, 1.0)), str)
    async with asyncio.timeout(60):
        await pay(claim.id, 1.0)
    # promises
    paid = ctx.promise("paid", bool)
    assert_type(paid, Promise[bool])
    assert_type(paid.id, str)
    assert_type(await paid, bool)
    assert_type(await ctx.promise("facts", Facts), Facts)
    # failures
    try:
        await ctx.step(parse, "x")
    except StepFailed as failed:
        assert_type(failed.type_name, str)
        assert_type(failed.traceback_text, str)
    except (CallFailed, HoldfastError):
        raise
    return "done"


@app.agent
async def extract_all(ctx: Context[Deps], claims: list[Claim]) -> list[Facts]:
    return list(await ctx.map(extract, claims, key=lambda c: c.id))


@app.agent(name="renamed")
async def other_name(ctx: Context[Deps]) -> None: ...


passed_on: Agent[[Claim], str] = adjust
assert_type(adjust(Claim(id="c-1", text="")), Call[str])
assert_type(other_name(), Call[None])


@app.agent
async def settle_all(ctx: Context[Deps], claims: list[Claim]) -> list[str]:
    async def one(claim: Claim) -> str:
        await ctx.step(extract, claim)
        return await adjust(claim).using(timeout="1h")

    async def claims_one_by_one() -> AsyncIterator[Claim]:
        for claim in claims:
            yield claim

    def generated() -> Iterator[Claim]:
        yield from claims

    def length(claim: Claim) -> int:
        return len(claim.text)

    assert_type(await ctx.map(one, claims, key=lambda c: c.id), Sequence[str])
    assert_type(await ctx.map(one, claims_one_by_one(), key=lambda c: c.id), Sequence[str])
    assert_type(await ctx.map(length, generated(), key=lambda c: c.id, checkpoint_every=30), Sequence[int])
    assert_type(await ctx.map(extract, claims, key=lambda c: c.id, on_error="collect"), Sequence[Facts | Failure])
    assert_type(await ctx.map(length, claims, key=lambda c: c.id, on_error="collect"), Sequence[int | Failure])
    assert_type(await ctx.map(adjust, claims, key=lambda c: c.id, on_error="collect"), Sequence[str | Failure])
    assert_type(await ctx.map(ban_user, ["u-1"], key=str), Sequence[None])
    async for claim, facts in ctx.map(extract, claims, key=lambda c: c.id):
        assert_type(claim, Claim)
        assert_type(facts, Facts)
    async for _, maybe_facts in ctx.map(extract, claims, key=lambda c: c.id, on_error="collect"):
        assert_type(maybe_facts, Facts | Failure)
        if isinstance(maybe_facts, Failure):
            assert_type(maybe_facts.error, str)
    run = await ctx.start(adjust(claims[0]), key="first", detached=True)
    assert_type(run, Run[str])
    assert_type(await run.result(timeout="1h"), str)
    await run.cancel(reason="enough")
    if not claims:
        await ctx.continue_as(settle_all(claims))
        assert_type("not reached", int)  # what follows continue_as is not looked at: it never returns
    return list(await ctx.map(adjust, claims, key=lambda c: c.id, concurrency=50))


# an app without deps: Context alone will do


@plain.agent
async def greet(ctx: Context, name: str = "you") -> str:
    assert_type(ctx.deps, None)
    return f"hello {name}"


@plain.agent
async def greet_twice(ctx: Context[None]) -> list[str]:
    return [await greet(), await greet("Ann")]


@plain.tool
async def say(ctx: ToolContext[None], text: str) -> None:
    idempotency_key()


# tools and agents can be passed on as what they are


async def call_tool(tool: Tool[[str, float], str]) -> str:
    return await tool("c-1", 1.0)


async def call_agent(agent: Agent[[Claim], str], claim: Claim) -> str:
    return await agent(claim)


async def use_both(claim: Claim) -> None:
    await call_tool(pay)
    await call_agent(adjust, claim)


# -- outside


async def main(client: Client, claims: list[Claim]) -> None:
    run = await client.start(settle_all(claims), key="2026-11-23", priority=5)
    assert_type(await run.result(), list[str])
    assert_type(await run.status(), str)
    many = await client.start_all([adjust(claim) for claim in claims])
    assert_type(await many[0].result(timeout="1m"), str)
    found = await client.get(run.id)
    await found.cancel()
    assert_type(await client.resolve(f"{run.id}/paid", True), bool)
    assert_type(await client.fail(f"{run.id}/paid", "no answer"), bool)
    assert_type(await client.resume(run.id), bool)
    for record in await client.find(RunFilter(agent="adjust", statuses=(Status.WAITING,))):
        assert_type(await client.why_waiting(record), str)
    async for entry in client.journal(run.id):
        assert_type(entry.key, str)


async def operate(client: Client, run: Run[str]) -> None:
    await client.start(adjust(Claim(id="c", text="")), tags=["storm"])
    await client.pause(run.id, reason="the bank is closed")
    await client.retry(run.id)
    await client.move(run.id, "4")
    await client.tag(run.id, add=["large"], remove=["small"])
    assert_type(await client.plan_fork(run.id, at="pay"), ForkPlan)
    forked = await client.fork(run.id, at=3, outcome={"summary": "x"}, keep_keys=True, version="4", tags=["what-if"])
    assert_type(forked, Forked)
    assert_type(forked.plan.again, tuple[str, ...])
    assert_type(await client.count(RunFilter(version="3", tags=("storm",), error="timed out")), dict[Status, int])
    late = client.select(RunFilter(agent="adjust", statuses=(Status.FAILED,)))
    assert_type(late, Selection)
    assert_type(await late.retry(), Done)
    assert_type((await client.select([run.id, forked.id]).cancel(reason="enough")).refused, dict[str, str])
    async for record in late:
        assert_type(record.tags, tuple[str, ...])
    await client.delete(run.id)
    assert_type(await client.prune([Retention(age="30d"), Retention(agent="adjust", status="failed", count=10)]), int)


kept_for_a_month = App("kept", retention=[Retention(age=timedelta(days=30))])


async def everywhere(claims: list[Claim]) -> None:
    async with app.open("sqlite:///claims.db", settings=Settings(concurrency=10), agents=["adjust"]) as runtime:
        assert_type(runtime, Runtime)
        await main(runtime, claims)
    async with app.open() as runtime:
        await main(runtime, claims)
    async with app.connect() as client:
        assert_type(client, Client)
        await main(client, claims)
    async with app.test() as t:
        assert_type(t, Rig)
        await main(t, claims)


def script(claims: list[Claim]) -> list[str]:
    assert_type(app.run(settle_all(claims), key="2026-11-23", fresh=True), list[str])
    return app.run(settle_all(claims), store="sqlite:///claims.db")


@app.agent
async def settle_with_people(ctx: Context[Deps], claim: Claim) -> str:
    match await ctx.approve(pay(claim.id, 10.0), because="covered", to="role:adjuster", within="2d"):
        case Approved(value=payment):
            assert_type(payment, Call[str])
            assert_type(await payment, str)
        case Rejected(reason=why) | Responded(text=why):
            return why
        case Expired():
            return "expired"
        case never:
            assert_never(never)
    decision = await ctx.approve(
        Facts(summary="x"), to=["ann", "role:lead"], within="2d", quorum=2, risk=70, confidence=0.5, requester="zoe",
        on_expire=[Escalate("role:lead", within="1d"), Escalate(["ann", "bob"], within=timedelta(hours=4)), "deny"],
    )  # fmt: skip
    assert_type(decision, Decision[Facts])
    if isinstance(decision, Approved):
        assert_type(decision.value.summary, str)
    checked = await ctx.approve(pay(claim.id, 1.0).given(confidence=0.4), provided=[ctx.step(parse, "x")])
    one, two = await asyncio.gather(ctx.approve(pay(claim.id, 2.0)), ctx.ask("Which?", Facts))
    assert_type(one, Decision[Call[str]])
    assert_type(two, Facts)
    assert_type(await ctx.ask("How many?", int, to="role:adjuster", within="1d", on_expire="deny"), int)
    return str(checked)


async def decide(client: Client) -> None:
    ann = Person(name="ann", roles=frozenset({"adjuster"}))
    for case in await client.inbox.inbox(ann, InboxFilter(min_risk=50)):
        assert_type(case, Case)
        assert_type(await client.inbox.decide(ann, case.id, Approve(edits={"amount": 90}), digest=case.digest), Case)
    assert_type(await client.inbox.decide_all(ann, InboxFilter(tool="pay"), Reject(reason="late")), list[Outcome])
    assert_type(await client.inbox.grant(ann, Standing(tool="pay", count=3, per=86_400)), Standing)


async def fake_pay(claim_id: str, amount: float) -> str:
    return "ok"


async def test_it(t: Rig, claim: Claim) -> None:
    t.replace(pay, fake_pay)
    await (await t.asked(await t.start(settle_with_people(claim), by="zoe"))).approve(by="ann", amount=90)
    run = await t.start(adjust(claim), key="once")
    await t.resolve(f"{run.id}/paid", True)
    t.crash_at("committed", nth=2)
    await t.crash()
    await t.advance("9d")
    await t.advance(timedelta(days=9))
    assert_type(await run.result(), str)
    assert t.calls(pay) == [pay("c-1", 90)]


# -- a decorator of one's own passes the types on

P = ParamSpec("P")
R = TypeVar("R")
D = TypeVar("D")


class Team(Generic[D]):
    def __init__(self, app: App[D]) -> None:
        self.app = app

    def agent(self, fn: Callable[Concatenate[Context[D], P], Coroutine[Any, Any, R]]) -> Agent[P, R]:
        return self.app.agent(version="1")(fn)


@Team(app).agent
async def of_a_team(ctx: Context[Deps], claim: Claim) -> int:
    return 1


assert_type(of_a_team(Claim(id="c", text="")), Call[int])


# -- agents of other libraries

careful: StepOptions = {"timeout": "2m", "retries": 3, "retry_on": [Transient], "backoff": timedelta(seconds=2)}
reviewer = ModelAgent(
    "openai:gpt-5", name="reviewer", output_type=int, deps_type=Deps,
    tools=[pay, ModelTool(pay, requires_approval=True)],
    capabilities=[Durable(model_steps=careful, tool_steps={"effect": "at_most_once"}, stream=True)],
)  # fmt: skip
assert_type(reviewer, ModelAgent[Deps, int])


@app.agent
async def reviewed(ctx: Context[Deps], claim: Claim) -> int:
    result = await reviewer.run(claim.text, deps=ctx.deps)
    return result.output


async def watched(client: Client, claim: Claim) -> None:
    run = await client.start(reviewed(claim))
    async for event in run.events():
        assert_type(event, RunEvent)
        assert_type(event.attempt, int)
    for asked in await pending_calls(client, run.id):
        assert_type(asked.messages, list[ModelMessage])
        await client.resolve(asked.calls[0].promise, ToolDecision(approved=True, arguments={"amount": 1.5}))
    used = await client.usage(run.id)
    assert_type(used.requests, int)
    assert_type(used.cost, str | None)


async def telling(percent: int) -> None:
    assert_type(teller(), Teller)
    teller().tell("progress", {"percent": percent})


async def of_the_sdk(question: str) -> None:
    clerk = SdkAgent[None](name="clerk", tools=[as_tool(pay)])
    assert_type(durable(clerk, model_steps=careful), SdkAgent[None])
