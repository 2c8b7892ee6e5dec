"""The annotations of a function, resolved one by one and only when somebody asks.

A function may be declared before its types exist, and a parameter may be annotated with a name that exists only under
``TYPE_CHECKING``: neither should matter until that very annotation is needed.
"""

from __future__ import annotations

import collections.abc
import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from types import FunctionType, MethodType, SimpleNamespace
from typing import Any, get_args, get_origin

from holdfast.codec.text import type_name
from holdfast.errors import UsageError

_SLOT = "__holdfast_hints__"
_AWAITABLES = (collections.abc.Awaitable, collections.abc.Coroutine)


class Hints:
    """The return and parameter annotations of one function. Get them with :func:`hints_of`."""

    __slots__ = ("_function", "_resolved", "_returns")

    def __init__(self, function: Any, returns: Any = None) -> None:
        self._function = function
        self._returns = returns
        self._resolved: dict[str, Any] = {}

    @property
    def returns(self) -> Any:
        """What the function returns (a coroutine function: what awaiting it gives); ``Any`` if it does not say.

        Raises:
            UsageError: the annotation names something that cannot be found.
        """
        if self._returns is None:
            hint = self.parameter("return")
            self._returns = get_args(hint)[-1] if get_origin(hint) in _AWAITABLES else hint
        return self._returns

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Every annotated parameter with its annotation.

        Raises:
            UsageError: an annotation names something that cannot be found.
        """
        return {name: self.parameter(name) for name in self._annotations() if name != "return"}

    def parameter(self, name: str) -> Any:
        """The annotation of one parameter; ``Any`` if it has none.

        Raises:
            UsageError: the annotation names something that cannot be found.
        """
        if name not in self._resolved:
            self._resolved[name] = self._resolve(name)
        return self._resolved[name]

    def _resolve(self, name: str) -> Any:
        try:
            hint = self._annotations().get(name, Any)
            holder = SimpleNamespace(__annotations__={name: hint})
            spaces = _namespaces(self._function)
            return typing.get_type_hints(holder, *spaces, include_extras=True)[name]
        except (NameError, AttributeError, SyntaxError, TypeError) as error:
            raise UsageError(self._complaint(name, error)) from error

    def _annotations(self) -> dict[str, Any]:
        return getattr(self._function, "__annotations__", None) or {}

    def _complaint(self, name: str, error: Exception) -> str:
        missing = getattr(error, "name", None) or str(error)
        where = "the return annotation" if name == "return" else f"the annotation of {name!r}"
        cure = "import it at module level, outside TYPE_CHECKING"
        if name == "return":
            cure += ", or say what is returned with .using(returns=T)"
        return f"{callable_name(self._function)}: {where} names {missing!r}, which cannot be found; {cure}"


def hints_of(fn: Callable[..., Any]) -> Hints:
    """The annotations of a function, method, partial, class or callable object, not resolved yet.

    Example:
        >>> def price(item: str) -> "float": ...
        >>> hints_of(price).returns, hints_of(price).parameter("item")
        (<class 'float'>, <class 'str'>)
    """
    if not isinstance(fn, FunctionType):
        return _hints_of(fn)
    # Kept on the function: a weak map would never let go of a closure that can reach itself.
    found = fn.__dict__.get(_SLOT)
    if found is None or found[0] is not fn:  # functools.wraps copies __dict__
        found = fn.__dict__[_SLOT] = (fn, _hints_of(fn))
    hints: Hints = found[1]
    return hints


def _hints_of(fn: Callable[..., Any]) -> Hints:
    function = underlying(fn)
    if isinstance(function, type):
        return Hints(_static(function, "__init__"), returns=function)
    if isinstance(function, FunctionType) and function is not fn:
        return hints_of(function)
    return Hints(function)


def underlying(fn: Any) -> Any:
    """The plain function (or class, or builtin) behind partials, decorators, methods and callable objects."""
    while True:
        if isinstance(fn, functools.partial):
            fn = fn.func
        elif isinstance(fn, MethodType):
            fn = fn.__func__
        elif hasattr(fn, "__wrapped__"):
            fn = inspect.unwrap(fn)
        elif not isinstance(fn, type) and isinstance(call := _static(type(fn), "__call__"), FunctionType):
            fn = call
        else:
            return fn


def _static(cls: type, name: str) -> Any:
    return inspect.getattr_static(cls, name, None)


def callable_name(fn: Any) -> str:
    """How messages name a callable: its qualified name, or its type."""
    inner = underlying(fn)
    return str(getattr(inner, "__qualname__", None) or type_name(type(inner)))


def _namespaces(function: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Globals and locals for its annotations: classes defined beside a local function live in its closure."""
    inner = {parameter.__name__: parameter for parameter in getattr(function, "__type_params__", ())}
    names = getattr(getattr(function, "__code__", None), "co_freevars", ())
    for name, cell in zip(names, getattr(function, "__closure__", None) or (), strict=False):
        try:
            inner[name] = cell.cell_contents
        except ValueError:  # not bound yet
            continue
    return getattr(function, "__globals__", {}), inner
