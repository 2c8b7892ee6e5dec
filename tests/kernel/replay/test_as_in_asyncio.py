"""What a body observes is what it would observe under asyncio itself: write plain asyncio, it is durable."""

from __future__ import annotations

import pytest

from tests.kernel.replay.bodies import cases
from tests.kernel.replay.plain import plainly
from tests.kernel.replay.tell import golden

# Not the one about timers that are due together: asyncio takes those in any order, the runtime as they were set.
PLAIN = """
    sleeping timeouts gathering waiting as_they_complete shielding queues locks signals
    generators managers cancelling callbacks
""".split()


@pytest.mark.parametrize("name", PLAIN)
def test_a_body_observes_what_asyncio_would_show_it(name: str) -> None:
    assert plainly(cases[name].call.fn) == golden()[name]["value"]


def test_but_for_the_order_in_which_a_group_cancels_its_tasks() -> None:
    observed, expected = plainly(cases["task_groups"].call.fn), golden()["task_groups"]["value"]
    assert sorted(observed, key=repr) == sorted(expected, key=repr)
