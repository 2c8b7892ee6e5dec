"""Signatures: what a step's function asks for by annotating its first parameter."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import FunctionType, MethodType
from typing import Any

from holdfast.store.transactions import PostgresTransaction, SqliteTransaction

_TRANSACTIONS = {cls.__name__: cls for cls in (SqliteTransaction, PostgresTransaction)}


def takes_transaction(fn: Callable[..., Any]) -> bool:
    """Whether the first parameter is annotated as a transaction; no step is asked twice, so this may not cost much.

    Example:
        >>> def book(tx: SqliteTransaction, amount: int) -> None: ...
        >>> takes_transaction(book), takes_transaction(functools.partial(book, amount=9)), takes_transaction(len)
        (True, True, False)
    """
    while isinstance(fn, functools.partial):
        if fn.args:
            return False  # its first parameter is given
        fn = fn.func
    bound = 0 if isinstance(fn, FunctionType) else 1
    own = fn.__func__ if isinstance(fn, MethodType) else fn if bound == 0 else getattr(type(fn), "__call__", None)  # noqa: B004  # asks what calling it does, not whether it can be called
    own = getattr(own, "__wrapped__", own)
    if not isinstance(own, FunctionType) or own.__code__.co_argcount <= bound:
        return False
    annotation = own.__annotations__.get(own.__code__.co_varnames[bound])
    if isinstance(annotation, str):  # names need not resolve yet; one that was imported under another name does
        last = annotation.rsplit(".", 1)[-1]
        annotation = _TRANSACTIONS.get(last) or own.__globals__.get(last)
    return any(annotation is cls for cls in _TRANSACTIONS.values())
