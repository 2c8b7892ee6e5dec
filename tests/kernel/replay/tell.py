"""Says what every case came to, as JSON: for other processes to compare, and to write ``golden.json`` anew.

``python -m tests.kernel.replay.tell > tests/kernel/replay/golden.json``
"""

from __future__ import annotations

import asyncio
import json
from functools import cache
from pathlib import Path
from typing import Any

from holdfast.durable import effects
from tests.contract.stores import PLACES
from tests.kernel.replay.bodies import app, cases
from tests.kernel.replay.cutting import Account, undisturbed
from tests.kernel.replay.world import ROOT

GOLDEN = Path(__file__).with_name("golden.json")


@cache
def golden() -> dict[str, Any]:
    """What every case is to come to."""
    found: dict[str, Any] = json.loads(GOLDEN.read_text())
    return found


def told(account: Account) -> dict[str, Any]:
    """What a case came to: its result, and what its body observed, in order."""
    status, value = account.results[ROOT]
    observed = [one[2] if one[0] != "item" else f"item {one[2]}" for one in account.delivered.get((ROOT, 0), [])]
    return {
        "status": status,
        "value": json.loads(value) if isinstance(value, bytes) else list(value),
        "observed": observed,
    }


async def tell_all() -> dict[str, Any]:
    """What every case comes to here."""
    return {name: told((await undisturbed(app, PLACES[0], case)).account) for name, case in cases.items()}


if __name__ == "__main__":
    effects.jitter = lambda: 1.0
    print(json.dumps(asyncio.run(tell_all()), indent=1))
