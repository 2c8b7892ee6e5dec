"""What must hold after every kill, whatever was killed and when."""

from __future__ import annotations

from typing import Any

from tests.crash.mixed import UNKNOWN, Job
from tests.crash.place import Place
from tests.crash.records import Snapshot


def repeated(place: Place, before: Snapshot, since: int) -> list[str]:
    """Steps whose outcome was recorded and that began again all the same."""
    return [step for step in place.ledger.begun(since) if before.has(step)]


def unfounded(place: Place, now: Snapshot) -> list[str]:
    """Steps of a sequence that began before the step ahead of them was recorded (invariant 1)."""
    sequences = {id for id, recorded in now.recorded.items() if recorded.run.agent == "sequence"}
    begun = [step.rpartition("#") for step in place.ledger.begun() if step.partition("/")[0] in sequences]
    return [
        f"{head}#{number}" for head, _, number in begun if int(number) > 1 and not now.has(f"{head}#{int(number) - 1}")
    ]


def lost(place: Place, now: Snapshot) -> list[str]:
    """Runs whose start() returned and that are not there."""
    return [key for key, run_id in place.accepted.items() if run_id not in now.recorded]


def doubled(wanted: list[Job], now: Snapshot) -> list[str]:
    """Keys under which there is not exactly one run."""
    keys = [recorded.run.key for recorded in now.recorded.values() if recorded.run.parent is None]
    return [job.key for job in wanted if keys.count(job.key) != 1]


def charged_twice(place: Place) -> list[str]:
    """``at_most_once`` steps that began more than once."""
    return [step for step, times in place.ledger.begun().items() if "/charge#" in step and times > 1]


def differing(results: dict[str, Any], undisturbed: dict[str, Any]) -> list[str]:
    """Runs that ended otherwise than without any kill; a charge may be unknown instead."""
    return [
        f"{key}: {results.get(key)} instead of {expected}"
        for key, expected in undisturbed.items()
        if results.get(key) != expected and _with_charge_unknown(results.get(key)) != _with_charge_unknown(expected)
    ]


def _with_charge_unknown(result: Any) -> Any:
    value = result and result["value"]
    if isinstance(value, list) and len(value) == 3 and (value[1] == UNKNOWN or str(value[1]).startswith("charged ")):
        return [value[0], UNKNOWN, value[2]]
    return result
