"""``holdfast runs to-test``: makes a pytest of a recorded run."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from pathlib import Path
from string import Template
from typing import Annotated

import typer

from holdfast.cli import options
from holdfast.cli.apps import load
from holdfast.cli.codes import Conflict, Diverges
from holdfast.cli.output import document, say
from holdfast.cli.stores import client_of
from holdfast.durable.absent import stand_in
from holdfast.durable.holding import hold
from holdfast.durable.recording import Recording, load_recording, write_recording
from holdfast.errors import UsageError
from holdfast.runtime import App

_TEST = Template('''\
"""What run $run did, the code still does.

Made by `holdfast runs to-test`.
"""

from pathlib import Path

$imports

JOURNAL = Path(__file__).with_name("$journal")


def $name() -> None:
    replay($app, JOURNAL$options)
''')


def to_test(
    run_id: options.RunId,
    place: Annotated[str, typer.Option("--app", metavar="MODULE:APP", help="The app that the test is to import.")],
    out: Annotated[Path, typer.Option("--out", metavar="FOLDER", help="Where the two files go.")] = Path(),
    lifespan: Annotated[
        bool, typer.Option("--lifespan", help="Enter the app's lifespan, for bodies that use ctx.deps themselves.")
    ] = False,
    store: options.AppStore = None,
    as_json: options.Json = False,
) -> None:
    """Write a pytest that replays a run, and the run's journal beside it.

    The test fails when the body no longer does what is recorded. The journal holds arguments and results in plain text.
    """
    made = asyncio.run(_make(run_id, place, out, store, lifespan=lifespan))
    if as_json:
        document({"run": run_id, "test": str(made.test), "journal": str(made.journal)})
    else:
        say(f"{made.test} replays {made.journal}")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """Where the two files are."""

    test: Path
    journal: Path


async def _make(run_id: str, place: str, out: Path, store: str | None, *, lifespan: bool) -> _Made:
    app = load(place)
    async with client_of(store, place) as client:
        recording = await load_recording(client, run_id)
        stem = _stem(recording)
        made = _Made(test=out / f"{stem}.py", journal=out / f"{stem.removeprefix('test_')}.jsonl")
        _check_place(out, made)
        await _check_replays(app, recording, lifespan=lifespan)
        await write_recording(client, run_id, made.journal, app=app.name)
    module, _, attribute = place.partition(":")
    text = _TEST.substitute(
        run=run_id, imports=_imports(module, attribute), journal=made.journal.name, name=stem, app=attribute,
        options=", lifespan=True" if lifespan else "",
    )  # fmt: skip
    made.test.write_text(text, encoding="utf-8")
    return made


def _stem(recording: Recording) -> str:
    """Such as ``test_price_all_3kx9q2mz``: the end of an id is chance, its beginning time."""
    short = re.sub(r"\W", "", recording.run.id)[-8:]
    return f"test_{re.sub(r'[^a-z0-9]+', '_', recording.run.agent.lower()).strip('_')}_{short}"


def _check_place(out: Path, made: _Made) -> None:
    if not out.is_dir():
        raise UsageError(f"--out {out} is no folder: make it first")
    for path in (made.test, made.journal):
        if path.exists():
            raise Conflict(f"{path} exists already: remove it, or give another --out")


async def _check_replays(app: App[object], recording: Recording, *, lifespan: bool) -> None:
    """What does not replay now would make a test that fails at once."""
    if lifespan:
        async with app.lifespan() as deps:
            found = hold(app.catalog, recording, deps)
    else:
        found = hold(app.catalog, recording, stand_in(app.lifespan()))
    if found is not None:
        raise Diverges(f"run {found.run_id} cannot become a test, its replay diverges already: {found.what}")


def _imports(module: str, attribute: str) -> str:
    """Sorted as isort does: the app's module below if it lies in this folder, else among the third parties."""
    ours = f"from {module} import {attribute.partition('.')[0]}"
    package = module.partition(".")[0]
    places = [folder / name for folder in (Path(), Path("src")) for name in (package, f"{package}.py")]
    replay = "from holdfast.testing import replay"
    if any(place.exists() for place in places):
        return f"{replay}\n\n{ours}"
    return "\n".join(sorted((replay, ours)))
