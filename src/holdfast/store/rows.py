"""Rows that are alike in both databases, as records."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Sequence
from typing import Any

from holdfast.records.journal import ItemIndex
from holdfast.records.run import Activation, Population, Status
from holdfast.records.worker import Hosted, Worker


def maps_of(rows: Iterable[Sequence[Any]]) -> dict[int, ItemIndex]:
    """Indexes by map. A loop without objects: it runs over 100,000 rows when a large map is resumed."""
    maps: dict[int, ItemIndex] = {}
    current, index = None, None
    for _, map, ord, branch, seq, at, ok in rows:
        if map != current or index is None:
            index = maps.get(map)
            if index is None:
                index = maps[map] = ItemIndex(
                    ords=array("q"), branches=array("q"), seqs=array("q"), ats=array("q"), oks=bytearray()
                )
            current = map
        index.ords.append(ord)
        index.branches.append(branch)
        index.seqs.append(seq)
        index.ats.append(at)
        index.oks.append(ok)
    return maps


def worker_of(row: Sequence[Any]) -> Worker:
    """The worker of a row."""
    id, host, pid, hosts, started_at, expires_at, renewed_at, runs = row
    hosted = tuple(Hosted(agent=agent, version=version) for agent, version in json.loads(hosts))
    return Worker(
        id=id, host=host, pid=pid, hosts=hosted, started_at=started_at, expires_at=expires_at, renewed_at=renewed_at,
        runs=runs,
    )  # fmt: skip


def hosts_text(hosts: Iterable[Hosted]) -> str:
    """What the column ``hosts`` holds."""
    return json.dumps([[hosted.agent, hosted.version] for hosted in hosts])


def population_of(row: Sequence[Any]) -> Population:
    """How many there are, of a row."""
    agent, version, status, count = row
    return Population(agent=agent, version=version, status=Status(status), count=count)


def activation_of(row: Sequence[Any]) -> Activation:
    """The activation of a row."""
    epoch, worker, build, at, trace = row
    return Activation(epoch=epoch, worker=worker, build=build, at=at, trace=trace)
