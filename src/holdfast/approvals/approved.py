"""Approved calls: what ``Approved.value`` is if a call was put up for approval."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING, Any, Self, TypeVar

from holdfast import codec
from holdfast.durable.calls import C, Call
from holdfast.durable.scope import current_scope
from holdfast.errors import BadOption

if TYPE_CHECKING:  # a petition makes approved calls
    from holdfast.approvals.petition import Petition

R_co = TypeVar("R_co", covariant=True)


class ReleasedCall(Call[R_co]):
    """A call that may be made now: strict about its place in the code, whatever it calls.

    Each attempt is given arguments of its own, as they were released: neither the body nor an attempt before can have
    changed them.

    Attributes:
        packed: its arguments.
    """

    __slots__ = ("packed",)

    packed: bytes

    def packed_arguments(self) -> bytes:
        return self.packed

    def arguments(self) -> tuple[tuple[Any, ...], Mapping[str, Any]]:
        return codec.unpack_arguments(self.target.fn, self.packed, skip=self.target.injected)

    @property
    def guarded(self) -> bool:
        return True


class ApprovedCall(Call[R_co]):
    """A call that was approved. It has the key of the one that was put up, and is bound to its arguments.

    Awaiting it makes sure that its arguments are those that were approved, looks at the declared preconditions again,
    and then does it, once.

    Attributes:
        bound: the digest of what was approved.
        copied: a fork: the decision is its origin's.
    """

    __slots__ = ("bound", "copied", "petition")

    bound: str
    copied: bool
    petition: Petition[Any]

    async def released(self, how: str) -> Call[R_co]:
        """The call to make, after all checks.

        Raises:
            CallReused: it was used before.
            NotApproved: it is not what was approved, or is so no longer and was not approved again.
        """
        self.spend(how)
        return await self.petition.released(self)

    def using(self, **options: Any) -> Self:
        """As :meth:`Call.using`; but what was approved cannot be made another.

        Raises:
            BadOption: ``key``, ``version`` or ``returns``.
        """
        for name in ("key", "version", "returns"):
            if options.get(name) is not None:
                raise BadOption(f"{self!r}.using({name}=…): it was approved as it is; say that before ctx.approve(…)")
        return super().using(**options)

    def another(self, cls: type[C]) -> C:
        new = super().another(cls)
        if isinstance(new, ApprovedCall):
            new.bound, new.copied, new.petition = self.bound, self.copied, self.petition
        return new

    def _drive(self) -> Generator[Any, Any, R_co]:
        scope = current_scope(f"{self!r} was awaited")
        if self._gone != "cancelled":
            self.spend("awaited")
        released = yield from self.petition.released(self).__await__()
        released.spend("awaited")
        value: R_co = yield from scope.core.requests.awaited(scope, released)
        return value
