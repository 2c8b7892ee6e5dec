"""Records as JSON and as text."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from holdfast import codec
from holdfast.clock import to_datetime
from holdfast.records.run import Activation, Progress, Run
from holdfast.records.usage import Usage
from holdfast.records.worker import Worker
from holdfast.wire.values import iso


def short(at: int | None) -> str:
    """A time for people, to the second."""
    return "" if at is None else f"{to_datetime(at):%Y-%m-%d %H:%M:%SZ}"


def decoded(data: bytes | None) -> Any:
    """What stored bytes say: JSON where they are JSON, else text, else ``{"base64": …}``; None if there are none."""
    if not data:
        return None
    try:
        return json.loads(data, parse_constant=str)  # NaN and the infinities are no JSON: as text
    except ValueError:
        pass
    try:
        return data.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(data).decode()}


def unpacked(packed: bytes | None) -> Any:
    """The same of a packed value."""
    return decoded(codec.unpack(packed)) if packed else None


def failure(packed: bytes | None) -> dict[str, str] | None:
    """A packed failure."""
    if not packed:
        return None
    failed = codec.Failed.unpack(packed)
    return {"type": failed.type_name, "message": failed.message, "traceback": failed.traceback_text}


def progress(told: Progress | None) -> dict[str, Any] | None:
    """How far a run says it is."""
    return None if told is None else {"done": told.done, "total": told.total, "message": told.message}


def progress_text(told: Progress | None) -> str:
    """The same for people."""
    if told is None:
        return ""
    return f"{told.done}{'' if told.total is None else f'/{told.total}'} {told.message}".rstrip()


def summary(run: Run) -> dict[str, Any]:
    """A run in a list."""
    return {
        "id": run.id,
        "agent": run.agent,
        "version": run.version,
        "status": str(run.status),
        "key": run.key,
        "tags": list(run.tags),
        "priority": run.priority,
        "parent": run.parent.run_id if run.parent else None,
        "root": run.root,
        "progress": progress(run.progress),
        "created_at": iso(run.created_at),
        "started_at": iso(run.started_at),
        "ended_at": iso(run.ended_at),
    }


def detail(run: Run) -> dict[str, Any]:
    """A run by itself, all but what other rows say of it."""
    return summary(run) | {
        "wake_at": iso(run.wake_at),
        "deadline_at": iso(run.deadline_at),
        "pause": None if run.pause_at is None else {"at": iso(run.pause_at)},
        "origin": None if run.origin is None else {"run": run.origin.run_id, "entry": run.origin.seq},
        "cancel": None if run.cancel_at is None else {"at": iso(run.cancel_at), "reason": run.cancel_reason},
        "worker": run.worker,
        "entries": run.entries,
        "generation": run.generation,
        "input": unpacked(run.input),
        "result": unpacked(run.result),
        "error": failure(run.error),
    }


def usage(used: Usage) -> dict[str, Any] | None:
    """What models have used; None if none was asked."""
    return used.as_json() | {"unpriced": used.unpriced} if used.requests else None


def usage_text(used: Usage) -> str:
    """The same for people."""
    if not used.requests:
        return ""
    tokens = f"{used.input_tokens:,} tokens in, {used.output_tokens:,} out"
    price = "no known price" if used.cost is None else f"${used.cost}"
    if used.cost is not None and used.unpriced:
        price += f" and {used.unpriced:,} without a known price"
    if used.unmeasured_requests:
        price += f"; {used.unmeasured_requests:,} did not say what they used"
    return f"{used.requests:,} request{'s' if used.requests != 1 else ''} of models, {tokens}, {price}"


def activation(one: Activation) -> dict[str, Any]:
    """One stay of a run in memory."""
    return {"number": one.epoch, "worker": one.worker, "build": one.build, "at": iso(one.at)}


def hosts_text(one: Worker) -> str:
    """What a worker hosts, for people."""
    return ", ".join(f"{hosted.agent} {hosted.version}" for hosted in one.hosts)


def runs_rows(runs: Sequence[Run]) -> list[tuple[object, ...]]:
    """A run per row, for :data:`RUNS_HEADERS`."""
    return [
        (
            run.id,
            run.agent,
            run.version,
            str(run.status),
            short(run.created_at),
            run.key or "",
            ", ".join(run.tags),
            progress_text(run.progress),
        )
        for run in runs
    ]


RUNS_HEADERS = ("RUN", "AGENT", "VERSION", "STATUS", "CREATED", "KEY", "TAGS", "PROGRESS")
