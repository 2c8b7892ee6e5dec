"""With a cipher set, nothing that a run observed can be read in the store's files."""

import asyncio
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from holdfast import AesGcm, App, Context, RunFailed, StoreUnusable, use_cipher

app = App("sealed")


async def look_up(name: str) -> str:
    return f"{name} lives in plainville"


async def fail(name: str) -> str:
    raise ValueError(f"{name} is nowhere")


@app.agent
async def ask(ctx: Context, name: str) -> str:
    return await ctx.step(look_up, name)


@app.agent
async def ask_in_vain(ctx: Context, name: str) -> str:
    return await ctx.step(fail, name)


@pytest.fixture
def keys() -> Iterator[dict[str, bytes]]:
    yield {"2026": secrets.token_bytes(32)}
    use_cipher(None)


async def run_both(url: str) -> str:
    async with app.open(url) as runtime:
        with pytest.raises(RunFailed, match="nowhere"):
            await (await runtime.start(ask_in_vain("mallory"))).result()
        return await (await runtime.start(ask("alice"), key="once")).result()


def test_inputs_results_previews_and_failures_are_sealed(tmp_path: Path, keys: dict[str, bytes]) -> None:
    use_cipher(AesGcm(keys=keys, current="2026"))
    assert asyncio.run(run_both(f"sqlite:///{tmp_path}/a.db")) == "alice lives in plainville"
    stored = b"".join(file.read_bytes() for file in tmp_path.glob("a.db*") if file.is_file())
    for secret in (b"alice", b"plainville", b"mallory", b"nowhere"):
        assert secret not in stored


def test_a_key_can_be_rotated_and_a_missing_one_is_named(tmp_path: Path, keys: dict[str, bytes]) -> None:
    use_cipher(AesGcm(keys=keys, current="2026"))
    url = f"sqlite:///{tmp_path}/a.db"
    asyncio.run(run_both(url))

    async def read_again() -> str:
        async with app.connect(url) as client:
            run = await client.store.by_key("ask", "once")
            assert run is not None
            return str(client.outcome(run))

    use_cipher(AesGcm(keys=keys | {"2027": secrets.token_bytes(32)}, current="2027"))
    assert asyncio.run(read_again()) == "alice lives in plainville"
    use_cipher(AesGcm(keys={"2027": secrets.token_bytes(32)}, current="2027"))
    with pytest.raises(StoreUnusable, match="2026"):
        asyncio.run(read_again())
