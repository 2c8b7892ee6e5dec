"""Restate: its server and a service under Hypercorn, both real processes on 127.0.0.1, called through its ingress."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from report import Stopwatch, Work, asked, tell

HERE = Path(__file__).parent
UP_WITHIN = 60.0  # seconds
HYPERCORN = """
bind = "127.0.0.1:{port}"
h2_max_concurrent_streams = 2147483647
keep_alive_max_requests = 2147483647
keep_alive_timeout = 2147483647
workers = 1
"""


def free_port() -> int:
    """A port that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def process(command: list[str], log: Path, environment: dict[str, str]) -> Iterator[None]:
    """A process that ends with the block."""
    with log.open("w") as file:
        child = subprocess.Popen(command, stdout=file, stderr=file, cwd=HERE, env=os.environ | environment)
    try:
        yield
    finally:
        child.terminate()
        try:
            child.wait(20)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def server_settings(folder: Path, ingress: int, admin: int) -> dict[str, str]:
    """Its defaults (every log write is synced), but for addresses, and no reports to anyone."""
    return {
        "RESTATE_BASE_DIR": str(folder / "restate"),
        "RESTATE_LISTEN_MODE": "tcp",
        "RESTATE_BIND_ADDRESS": f"127.0.0.1:{free_port()}",
        "RESTATE_INGRESS__BIND_ADDRESS": f"127.0.0.1:{ingress}",
        "RESTATE_ADMIN__BIND_ADDRESS": f"127.0.0.1:{admin}",
        "RESTATE_DISABLE_TELEMETRY": "true",
        "RUST_LOG": "warn",
    }


def wait_until_up(url: str) -> None:
    """Ask for a page until it is there."""
    deadline = time.monotonic() + UP_WITHIN
    while time.monotonic() < deadline:
        try:
            if httpx.get(url).status_code < 500:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.1)
    raise TimeoutError(f"nothing answers at {url} within {UP_WITHIN:g} s")


async def run_all(ingress: int, work: Work) -> float:
    """Seconds from the first start to the last result."""
    limits = httpx.Limits(max_connections=work.runs)
    async with httpx.AsyncClient(timeout=600.0, limits=limits) as client:

        async def run() -> None:
            answer = await client.post(f"http://127.0.0.1:{ingress}/bench/sequence", json=work.steps)
            assert answer.raise_for_status().json() == work.steps

        watch = Stopwatch()
        await asyncio.gather(*(run() for _ in range(work.runs)))
        return watch.seconds


def main(work: Work, server: str) -> None:
    service, ingress, admin = free_port(), free_port(), free_port()
    config = work.folder / "hypercorn.toml"
    config.write_text(HYPERCORN.format(port=service))
    serve = [sys.executable, "-m", "hypercorn", "--config", str(config), "restate_service:app"]
    with ExitStack() as stack:
        stack.enter_context(process(serve, work.folder / "service.log", {}))
        stack.enter_context(process([server], work.folder / "server.log", server_settings(work.folder, ingress, admin)))
        wait_until_up(f"http://127.0.0.1:{admin}/health")
        wait_until_up(f"http://127.0.0.1:{ingress}/restate/health")
        wait_until_up(f"http://127.0.0.1:{service}/")
        registered = httpx.post(
            f"http://127.0.0.1:{admin}/deployments", json={"uri": f"http://127.0.0.1:{service}"}, timeout=60.0
        )
        registered.raise_for_status()
        asyncio.run(run_all(ingress, Work(work.folder, 2, 2)))
        seconds = asyncio.run(run_all(ingress, work))
    told = subprocess.run([server, "--version"], capture_output=True, text=True, check=True).stdout.split()[-1]
    note = "one server with its defaults, the service under Hypercorn (1 process), called through the ingress"
    tell(work, seconds, ["restate-sdk", "hypercorn"], note, **{"restate-server": told})


if __name__ == "__main__":
    main(asked(), sys.argv[4])
