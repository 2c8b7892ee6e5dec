"""Claims made by hand: a plain one that is paid, with changes."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

from examples.claims.model import Claim, Cover

REAL = Path(__file__).parents[3] / "shared" / "data" / "claims-nfip.csv"


def cover(**changes: Any) -> Cover:
    """10,000 of damage under a limit of 100,000 and a deductible of 1,000, paid as it should be."""
    plain: dict[str, Any] = {
        "limit": Decimal(100_000),
        "deductible_code": "1",
        "damage": Decimal(10_000),
        "paid": Decimal(9_000),
        "net": Decimal(9_000),
        "refusal": None,
    }
    return Cover.model_validate(plain | changes)


def no_cover(**changes: Any) -> Cover:
    """A cover without limit, damage and payment."""
    return cover(**({"limit": 0, "deductible_code": "0", "damage": 0, "paid": 0, "net": 0} | changes))


def claim(**changes: Any) -> Claim:
    """A claim about which there is nothing to find, unless changed."""
    plain: dict[str, Any] = {
        "id": "c-1",
        "state": "FL",
        "county": "12033",
        "tract": "12033002500",
        "zip_code": "32507",
        "latitude": Decimal("30.4"),
        "longitude": Decimal("-87.3"),
        "as_of": date(2020, 1, 22),
        "date_of_loss": date(2004, 9, 16),
        "year_of_loss": 2004,
        "policy_began": date(1998, 1, 1),
        "built": date(1974, 7, 1),
        "cause": "1",
        "event": "Gulf hurricane",
        "water_depth": 2,
        "basis": "A",
        "building": cover(),
        "contents": no_cover(),
        "icc_limit": Decimal(30_000),
        "icc_paid": Decimal(0),
        "icc_net": Decimal(0),
    }
    return Claim.model_validate(plain | changes)
