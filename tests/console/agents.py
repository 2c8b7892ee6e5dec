"""An agent with a plan that people see, change and approve; it joins those of the house."""

from __future__ import annotations

from pydantic import BaseModel, Field

from holdfast import Approved, Context, Escalate, Rejected, Responded
from tests.server.house import app, shout


class Plan(BaseModel):
    goal: str = Field(description="What is to be reached.")
    budget: int = Field(ge=0, description="Euros that may be spent.")
    urgent: bool = False
    route: str | None = None
    stops: list[str] = []


@app.agent
async def carry_out(
    ctx: Context, goal: str, because: str = "the claim is above the limit", to: str = "role:adjuster", risk: int = 60,
    stops: list[str] | None = None, quorum: int = 1,
) -> str:  # fmt: skip
    await ctx.step(shout, f"{because}: looked at {goal}")
    plan = Plan(goal=goal, budget=900, stops=stops or ["depot", "harbour"])
    match await ctx.approve(plan, because=because, to=to, risk=risk, confidence=0.72, quorum=quorum):
        case Approved(value=approved, by=by):
            return f"{approved.model_dump_json()} by {by}"
        case Rejected(reason=reason):
            return f"rejected: {reason}"
        case Responded(text=text):
            return f"told: {text}"
        case other:
            return str(other)


@app.agent
async def inquire(ctx: Context, question: str) -> int:
    return await ctx.ask(question, int, to="role:adjuster")


@app.agent
async def mend(ctx: Context, goal: str, surveyed: str) -> str:
    await ctx.step((ctx.workspace / "survey <1>.txt").write_text, surveyed).using(key="survey")
    decision = await ctx.approve(
        goal, to="role:adjuster", within="100ms", on_expire=[Escalate("role:lead", within="2h"), "deny"], risk=50
    )
    return str(decision)
