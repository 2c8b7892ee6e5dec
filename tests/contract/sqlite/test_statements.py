"""SQL is data: each statement is named, explained, used, and fits the schema."""

from __future__ import annotations

import re
from pathlib import Path

import apsw
import apsw.ext
import pytest

from holdfast.store import sqlite
from holdfast.store.sqlite import opening, statements
from holdfast.store.sqlite.values import error_text

FOLDER = Path(sqlite.__file__).parent
NOUNS = [one for one in vars(statements).values() if isinstance(one, statements.Statements)]
ALL = [(noun, name) for noun in NOUNS for name in noun.texts]


@pytest.fixture(scope="module")
def db() -> apsw.Connection:
    db = apsw.Connection(":memory:")
    db.create_scalar_function("error_text", error_text, 1)
    for _, script in opening.migrations():
        db.execute(script)
    return db


@pytest.mark.parametrize(("noun", "name"), ALL, ids=[f"{noun.noun}.{name}" for noun, name in ALL])
def test_a_statement_fits_the_schema(db: apsw.Connection, noun: statements.Statements, name: str) -> None:
    text = noun.texts[name]
    assert text.count(";") == 1
    apsw.ext.query_info(db, text)  # compiles it, does not run it


def test_every_statement_is_used_and_every_used_one_exists() -> None:
    source = "\n".join(file.read_text() for file in FOLDER.rglob("*.py"))
    used = set(re.findall(r"\b([A-Z]+)\.([a-z_]+)\b", source))
    named = {(noun.noun.upper(), name) for noun, name in ALL}
    assert named <= used
    assert {(noun, name) for noun, name in used if noun in {n for n, _ in named}} == named


def test_every_file_holds_nothing_but_named_statements() -> None:
    for noun in NOUNS:
        text = (FOLDER / "statements" / f"{noun.noun}.sql").read_text()
        assert text.count(";\n") == text.count("-- name: ") == len(noun.texts)
        assert text.startswith("-- name: ")


def test_an_unknown_name_is_an_error() -> None:
    with pytest.raises(AttributeError, match=r"runs\.sql"):
        statements.RUNS.nonsense  # noqa: B018
