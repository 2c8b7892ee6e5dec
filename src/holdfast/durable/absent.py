"""What a body is given for its deps while it is replayed and the app's lifespan is not entered."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any, NoReturn

from holdfast import codec
from holdfast.errors import UsageError


class AbsentDeps(codec.Absent):
    """Stands for ``ctx.deps``, and for whatever is found below it: it can be handed to steps, and nothing else.

    Args:
        path: how the body comes by it.
        uses: collects the paths that the body did more with, since it may swallow the error that it gets.
    """

    __slots__ = ("_path", "_uses")

    def __init__(self, path: str = "ctx.deps", uses: list[str] | None = None) -> None:
        self._path = path
        self._uses: list[str] = [] if uses is None else uses

    def __getattr__(self, name: str) -> AbsentDeps:
        if name in ("__name__", "__qualname__"):  # it is to be called as a step, whose name would be part of its key
            self._refuse()
        if name.startswith("__"):
            raise AttributeError(name)
        return AbsentDeps(f"{self._path}.{name}", self._uses)

    def __repr__(self) -> str:
        return f"<{self._path}, not at hand>"

    __hash__ = object.__hash__

    def _refuse(self) -> NoReturn:
        self._uses.append(self._path)
        raise UsageError(problem_of(self) or "")


def stand_in(lifespan: AbstractAsyncContextManager[Any]) -> AbsentDeps | None:
    """What a body is given for the deps that a lifespan would yield; None, as ever, for an app without one."""
    return None if isinstance(lifespan, nullcontext) else AbsentDeps()


def problem_of(deps: object) -> str | None:
    """What a body did with deps that are not at hand; None if all is well."""
    if not isinstance(deps, AbsentDeps) or not deps._uses:
        return None
    return (
        f"the body uses {deps._uses[0]}, which is not at hand: a replay does not enter the app's lifespan "
        f"unless it is asked to (--lifespan, replay(…, lifespan=True)). Use it in steps only, or ask for it"
    )


def _refusing(name: str) -> Callable[..., NoReturn]:
    def refuse(self: AbsentDeps, *_: Any) -> NoReturn:
        self._refuse()

    refuse.__name__ = name
    return refuse


for _name in (
    "call await aenter aexit aiter anext enter exit iter next len contains getitem setitem delitem bool str format "
    "bytes int float index eq ne lt le gt ge add radd sub rsub mul rmul truediv rtruediv floordiv mod pow neg and or"
).split():
    setattr(AbsentDeps, f"__{_name}__", _refusing(f"__{_name}__"))
