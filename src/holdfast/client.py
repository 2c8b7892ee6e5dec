"""The client of a store: runs, and what people are asked."""

from __future__ import annotations

from functools import cached_property

from holdfast.approvals.desk import Desk
from holdfast.approvals.remote import RemoteDesk
from holdfast.durable.client import Client as BaseClient
from holdfast.people import People


class Client(BaseClient):
    """Starts, finds and tells runs, and shows people what they are asked. Made by ``app.open`` and ``app.connect``."""

    @cached_property
    def inbox(self) -> Desk:
        """What runs ask of people; see :class:`~holdfast.Desk`.

        Example:
            >>> async def main(client, ann):
            ...     for case in await client.inbox.inbox(ann):
            ...         print(case.action, case.because)
        """
        api = getattr(self.store, "api", None)  # of a server: its own desk decides
        return Desk(self, People(self.store, self._clock)) if api is None else RemoteDesk(api)
