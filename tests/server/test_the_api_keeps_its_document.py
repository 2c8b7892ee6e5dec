"""Whatever is asked, the API answers as its OpenAPI document says, and never with a fault of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from holdfast.server import create_app
from holdfast.store.base import Store
from tests.postgres import schemas
from tests.server.house import ask, ended, fail, greet, house, many, served

CHECKS = [
    not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance,
    response_headers_conformance, unsupported_method,
]  # fmt: skip

AT_LENGTH = 150  # cases of an operation, each way: two thirds of the time are drawing them, 20 ms each


class Served(threading.Thread):
    """A house with a server, on a loop of its own."""

    def __init__(self, url: str) -> None:
        super().__init__(name="house")
        self.ready = threading.Event()
        self._store = url
        self.url = self.token = ""
        self.runs: list[str] = []

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        self._loop, self._told = asyncio.get_running_loop(), asyncio.Event()
        async with house(self._store) as built, served(built) as self.url:
            self.token = await built.token()
            for call in (greet("bo"), many(["a"]), fail("so"), ask()):
                self.runs.append(await built.start(call))
            await asyncio.gather(*(ended(built, run) for run in self.runs[:3]))
            self.ready.set()
            await self._told.wait()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._told.set)
        self.join(60)


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def house_served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("api")
    url = f"sqlite:///{folder}/api.db" if request.param == "sqlite" else schemas.take()
    served = Served(url)
    served.start()
    assert served.ready.wait(60)
    yield served
    served.stop()
    if request.param == "postgres":
        schemas.give_back(url)


@pytest.fixture(scope="module")
def document(house_served: Served) -> Any:
    return schemathesis.openapi.from_url(f"{house_served.url}/api/openapi.json")


def operations() -> list[tuple[str, str]]:
    """All of them, but for streams, which do not end."""
    paths = create_app(cast(Store, None)).openapi()["paths"]
    return [(method, path) for path, item in paths.items() for method in item if not path.endswith("/events")]


def takes_anything(operation: Any) -> bool:
    """Whether there is something that could be given wrongly."""
    return bool(operation.definition.raw.keys() & {"parameters", "requestBody"})


def tried(operation: Any, house_served: Served, mode: GenerationMode, examples: int) -> None:
    """Ask for an operation in many ways, and look at the answers."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
    def try_one(case: Any) -> None:
        given_id = str((case.path_parameters or {}).get("run_id", ""))
        if len(given_id) % 2:  # else hardly any would be there
            case.path_parameters["run_id"] = house_served.runs[len(given_id) % 4]
        answer = case.call(headers={"Authorization": f"Bearer {house_served.token}"}, timeout=60)
        case.validate_response(answer, checks=CHECKS)

    try_one()


@pytest.mark.parametrize(("method", "path"), operations())
def test_no_fault_and_no_answer_beside_the_document(
    document: Any, house_served: Served, method: str, path: str
) -> None:
    operation = document[path][method]
    tried(operation, house_served, GenerationMode.POSITIVE, 5)
    if takes_anything(operation):
        tried(operation, house_served, GenerationMode.NEGATIVE, 4)


@pytest.mark.soak
@pytest.mark.parametrize(("method", "path"), operations())
def test_the_same_at_length(document: Any, house_served: Served, method: str, path: str) -> None:
    operation = document[path][method]
    tried(operation, house_served, GenerationMode.POSITIVE, AT_LENGTH)
    if takes_anything(operation):
        tried(operation, house_served, GenerationMode.NEGATIVE, AT_LENGTH)
