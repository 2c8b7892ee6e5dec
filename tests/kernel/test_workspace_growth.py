"""What a workspace costs: what has changed is stored, once for all runs; of a growing log, little but its end."""

from __future__ import annotations

import random
from pathlib import Path

from holdfast import AesGcm, App, Context, use_cipher
from tests.kernel.workspaces import contents, inside, write


async def test_equal_contents_are_stored_once_for_all_runs(app: App) -> None:
    @app.agent
    async def job(ctx: Context, name: str) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / name, "the same text " * 100)
        return await ctx.step(inside, ctx.workspace)

    async with app.test() as t:
        runs = [await t.start(job(name)) for name in ("a", "b")]
        for run in runs:
            await run.result()
        (one,), (other,) = [await t.files(run.id) for run in runs]
        assert one.chunks == other.chunks and one.path != other.path
        assert [await contents(t, run.id) for run in runs] == [{name: "the same text " * 100} for name in ("a", "b")]


def on_disk(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


async def test_contents_are_sealed_where_a_cipher_is_set(app: App, tmp_path: Path) -> None:
    @app.agent
    async def job(ctx: Context) -> dict[str, str]:
        await ctx.step(write, ctx.workspace / "a", "account 4711")
        return await ctx.step(inside, ctx.workspace)

    use_cipher(AesGcm({"k": bytes(32)}, current="k"))
    try:
        async with app.test(store=f"sqlite:///{tmp_path}/sealed.db") as t:
            run = await t.start(job())
            await run.result()
            assert await contents(t, run.id) == {"a": "account 4711"}
    finally:
        use_cipher(None)
    assert b"4711" not in on_disk(tmp_path)


async def test_a_log_that_grows_over_many_steps_stays_small_on_disk(app: App) -> None:
    def append(log: Path, number: int) -> None:
        with log.open("ab") as file:
            file.write(random.Random(number).randbytes(1000))

    @app.agent
    async def job(ctx: Context) -> None:
        for number in range(150):
            await ctx.step(append, ctx.workspace / "log", number)

    async with app.test() as t:
        run = await t.start(job())
        await run.result()
        recorded: dict[bytes, int] = {}
        for at in range(1, 151):
            (log,) = await t.files(run.id, at=at)
            assert (log.size, log.seq) == (at * 1000, at) and len(log.chunks) <= 10
            recorded |= {chunk.digest: chunk.size for chunk in log.chunks}
        assert sum(recorded.values()) <= 10 * 150_000, "stored whole each time, it would be 75 times"
