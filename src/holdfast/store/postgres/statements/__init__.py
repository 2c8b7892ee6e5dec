"""Named SQL statements, one file per noun, as in the SQLite store; and how they name the tables of a schema.

The files say ``holdfast.runs`` for a table and ``routines.commit`` for a function or view of this version of the code.
:class:`Names` puts the real names in: the schema that the store's URL names, and routines that end in a digest of their
own text, so that two versions of Holdfast work on one schema side by side, each with its own.
"""

from __future__ import annotations

import re
from functools import cache, partial
from hashlib import blake2b
from pathlib import Path

from holdfast.store.statements import Statements

_HERE = Path(__file__).parent
_TABLE, _ROUTINE = re.compile(r"\bholdfast\.(?=\w)"), re.compile(r"\broutines\.(\w+)")
# Plans must not depend on what was in a table that was empty a second ago: by its indexes, whatever the statistics say.
_PLANNED = (
    "SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off "
    "SET enable_mergejoin = off"
)


class Names:
    """What tables and routines are called in one schema."""

    def __init__(self, schema: str) -> None:
        self.schema = schema
        self._quoted = '"' + schema.replace('"', '""') + '"'
        self._bound: dict[str, str] = {}

    def __call__(self, statement: str) -> str:
        """The statement with the real names in it."""
        bound = self._bound.get(statement)
        if bound is None:
            text = _ROUTINE.sub(rf'{self._quoted}."\1_{routines_digest()}"', statement)
            bound = self._bound[statement] = _TABLE.sub(f"{self._quoted}.", text)
        return bound

    @property
    def quoted(self) -> str:
        """The schema, as SQL writes it."""
        return self._quoted


@cache
def routines() -> str:
    """The text of all functions and views: time first, views last, for they are made in this order."""
    files = sorted((_HERE.parent / "routines").glob("*.sql"), key=lambda file: (file.stem != "time", file.stem))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return text.replace(" PLANNED AS $$", f" {_PLANNED} AS $$")


@cache
def routines_digest() -> str:
    """What tells these routines from those of other versions."""
    return blake2b(routines().encode(), digest_size=5).hexdigest()


_named = partial(Statements, _HERE)

CONNECTION = _named("connection")
RUNS = _named("runs")
NEWS = _named("news")
CLAIMS = _named("claims")
HISTORY = _named("history")
COMMITS = _named("commits")
PROMISES = _named("promises")
LEASES = _named("leases")
HEALTH = _named("health")
FILES = _named("files")
REPAIRS = _named("repairs")
PRUNING = _named("pruning")
TRANSACTIONS = _named("transactions")
APPROVALS = _named("approvals")
DOCUMENTS = _named("documents")
OUTBOX = _named("outbox")
