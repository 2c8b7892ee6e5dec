"""A user's own rows are committed together with what is kept under the step's key: both or neither, once."""

from __future__ import annotations

import pytest

from holdfast.errors import BadOption, LeaseLost, StoreBusy
from holdfast.records.delta import HandBack, Renew
from holdfast.store.base import Store
from holdfast.store.transactions import Transacted, WorkFailed, WorkTooLong
from tests.contract.making import NOW, Hand, delta, finish, new_run, work
from tests.contract.stores import Place


async def test_rows_and_value_are_there_together(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    done = await store.transact("w1", work(run, place.bookings.booking(90)))
    assert done == Transacted(value=b"1", fingerprint=b"arguments")
    assert await place.bookings.booked(store) == [90]


async def test_under_the_same_key_it_is_not_done_again_and_the_value_is_told(
    place: Place, store: Store, worker: Hand
) -> None:
    run = await worker.started()
    await store.transact("w1", work(run, place.bookings.booking(90)))
    again = await store.transact("w1", work(run, place.bookings.booking(7), fingerprint=b"others"))
    assert again == Transacted(value=b"1", fingerprint=b"arguments")
    await store.transact("w1", work(run, place.bookings.booking(8), key="another"))
    assert await place.bookings.booked(store) == [90, 8]


async def test_the_next_owner_is_told_too(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.transact("w1", work(run, place.bookings.booking(90)))
    worker.lose_lease()
    other = await Hand.hire(store, "w2")
    taken = await other.claim_one()
    assert (await store.transact("w2", work(taken, place.bookings.booking(90)))).value == b"1"
    assert await place.bookings.booked(store) == [90]


async def test_of_work_that_raises_nothing_stays(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()

    def fail() -> None:
        raise KeyError("no such account")

    with pytest.raises(WorkFailed) as failed:
        await store.transact("w1", work(run, place.bookings.booking(90, then=fail)))
    assert isinstance(failed.value.error, KeyError)
    assert await place.bookings.booked(store) == []
    assert (await store.transact("w1", work(run, place.bookings.booking(91)))).value == b"1"


async def test_what_its_constraints_refuse_fails_the_work_alone(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    with pytest.raises(WorkFailed):
        await store.transact("w1", work(run, place.bookings.booking(-1)))
    assert await place.bookings.booked(store) == []
    assert len(await worker.commit(delta(run, finish()))) == 1


@pytest.mark.parametrize("how", ["stale epoch", "another worker", "handed back", "ended"])
async def test_only_the_owner_writes(place: Place, store: Store, worker: Hand, how: str) -> None:
    run = await worker.started()
    wanted, owner = work(run, place.bookings.booking(90)), "w1"
    if how == "stale epoch":
        await worker.commit(delta(run, HandBack()))
        await worker.claim_one()
    elif how == "another worker":
        owner = (await Hand.hire(store, "w2")).id
    else:
        await worker.commit(delta(run, HandBack() if how == "handed back" else finish()))
    with pytest.raises(LeaseLost):
        await store.transact(owner, wanted)
    assert await place.bookings.booked(store) == []


async def test_an_owner_that_has_lost_the_run_is_not_told_either(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.transact("w1", work(run, place.bookings.booking(90)))
    await worker.commit(delta(run, HandBack()))
    with pytest.raises(LeaseLost):
        await store.transact("w1", work(run, place.bookings.booking(90)))


@pytest.mark.parametrize("statement", ["COMMIT", "ROLLBACK"])
async def test_the_work_cannot_end_the_transaction(place: Place, store: Store, worker: Hand, statement: str) -> None:
    run = await worker.started()
    with pytest.raises(WorkFailed) as failed:
        await store.transact("w1", work(run, place.bookings.booking_and(statement)))
    assert f"{run.id}/book#1" in str(failed.value.error)
    assert await place.bookings.booked(store) == []
    await store.transact("w1", work(run, place.bookings.booking(2)))
    assert await place.bookings.booked(store) == [2]


async def test_work_that_takes_too_long_is_stopped(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    with pytest.raises(WorkTooLong):
        await store.transact("w1", work(run, place.bookings.endless(), limit=0.05))
    assert await place.bookings.booked(store) == []
    assert (await store.transact("w1", work(run, place.bookings.booking(3)))).value == b"1"


async def test_what_nobody_wants_any_more_is_not_committed(place: Place, store: Store, worker: Hand) -> None:
    run, wanted = await worker.started(), True

    def give_up() -> None:
        nonlocal wanted
        wanted = False

    with pytest.raises(StoreBusy):
        await store.transact("w1", work(run, place.bookings.booking(90, then=give_up), wanted=lambda: wanted))
    assert await place.bookings.booked(store) == []


async def test_work_of_the_other_kind_is_refused_before_it_begins(place: Place, store: Store, worker: Hand) -> None:
    run, began = await worker.started(), False

    def do(tx: object) -> bytes:
        nonlocal began
        began = True
        return b""

    mistaken = work(run, do, is_async=not work(run, place.bookings.booking(1)).is_async)
    with pytest.raises(BadOption, match="book#1"):
        await store.transact("w1", mistaken)
    assert not began


async def test_what_is_kept_goes_when_the_run_begins_again(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.transact("w1", work(run, place.bookings.booking(90)))
    await worker.commit(delta(run, Renew(agent="adjust", version="1", input=b"{}", digest=b"d", carry=())))
    again = await worker.claim_one()
    await store.transact("w1", work(again, place.bookings.booking(91)))
    assert await place.bookings.booked(store) == [90, 91]


async def test_what_is_kept_goes_with_the_run_and_the_users_rows_stay(place: Place, store: Store, worker: Hand) -> None:
    run = await worker.started()
    await store.transact("w1", work(run, place.bookings.booking(90)))
    await worker.commit(delta(run, finish()))
    assert await store.delete([run.id]) == 1
    await store.start([new_run("next")])
    run = await worker.claim_one(now=NOW + 1)
    await store.transact("w1", work(run, place.bookings.booking(91), key="run/book#1"))
    assert await place.bookings.booked(store) == [90, 91]


async def test_large_values_are_kept(place: Place, store: Store, worker: Hand) -> None:
    run, value = await worker.started(), b"\x00v" * 500_000
    done = await store.transact("w1", work(run, place.bookings.booking(1, value=value)))
    assert done.value == value == (await store.transact("w1", work(run, place.bookings.booking(1)))).value
