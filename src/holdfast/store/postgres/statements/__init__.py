"""Named SQL statements, one file per noun, as in the SQLite store; and how they name the tables of a schema.

The files say ``holdfast.runs`` for a table and ``routines.commit`` for a function or view of this version of the code.
:class:`Names` puts the real names in: the schema that the store's URL names, and routines that end in a digest of their
own text, so that two versions of Holdfast work on one schema side by side, each with its own.
"""

from __future__ import annotations

import re
from functools import cache
from hashlib import blake2b
from pathlib import Path

_HERE = Path(__file__).parent
_NAME = re.compile(r"^-- name: (\w+)\n((?:-- .*\n)+)", re.MULTILINE)
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


class Statements:
    """The statements of one file, as attributes: ``Statements("runs").get``."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        text = (_HERE / f"{noun}.sql").read_text(encoding="utf-8")
        found = list(_NAME.finditer(text))
        ends = [match.start() for match in found[1:]] + [len(text)]
        self.texts = {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}

    def __getattr__(self, name: str) -> str:
        try:
            return self.texts[name]
        except KeyError:
            raise AttributeError(f"{self.noun}.sql has no statement named {name!r}") from None


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


CONNECTION = Statements("connection")
RUNS = Statements("runs")
NEWS = Statements("news")
CLAIMS = Statements("claims")
HISTORY = Statements("history")
COMMITS = Statements("commits")
PROMISES = Statements("promises")
LEASES = Statements("leases")
HEALTH = Statements("health")
FILES = Statements("files")
REPAIRS = Statements("repairs")
PRUNING = Statements("pruning")
TRANSACTIONS = Statements("transactions")
APPROVALS = Statements("approvals")
DOCUMENTS = Statements("documents")
OUTBOX = Statements("outbox")
