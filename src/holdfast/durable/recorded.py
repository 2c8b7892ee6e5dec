"""What the journal says beyond outcomes: intents, attempts, marks, and which guarded calls the code has not made."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from holdfast.records.journal import Entry, Kind, Op


def scope_of(key: str) -> str:
    """The path of the scope in which the call of this key was made."""
    return key.rpartition("/")[0]


def name_in(key: str) -> str:
    """The name of the called function in a key."""
    return key.rpartition("/")[2].partition("#")[0]


class Recorded:
    """An index over the entries that an activation began with, kept up with those it adds."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.intents: dict[str, Entry] = {}
        self.attempts: dict[str, list[Entry]] = defaultdict(list)
        self.marks: dict[str, Entry] = {}
        self._entries = entries
        self._claimed: set[str] = set()
        self._unclaimed: dict[str, dict[str, Entry]] = defaultdict(dict)  # guarded ones, by scope
        for entry in entries:
            if entry.kind is not Kind.OUTCOME:
                self.note(entry)
            if entry.guarded:
                self._unclaimed[scope_of(entry.key)][entry.key] = entry

    def note(self, entry: Entry) -> None:
        """Remember an entry that is not delivered."""
        match entry.kind:
            case Kind.INTENT:
                self.intents[entry.key] = entry
            case Kind.ATTEMPT:
                self.attempts[entry.key].append(entry)
            case Kind.MARK:
                self.marks[entry.key] = entry

    def claim(self, key: str) -> bool:
        """The code has made the call of this key; False if it had made it before."""
        if key in self._claimed:
            return False
        self._claimed.add(key)
        if self._unclaimed:
            self._unclaimed[scope_of(key)].pop(key, None)
        return True

    def claimed(self, key: str) -> bool:
        """Whether the code has made the call of this key."""
        return key in self._claimed

    def unmade(self, scope: str, waived: set[str]) -> Entry | None:
        """A guarded call of this scope that is recorded and that the code has not made, and not waived."""
        pending = self._unclaimed.get(scope)
        if not pending:
            return None
        return next((entry for entry in pending.values() if name_in(entry.key) not in waived), None)

    def elsewhere(self, key: str, fingerprint: bytes) -> Entry | None:
        """Another recorded call of the same scope, name and arguments that the code has not made yet: a sign that
        calls were reordered.
        """
        scope, name = scope_of(key), name_in(key)
        for entry in self._entries:
            another = entry.fingerprint == fingerprint and entry.key != key and not self.claimed(entry.key)
            if another and scope_of(entry.key) == scope and name_in(entry.key) == name:
                return entry
        return None

    def has_unmade(self, scope: str, name: str) -> bool:
        """Whether any call of this name is recorded in the scope and not made yet."""
        return any(
            not self.claimed(entry.key) and scope_of(entry.key) == scope and name_in(entry.key) == name
            for entry in self._entries
            if entry.op is not Op.TIMER
        )
