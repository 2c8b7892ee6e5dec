"""Cutting: the log of a world is done again, up to a place, in a fresh store; a new worker goes on from there."""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from holdfast import App, codec
from holdfast.clock import SECOND
from holdfast.durable.feed import DELIVERED
from holdfast.records.delta import Delta, Suspend
from holdfast.records.journal import Entry, Item, Kind
from holdfast.records.journal import Op as Called
from holdfast.records.run import Status
from holdfast.store.base import Store
from tests.contract.stores import Place
from tests.kernel.replay.recorder import Claim, Commit, Op, Start, Tally, Told
from tests.kernel.replay.world import ROOT, START, Case, Stage, World

MINUTE = 60 * SECOND
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # nobody pulls the plug here: no need to wait for a disk
Places = Callable[[Path], Place]


@dataclass(frozen=True)
class Cut:
    """A place in a log: the operations before ``op``, and of that one the first ``numbers`` entries and items."""

    op: int
    numbers: int = 0


@dataclass(frozen=True)
class Account:
    """What came of a world, as far as it must be the same in every world."""

    results: dict[str, tuple[str, Any]]  # by run: how it ended, and with what
    delivered: dict[tuple[str, int], list[tuple[Any, ...]]]  # by run and generation: what its body observed, in order
    asked: dict[tuple[str, int], list[tuple[Any, ...]]]
    """By run and generation, sorted: intents, attempts and marks; and the items of children, of which a parent that is
    not told of each learns when it is awake for another reason."""


@asynccontextmanager
async def fresh_store(places: Places) -> AsyncIterator[Store]:
    """An empty store; whoever has it closes it."""
    with tempfile.TemporaryDirectory(prefix="holdfast-cut-", dir=MEMORY) as folder:
        place = places(Path(folder))
        yield await place.open()
        place.clear()


@asynccontextmanager
async def world(app: App[Any], places: Places, case: Case, **options: Any) -> AsyncIterator[World]:
    """A world on a fresh store."""
    async with fresh_store(places) as store:
        made = World(app, store, case, **options)
        try:
            yield made
        finally:
            await made.close()


@dataclass(frozen=True)
class Story:
    """A world that has come to its end."""

    case: Case
    log: list[Op]
    account: Account
    stage: Stage
    runs: dict[str, str]  # by what their idempotency keys begin with
    crashes: int = 0


async def undisturbed(app: App[Any], places: Places, case: Case, **options: Any) -> Story:
    """Run a case from its start to its end."""
    async with world(app, places, case, **options) as made:
        await made.open()
        await made.start()
        await made.play()
        return await _told(made)


async def crashing(app: App[Any], places: Places, case: Case, **options: Any) -> Story:
    """The same, killing the worker whenever only time can move anything."""
    async with world(app, places, case, **options) as made:
        await made.open()
        await made.start()
        await made.play(crashing=True)
        return await _told(made)


async def continued(
    app: App[Any], places: Places, first: Story, cut: Cut, *, anew: bool = False, **options: Any
) -> Story:
    """Do again what is before the cut, and let a new worker go on from there.

    Args:
        anew: effects that are not recorded last as long as they say, rather than until they ended before.
    """
    log = list(before(first.log, cut))
    async with world(app, places, first.case, now=log[0].now, **options) as made:
        await _do_again(log, made)
        made.stage.ends.update({} if anew else first.stage.ends)
        made.clock.set(log[-1].now)
        await made.open()
        await made.play()
        return await _told(made)


async def _told(made: World) -> Story:
    return Story(made.case, made.recorder.log, await account_of(made), made.stage, made.recorder.runs, made.crashes)


# -- where to cut


def cuts(log: Sequence[Op]) -> Iterator[Cut]:
    """After every entry and item of every run, and before every end."""
    for at, op in enumerate(log):
        if isinstance(op, Commit) and not (isinstance(op.delta.end, Suspend) and op.numbered == 0):
            for numbers in range(max(1, op.numbered)):
                yield Cut(at, numbers)
    yield Cut(len(log))


def before(log: Sequence[Op], cut: Cut) -> Iterator[Op]:
    """The operations before a cut."""
    yield from log[: cut.op]
    if cut.numbers:
        op = log[cut.op]
        assert isinstance(op, Commit), "only deltas are cut in the middle"
        yield replace(op, delta=first_numbers(op, cut.numbers))


def first_numbers(op: Commit, numbers: int) -> Delta:
    """The delta that a run would have written if only its first entries and items had been ready.

    What has no number of its own goes with its intent: children, promises, cancels. Groups and their children, which
    have none, are asked for before anything is observed, so they go with the first number that is left.
    """
    delta = op.delta
    last = sorted(one.seq for one in (*delta.entries, *delta.items))[numbers - 1]
    entries = tuple(entry for entry in delta.entries if entry.seq <= last)
    intents = {entry.key for entry in entries if entry.kind is Kind.INTENT}
    stopped = {codec.hash64(key.removeprefix("~cancel:")) for key in intents if key.startswith("~cancel:")}
    return delta._replace(
        entries=entries,
        items=tuple(item for item in delta.items if item.seq <= last),
        promises=tuple(promise for promise in delta.promises if promise.key in intents),
        children=tuple(
            child
            for child in delta.children
            if child.parent and (child.parent.map is not None or child.parent.key in intents)
        ),
        cancels=delta.cancels[: len(stopped - set(delta.cancel_groups))],  # they are in the order of their intents
        cancel_groups=tuple(map for map in delta.cancel_groups if map in stopped),
        seen=_seen(op, entries),
        progress=None,
        end=None,
    )


def _seen(op: Commit, entries: Sequence[Entry]) -> int | None:
    """The last news that these entries hold."""
    told = {(Called.RUN, "cancel") if entry.kind is Kind.CANCEL else (entry.op, entry.key) for entry in entries}
    wakes = [news.wake for news in op.news if (news.op, news.key) in told]
    return max(wakes, default=None)


# -- doing again


async def _do_again(log: Sequence[Op], made: World) -> None:
    recorder, hand = made.recorder, "earlier"
    hosts = next((op.hosts for op in log if isinstance(op, Claim)), ())
    await recorder.register(hand, host="here", pid=1, hosts=hosts, ttl=MINUTE)
    owned: dict[str, tuple[int, int]] = {}
    commits = 0
    for op in log:
        made.clock.set(op.now)
        match op:
            case Start():
                await recorder.start(op.new)
            case Claim():
                claimed = await recorder.claim(hand, op.hosts, op.builds, limit=op.limit, now=op.now)
                assert {one.run.id for one in claimed} == set(op.ids), "the store gave other runs than before"
                owned.update((one.run.id, (one.run.rid, one.run.epoch)) for one in claimed)
            case Commit():
                rid, epoch = owned[op.run_id]
                commits += 1
                verdicts = await recorder.commit(hand, commits, [op.delta._replace(rid=rid, epoch=epoch)])
                assert verdicts == [op.verdict], f"the store said {verdicts} instead of {op.verdict}"
            case Told():
                await getattr(recorder, op.how)(*op.args, **op.options)
    await recorder.release(hand)


# -- what must be the same


async def account_of(world: World) -> Account:
    """See :class:`Account`."""
    results: dict[str, tuple[str, Any]] = {}
    for run in await world.client.find():
        told = codec.unpack(run.result or b"") if run.status is Status.SUCCEEDED else _failure(run.error or b"")
        results[run.id] = (str(run.status), told)
    delivered: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    asked: dict[tuple[str, int], list[tuple[Any, ...]]] = {}
    for op in world.recorder.log:
        if isinstance(op, Commit):
            place = (op.run_id, op.generation)
            numbered: list[Entry | Item] = sorted((*op.delta.entries, *op.delta.items), key=lambda one: one.seq)
            for one in numbered:
                if isinstance(one, Entry) and one.kind not in DELIVERED:
                    asked.setdefault(place, []).append((one.kind, one.key))
                elif isinstance(one, Item) and one.value is None:
                    asked.setdefault(place, []).append((one.map, one.ord))
                else:
                    delivered.setdefault(place, []).append(_observed(one))
    return Account(results, delivered, {place: sorted(all_, key=repr) for place, all_ in asked.items()})


def _observed(one: Entry | Item) -> tuple[Any, ...]:
    seconds = (one.at - START) / SECOND
    value = one.value if one.ok or not one.value else _failure(one.value)
    if isinstance(one, Item):
        return ("item", one.map, one.ord, one.ok, value, seconds)
    return (one.kind.name, one.op.name, one.key, one.ok, value, seconds)


def _failure(packed: bytes) -> tuple[str, str]:
    failed = codec.Failed.unpack(packed)
    return failed.type_name, failed.message


def still_to_begin(first: Story, cut: Cut) -> tuple[Counter[str], set[str]]:
    """How often each effect must be begun after a cut, by idempotency key; and those of which the cut does not tell.

    It does not of what was at work as its run was cancelled: a cancel that is known by then comes first. Nor of what
    was cut off by the delta that it divides, or left behind in a thread, which nothing cuts off.
    """
    whole = Tally(first.log)
    log = list(before(first.log, cut))
    tally = Tally(log)
    divided = log[-1].run_id if cut.numbers and isinstance(log[-1], Commit) else None
    expected: Counter[str] = Counter()
    unsure: set[str] = set()
    cancelled = {run for (run, _), told in first.account.delivered.items() if any(one[0] == "CANCEL" for one in told)}
    for effect in first.stage.begun:
        run_id = first.runs[effect.name[0]]
        if effect.name in tally.outcomes or effect.number <= tally.attempts[effect.name]:
            continue
        left_behind = effect.name not in whole.outcomes and effect.number > whole.attempts[effect.name]
        if left_behind and (effect.cut_off is None or run_id in cancelled):
            unsure.add(effect.key)
        elif effect.cut_off is None or effect.cut_off > tally.deltas[run_id]:
            expected[effect.key] += 1
        elif effect.cut_off == tally.deltas[run_id] and run_id == divided:
            unsure.add(effect.key)
    return expected, unsure


def check(first: Story, again: Story, cut: Cut) -> None:
    """Hold a world that was cut and continued against the undisturbed one."""
    told = f"{cut} of {len(first.log)}"
    assert again.account.results[ROOT] == first.account.results[ROOT], told
    assert again.account == first.account, told
    assert again.stage.repeated == [], told
    expected, unsure = still_to_begin(first, cut)
    begun = Counter(effect.key for effect in again.stage.begun if effect.key not in unsure)
    assert begun == Counter({key: count for key, count in expected.items() if key not in unsure}), told


def cut_everywhere(app: App[Any], places: Places, case: Case, **options: Any) -> Story:
    """Run a case undisturbed; then cut it everywhere and hold what comes of it against that."""

    async def all_cuts() -> Story:
        first = await undisturbed(app, places, case, **options)
        for cut in cuts(first.log):
            check(first, await continued(app, places, first, cut, **options), cut)
        return first

    return asyncio.run(all_cuts())
