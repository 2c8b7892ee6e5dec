"""The reviewer: an agent that prepares a claim for the person who has to decide it.

It is an ordinary agent of pydantic-ai, made durable by one line: each request of its model and each call of its tools
is recorded, so a worker that takes over asks nothing again.

Its model is chosen by ``$MODEL`` (``openai:gpt-5.2``, ``anthropic:…``; the provider's key is needed). Without it, rules
stand in for a model: they read the same messages and call the same tools, need no network, and always say the same.
"""

import json
import os
from dataclasses import dataclass
from typing import Any, Final

from pydantic_ai import Agent, AgentRunError, ModelResponse, RunContext
from pydantic_ai.messages import ModelMessage, ModelRequest, ToolCallPart, ToolReturnPart, UserPromptPart
from pydantic_ai.models import Model, infer_model
from pydantic_ai.models.function import AgentInfo, FunctionModel
from pydantic_ai.models.wrapper import WrapperModel

from examples.claims.ledger import note_step
from examples.claims.model import ZERO, Advice, Assessment, Claim, Next, Related
from holdfast import StepFailed
from holdfast.integrations.pydantic_ai import Durable, StepOptions

MODEL: Final = "MODEL"
"""Environment variable with the reviewer's model; rules stand in for one if it is unset."""

PATIENT: Final[StepOptions] = {"timeout": "2m", "retries": 4}


@dataclass(frozen=True, slots=True)
class Case:
    """What the reviewer's tools look into."""

    claim: Claim
    related: Related
    assessment: Assessment


def prompt_of(case: Case) -> str:
    """What the reviewer is told to begin with."""
    decision = case.assessment.decision
    return json.dumps({"claim": case.claim.id, "reasons": decision.reasons, "because": decision.because})


async def reviewed(case: Case) -> Assessment:
    """The assessment with the reviewer's advice; that it failed is no reason to lose the assessment."""
    try:
        advice = (await reviewer.run(prompt_of(case), deps=case)).output
    except (AgentRunError, StepFailed) as error:
        advice = Advice(next=Next.ASK, question=f"The reviewer had no answer ({type(error).__name__}): ask it again?")
    return case.assessment.model_copy(update={"advice": advice})


def figures_of(case: Case) -> dict[str, str]:
    """What was damaged, covered, payable and paid, as the tool says it."""
    priced = case.assessment.price
    limit = sum((cover.limit or ZERO for _, cover in case.claim.covers()), ZERO)
    amounts = {"damage": case.assessment.damage, "limit": limit, "payable": priced.payable, "paid": priced.paid}
    return {name: "?" if amount is None else f"{amount:,.2f}" for name, amount in amounts.items()}


# -- rules in place of a model


def advise(reasons: list[str], figures: dict[str, Any], same: list[str]) -> Advice:
    """What the rules come to: the first that applies, from what weighs most to what is only a signature."""
    for code, step, question in RULES:
        if code in reasons:
            told = figures | {"same": ", ".join(same) or "none in this file"}
            return Advice(next=step, question=question.format(**told))
    return Advice(next=Next.ASK, question=f"What is known about: {', '.join(reasons)}?")


RULES: Final[tuple[tuple[str, Next, str], ...]] = (
    ("duplicate", Next.COMPARE, "Is this the same loss as {same}? Only one of them can be paid."),
    (
        "waiting_period",
        Next.ASK,
        "Was the policy required for a loan, or by a revised map? Then there was no waiting.",
    ),
    ("missing_fields", Next.ASK, "What are the missing fields? Without them {payable} of {damage} USD is a guess."),
    ("cause_to_judge", Next.INSPECT, "Was it a flood in the sense of the policy? Damage is {damage} USD."),
    ("paid_above_coverage", Next.EXPLAIN, "Why was {paid} USD paid, more than the cover of {limit} USD allows?"),
    ("paid_more", Next.EXPLAIN, "Why was {paid} USD paid when {payable} USD is payable?"),
    ("paid_less", Next.EXPLAIN, "What did the adjuster take off? {paid} USD was paid of {payable} USD."),
    ("above_authority", Next.SIGN, "May {payable} USD be paid? It is above the authority."),
)


def rules(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
    """What stands in for a model: looks into the claim with both tools, then gives advice."""
    given = {part.tool_name: part.content for part in _parts(messages) if isinstance(part, ToolReturnPart)}
    if not given:
        return ModelResponse(parts=[ToolCallPart(tool, {}, tool_call_id=tool) for tool in ("figures", "same_loss")])
    told = json.loads(next(str(part.content) for part in _parts(messages) if isinstance(part, UserPromptPart)))
    advice = advise(told["reasons"], given["figures"], given["same_loss"])
    return ModelResponse(parts=[ToolCallPart(info.output_tools[0].name, advice.model_dump(mode="json"), "advice")])


def _parts(messages: list[ModelMessage]) -> list[Any]:
    return [part for message in messages if isinstance(message, ModelRequest) for part in message.parts]


# -- the agent


class Noted(WrapperModel):
    """A model each of whose requests is noted in the ledger, as each execution of a step is."""

    async def request(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Note it, and ask."""
        note_step()
        return await super().request(*args, **kwargs)


def model() -> Model:
    """The model that the environment names, or the rules."""
    name = os.environ.get(MODEL)
    return Noted(infer_model(name) if name else FunctionModel(rules, model_name="rules"))


reviewer = Agent(
    model(),
    name="reviewer",
    output_type=Advice,
    deps_type=Case,
    instructions="A flood-insurance claim waits for a person. Look into it with the tools; say what the person should "
    "do next, and the one question whose answer decides the claim. Amounts are in USD. Do not guess what is missing.",
    capabilities=[Durable(model_steps=PATIENT)],
)


@reviewer.tool
def figures(ctx: RunContext[Case]) -> dict[str, str]:
    """What was damaged, covered, payable and paid, in USD."""
    note_step()
    return figures_of(ctx.deps)


@reviewer.tool
def same_loss(ctx: RunContext[Case]) -> list[str]:
    """The ids of other claims in the file with the same day, place and damage."""
    note_step()
    return ctx.deps.related.same
