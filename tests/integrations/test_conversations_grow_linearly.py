"""A conversation is stored as the new message per request, never as the whole prompt again: bytes grow linearly.

Measured over 200 turns, each with a request of about 400 bytes and an answer of about 400, the whole history going to
the model every time: what ``docs/agents.md`` says of it comes from here.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

from pydantic_ai import Agent
from pydantic_ai.messages import ModelMessage, ModelMessagesTypeAdapter, ModelResponse
from pydantic_ai.models.function import AgentInfo, FunctionModel

from holdfast import App, Context
from holdfast.integrations.pydantic_ai import Durable
from tests.integrations.talk import says

TURNS = 200
WORDS = 70  # of a message; drawn at random, so that no compression makes them go away
PAGE = Path(__file__).parents[2] / "docs" / "agents.md"


def prose(seed: str) -> str:
    """Words that say nothing, always the same for a seed."""
    chance = random.Random(seed)
    return " ".join(f"{chance.getrandbits(20):x}" for _ in range(WORDS))


async def test_200_turns(app: App[None]) -> None:
    sent: list[int] = []  # bytes that each request carries to the model

    def answer(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        sent.append(len(ModelMessagesTypeAdapter.dump_json(messages)))
        return says(prose(f"answer {len(messages)}"))

    agent = Agent(FunctionModel(answer), name="a", capabilities=[Durable()])

    @app.agent
    async def talk(ctx: Context, turns: int) -> int:
        history: list[ModelMessage] = []
        for turn in range(turns):
            history = (await agent.run(prose(f"prompt {turn}"), message_history=history)).all_messages()
        return len(history)

    async with app.test() as t:
        run = await t.start(talk(TURNS))
        assert await run.result() == 2 * TURNS
        stored = [
            len(entry.value) + len(entry.note) + len(entry.key) + len(entry.fingerprint)
            async for entry in t.journal(run.id)
        ]
    assert len(stored) == len(sent) == TURNS
    first, last = sum(stored[: TURNS // 2]), sum(stored[TURNS // 2 :])
    assert last < 1.02 * first, "the second half of the talk takes as many bytes as the first"
    assert max(stored) < 1.1 * min(stored)
    assert sent[-1] > 100 * sent[0] / 2, "though what goes to the model has grown all the time"
    told = re.search(r"stored: \| (\d+) KB.*sent: \| (\d+\.\d) MB", PAGE.read_text("utf-8"), re.DOTALL)
    assert told is not None
    assert abs(sum(stored) / 1024 - int(told[1])) <= 0.05 * int(told[1])
    assert abs(sum(sent) / 2**20 - float(told[2])) <= 0.05 * float(told[2])
