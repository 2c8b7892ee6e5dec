"""Each line that is marked must be refused by mypy --strict and pyright, and no other."""

import asyncio
from datetime import timedelta

from accepts import Claim, Deps, Facts, adjust, app, ban_user, book, book_there, extract, greet, parse, pay, settle_all
from holdfast import App, Client, Context, ToolContext
from holdfast.integrations.pydantic_ai import Durable, ToolDecision
from holdfast.testing import Rig


async def wrong(ctx: Context[Deps], claim: Claim) -> None:
    # calls of tools and agents
    await pay(claim.id, "ten")  # refused: argument type
    await pay(claim.id)  # refused: missing argument
    await pay(claim.id, 1.0, retries=3)  # refused: options go to .using()
    await pay(claim.id, 1.0, "more")  # refused: too many arguments
    await pay(claim=claim.id, amount=1.0)  # refused: no such parameter
    await ban_user(ctx, "u-1")  # refused: ctx is not passed
    await adjust(ctx, claim)  # refused: ctx is not passed
    await adjust(claim.id)  # refused: argument type
    paid: float = await pay(claim.id, 1.0)  # refused: it returns text
    pay(claim.id, 1.0).amount  # refused: a call has no such attribute

    # people
    decision = await ctx.approve(pay(claim.id, 1.0))
    decision.value  # refused: match on the decision first
    await ctx.approve(pay(claim.id, 1.0), to=5)  # refused: names of people and roles
    await ctx.approve(pay(claim.id, 1.0), within="2d", on_expire="ignore")  # refused: no such end
    await ctx.approve(pay(claim.id, 1.0), deadline="2d")  # refused: no such option
    answer: str = await ctx.ask("How many?", int)  # refused: it is answered with a number
    pay(claim.id, 1.0).given(claim=claim)  # refused: facts are numbers, texts and bools

    # options
    await pay(claim.id, 1.0).using(retry=3)  # refused: no such option
    await pay(claim.id, 1.0).using(timeout=5)  # refused: a duration has a unit
    await pay(claim.id, 1.0).using(effect="exactly_once")  # refused: no such effect
    await pay(claim.id, 1.0).using(raises=["ValueError"])  # refused: classes, not their names

    # steps
    await ctx.step(extract)  # refused: missing argument
    await ctx.step(extract, claim.id)  # refused: argument type
    await ctx.step(extract(claim))  # refused: the function and its arguments, not its result
    await ctx.step(parse, "x", retries=3)  # refused: options go to .using()
    number: int = await ctx.step(parse, "x")  # refused: it returns facts
    ctx.step(parse, "x").summary  # refused: await it first

    # transactions
    await ctx.step(book, "ann", "90")  # refused: argument type
    await ctx.step(book)  # refused: missing argument
    await ctx.step(book_there, 7)  # refused: argument type
    late: str = await ctx.step(book_there, "ann")  # refused: it returns a number

    # maps
    await ctx.map(extract, [1, 2], key=lambda c: str(c))  # refused: items do not fit the function
    await ctx.map(parse, [claim], key=lambda c: c.id)  # refused: items do not fit the function
    await ctx.map(adjust, ["c-1"], key=str)  # refused: items do not fit the agent
    await ctx.map(extract, [claim])  # refused: a key is needed
    await ctx.map(extract, [claim], key=lambda c: len(c.id))  # refused: a key is text
    await ctx.map(extract, [claim], key=lambda c: c.id, on_error="ignore")  # refused: fail or collect
    for summary in await ctx.map(extract, [claim], key=lambda c: c.id, on_error="collect"):
        summary.summary  # refused: it may be a Failure
    facts: list[Facts] = await ctx.map(extract, [claim], key=lambda c: c.id)  # refused: a lazy sequence, not a list

    # promises, children
    text: str = await ctx.promise("paid", bool)  # refused: it is a bool
    await ctx.start(adjust)  # refused: a call, not the agent
    await ctx.start(extract(claim))  # refused: a coroutine is no call
    started = await ctx.start(adjust(claim))
    length: int = await started.result()  # refused: it returns text
    await ctx.sleep_until(3600)  # refused: an instant; for a span there is asyncio.sleep
    ctx.deps.database  # refused: the lifespan yields no such thing
    ctx.progress("half")  # refused: a number of things done
    async with asyncio.TaskGroup() as group:
        task = group.create_task(ctx.step(parse, "x"))
    task.result().nothing  # refused: facts have no such attribute
    await ctx.continue_as(settle_all([claim.id]))  # refused: argument type


async def outside(client: Client, claim: Claim) -> None:
    await client.start(adjust)  # refused: a call, not the agent
    await client.start(adjust(1))  # refused: argument type
    await client.start(adjust(claim), key=1)  # refused: a key is text
    result: int = await (await client.start(adjust(claim))).result()  # refused: it returns text
    app.run(adjust(1))  # refused: argument type
    app.run(adjust)  # refused: a call, not the agent
    count: int = app.run(adjust(claim))  # refused: it returns text
    greet(7)  # refused: argument type


async def pay_more(claim_id: str, amount: str) -> str:
    return claim_id


async def rigged(t: Rig, claim: Claim) -> None:
    t.replace(pay, pay_more)  # refused: other parameters
    t.replace(adjust, pay_more)  # refused: an agent is no tool
    await t.advance(9)  # refused: a duration has a unit
    await t.advance(timedelta(days=9).days)  # refused: a duration has a unit


other = App("other")


@other.agent  # refused: the app has no such deps
async def needs_deps(ctx: Context[Deps], claim: Claim) -> None: ...


@app.agent  # refused: a context comes first
async def without_context() -> None: ...


@app.agent  # refused: agents are async
def not_async(ctx: Context[Deps]) -> None: ...


@app.agent(versoin="2")  # refused: no such option
async def misspelt(ctx: Context[Deps]) -> None: ...


@app.tool  # refused: tools are async
def sync_tool(text: str) -> str:
    return text


@app.agent(rate=10)  # refused: a rate is text
async def rated(ctx: Context[Deps]) -> None: ...


@app.tool(effect="transactional")  # refused: only steps take a transaction
async def no_transaction(ctx: ToolContext[Deps]) -> None: ...


@app.tool(effect="never")  # refused: no such effect
async def no_effect(ctx: ToolContext[Deps]) -> None: ...


Durable(model_steps={"retrys": 3})  # refused: no such option
Durable(tool_steps={"retries": "3"})  # refused: option type
Durable(stream="always")  # refused: argument type
ToolDecision(arguments={})  # refused: it says whether the call is approved


async def watching(client: Client) -> None:
    run = await client.get("r")
    await run.events()  # refused: events are iterated, not awaited
