"""Named SQL statements, one file per noun."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n((?:-- .*\n)+)", re.MULTILINE)


class Statements:
    """The statements of one file, as attributes: ``Statements("runs").insert``."""

    def __init__(self, noun: str) -> None:
        self.noun = noun
        text = (Path(__file__).parent / f"{noun}.sql").read_text(encoding="utf-8")
        found = list(_NAME.finditer(text))
        ends = [match.start() for match in found[1:]] + [len(text)]
        self.texts = {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}
        self.__dict__.update(self.texts)  # found at once; the method below is for those that there are not

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"{self.noun}.sql has no statement named {name!r}")


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
QUOTAS = Statements("quotas")
TRANSACTIONS = Statements("transactions")
APPROVALS = Statements("approvals")
DOCUMENTS = Statements("documents")
OUTBOX = Statements("outbox")
