"""What pages may use. (Not in ``test_docs.py``, which runs as a program too.)"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.postgres import schemas


@pytest.fixture
def database() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    url = schemas.take()
    yield url
    schemas.give_back(url)
