"""Channels: where people are told, what, and when."""

from __future__ import annotations

import json
from typing import Any, Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from holdfast import codec
from holdfast.approvals.notifications.quiet import Quiet
from holdfast.errors import BadOption
from holdfast.records.document import Document, Put

CHANNEL = "channel"

Topic = Literal["asked", "ended"]
"""``asked``: somebody is asked, or others are instead. ``ended``: it was decided, expired, or is no longer needed."""


class Channel(BaseModel):
    """Where people are told of what is asked of them. Its address and its secret are secrets: neither is ever shown.

    Attributes:
        id: a word.
        url: ``https://…`` (or ``http://…``) is a webhook; any other is an address of apprise: ``mailto://…``,
            ``slack://…``.
        secret: what webhooks are signed with: ``whsec_`` and base64.
        to: only what is asked of these people and roles (``"role:adjuster"``); empty: everything.
        min_risk: only what is at least so risky.
        events: which of the two it is told of.
        digest: what comes within so many seconds is told together; 0: each at once.
        quiet: when it is not to be told anything.
        urgent: what is at least so risky is told at once, in quiet hours too; None: nothing is.
        server: where people decide, such as ``https://holdfast.example.com``: links in messages lead there. If it is
            for one person, they bear a token that decides in their name.
        details: whether the arguments, values and facts are told too, and not only what it is about.
        disabled: why it is told nothing any more; empty: it is.
        by: who made it.
        made_at: when, in microseconds.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str = Field(pattern=r"^[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?$")
    url: SecretStr
    secret: SecretStr = SecretStr("")
    to: tuple[str, ...] = ()
    min_risk: int = Field(default=0, ge=0, le=100)
    events: tuple[Topic, ...] = ("asked",)
    digest: int = Field(default=0, ge=0, le=7 * 86_400)
    quiet: Quiet | None = None
    urgent: int | None = Field(default=80, ge=0, le=100)
    server: str = Field(default="", pattern=r"^(https?://[^\s?#]+)?$")
    details: bool = False
    disabled: str = ""
    by: str = ""
    made_at: int = 0

    @classmethod
    def made(cls, **given: Any) -> Channel:
        """A channel of what somebody has given.

        Raises:
            BadOption: something makes no sense; the message names it, and shows no value.
        """
        try:
            return cls(**given)
        except ValidationError as error:
            first = error.errors(include_input=False, include_context=False)[0]
            raise BadOption(f"a channel's {first['loc'][0]}: {first['msg']}") from None

    @property
    def is_webhook(self) -> bool:
        """Whether it is told by HTTP, and not through apprise."""
        return urlsplit(self.url.get_secret_value()).scheme.lower() in ("http", "https")

    @property
    def address(self) -> str:
        """Its URL without what may be secret in it: of others than webhooks only the scheme."""
        parts = urlsplit(self.url.get_secret_value())
        if not self.is_webhook:
            return f"{parts.scheme}://…"
        port = f":{parts.port}" if parts.port is not None else ""
        return f"{parts.scheme}://{parts.hostname}{port}/…"

    @property
    def person(self) -> str:
        """The one person whom it is for; empty if it is for several, or for a role."""
        return self.to[0] if len(self.to) == 1 and not self.to[0].startswith("role:") else ""

    def breaks_through(self, risk: int) -> bool:
        """Whether something so risky is told at once, whatever the hour."""
        return self.urgent is not None and risk >= self.urgent

    def put(self, revision: int) -> Put:
        """The change that makes this the document that has a revision now; 0 if there is none yet."""
        body = self.model_dump(mode="json", exclude={"id"})
        body |= {"url": self.url.get_secret_value(), "secret": self.secret.get_secret_value()}
        return Put(kind=CHANNEL, id=self.id, revision=revision, body=codec.pack(codec.canonical(body)))

    @classmethod
    def of(cls, document: Document) -> Channel:
        """The channel that a document is of."""
        return cls(id=document.id, **json.loads(codec.unpack(document.body)))
