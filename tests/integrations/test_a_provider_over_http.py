"""A provider that is really spoken to, over HTTP: connections are made in steps, and errors come through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from pydantic_ai import Agent
from pydantic_ai.exceptions import ModelHTTPError

from holdfast import App, Context
from holdfast.integrations.pydantic_ai import Durable
from tests.integrations.provider import Message, Provider, call_of, serving
from tests.integrations.talk import body_of


def rated(messages: list[Message]) -> Message:
    """First a call of ``rate``, then what came of it."""
    results = [message["content"] for message in messages if message["role"] == "tool"]
    return {"role": "assistant", "content": f"{results}"} if results else call_of("rate", {"claim": "c"})


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[Provider]:
    with serving(rated) as server:
        monkeypatch.setenv("OPENAI_BASE_URL", server.url)
        monkeypatch.setenv("OPENAI_API_KEY", "none")
        yield server


def rater(**options: Any) -> Agent[None, str]:
    agent = Agent("openai-chat:gpt-4o", name="rater", capabilities=[Durable(**options)])
    agent.tool_plain(name="rate")(_rate)
    return agent


def _rate(claim: str) -> int:
    return 90


@pytest.mark.parametrize("crash_after", [None, 1, 2])
async def test_each_request_is_made_once(app: App[None], provider: Provider, crash_after: int | None) -> None:
    body = body_of(app, rater())
    async with app.test() as t:
        if crash_after:
            t.crash_at("committed", nth=crash_after)
        run = await t.start(body("rate c"))
        assert (await run.result())["output"] == "['90']"
        used = await t.usage(run.id)
    assert len(provider.asked) == 2
    assert (used.requests, used.input_tokens, used.output_tokens, used.unpriced) == (2, 2000, 200, 0)
    assert used.cost is not None and float(used.cost) > 0


async def test_an_outage_is_outlived(app: App[None], provider: Provider) -> None:
    provider.failures = [503] * 3  # the provider's own client tries three times
    body = body_of(app, rater(model_steps={"retries": 1, "backoff": "1h"}))
    async with app.test() as t:
        assert (await (await t.start(body("rate c"))).result())["output"] == "['90']"
    assert len(provider.asked) == 3 + 2


async def test_an_error_reaches_the_body_with_its_status_and_body(app: App[None], provider: Provider) -> None:
    provider.failures = [400]
    agent = rater()

    @app.agent
    async def body(ctx: Context) -> list[Any]:
        try:
            return [(await agent.run("rate c")).output]
        except ModelHTTPError as error:
            return [error.status_code, error.body]

    async with app.test() as t:
        t.crash_at("committed")
        assert await (await t.start(body())).result() == [400, {"message": "busy", "code": "overloaded"}]
    assert len(provider.asked) == 1


async def test_several_runs_in_turn_share_nothing_that_ends_with_one(app: App[None], provider: Provider) -> None:
    body = body_of(app, rater())
    for _ in range(2):
        async with app.test() as t:
            runs = [await t.start(body("rate c")) for _ in range(4)]
            assert [(await run.result())["output"] for run in runs] == ["['90']"] * 4
    assert len(provider.asked) == 16
