"""The files of ``deploy/`` as the tests read them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import yaml

from holdfast.cli.command import app

DEPLOY = Path(__file__).parents[2] / "deploy"
ROOT = DEPLOY.parent
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
YAML = sorted(DEPLOY.rglob("*.yaml"))


def documents(path: Path) -> list[dict[str, Any]]:
    """All documents of a file."""
    return list(yaml.safe_load_all(path.read_text("utf-8")))


def manifests() -> dict[tuple[str, str], dict[str, Any]]:
    """What is given to the cluster, by kind and name."""
    found = [one for path in MANIFESTS for one in documents(path) if one["kind"] != "Kustomization"]
    return {(one["kind"], one["metadata"]["name"]): one for one in found}


def container(name: str) -> dict[str, Any]:
    """The one container of a deployment."""
    (found,) = manifests()["Deployment", name]["spec"]["template"]["spec"]["containers"]
    return found


def compose() -> dict[str, Any]:
    """The compose file."""
    (found,) = documents(DEPLOY / "compose.yaml")
    return found


def dockerfile() -> list[tuple[str, list[str]]]:
    """The instructions of the Dockerfile, with the words that follow each."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Dockerfile").read_text("utf-8"), flags=re.MULTILINE).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    return [(verb, shlex.split(rest.strip("[]").replace(",", " ")) if rest else []) for verb, rest in lines]


def commands() -> Iterator[tuple[str, list[str]]]:
    """The command lines of ``holdfast`` that are run somewhere, and where."""
    yield "Dockerfile", next(words for verb, words in reversed(dockerfile()) if verb == "CMD")
    for name, service in compose()["services"].items():
        if "command" in service:
            yield f"compose {name}", service["command"]
    for kind, name in manifests():
        if kind == "Deployment":
            yield name, container(name)["args"]


def parsed(words: list[str]) -> dict[str, Any]:
    """The options of a command line, as the command understands them; raises where it does not."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands") and words and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    if words == ["--help"]:
        return {}
    return command.make_context("holdfast", list(words)).params
