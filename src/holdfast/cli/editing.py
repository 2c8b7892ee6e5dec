"""``holdfast inbox edit``: what is to be decided in an editor, as often as it takes to fit."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from holdfast.approvals.answers import Approve
from holdfast.approvals.case import Case
from holdfast.approvals.request import SUBJECTS
from holdfast.cli import cases, options
from holdfast.cli.decide import decided, parsed, told
from holdfast.cli.output import document, say
from holdfast.cli.seat import ApprovalId, By, seat_at
from holdfast.console import harmless
from holdfast.errors import EditRefused, UsageError

_MOST = 10  # problems that are shown at once

Editor = Callable[[str], str]
"""Has a person change a text."""


def edit(
    approval_id: ApprovalId,
    by: By = None,
    store: options.Store = None,
    app: options.Of = None,
    as_json: options.Json = False,
) -> None:
    """Change the arguments, the value or the answer in $VISUAL or $EDITOR, and approve that.

    What does not fit its types is shown, and the editor opens again. Leave the text as it is, or empty, to decide
    nothing.
    """
    case = asyncio.run(_edit(approval_id, by, store, app))
    document(cases.as_json(case)) if as_json else say(told(case))


async def _edit(approval_id: str, by: str | None, store: str | None, app: str | None) -> Case:
    async with seat_at(store, app, by) as seat:
        case = await seat.desk.case(seat.who, approval_id)
        text = _written(cases.subject(case))
        problems: list[str] = []
        while True:
            answer, text = edited(case, text, problems, in_editor)
            try:
                return await decided(seat, case, answer)
            except EditRefused as error:  # the schema did not know
                problems = [str(error)]


def edited(case: Case, text: str, problems: Sequence[str], editor: Editor) -> tuple[Approve, str]:
    """An approval with the changes that a person makes in an editor, and their text.

    Args:
        case: what is to be decided.
        text: to begin with.
        problems: of that text.
        editor: opened until what it gives fits.

    Raises:
        UsageError: the person gave up: the text is empty, unchanged, or the same in spite of its problems.
    """
    while True:
        given = _without_comments(editor(f"{_head(case, problems)}{text}\n"))
        if not given.strip():
            raise UsageError("the text is empty: nothing was decided")
        if given.strip() == text.strip():
            advice = "" if problems else f"; `holdfast inbox approve {case.id}` approves it as it is"
            raise UsageError(f"the text is unchanged: nothing was decided{advice}")
        text = given.strip()
        found = _read(case, text)
        if isinstance(found, Approve):
            return found, text
        problems = found


def in_editor(text: str) -> str:
    """Have a person change a text in their editor.

    Raises:
        UsageError: there is none, or it failed.
    """
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    with tempfile.TemporaryDirectory(prefix="holdfast-") as folder:  # only its owner can look into it
        file = Path(folder) / "edit.json"
        file.write_text(text, encoding="utf-8")
        try:
            subprocess.run([*shlex.split(command), str(file)], check=True)
            return file.read_text(encoding="utf-8")
        except (OSError, subprocess.CalledProcessError, ValueError) as error:
            raise UsageError(f"the editor {command!r} failed: {error}; nothing was decided. Set $EDITOR") from error


def _read(case: Case, text: str) -> Approve | list[str]:
    """The approval that a text says, or what is wrong with it."""
    import jsonschema  # takes long to load, and few commands edit

    try:
        given = parsed(text)
    except ValueError as error:
        return [f"it is no JSON: {error}"]
    validator = jsonschema.validators.validator_for(case.schema_)(case.schema_)
    if found := [f"{error.json_path}: {error.message}" for error in validator.iter_errors(given)]:
        return found[:_MOST]
    before = cases.subject(case)
    if case.kind != "call":
        return Approve(value=given)
    if missing := [name for name in before if name not in given]:
        return [f"$: {name!r} is missing; arguments that are as they were stay here too" for name in missing]
    return Approve(edits={name: value for name, value in given.items() if name not in before or before[name] != value})


def _head(case: Case, problems: Sequence[str]) -> str:
    """Comments above the text."""
    subject = SUBJECTS[case.kind]
    lines = [
        f"{case.id}: {cases.what(case)}",
        f"because {case.because}" if case.because else "",
        f"Below is the {subject} as JSON. Save to approve it so; leave it as it is, or empty, to decide nothing.",
        *(f"!! {problem}" for problem in problems),
    ]
    return "".join(f"# {line}\n" for text in lines if text for line in harmless(text).splitlines())


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.split("\n") if not line.startswith("#"))


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
