"""The half of a store's contract that clients use, over the HTTP API. A worker needs the database itself."""

from __future__ import annotations

import asyncio
import json
from array import array
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from holdfast import codec
from holdfast.errors import NotFound, StoreUnusable, UnknownRun, WrongState
from holdfast.records.files import FileInfo
from holdfast.records.journal import Entry, History, ItemIndex
from holdfast.records.repair import Fork, RetentionRule
from holdfast.records.run import STOPPED, Activation, NewRun, Population, Run, Started, Status
from holdfast.records.worker import Demand, Hosted, Quota, Worker
from holdfast.store.base import NO_QUOTAS, Recorded, RunFilter
from holdfast.store.remote.api import Api, segment
from holdfast.store.remote.ears import HttpEars
from holdfast.store.remote.hub import HttpHub
from holdfast.store.watching import HubWatch
from holdfast.wire import lines
from holdfast.wire.house import demand_of, file_of, worker_of
from holdfast.wire.runs import activation_of, population_of, run_of
from holdfast.wire.values import hash_of, hex_of, iso, packed, put_packed

_PAGE = 200
_BATCH = 200
_REMEMBERED = 1000  # runs whose number is known
_OF_WORKERS = frozenset(
    "claim woken news ended_children next_wake commit commit_now transact put_contents register keeper release".split()
)
_OF_DESKS = frozenset(
    "approval approvals count_approvals rule due_approvals next_due audit audited document documents put "
    "sweep_documents take_messages settle_messages dead_messages revive_message next_message".split()
)


class HttpStore:
    """A store behind a server.

    Args:
        api: the server's.

    Example:
        >>> async def main():
        ...     store = HttpStore(Api("http://127.0.0.1:8080", "hf_…"))
    """

    def __init__(self, api: Api) -> None:
        self.api = api
        self.url = api.url
        self._hub = HttpHub(api)
        self._blocking: Any = None
        self._ids: OrderedDict[int, str] = OrderedDict()  # of runs, by number

    def __getattr__(self, name: str) -> Any:
        if name in _OF_WORKERS:
            raise StoreUnusable(f"{self.url} is a server: a worker needs the database itself (sqlite:///…)")
        if name in _OF_DESKS:
            raise StoreUnusable(f"{self.url} is a server: its approvals and people are reached by its API only")
        raise AttributeError(name)

    # -- runs

    async def start(self, new: Sequence[NewRun]) -> list[Started]:
        started: list[Started] = []
        for first in range(0, len(new), _BATCH):
            body = {"runs": [_start_json(run) for run in new[first : first + _BATCH]]}
            answer = await self.api.post("/api/runs/batch", body)
            started += [
                Started(id=one["run"], created=one["created"], digest=bytes.fromhex(one["digest"]))
                for one in answer["runs"]
            ]
        return started

    async def get(self, run_id: str) -> Run | None:
        try:
            return self._run(await self.api.get(f"/api/runs/{segment(run_id)}"))
        except UnknownRun:
            return None

    async def stopped(self, run_ids: Sequence[str]) -> list[str]:
        runs = await asyncio.gather(*(self.get(run_id) for run_id in run_ids))
        return [run.id for run in runs if run is not None and run.status in STOPPED]

    async def by_key(self, agent: str, key: str) -> Run | None:
        found = await self.find(RunFilter(agent=agent, key=key, limit=1))
        return found[0] if found else None

    async def find(self, which: RunFilter) -> list[Run]:
        found: list[Run] = []
        cursor = which.before
        while (wanted := min(_PAGE, which.limit - len(found))) > 0:
            answer = await self.api.get("/api/runs", **_filter_query(which), limit=wanted, cursor=cursor)
            found += map(self._run, answer["runs"])
            cursor = answer["next"]
            if cursor is None:
                break
        return found

    async def count(self, which: RunFilter | None = None) -> dict[Status, int]:
        answer = await self.api.get("/api/runs/count", **_filter_query(which or RunFilter()))
        return {Status(status): count for status, count in answer["by_status"].items()}

    async def population(self) -> list[Population]:
        return [population_of(one) for one in (await self.api.get("/api/agents"))["runs"]]

    async def journal(self, run_id: str, *, after: int = 0, limit: int = 1000) -> list[Entry]:
        try:
            answer = await self.api.get(f"/api/runs/{segment(run_id)}/journal", after=after, limit=min(limit, 1000))
        except UnknownRun:
            return []
        return [lines.entry_of(line) for line in answer["entries"]]

    async def everything(self, run_id: str) -> AsyncIterator[Recorded]:
        try:
            async with self.api.lines(f"/api/runs/{segment(run_id)}/recording") as texts:
                async for text in texts:
                    line = json.loads(text)
                    if line["type"] == "end":
                        return
                    yield _RECORDED[line["type"]](line)
        except UnknownRun:
            return
        raise StoreUnusable(f"{self.url} broke off the recording of run {run_id}: ask again")

    async def activations(self, run_id: str) -> list[Activation]:
        try:
            answer = await self.api.get(f"/api/runs/{segment(run_id)}/activations")
        except UnknownRun:
            return []
        return [activation_of(one) for one in answer["activations"]]

    async def cancel(self, run_id: str, *, reason: str, at: int) -> bool:
        return await self._did(run_id, "cancel", {"reason": reason})

    async def pause(self, run_id: str, *, why: bytes, at: int) -> bool:
        return await self._did(run_id, "pause", {"reason": codec.Failed.unpack(why).message})

    async def resume(self, run_id: str) -> bool:
        return await self._did(run_id, "resume", None)

    async def retry(self, run_id: str, *, at: int) -> bool:
        return await self._did(run_id, "retry", None)

    async def tag(self, run_id: str, *, add: Sequence[str], remove: Sequence[str]) -> bool:
        return await self._did(run_id, "tags", {"add": list(add), "remove": list(remove)})

    async def move(self, run_id: str, version: str, *, epoch: int, entries: int) -> bool:
        return await self._did(run_id, "move", {"version": version, "epoch": epoch, "entries": entries})

    async def fork(self, run_id: str, fork: Fork) -> bool:
        body: dict[str, Any] = {
            "at": fork.seq, "version": fork.version, "key": fork.key, "keep_keys": fork.keep_keys,
            "tags": list(fork.tags), "id": fork.id,
        }  # fmt: skip
        if fork.edit is not None and fork.edit.ok:
            body["outcome"] = json.loads(codec.unpack(fork.edit.value))
        elif fork.edit is not None:
            body["error"] = codec.Failed.unpack(fork.edit.value).message
        await self.api.post(f"/api/runs/{segment(run_id)}/forks", body)  # a key that is taken is raised
        return True

    async def outlived(self, rule: RetentionRule, *, now: int, limit: int) -> list[str]:
        answer = await self.api.get(
            "/api/retention", agent=rule.agent, status=[str(status) for status in rule.statuses], age=rule.age,
            count=rule.count, limit=min(limit, 10_000),
        )  # fmt: skip
        return list(answer["runs"])

    async def delete(self, run_ids: Sequence[str]) -> int:
        gone = 0
        for run_id in run_ids:
            try:
                gone += (await self.api.delete(f"/api/runs/{segment(run_id)}"))["deleted"]
            except (WrongState, UnknownRun):  # left as it is
                continue
        return gone

    # -- what a replay reads

    async def load(self, rid: int) -> History:
        answer = await self.api.get(f"/api/runs/{segment(self._ids[rid])}/history")
        groups = [lines.group_of(line) for line in answer["groups"]]
        return History(
            entries=[lines.entry_of(line) for line in answer["entries"]],
            maps={hash_of(line["map"]): _index_of(line) for line in answer["maps"]},
            groups={group.map: group for group in groups},
            news=(),
        )

    def item_values(self, rid: int, map: int, ords: Sequence[int]) -> list[bytes]:
        if self._blocking is None:
            self._blocking = self.api.blocking()
        path = f"/api/runs/{segment(self._ids[rid])}/history/values"
        response = self._blocking.get(path, params={"map": hex_of(map), "ord": list(ords)})
        self.api.check(response)
        return [packed(line, "value") for line in self.api.decoded(response)["values"]]

    # -- promises

    async def schema(self, promise_id: str) -> bytes | None:
        answer = await self.api.get("/api/promises", id=promise_id)
        return json.dumps(answer["json_schema"]).encode() if answer["declared"] else None

    async def resolve(self, promise_id: str, *, ok: bool, value: bytes, at: int) -> bool:
        if ok:
            body = {"promise": promise_id, "value": json.loads(codec.unpack(value))}
            return bool((await self.api.post("/api/promises/resolve", body))["done"])
        body = {"promise": promise_id, "error": codec.Failed.unpack(value).message}
        return bool((await self.api.post("/api/promises/fail", body))["done"])

    # -- files

    async def files(self, run_id: str, *, at: int | None = None) -> list[FileInfo]:
        answer = await self.api.get(f"/api/runs/{segment(run_id)}/files", at=at)
        return [file_of(line) for line in answer["files"]]

    async def contents(self, digests: Sequence[bytes]) -> dict[bytes, bytes]:
        found: dict[bytes, bytes] = {}
        for digest in digests:
            try:
                content = await self.api.content(f"/api/contents/{digest.hex()}")
            except NotFound:
                continue
            found[digest] = await asyncio.to_thread(codec.pack, content)
        return found

    async def sweep_contents(self, *, age: int, limit: int) -> int:
        return int((await self.api.post("/api/contents/sweep", {"age": age, "limit": limit}))["deleted"])

    # -- the house

    async def demand(
        self, agents: Sequence[str] | None, quotas: Mapping[str, Quota] = NO_QUOTAS, *, now: int,
        hosts: Sequence[Hosted] | None = None,
    ) -> Demand:  # fmt: skip  # the server knows its app, and the time
        return demand_of(await self.api.get("/api/demand", agent=None if agents is None else list(agents)))

    async def time(self) -> int | None:
        return None  # what is asked of a server happens by its time

    async def workers(self) -> list[Worker]:
        return [worker_of(one) for one in (await self.api.get("/api/workers"))["workers"]]

    def watch(self) -> HubWatch:
        return HubWatch(self._hub)

    def ears(self, run_id: str) -> HttpEars:
        return HttpEars(self.api, run_id)

    def tell(self, run_id: str, data: Any) -> None:
        """Nobody in this process is at work: there is nothing to tell."""

    async def close(self) -> None:
        await self._hub.close()
        if self._blocking is not None:
            self._blocking.close()
        await self.api.close()

    # -- inside

    def _run(self, line: Any) -> Run:
        run = run_of(line)
        self._ids[run.rid] = run.id
        self._ids.move_to_end(run.rid)
        if len(self._ids) > _REMEMBERED:
            self._ids.popitem(last=False)
        return run

    async def _did(self, run_id: str, act: str, body: dict[str, Any] | None) -> bool:
        try:
            return bool((await self.api.post(f"/api/runs/{segment(run_id)}/{act}", body))["done"])
        except (WrongState, UnknownRun):
            return False


_RECORDED: dict[str, Any] = {
    "header": lambda line: lines.run_of(line["run"]),
    "entry": lines.entry_of,
    "item": lines.item_of,
    "group": lines.group_of,
}


def _start_json(run: NewRun) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": run.id, "agent": run.agent, "version": run.version, "key": run.key, "priority": run.priority,
        "timeout": None if run.timeout is None else f"{run.timeout / 1000:f}ms", "tags": list(run.tags),
    }  # fmt: skip
    put_packed(line, "input", run.input)
    return line


def _filter_query(which: RunFilter) -> dict[str, Any]:
    return {
        "agent": which.agent,
        "version": which.version,
        "status": [str(status) for status in which.statuses] or None,
        "parent": which.parent,
        "root": which.root,
        "roots_only": which.roots_only or None,
        "key": which.key,
        "tag": list(which.tags) or None,
        "since": iso(which.since),
        "until": iso(which.until),
        "error": which.error,
    }


def _index_of(line: dict[str, Any]) -> ItemIndex:
    return ItemIndex(
        ords=array("q", line["ords"]),
        branches=array("q", map(hash_of, line["branches"])),
        seqs=array("q", line["seqs"]),
        ats=array("q", line["ats"]),
        oks=bytearray(line["oks"]),
    )
