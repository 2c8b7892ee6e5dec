"""Named SQL statements, one file per noun."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from holdfast.store.statements import Statements

_named = partial(Statements, Path(__file__).parent)

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
QUOTAS = _named("quotas")
TRANSACTIONS = _named("transactions")
APPROVALS = _named("approvals")
DOCUMENTS = _named("documents")
OUTBOX = _named("outbox")
