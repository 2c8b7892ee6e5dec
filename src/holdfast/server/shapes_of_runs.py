"""What the OpenAPI document says of runs, their journals and files."""

from __future__ import annotations

from typing import Annotated, Any, Self

from pydantic import AwareDatetime, ConfigDict, Field, field_validator, model_validator

from holdfast.clock import from_datetime
from holdfast.records.run import Status
from holdfast.server.shapes import Asked, Limit, Text, Time, Told, Word
from holdfast.store.base import RunFilter

_RUN: dict[str, Any] = {
    "id": "01kb3w8m6e8q2c5t7v9x1z3b5d",
    "number": 7,
    "agent": "adjust",
    "version": "3",
    "status": "waiting",
    "key": "claim-4711",
    "tags": ["monday"],
    "priority": 0,
    "root": "01kb3w8m6e8q2c5t7v9x1z3b5d",
    "parent": None,
    "origin": None,
    "progress": {"done": 2, "total": 3, "message": "asking"},
    "created_at": "2026-11-23T08:00:00.000000Z",
    "started_at": "2026-11-23T08:00:00.004000Z",
    "ended_at": None,
    "wake_at": None,
    "deadline_at": None,
    "cancel": None,
    "pause_at": None,
    "worker": None,
    "epoch": 1,
    "generation": 0,
    "entries": 5,
    "ended_by": None,
    "lost": 0,
    "wakes": 0,
    "seen": 0,
    "digest": "5f0c1e2d3b4a59687786a5b4c3d2e1f0",
    "input": {"claim": {"id": "4711", "amount": 90}},
}


class RunShape(Told):
    """A run.

    Its input, result and error are JSON where that is what is stored, byte for byte; else they come under the same name
    with ``_text`` or ``_base64`` behind it. What does not exist yet is left out.
    """

    model_config = ConfigDict(json_schema_extra={"example": _RUN})

    id: str
    number: int
    agent: str
    version: str
    status: Status
    key: str | None
    tags: list[str]
    priority: int
    root: str
    parent: dict[str, Any] | None
    origin: dict[str, Any] | None
    progress: dict[str, Any] | None
    created_at: Time
    started_at: Time | None
    ended_at: Time | None
    wake_at: Time | None
    deadline_at: Time | None
    cancel: dict[str, Any] | None
    pause_at: Time | None
    worker: str | None
    epoch: int
    generation: int
    entries: int
    ended_by: int | None
    lost: int
    wakes: int
    seen: int
    digest: str
    input: Any = None
    input_text: str = ""
    input_base64: str = ""
    result: Any = None
    result_text: str = ""
    result_base64: str = ""
    error: Any = None
    error_text: str = ""
    error_base64: str = ""
    why: str = Field("", description="Why it is not being executed just now; for one run only.")


class Runs(Told):
    """A page of runs, newest first."""

    runs: list[RunShape]
    next: str | None = Field(description="The cursor of the next page; null on the last.")


class Which(Asked):
    """Which runs: those that match everything given."""

    agent: Word | None = None
    version: Word | None = None
    status: list[Status] = Field([], max_length=20)
    parent: Word | None = Field(None, description="Children of this run.")
    root: Word | None = Field(None, description="This run and its descendants.")
    roots_only: bool = Field(False, description="No children of other runs.")
    key: Word | None = None
    tag: list[Word] = Field([], max_length=20, description="With all of these tags.")
    since: AwareDatetime | None = Field(None, description="Created then or later.")
    until: AwareDatetime | None = Field(None, description="Created before.")
    error: Text | None = Field(None, description="With this text in their error.")

    def filter(self, *, limit: int = 100, cursor: str | None = None) -> RunFilter:
        """As stores take it."""
        return RunFilter(
            agent=self.agent, version=self.version, statuses=tuple(self.status), parent=self.parent, root=self.root,
            roots_only=self.roots_only, key=self.key, tags=tuple(self.tag),
            since=None if self.since is None else max(0, from_datetime(self.since)),
            until=None if self.until is None else max(0, from_datetime(self.until)),
            error=self.error, limit=limit, before=cursor,
        )  # fmt: skip


class WhichPage(Which):
    """Which runs, and which page of them."""

    limit: Limit = 100
    cursor: Word | None = Field(None, description="`next` of the page before.")
    values: bool = Field(True, description="With their inputs and results, which may be large.")


class Start(Asked):
    """A run to be started."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "example": {"agent": "adjust", "input": {"claim": {"id": "4711", "amount": 90}}, "key": "claim-4711"}
        },
    )

    agent: Word
    version: Word | None = Field(None, description="By default the one that there is.")
    input: dict[str, Any] | list[Any] | None = Field(None, description="Its arguments: by name, or by position.")
    input_text: Annotated[str, Field(max_length=16 * 2**20)] | None = Field(
        None, description="Instead of `input`: the same object as text, where every byte counts."
    )
    key: Word | None = Field(None, description="An idempotency key: the same key never starts a second run.")
    priority: int = Field(0, ge=-1_000_000, le=1_000_000)
    timeout: Annotated[str, Field(pattern=r"^[0-9.]+(ms|s|m|h|d|w)", max_length=40)] | None = Field(
        None, description="Of the whole run: `2d`, `1h30m`."
    )
    tags: list[Word] = Field([], max_length=100)
    id: Annotated[str, Field(pattern="^[0-9a-hjkmnp-tv-z]{26}$")] | None = Field(
        None, description="Chosen by the caller (a ULID), so that asking again starts nothing; by default a new one."
    )

    @model_validator(mode="after")
    def _one_input(self) -> Self:
        if self.input is not None and self.input_text is not None:
            raise ValueError("give input or input_text, not both")
        return self


class Started(Told):
    """A run that exists now."""

    run: str
    created: bool = Field(description="Whether it is new; false if it existed under this id or key.")
    digest: str = Field(description="Of its arguments.")


class StartMany(Asked):
    """Runs to be started together. Nobody looks whether somebody hosts them: they wait until somebody does."""

    runs: list[Start] = Field(min_length=1, max_length=1000)


class StartedMany(Told):
    """What became of each, in their order. Where the digest is not that of what was given, the key has another run."""

    runs: list[Started]


class Counts(Told):
    """How many runs there are, by status."""

    count: int
    by_status: dict[Status, int]


class Fork(Asked):
    """A run to be made from the beginning of another."""

    at: int | Word = Field(description="The last entry to keep, 0 for none; or a call, by key or function's name.")
    outcome: Any = Field(None, description="Another outcome of the call at `at`; null counts if it is given.")
    error: Text | None = Field(None, description="Instead of `outcome`: let that call have failed, so.")
    key: Word | None = None
    keep_keys: bool = Field(False, description="Give its effects the idempotency keys of the origin's.")
    version: Word | None = None
    tags: list[Word] = Field([], max_length=100)
    id: Annotated[str, Field(pattern="^[0-9a-hjkmnp-tv-z]{26}$")] | None = None

    @field_validator("at")
    @classmethod
    def _whole(cls, at: int | str) -> int | str:
        if isinstance(at, int) and not 0 <= at < 2**31:
            raise ValueError("a number of an entry, or 0")
        return at


class Forked(Told):
    """A fork, and what it keeps and makes again."""

    run: str
    at: int
    kept: list[str]
    changed: str | None
    again: list[str]


class Move(Asked):
    """Another version for a run to go on as.

    With ``epoch`` and ``entries`` the caller has replayed the journal of that state against the version's code;
    without them this server does so, if it has the code.
    """

    version: Word
    epoch: int | None = Field(None, ge=0, lt=2**31)
    entries: int | None = Field(None, ge=0, lt=2**31)


class Tags(Asked):
    """Tags to add and to remove."""

    add: list[Word] = Field([], max_length=100)
    remove: list[Word] = Field([], max_length=100)


class Deleted(Told):
    """How many runs went."""

    deleted: int


class Activations(Told):
    """A run's stays in memory."""

    activations: list[dict[str, Any]]


class Usage(Told):
    """What models have used."""

    requests: int
    input_tokens: int
    output_tokens: int
    cost: str | None
    unmeasured_requests: int
    unpriced: int


class Journal(Told):
    """A page of a journal, by number; entries as in journal files."""

    entries: list[dict[str, Any]]
    next: int | None = Field(description="`after` of the next page; null if there was no more.")


class History(Told):
    """What a replay begins with."""

    entries: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    maps: list[dict[str, Any]]


class Values(Told):
    """Values of items of a map, in the order in which they were asked for."""

    values: list[dict[str, Any]]


class Files(Told):
    """What a workspace holds."""

    files: list[dict[str, Any]]
