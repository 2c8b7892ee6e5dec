"""What can be typed can be read about: each command and option stands in the documentation, and no link is dead."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from holdfast.cli.command import app
from tests.docs.test_docs import PAGES, ROOT

FENCES = re.compile(r"^```.*?^```", re.M | re.S)
TEXT = "\n".join(page.read_text("utf-8") for page in PAGES)


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, set[str]]]:
    """Each command, with its options."""
    if inner := getattr(command, "commands", None):
        for name, one in inner.items():
            yield from verbs(one, (*path, name))
    else:
        options = {option for one in command.params for option in one.opts if option.startswith("--")}
        yield " ".join(path), options


VERBS = dict(verbs(typer.main.get_command(app)))


def anchors(text: str) -> set[str]:
    """What the headings of a page are called in links, as GitHub makes it."""
    titles = re.findall(r"^#+ (.+)$", FENCES.sub("", text), re.M)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower().strip() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in plain}


@pytest.mark.parametrize("verb", VERBS)
def test_a_command_and_its_options_are_in_the_documentation(verb: str) -> None:
    assert re.search(rf"(holdfast |`){verb}\b", TEXT), f"no page has `holdfast {verb}`"
    unknown = {option for option in VERBS[verb] if not re.search(rf"--(no-)?{option[2:]}\b", TEXT)}
    assert not unknown, f"no page has these options of `holdfast {verb}`"


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.stem)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", FENCES.sub("", page.read_text("utf-8"))):
        file, _, anchor = target.partition("#")
        if file.startswith(("http:", "https:", "mailto:")):
            continue
        there = (page.parent / file).resolve() if file else page
        assert there.exists(), f"{target}: no such file"
        if anchor and there.suffix == ".md":
            assert anchor in anchors(there.read_text("utf-8")), f"{target}: no such heading"
