"""The run of a library's agent inside a Holdfast run: its number, and the keys of its steps."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

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


_open: WeakKeyDictionary[Scope, dict[str | None, AgentRun]] = WeakKeyDictionary()
"""By the library's id of the run, not by task: two that are iterated in one task are open at once."""


def begin(scope: Scope, agent: str, run_id: str | None) -> AgentRun:
    """A run of the agent, which begins if it is not open."""
    runs = _open.setdefault(scope, {})
    if run_id not in runs:
        runs[run_id] = AgentRun(int(scope.next_key(f"~agent:{agent}").rpartition("#")[2]))
    return runs[run_id]


def end(scope: Scope, run_id: str | None) -> None:
    """It has ended: another one with its id is another run."""
    _open.get(scope, {}).pop(run_id, None)


def present(what: str, agent: str, run_id: str | None) -> tuple[Scope, AgentRun]:
    """The scope whose code is running, and the agent's run of that id.

    Raises:
        NotInRun: none is; ``what`` says who asked.
    """
    scope = current_scope(what)
    return scope, begin(scope, agent, run_id)
