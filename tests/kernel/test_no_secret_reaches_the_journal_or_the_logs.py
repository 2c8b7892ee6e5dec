"""No pickle, no eval, no secret in the journal or the logs (15)."""

from __future__ import annotations

import ast
import logging
import re
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import BaseModel, Field, SecretStr

import holdfast
from holdfast import App, Context, RunBlocked, RunFailed, StepFailed, codec
from tests.kernel.making import Deployments, World
from tests.postgres import schemas

SOURCES = sorted(Path(holdfast.__file__).parent.rglob("*.py"))
SECRET = "hunter2-s3cr3t"
FORBIDDEN_MODULES = {"pickle", "marshal", "shelve", "dill", "cloudpickle", "copyreg"}
FORBIDDEN_CALLS = {"eval", "exec", "compile", "__import__"}


def test_no_source_file_pickles_or_evaluates() -> None:
    assert len(SOURCES) > 50
    found = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            names: list[str] = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            if FORBIDDEN_MODULES & {name.partition(".")[0] for name in names}:
                found.append((path.name, node.lineno, names))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in FORBIDDEN_CALLS:
                found.append((path.name, node.lineno, node.func.id))
    assert found == []


class Client:
    """A client whose repr tells too much, as many do."""

    def __init__(self, secret: str = SECRET) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return f"Client(token={self.secret!r})"


class Config(BaseModel):
    url: str
    token: SecretStr
    password: str = Field(default="", repr=False)


async def use(client: Client, what: str) -> str:
    raise ConnectionError(f"cannot reach {what}")


async def raise_client(client: Client) -> str:
    raise ConnectionError("refused", client)


async def return_client(client: Client) -> object:
    return client


async def return_deep(client: Client) -> dict[str, object]:
    return {"ok": 1, "client": [client]}


async def everything(path: str) -> bytes:
    return b""


def files_of(url: str) -> bytes:
    """All that is stored there."""
    if url.startswith("postgresql:"):
        return schemas.dump(url)
    path = Path(url.removeprefix("sqlite:///"))
    return b"".join(file.read_bytes() for file in path.parent.iterdir() if file.is_file())


@pytest.mark.parametrize("step", [use, raise_client, return_client, return_deep])
@pytest.mark.parametrize("effect", ["at_least_once", "at_most_once"])
async def test_a_clients_repr_reaches_neither_the_file_nor_the_log(
    app: App, url: str, caplog: pytest.LogCaptureFixture, step, effect: str
) -> None:
    args = ("there",) if step is use else ()

    @app.agent
    async def body(ctx: Context) -> None:
        client = Client()
        with suppress(StepFailed):
            await ctx.step(step, client, *args).using(effect=effect)
        ctx.step(step, client, *args)  # never awaited: reported
        used = ctx.step(step, client, *args).using(key="again", raises=[ConnectionError])
        with suppress(StepFailed, ConnectionError):
            await used
        await used  # fails the run, with a message that shows the call

    with caplog.at_level(logging.DEBUG):
        async with app.test(store=url) as t:
            with pytest.raises(RunFailed) as failed:
                await (await t.start(body())).result()
    assert SECRET not in str(failed.value) + failed.value.traceback_text
    assert SECRET not in caplog.text
    assert SECRET.encode() not in files_of(url)


async def test_secrets_that_say_so_are_left_out_of_previews(app: App, url: str, world: World) -> None:
    async def connect(config: Config) -> str:
        return config.token.get_secret_value()[:3]

    @app.agent
    async def body(ctx: Context) -> str:
        return await ctx.step(connect, Config(url="https://x", token=SecretStr(SECRET), password=SECRET))

    async with app.test(store=url) as t:
        run = await t.start(body())
        assert await run.result() == SECRET[:3]
        (entry,) = [one async for one in t.journal(run.id)]
        assert b"https://x" in codec.unpack(entry.note)
    assert SECRET.encode() not in files_of(url)


async def test_a_blocked_runs_message_shows_no_clients(url: str, caplog: pytest.LogCaptureFixture) -> None:
    async def old(ctx: Context) -> None:
        await ctx.step(everything, "a").using(effect="at_most_once", returns=bytes)
        await ctx.promise("go", bool)

    async def new(ctx: Context) -> None:
        await ctx.step(use, Client(), "b").using(effect="at_most_once")

    deployments = Deployments(url)
    with caplog.at_level(logging.DEBUG):
        async with deployments.start(old):
            pass
        async with deployments.go_on(new) as (_, run):
            with pytest.raises(RunBlocked) as blocked:
                await run.result()
    assert re.search(r"asks for use\(.*Client.*\"b\"", str(blocked.value))
    assert SECRET not in str(blocked.value) + caplog.text
    assert SECRET.encode() not in files_of(url)


async def test_values_are_stored_as_json_that_any_program_can_read(app: App, url: str) -> None:
    async def make() -> dict[str, list[int]]:
        return {"a": [1, 2]}

    @app.agent
    async def body(ctx: Context, n: int) -> dict[str, list[int]]:
        return await ctx.step(make)

    async with app.test(store=url) as t:
        run = await t.start(body(7))
        await run.result()
        info = await run.info()
        (entry,) = [one async for one in t.journal(run.id)]
    assert codec.unpack(entry.value) == codec.unpack(info.result) == b'{"a":[1,2]}'
    assert codec.unpack(info.input) == b'{"n":7}'
