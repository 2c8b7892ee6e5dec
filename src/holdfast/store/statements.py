"""Named SQL statements, one file per noun: ``-- name: get``, a line on its purpose, and the statement."""

from __future__ import annotations

import re
from pathlib import Path

_NAME = re.compile(r"^-- name: (\w+)\n((?:-- .*\n)+)", re.MULTILINE)


class Statements:
    """The statements of one file, as attributes: ``Statements(folder, "runs").get``.

    Args:
        folder: where the files of a store are.
        noun: what the file is named after.
    """

    def __init__(self, folder: Path, noun: str) -> None:
        self.noun = noun
        text = (folder / f"{noun}.sql").read_text(encoding="utf-8")
        found = list(_NAME.finditer(text))
        ends = [match.start() for match in found[1:]] + [len(text)]
        self.texts = {match[1]: text[match.end() : end].strip() for match, end in zip(found, ends, strict=True)}
        self.__dict__.update(self.texts)  # found at once; the method below is for those that there are not

    def __getattr__(self, name: str) -> str:
        raise AttributeError(f"{self.noun}.sql has no statement named {name!r}")
