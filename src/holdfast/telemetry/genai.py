"""The names of OpenTelemetry's semantic conventions for generative AI: no other module knows them.

The conventions are still in development and rename things between releases; what changes there changes here.
Source: https://opentelemetry.io/docs/specs/semconv/gen-ai/gen-ai-agent-spans/ (``invoke_agent`` internal span,
``execute_tool`` span). Arguments and results of tools, which the conventions make opt-in, are never told: they may
hold secrets.
"""

from __future__ import annotations

from dataclasses import dataclass

_OPERATION = "gen_ai.operation.name"
_AGENT_NAME = "gen_ai.agent.name"


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A span's name and the attributes that it has from its start, where samplers see them."""

    name: str
    attributes: dict[str, str]


def invoke_agent(agent: str, version: str, conversation: str) -> Named:
    """The span of an agent at work.

    Args:
        agent: its name.
        version: its version.
        conversation: what the activations of a run, and the runs of a tree, have in common.

    Example:
        >>> invoke_agent("adjust", "3", "01jd…").name
        'invoke_agent adjust'
    """
    attributes = {
        _OPERATION: "invoke_agent",
        "gen_ai.provider.name": "holdfast",  # required: whose flavour of the conventions this is, not whose model
        _AGENT_NAME: agent,
        "gen_ai.agent.version": version,
        "gen_ai.conversation.id": conversation,
    }
    return Named(name=f"invoke_agent {agent}", attributes=attributes)


def execute_tool(tool: str, agent: str, call: str) -> Named:
    """The span of a tool's call.

    Args:
        tool: its name.
        agent: the agent that calls it.
        call: what tells the call from all others; the same at each attempt.

    Example:
        >>> execute_tool("pay", "adjust", "01jd…/pay#1").name
        'execute_tool pay'
    """
    attributes = {
        _OPERATION: "execute_tool",
        "gen_ai.tool.name": tool,
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": call,
        _AGENT_NAME: agent,
    }
    return Named(name=f"execute_tool {tool}", attributes=attributes)
