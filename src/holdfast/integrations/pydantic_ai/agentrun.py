"""The run of a library's agent inside a Holdfast run: its number, and the keys of its steps."""

from __future__ import annotations

from collections import Counter
from contextvars import ContextVar
from dataclasses import dataclass, field

from holdfast.durable.scope import Scope, current_scope


@dataclass(frozen=True, slots=True)
class AgentRun:
    """One ``await agent.run(…)`` of a body.

    Args:
        number: which of its agent's runs in this scope.
    """

    number: int
    stamped: dict[int, object] = field(default_factory=dict)  # messages that have their times
    _counts: Counter[str] = field(default_factory=Counter)

    def key(self, name: str, own: str | None = None) -> str:
        """The key of its next step of a name: numbered, or by what identifies it, if that has not come before."""
        base = f"{self.number}.{own}" if own else f"{self.number}."
        count = self._counts[f"{name} {base}"] = self._counts[f"{name} {base}"] + 1
        if not own:
            return f"{base}{count}"
        return base if count == 1 else f"{base}.{count}"


_present: ContextVar[AgentRun | None] = ContextVar("holdfast_agent_run", default=None)


def plain(name: str) -> str:
    """A name as a part of keys and of promises' names."""
    return name.replace("/", ".").replace("#", ".")


def begin(scope: Scope, agent: str) -> AgentRun:
    """A run of the agent begins; what follows in this context is part of it."""
    number = int(scope.next_key(f"~agent:{agent}").rpartition("#")[2])
    run = AgentRun(number)
    _present.set(run)
    return run


def present(what: str, agent: str) -> tuple[Scope, AgentRun]:
    """The scope and the agent's run whose code is running.

    Raises:
        NotInRun: none is; ``what`` says who asked.
    """
    scope = current_scope(what)
    return scope, _present.get() or begin(scope, agent)
