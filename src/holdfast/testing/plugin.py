"""The pytest plugin: options for rigs, and forgotten ones reported."""

from __future__ import annotations

import os

import pytest

from holdfast.testing.rig import ALWAYS_SUSPEND


def pytest_addoption(parser: pytest.Parser) -> None:
    """``--holdfast-always-suspend``: evict runs at every wait, in every rig."""
    parser.getgroup("holdfast").addoption(
        "--holdfast-always-suspend",
        action="store_true",
        help="evict runs from memory at every wait, in every app.test()",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Hand the option to the rigs."""
    if config.getoption("--holdfast-always-suspend"):
        os.environ[ALWAYS_SUSPEND] = "1"


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say so in the header."""
    return "holdfast: runs are evicted at every wait" if os.environ.get(ALWAYS_SUSPEND, "0") != "0" else None
