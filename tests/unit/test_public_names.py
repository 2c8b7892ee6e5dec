"""What is public is what the root package lists, and what the reference page documents."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import holdfast
import holdfast.integrations.openai_agents
import holdfast.integrations.pydantic_ai
import holdfast.testing
from holdfast import errors

MODULES = [holdfast, holdfast.testing, holdfast.integrations.openai_agents, holdfast.integrations.pydantic_ai]
REFERENCE = Path(__file__).parents[2] / "docs" / "reference.md"


def documented(section: str) -> list[str]:
    """The names under a section's ``###`` headings, in the order of the page."""
    text = REFERENCE.read_text("utf-8")
    (body,) = re.findall(rf"^## {re.escape(section)}$(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return [
        name for heading in re.findall(r"^### (.+)$", body, re.MULTILINE) for name in re.findall(r"`(\w+)`", heading)
    ]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_public_names_are_listed_once_and_exist(module) -> None:
    names = module.__all__
    assert len(names) == len(set(names))
    assert [name for name in names if not hasattr(module, name)] == []


def test_they_are_sorted() -> None:
    assert holdfast.__all__ == sorted(holdfast.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_the_reference_page_documents_exactly_the_public_names(module) -> None:
    assert sorted(documented(module.__name__)) == sorted(module.__all__)


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_every_public_name_says_what_it_is(module) -> None:
    undocumented = [name for name in module.__all__ if not str(getattr(module, name).__doc__ or "").strip()]
    assert undocumented == []


def test_the_error_tree_in_its_docstring_is_complete() -> None:
    """Each error is drawn there, once."""
    defined = {name for name, cls in vars(errors).items() if isinstance(cls, type) and issubclass(cls, Exception)}
    drawn = re.findall(r"[├└]── (\w+)|^ *(HoldfastError)$", errors.__doc__ or "", re.MULTILINE)
    assert sorted(one or root for one, root in drawn) == sorted(defined)
