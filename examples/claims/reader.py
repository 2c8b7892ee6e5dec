"""Reads claims in the format of OpenFEMA's "FIMA NFIP Redacted Claims"."""

import csv
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Final

from pydantic import ValidationError

from examples.claims.model import Claim

CLAIM_COLUMNS: Final = {
    "id": "id",
    "state": "state",
    "county": "countyCode",
    "tract": "censusTract",
    "zip_code": "reportedZipCode",
    "latitude": "latitude",
    "longitude": "longitude",
    "as_of": "asOfDate",
    "date_of_loss": "dateOfLoss",
    "year_of_loss": "yearOfLoss",
    "policy_began": "originalNBDate",
    "built": "originalConstructionDate",
    "cause": "causeOfDamage",
    "event": "floodEvent",
    "water_depth": "waterDepth",
    "basis": "replacementCostBasis",
    "icc_limit": "iccCoverage",
    "icc_paid": "amountPaidOnIncreasedCostOfComplianceClaim",
    "icc_net": "netIccPaymentAmount",
}
BUILDING_COLUMNS: Final = {
    "limit": "totalBuildingInsuranceCoverage",
    "deductible_code": "buildingDeductibleCode",
    "damage": "buildingDamageAmount",
    "paid": "amountPaidOnBuildingClaim",
    "net": "netBuildingPaymentAmount",
    "refusal": "nonPaymentReasonBuilding",
}
CONTENTS_COLUMNS: Final = {
    "limit": "totalContentsInsuranceCoverage",
    "deductible_code": "contentsDeductibleCode",
    "damage": "contentsDamageAmount",
    "paid": "amountPaidOnContentsClaim",
    "net": "netContentsPaymentAmount",
    "refusal": "nonPaymentReasonContents",
}
REQUIRED: Final = {*CLAIM_COLUMNS.values(), *BUILDING_COLUMNS.values(), *CONTENTS_COLUMNS.values()}
DATES: Final = frozenset({"as_of", "date_of_loss", "policy_began", "built"})


class ClaimsFileError(ValueError):
    """The file is not one of claims, or a row of it is not a claim. The message names the file and the line."""


def read_claims(path: str | Path) -> Iterator[Claim]:
    """Stream the claims of a file.

    Raises ``ClaimsFileError`` for a missing column, a row that is not a claim, or an id that occurs twice.
    """
    with open_claims(path) as file:
        yield from Rows(file, str(path))


def open_claims(path: str | Path) -> BinaryIO:
    """Open a claims file. Raises ``ClaimsFileError``."""
    try:
        return Path(path).open("rb")
    except OSError as error:
        raise ClaimsFileError(f"{path}: cannot be read: {error.strerror}") from error


class Rows(Iterable[Claim]):
    """The claims from where a file stands to its end, with the place of the next row in bytes and lines."""

    def __init__(self, file: BinaryIO, path: str, columns: list[str] | None = None, line: int = 1, end: int = -1):
        self._file, self._path, self._end = file, path, end
        self._lines_of: dict[str, int] = {}
        self.offset, self.line = file.tell(), line
        self._records = csv.reader(self._lines(), strict=True)
        self.columns = columns if columns is not None else self._header()

    def __iter__(self) -> Iterator[Claim]:
        for line, values in self._numbered():
            claim = self._claim(values, line)
            if (earlier := self._lines_of.setdefault(claim.id, line)) != line:
                raise self._error(line, f"claim {claim.id} occurs twice, first in line {earlier}")
            yield claim

    def _header(self) -> list[str]:
        for _, columns in self._numbered():
            if missing := sorted(REQUIRED - set(columns)):
                few = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
                raise ClaimsFileError(f"{self._path}: not a file of NFIP claims: missing columns {few}")
            return columns
        raise ClaimsFileError(f"{self._path}: not a file of NFIP claims: it is empty")

    def _numbered(self) -> Iterator[tuple[int, list[str]]]:
        line = self.line
        try:
            for values in self._records:
                if values:
                    yield line, values
                line = self.line
        except csv.Error as error:
            raise self._error(line, f"not CSV: {error}") from error

    def _lines(self) -> Iterator[str]:
        # Binary, so that the offset is exact even when a quoted value spans lines.
        while self.offset != self._end and (raw := self._file.readline()):
            self.offset += len(raw)
            self.line += 1
            try:
                yield raw.decode("utf-8-sig" if self.line == 2 else "utf-8")
            except UnicodeDecodeError as error:
                raise self._error(self.line - 1, "not UTF-8 text") from error

    def _claim(self, values: list[str], line: int) -> Claim:
        if len(values) != len(self.columns):
            raise self._error(line, f"{len(values)} values for {len(self.columns)} columns")
        try:
            return to_claim(dict(zip(self.columns, values, strict=True)))
        except ValidationError as error:
            raise self._error(line, _first_problem(error)) from error

    def _error(self, line: int, what: str) -> ClaimsFileError:
        return ClaimsFileError(f"{self._path}, line {line}: {what}")


def to_claim(row: dict[str, str]) -> Claim:
    """Make a claim of one row. Raises pydantic's ``ValidationError``."""
    values = _values(row, CLAIM_COLUMNS)
    building, contents = _values(row, BUILDING_COLUMNS), _values(row, CONTENTS_COLUMNS)
    return Claim.model_validate({**values, "building": building, "contents": contents})


def _values(row: dict[str, str], columns: dict[str, str]) -> dict[str, str | None]:
    return {name: _value(name, row[column]) for name, column in columns.items()}


def _value(name: str, text: str) -> str | None:
    text = text.strip()
    if text in ("NA", ""):
        return None
    return text.split("T")[0] if name in DATES else text


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}, got {problem['input']!r}"
