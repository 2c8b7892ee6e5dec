"""Scopes: where in a run a call is made. Keys are counted per scope, so branches do not disturb each other."""

from __future__ import annotations

from asyncio import events
from collections import Counter
from functools import cached_property
from random import Random
from typing import TYPE_CHECKING
from uuid import UUID

from holdfast import codec
from holdfast.durable.loop import BodyLoop, BodyTask, BodyTimer
from holdfast.errors import NotInRun

if TYPE_CHECKING:  # the two modules describe two halves of one thing; only their types meet
    from holdfast.durable.calls import Call
    from holdfast.durable.core import Core


class InBody:
    """What only makes sense inside a body: a function that holds one is part of the body."""


def is_storable_text(value: object) -> bool:
    """Whether it can be a key."""
    return isinstance(value, str) and (value.isascii() or value.encode("utf-8", "ignore").decode() == value)


def escape(text: str) -> str:
    """An item's or call's own key as one segment of a longer key."""
    return text.replace("%", "%25").replace("/", "%2F").replace("#", "%23")


class Scope:
    """The root of a run, or one branch of a map.

    Args:
        core: the run's core.
        path: ``""`` for the root; for a branch the map's key and the item's key.
        now: its time as it begins.
    """

    def __init__(self, core: Core, path: str, *, now: int) -> None:
        self.core = core
        self.path = path
        self.branch = codec.hash64(path) if path else None
        self.prefix = f"{path}/" if path else ""  # what the keys of this scope begin with
        self.counts: Counter[str] = Counter()
        self.left_over: dict[int, Call[object]] = {}  # calls made and not yet consumed
        self.waived: set[str] = set()  # names that ``ctx.changed`` said are meant to differ
        seed = self._seed = f"{core.seed}/{path}"
        # abstract only to mypy: what is left out here refuses, see the end of the module
        self.loop = BodyLoop(  # type: ignore[abstract]
            self, epoch=core.started_at, now=now, salt=codec.hash64(seed) | 1, name=f"run {core.run_id}"
        )
        self.main: BodyTask | None = None

    def next_key(self, name: str) -> str:
        """The key of the next call of this name."""
        number = self.counts[name] = self.counts[name] + 1
        return f"{self.prefix}{name}#{number}"

    def named_key(self, name: str, key: str, taken: str) -> str:
        """The key of a call that names its own; gives back the number that it took when it was made."""
        if taken and taken == f"{self.prefix}{name}#{self.counts[name]}":
            self.counts[name] -= 1
        return f"{self.prefix}{name}#{escape(self.core.place.text(key))}"

    def move_clock(self, at: int) -> None:
        """The body has observed something of that time."""
        loop = self.loop
        if at > loop.now:
            loop.now = at

    @cached_property
    def random(self) -> Random:
        """Random numbers that are the same on replay."""
        return Random(codec.hash64(self._seed + "/random"))

    @cached_property
    def _ids(self) -> Random:
        return Random(codec.hash64(self._seed + "/ids"))

    def uuid(self) -> UUID:
        """A UUID (version 4) that is the same on replay."""
        return UUID(int=self._ids.getrandbits(128), version=4)

    # -- what the loop asks of its owner

    def timer_key(self, delay: int) -> str:
        return self.next_key(f"~timer:{delay}")

    def arm(self, timer: BodyTimer) -> None:
        self.core.timers.arm(timer)
        self.core.timer_set(timer)

    def disarm(self, timer: BodyTimer) -> None:
        self.core.timers.disarm(timer)


def scope_or_none() -> Scope | None:
    """The scope whose code is running, if any is."""
    loop = events._get_running_loop()
    owner = loop.owner if isinstance(loop, BodyLoop) else None
    return owner if isinstance(owner, Scope) else None


def current_scope(what: str) -> Scope:
    """The scope whose code is running.

    Raises:
        NotInRun: none is; ``what`` says who asked.
    """
    scope = scope_or_none()
    if scope is None:
        raise NotInRun(
            f"{what} outside a run. Inside an agent's body, await it there (a step's function is not the body: it "
            f"cannot make calls); outside, start a run: app.run(call), or await runtime.start(call)"
        )
    return scope
