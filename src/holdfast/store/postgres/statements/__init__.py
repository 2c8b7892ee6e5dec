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
# Made once, and not dependent on what was in a table that was empty a second ago: by its indexes, whatever the
# statistics say. To plan the reading of one run anew each time takes thrice as long as to read it.
_PLANNED = {
    "plan_cache_mode": "force_generic_plan",
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
}
PLANNED = "; ".join(f"SET {name} = {value}" for name, value in _PLANNED.items())
# For what is asked in many ways, or of very many rows: until the end of the transaction, by what is asked for.
BROAD = "; ".join(
    ["SET LOCAL plan_cache_mode = force_custom_plan", *(f"SET LOCAL {name} TO DEFAULT" for name in list(_PLANNED)[1:])]
)

_FIRST = ("rows", "time")


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
    """The text of all functions and views, in the order in which they are made: first what others are defined by."""
    folder = _HERE.parent / "routines"
    files = sorted(folder.glob("*.sql"), key=lambda file: (file.stem not in _FIRST, file.stem))
    text = "\n".join(file.read_text(encoding="utf-8") for file in files)
    return text.replace(" PLANNED AS $$", f" {PLANNED.replace(';', '')} AS $$")


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
