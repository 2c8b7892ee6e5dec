"""Reading claims: what is understood, and how what is wrong is refused."""

import csv
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from itertools import islice
from pathlib import Path

import pytest

from examples.claims.columns import COLUMNS
from examples.claims.generate import generate, write_claims
from examples.claims.model import Related
from examples.claims.reader import REQUIRED, ClaimsFileError, read_claims
from examples.claims.survey import read_chunk, survey


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "claims.csv"
    write_claims(path, 30, seed=3)
    return path


def spoiled(file: Path, line: int, column: str, value: str) -> Path:
    with file.open(newline="") as old:
        rows = list(csv.reader(old))
    rows[line - 1][COLUMNS.index(column)] = value
    with file.open("w", newline="") as new:
        csv.writer(new, lineterminator="\n").writerows(rows)
    return file


def test_values_get_their_types_and_na_is_none(file: Path) -> None:
    row = next(generate(1, seed=3))
    claim = next(read_claims(file))
    assert claim.id == row["id"]
    assert claim.date_of_loss == date.fromisoformat(row["dateOfLoss"][:10])
    assert claim.building.limit == Decimal(row["totalBuildingInsuranceCoverage"])
    assert row["floodEvent"] != "NA"
    spoiled(file, 2, "dateOfLoss", "NA")
    assert next(read_claims(file)).date_of_loss is None


def test_reading_streams(file: Path) -> None:
    spoiled(file, 20, "dateOfLoss", "yesterday")
    assert len(list(islice(read_claims(file), 18))) == 18


@pytest.mark.parametrize(
    ("column", "value", "complaint"),
    [
        ("dateOfLoss", "yesterday", "line 5: date_of_loss: "),
        ("buildingDamageAmount", "much", "line 5: building.damage: "),
        ("buildingDamageAmount", "NaN", "line 5: building.damage: "),
        ("yearOfLoss", "2004.5", "line 5: year_of_loss: "),
    ],
)
def test_a_bad_value_is_refused_with_its_line(file: Path, column: str, value: str, complaint: str) -> None:
    with pytest.raises(ClaimsFileError, match=complaint):
        list(read_claims(spoiled(file, 5, column, value)))


def test_a_short_row_is_refused_with_its_line(file: Path) -> None:
    file.write_text(file.read_text() + "1,2,3\n")
    with pytest.raises(ClaimsFileError, match=r"line 32: 3 values for 73 columns"):
        list(read_claims(file))


def test_an_open_quote_is_refused_with_its_line(file: Path) -> None:
    file.write_text(file.read_text() + '"never closed\n')
    with pytest.raises(ClaimsFileError, match=r"line 32: not CSV"):
        list(read_claims(file))


def test_an_id_that_occurs_twice_is_refused_with_both_lines(file: Path) -> None:
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines, lines[4]]) + "\n")
    with pytest.raises(ClaimsFileError, match=r"line 32: claim .* occurs twice, first in line 5"):
        list(read_claims(file))


@pytest.mark.parametrize("bad", ["NA", "a b", "a\tb"])
def test_an_id_that_is_not_one_word_is_refused(file: Path, bad: str) -> None:
    lines = file.read_text().splitlines()
    lines[1] = lines[1].rsplit(",", 1)[0] + f",{bad}"
    file.write_text("\n".join(lines) + "\n")
    with pytest.raises(ClaimsFileError, match="line 2: id: "):
        list(read_claims(file))


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "it is empty"),
        (b"a,b,c\n1,2,3\n", r"missing columns .* and \d+ more"),
        (b"\xff\xfe\x00", "line 1: not UTF-8"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "other.csv"
    path.write_bytes(content)
    with pytest.raises(ClaimsFileError, match=complaint):
        list(read_claims(path))


@pytest.mark.parametrize("name", ["nowhere.csv", "."])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClaimsFileError, match="cannot be read"):
        list(read_claims(tmp_path / name))


def test_every_column_that_is_read_is_published() -> None:
    assert set(COLUMNS) >= REQUIRED
    assert len(COLUMNS) == len(set(COLUMNS)) == 73


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [1, 7, 30, 31])
def test_chunks_are_the_file(file: Path, rows: int, ending: str) -> None:
    awkward = file.read_text().replace("ESCAMBIA COUNTY*", '"ESCAMBIA,\nCOUNTY ""A"""') + "\n"
    file.write_bytes(b"\xef\xbb\xbf" + awkward.replace("\n", ending).encode())
    found = survey(file, chunk_rows=rows)
    claims = list(read_claims(file))
    assert found.columns == COLUMNS
    assert found.total == len(claims) == 30
    assert [claim for chunk in found.chunks for claim in read_chunk(found.path, found.columns, chunk)] == claims


def test_a_chunk_that_no_longer_fits_the_code_is_refused_with_its_line(file: Path) -> None:
    found = survey(file, chunk_rows=10)
    with pytest.raises(ClaimsFileError, match="line 12: 73 values for 72 columns"):
        read_chunk(found.path, found.columns[:-1], found.chunks[1])


def test_claims_without_a_place_are_not_taken_for_one_property(file: Path) -> None:
    for line in (2, 3):
        for column in ("originalNBDate", "originalConstructionDate"):
            spoiled(file, line, column, "2000-01-01T00:00:00.000Z")
        for column in ("latitude", "longitude", "reportedZipCode"):
            spoiled(file, line, column, "NA")
    assert survey(file).related == {}


def test_a_header_alone_is_a_file_without_claims(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    write_claims(path, 0)
    found = survey(path)
    assert (found.total, found.chunks) == (0, [])


def test_a_file_that_changed_since_the_survey_is_noticed(file: Path) -> None:
    found = survey(file, chunk_rows=10)
    spoiled(file, 15, "yearOfLoss", "1901")
    read_chunk(found.path, found.columns, found.chunks[0])
    with pytest.raises(ClaimsFileError, match="line 12: the file has changed"):
        read_chunk(found.path, found.columns, found.chunks[1])


def test_the_survey_tells_of_claims_that_repeat_each_other(file: Path) -> None:
    lines = file.read_text().splitlines()
    copy = lines[1].rsplit(",", 1)[0] + ",the-copy"
    file.write_text("\n".join([*lines, copy]) + "\n")
    original = lines[1].rsplit(",", 1)[1]
    related = survey(file).related
    assert related == {
        original: Related(same=["the-copy"], losses=2),
        "the-copy": Related(same=[original], losses=2),
    }


def test_the_same_seed_generates_the_same_claims_and_another_one_does_not() -> None:
    def some(seed: int) -> Iterator[dict[str, str]]:
        return generate(20, seed)

    assert list(some(1)) == list(some(1))
    assert list(some(1)) != list(some(2))
