"""What a map gives back: values read from the store when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, overload

from holdfast import codec
from holdfast.durable.outcomes import failure
from holdfast.records.journal import Op

_BATCH = 256


@dataclass(frozen=True, slots=True)
class Failure:
    """An item that failed, where ``on_error="collect"``: the item's key and ``"Type: message"``."""

    key: str
    error: str


class Values:
    """Values of a map's items by their place in the input."""

    def __init__(
        self,
        loader: Callable[[int, Sequence[int]], list[bytes]],
        map_hash: int,
        name: str,
        op: Op,
        shape: Any,
        keys: dict[int, str],
    ) -> None:
        self._loader = loader
        self._map = map_hash
        self._name = name
        self._op = op
        self._shape = shape
        self._keys = keys
        self.failed: set[int] = set()

    def get(self, ord_: int, value: bytes | None = None) -> Any:
        """The value of one item, or its :class:`Failure`; read from the store unless given."""
        return self._decode(ord_, self._loader(self._map, [ord_])[0] if value is None else value)

    def many(self, ords: Sequence[int]) -> list[Any]:
        """The values of several items."""
        return [self._decode(ord_, value) for ord_, value in zip(ords, self._loader(self._map, ords), strict=True)]

    def failure_of(self, ord_: int, value: bytes | None, seq: int) -> Exception:
        """The exception of an item that failed, as recorded under a number."""
        packed = self._loader(self._map, [ord_])[0] if value is None else value
        return failure(self._op, f"{self._name}/{self._keys[ord_]}", packed, (), seq)

    def _decode(self, ord_: int, value: bytes) -> Any:
        if ord_ not in self.failed:
            return self._shape.decode(codec.unpack(value))
        failed = codec.Failed.unpack(value)
        return Failure(self._keys[ord_], f"{failed.type_name}: {failed.message}")


class Results(Sequence[Any]):
    """The results of a map in input order. A value is read when it is asked for, and not kept."""

    def __init__(self, values: Values, length: int) -> None:
        self._values = values
        self._length = length

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, index: int) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Any]: ...
    def __getitem__(self, index: int | slice) -> Any:
        ords = range(self._length)[index]
        return self._values.get(ords) if isinstance(ords, int) else self._values.many(ords)

    def __iter__(self) -> Iterator[Any]:
        for start in range(0, self._length, _BATCH):
            yield from self._values.many(range(start, min(start + _BATCH, self._length)))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and not isinstance(other, str | bytes) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]  # a sequence that compares by value

    def __repr__(self) -> str:
        return f"<{self._length} results>"
