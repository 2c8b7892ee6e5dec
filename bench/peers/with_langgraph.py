"""LangGraph: a graph whose node runs so many times, on the async SQLite checkpointer, ``durability="sync"``.

The state holds only the last result, so that its checkpoints stay as small as they can be.
"""

from __future__ import annotations

import asyncio
import sqlite3
from typing import Any, TypedDict

from langgraph.checkpoint.sqlite.aio import AsyncSqliteSaver
from langgraph.graph import END, START, StateGraph
from report import PAYLOAD, Stopwatch, Work, asked, tell


class State(TypedDict):
    """What a thread knows."""

    left: int
    result: str


async def node(state: State) -> State:
    """A step that costs nothing itself."""
    return {"left": state["left"] - 1, "result": PAYLOAD}


def graph_on(saver: AsyncSqliteSaver) -> Any:
    """One node, again and again until nothing is left."""
    builder = StateGraph(State)
    builder.add_node("work", node)
    builder.add_edge(START, "work")
    builder.add_conditional_edges("work", lambda state: "work" if state["left"] else END)
    return builder.compile(checkpointer=saver)


async def run_all(graph: Any, work: Work, prefix: str) -> float:
    """Seconds from the first start to the last result."""
    watch = Stopwatch()
    begin: State = {"left": work.steps, "result": ""}
    await asyncio.gather(
        *(
            graph.ainvoke(
                begin,
                {"configurable": {"thread_id": f"{prefix}-{number}"}, "recursion_limit": work.steps + 10},
                durability="sync",
            )
            for number in range(work.runs)
        )
    )
    return watch.seconds


async def main(work: Work) -> None:
    async with AsyncSqliteSaver.from_conn_string(str(work.folder / "langgraph.db")) as saver:
        graph = graph_on(saver)
        await run_all(graph, Work(work.folder, 2, 2), "warm")
        seconds = await run_all(graph, work, "thread")
    tell(
        work,
        seconds,
        ["langgraph", "langgraph-checkpoint-sqlite"],
        'AsyncSqliteSaver, durability="sync", WAL, FULL',
        SQLite=sqlite3.sqlite_version,
    )


if __name__ == "__main__":
    asyncio.run(main(asked()))
