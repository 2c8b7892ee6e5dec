"""Every statement has a name and a purpose, is used, and means something to the server."""

from __future__ import annotations

import re
from pathlib import Path

import asyncpg
import pytest

from holdfast.store.postgres import statements
from holdfast.store.postgres.address import Address
from holdfast.store.postgres.statements import Names, Statements, routines
from tests.contract.stores import Place

FOLDER = Path(statements.__file__).parents[1]
ALL = {value.noun: value for value in vars(statements).values() if isinstance(value, Statements)}
CODE = "\n".join(file.read_text() for file in FOLDER.rglob("*.py"))


def test_every_file_is_loaded() -> None:
    assert set(ALL) == {file.stem for file in (FOLDER / "statements").glob("*.sql")}


@pytest.mark.parametrize("noun", sorted(ALL))
def test_every_statement_is_used(noun: str) -> None:
    assert ALL[noun].texts
    assert [name for name in ALL[noun].texts if f"{noun.upper()}.{name}" not in CODE] == []


def test_an_unknown_name_says_where_it_was_looked_for() -> None:
    with pytest.raises(AttributeError, match=r"runs\.sql"):
        _ = statements.RUNS.no_such_statement


def test_every_routine_is_explained_and_used() -> None:
    text = routines()
    made = re.findall(r"^CREATE (?:FUNCTION|VIEW) routines\.(\w+)", text, re.MULTILINE)
    explained = re.findall(r"^-- .*\nCREATE (?:FUNCTION|VIEW) routines\.(\w+)", text, re.MULTILINE)
    assert made and made == explained
    callers = text + "\n".join(statement for each in ALL.values() for statement in each.texts.values())
    assert [name for name in made if len(re.findall(rf"routines\.{name}\b", callers)) < 2] == []


async def test_every_statement_means_something_to_the_server(place: Place) -> None:
    address = Address.of(place.url)
    names, con = Names(address.schema), await asyncpg.connect(address.dsn)
    for each in ALL.values():
        for statement in each.texts.values():
            if not statement.startswith(("BEGIN", "COMMIT", "ROLLBACK")):
                await con.prepare(names(statement))
    await con.close()
