"""The arguments of a call: stored whole where they must be found again, and as a fingerprint where not.

Stored arguments are one canonical JSON object, parameter name to value; ``*args`` is a list and ``**kwargs`` an object
under their own names. Defaults are not stored.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from inspect import Parameter, Signature
from types import FunctionType, GenericAlias, MethodType
from typing import Any, get_args, get_origin

from holdfast.codec.hints import callable_name, hints_of
from holdfast.codec.shape import Shape, schema_of_members, shape_of
from holdfast.codec.text import canonical
from holdfast.errors import NotStorable, UsageError

_PLANS = "__holdfast_plans__"
_POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)
_VARIABLE = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)


class Plan:
    """How one callable's arguments are bound, written and read. Get one with :func:`plan_of`."""

    __slots__ = ("_annotation", "_names", "_required", "_schema", "_shapes", "name", "signature")

    def __init__(self, target: Callable[..., Any] | Signature, skip: int) -> None:
        if isinstance(target, Signature):
            signature, self.name = target, "a call"
            self._annotation: Callable[[str], Any] = lambda name: signature.parameters[name].annotation
        else:
            signature, self.name = _signature_of(target), callable_name(target)
            self._annotation = hints_of(target).parameter
        self.signature = signature.replace(parameters=list(signature.parameters.values())[skip:])
        self._shapes: dict[str, Shape[Any]] = {}
        self._schema: bytes | None = None
        parameters = self.signature.parameters.values()
        self._names = [one.name for one in parameters if one.kind in _POSITIONAL]
        needed = [one for one in parameters if one.default is Parameter.empty and one.kind not in _VARIABLE]
        by_name = any(one.kind is Parameter.KEYWORD_ONLY for one in needed)
        self._required = len(needed) + (len(self._names) if by_name else 0)  # more than can be given by place

    def bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Each given argument under its parameter's name.

        Raises:
            UsageError: they do not fit the signature.
        """
        if not kwargs and self._required <= len(args) <= len(self._names):
            # Nearly every call; ``Signature.bind`` takes 3 µs.
            return dict(zip(self._names, args, strict=False))
        try:
            return self.signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            raise UsageError(f"{self.name}{self.signature}: {error}") from error

    def fits(self, stored: Mapping[str, Any]) -> bool:
        """Whether stored arguments are a plain call: all by place, without gaps, as nearly every one is."""
        return self._required <= len(stored) <= len(self._names) and all(
            name in stored for name in self._names[: len(stored)]
        )

    def shape(self, name: str) -> Shape[Any]:
        """The shape of one parameter; that of ``*args`` and ``**kwargs`` is of the whole list and dict."""
        shape = self._shapes.get(name)
        if shape is None:
            shape = self._shapes[name] = shape_of(self._whole(name))
        return shape

    def schema(self) -> bytes:
        """The JSON Schema of what is stored; made once, since that takes half a millisecond.

        Raises:
            NotStorable: a parameter has none.
        """
        if self._schema is None:
            parameters = self.signature.parameters
            required = [
                name for name, one in parameters.items() if one.default is Parameter.empty and one.kind not in _VARIABLE
            ]
            self._schema = schema_of_members({name: self.shape(name) for name in parameters}, required)
        return self._schema

    def _whole(self, name: str) -> Any:
        kind, hint = self.signature.parameters[name].kind, self._annotation(name)
        hint = Any if hint is Parameter.empty else hint
        if kind is Parameter.VAR_POSITIONAL:
            return GenericAlias(list, (hint,))
        if kind is Parameter.VAR_KEYWORD:
            # By name: typing_extensions brings an Unpack of its own, which pydantic asks for before Python 3.12.
            return get_args(hint)[0] if str(get_origin(hint)).endswith(".Unpack") else GenericAlias(dict, (str, hint))
        return hint


def plan_of(target: Callable[..., Any] | Signature, skip: int = 0) -> Plan:
    """The plan of a callable or signature; remembered on plain functions.

    Raises:
        UsageError: the callable (a builtin, say) does not tell its parameters.
    """
    if isinstance(target, MethodType):
        return plan_of(target.__func__, skip + 1)
    if not isinstance(target, FunctionType):
        return Plan(target, skip)
    plans = target.__dict__.get(_PLANS)
    if plans is None or plans[0] is not target:  # functools.wraps copies __dict__
        plans = target.__dict__[_PLANS] = (target, dict[int, Plan]())
    known: dict[int, Plan] = plans[1]
    if skip not in known:
        known[skip] = Plan(target, skip)
    return known[skip]


def pack_arguments(
    target: Callable[..., Any] | Signature, args: tuple[Any, ...], kwargs: Mapping[str, Any], *, skip: int = 0
) -> bytes:
    """The arguments of a call as canonical JSON, each written by its parameter's annotation.

    Args:
        target: what is called, or its signature.
        args: the positional arguments.
        kwargs: the keyword arguments.
        skip: how many leading parameters the runtime provides (``ctx``); ``args`` does not contain them.

    Raises:
        NotStorable: an argument would not come back as it is, or has the wrong type; the message names it like
            ``claim.items[0]``.
        UsageError: the arguments do not fit the signature, or an annotation cannot be resolved.

    Example:
        >>> async def pay(ctx: object, claim_id: str, amount: float = 0.0) -> None: ...
        >>> pack_arguments(pay, ("c-1",), {"amount": 90}, skip=1)
        b'{"amount":90.0,"claim_id":"c-1"}'
    """
    plan = plan_of(target, skip)
    given = plan.bind(args, kwargs)
    members = (canonical(name) + b":" + _written(plan, name, given[name]) for name in sorted(given))
    return b"{" + b",".join(members) + b"}"


def _written(plan: Plan, name: str, value: Any) -> bytes:
    kind = plan.signature.parameters[name].kind
    try:
        data, _ = plan.shape(name).settle(list(value) if kind is Parameter.VAR_POSITIONAL else value)
    except NotStorable as error:
        said = str(error)
        path = f"{name}{said[1:]}" if said.startswith("$") else f"{name}: {said}"
        raise NotStorable(f"{plan.name}, argument {path}") from error
    return canonical(json.loads(data)) if b"{" in data else data  # only objects have an order to settle


def unpack_arguments(
    target: Callable[..., Any] | Signature, data: bytes, *, skip: int = 0
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """The arguments that :func:`pack_arguments` wrote, ready for ``target(*injected, *args, **kwargs)``.

    Raises:
        NotStorable: they do not fit the function any more; the message names the parameter.

    Example:
        >>> def pay(claim_id: str, /, amount: float = 0.0) -> None: ...
        >>> unpack_arguments(pay, b'{"amount":90,"claim_id":"c-1"}')
        (('c-1', 90.0), {})
    """
    plan = plan_of(target, skip)
    stored = json.loads(data)
    if plan.fits(stored):
        return tuple(_read_all(plan, stored).values()), {}
    if unknown := sorted(stored.keys() - plan.signature.parameters.keys()):
        raise NotStorable(f"{plan.name} has no parameter {unknown[0]!r} any more, but the stored call gives it")
    bound = inspect.BoundArguments(plan.signature, _read_all(plan, stored))
    args, kwargs = bound.args, bound.kwargs
    try:
        plan.signature.bind(*args, **kwargs)
    except TypeError as error:
        raise NotStorable(f"{plan.name}{plan.signature} does not fit the stored call: {error}") from error
    return args, kwargs


def schema_of_arguments(target: Callable[..., Any] | Signature, *, skip: int = 0) -> bytes:
    """The JSON Schema of what :func:`pack_arguments` writes, canonical.

    Raises:
        NotStorable: a parameter has no JSON Schema.

    Example:
        >>> def pay(claim_id: str, amount: float = 0.0) -> None: ...
        >>> json.loads(schema_of_arguments(pay))["required"]
        ['claim_id']
    """
    return plan_of(target, skip).schema()


def _read_all(plan: Plan, stored: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _read(plan, name, stored[name]) for name in plan.signature.parameters if name in stored}


def _read(plan: Plan, name: str, value: Any) -> Any:
    try:
        return plan.shape(name).decode(canonical(value))
    except NotStorable as error:
        raise NotStorable(f"{plan.name}, stored argument {name}{str(error).removeprefix('$')}") from error


def _signature_of(target: Callable[..., Any]) -> Signature:
    try:
        return inspect.signature(target)
    except (ValueError, TypeError) as error:
        said = f"{callable_name(target)} does not tell its parameters"
        raise UsageError(f"{said}; wrap it in a function of your own") from error
