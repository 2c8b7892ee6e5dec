"""A document changes by compare-and-set, together with others or not at all."""

from __future__ import annotations

import asyncio

from holdfast.records.approval import AuditEntry
from holdfast.store.base import Store
from tests.contract.desk import put
from tests.contract.making import NOW

NOTE = AuditEntry(at=NOW, actor="ann", action="person.changed", subject="ann", detail=b"d")


async def test_it_is_made_changed_and_deleted_by_its_revision(store: Store) -> None:
    assert await store.put([put("ann", b"1")])
    assert not await store.put([put("ann", b"again")])
    assert await store.put([put("ann", b"2", revision=1, expires_at=NOW + 5)])
    found = await store.document("person", "ann", now=NOW)
    assert found is not None
    assert (found.kind, found.id, found.revision, found.body, found.expires_at) == ("person", "ann", 2, b"2", NOW + 5)
    assert not await store.put([put("ann", None, revision=1)])
    assert await store.put([put("ann", None, revision=2)])
    assert await store.document("person", "ann", now=NOW) is None
    assert not await store.put([put("ann", b"3", revision=2)])
    assert not await store.put([put("ann", None, revision=2)])


async def test_all_are_changed_or_none_and_so_is_the_audit_trail(store: Store) -> None:
    assert not await store.put([put("ann"), put("bob", revision=1)], audit=[NOTE])
    assert await store.documents("person", now=NOW) == [] == await store.audited()
    assert await store.put([put("ann"), put("bob"), put("ann", b"2", revision=1)], audit=[NOTE])
    assert [(one.id, one.revision) for one in await store.documents("person", now=NOW)] == [("ann", 2), ("bob", 1)]
    assert [one.subject for one in await store.audited()] == ["ann"]


async def test_of_many_that_change_it_at_once_one_wins(store: Store) -> None:
    answers = await asyncio.gather(*(store.put([put("ann", b"%d" % n)]) for n in range(8)))
    assert sorted(answers) == [False] * 7 + [True]
    found = await store.document("person", "ann", now=NOW)
    assert found is not None and found.body == b"%d" % answers.index(True)


async def test_they_are_listed_by_kind_in_pages(store: Store) -> None:
    await store.put([put(f"p{n}") for n in range(5)] + [put("t", kind="token")])
    first = await store.documents("person", now=NOW, limit=2)
    assert [one.id for one in first] == ["p0", "p1"]
    rest = await store.documents("person", now=NOW, after="p1")
    assert [one.id for one in rest] == ["p2", "p3", "p4"]
    assert [one.id for one in await store.documents("token", now=NOW)] == ["t"]


async def test_one_that_has_expired_is_not_found_but_keeps_its_place_until_it_is_swept(store: Store) -> None:
    await store.put([put("gone", expires_at=NOW), put("later", expires_at=NOW + 1), put("stays")])
    assert [one.id for one in await store.documents("person", now=NOW)] == ["later", "stays"]
    assert await store.document("person", "gone", now=NOW) is None
    assert not await store.put([put("gone")])
    assert await store.sweep_documents(now=NOW, limit=100) == 1
    assert await store.put([put("gone")])
    assert await store.sweep_documents(now=NOW, limit=100) == 0
    await store.put([put(f"x{n}", kind="seen", expires_at=NOW) for n in range(5)])
    assert [await store.sweep_documents(now=NOW, limit=3) for _ in range(3)] == [3, 2, 0]


async def test_any_text_is_an_id(store: Store) -> None:
    for name in ("", "a\0b", "ä/#~", "'; DROP", "x" * 500):
        assert await store.put([put(name, b"\x00\xff")])
        found = await store.document("person", name, now=NOW)
        assert found is not None and (found.id, found.body) == (name, b"\x00\xff")
