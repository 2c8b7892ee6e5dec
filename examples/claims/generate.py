"""Generates claims in the published format, for when there is no file at hand.

``python -m examples.claims.generate FILE.csv --claims 400 --seed 1``

Shares and sizes follow 1,000 real claims; the places are real counties, the claims are not. Anomalies are made on
purpose, a little more often than in reality, so that a small file has some of each.
"""

import argparse
import csv
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final, TypeVar
from uuid import UUID

from examples.claims.codes import DEDUCTIBLES
from examples.claims.columns import COLUMNS
from examples.claims.places import EVENTS, PLACES, Event, Place

T = TypeVar("T")
Row = dict[str, str]

CONSTANT: Final = {
    **dict.fromkeys(COLUMNS, "NA"),
    **dict.fromkeys((column for column in COLUMNS if column.endswith("Indicator")), "TRUE"),
    "houseWorship": "TRUE",
    "smallBusinessIndicatorBuilding": "TRUE",
    "rentalPropertyIndicator": "FALSE",
    "elevationCertificateIndicator": "NA",
    "floodCharacteristicsIndicator": "0",
    "policyCount": "1",
    "basementEnclosureCrawlspaceType": "-1",
    "crsClassificationCode": "-1",
    "elevationDifference": "-1",
    "locationOfContents": "-1",
    "obstructionType": "10",
    "occupancyType": "1",
    "rateMethod": "1",
    "condominiumCoverageTypeCode": "N",
    "contentsPropertyValue": "0",
    "contentsReplacementCost": "0",
    "disasterAssistanceCoverageRequired": "0",
    "ficoNumber": "0",
    "floodWaterDuration": "0",
    "numberOfUnits": "1",
    "buildingDescriptionCode": "1",
    "reportedCity": "Currently Unavailable",
}


def generate(count: int, seed: int = 1) -> Iterator[Row]:
    """Generate rows of a claims file; the same for the same arguments."""
    random = Random(seed)
    previous: Row | None = None
    for _ in range(count):
        row = _claim(random)
        if previous is not None and random.random() < 0.01:
            row = previous | {"id": row["id"]}  # the same loss, claimed twice
        for rate, spoil in ANOMALIES:
            if random.random() < rate:
                spoil(row, random)
        previous = row
        yield row


def write_claims(path: Path, count: int, seed: int = 1) -> None:
    """Write a file of generated claims."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(generate(count, seed))


def _claim(random: Random) -> Row:
    event = _pick(random, {event: event.weight for event in EVENTS})
    place = random.choice([place for place in PLACES if place.state in event.states])
    row = CONSTANT | _where(random, place) | _when(random, event) | _policy(random)
    row["id"] = str(UUID(int=random.getrandbits(128), version=4))
    row["waterDepth"] = _pick(random, {"0": 71, "1": 11, "2": 5, "3": 3, "4": 2, "5": 2, "8": 1, "12": 1, "-1": 2})
    row["replacementCostBasis"] = _pick(random, {"A": 72, "R": 28})
    return row | _loss(random, row)


def _where(random: Random, place: Place) -> Row:
    tract = f"{place.county}{random.randrange(1, 120):04d}00"
    return {
        "state": place.state,
        "countyCode": place.county,
        "censusTract": tract,
        "censusBlockGroupFips": f"{tract}{random.randrange(1, 5)}",
        "reportedZipCode": place.zip_code,
        "latitude": f"{place.latitude + random.randrange(-2, 3) / 10:.1f}",
        "longitude": f"{place.longitude + random.randrange(-2, 3) / 10:.1f}",
        "nfipRatedCommunityNumber": f"{place.county}0",
        "nfipCommunityName": place.name,
        "ratedFloodZone": _pick(random, {"AE": 53, "X": 37, "VE": 6, "A": 2, "AO": 1, "C": 1}),
    }


def _when(random: Random, event: Event) -> Row:
    lost = event.day + timedelta(days=random.choice((0, 0, 0, 1)))
    began = lost - timedelta(days=45 + min(int(random.expovariate(1 / 3_000)), 12_000))
    return {
        "dateOfLoss": _stamp(lost),
        "yearOfLoss": str(lost.year),
        "originalNBDate": _stamp(began),
        "originalConstructionDate": _stamp(date(random.randrange(1925, began.year), random.choice((1, 7)), 1)),
        "asOfDate": "2020-01-22T16:55:53.194Z",
        "causeOfDamage": event.cause,
        "floodEvent": event.name,
    }


def _policy(random: Random) -> Row:
    value = min(_lognormal(random, 128_000, 0.6), 2_000_000)
    deductible = _pick(random, {"0": 53, "1": 26, "9": 9, "F": 5, "5": 3, "2": 3, "3": 1})
    return {
        "totalBuildingInsuranceCoverage": str(min(value // 100 * 100, 250_000)),
        "totalContentsInsuranceCoverage": str(random.choice((0, 12_000, 25_000, 30_500, 60_000, 80_000, 100_000))),
        "buildingDeductibleCode": deductible,
        "contentsDeductibleCode": deductible,
        "buildingPropertyValue": str(value),
        "buildingReplacementCost": str(value * 5 // 4),
        "iccCoverage": _pick(random, {"30000": 54, "0": 27, "15000": 12, "20000": 7}),
        "numberOfFloorsInTheInsuredBuilding": _pick(random, {"1": 45, "2": 41, "3": 14}),
    }


def _loss(random: Random, row: Row) -> Row:
    building = min(_lognormal(random, 9_300, 1.8), int(row["buildingPropertyValue"]))
    insured = row["totalContentsInsuranceCoverage"] != "0"
    contents = min(_lognormal(random, 5_000, 1.6), 200_000) if insured and random.random() < 0.58 else 0
    loss = _settled(random, row, "Building", building) | _settled(random, row, "Contents", contents)
    icc = random.choice((9_000, 15_000, 30_000)) if building > 60_000 and random.random() < 0.15 else 0
    icc = min(icc, int(row["iccCoverage"]))
    return loss | {"amountPaidOnIncreasedCostOfComplianceClaim": str(icc), "netIccPaymentAmount": str(icc)}


def _settled(random: Random, row: Row, cover: str, damage: int) -> Row:
    name = cover.lower()
    limit = Decimal(row[f"total{cover}InsuranceCoverage"])
    due = min(max(damage - DEDUCTIBLES[row[f"{name}DeductibleCode"]], Decimal(0)), limit)
    paid = min((due * _share_paid(random, row["replacementCostBasis"])).quantize(Decimal("0.01")), limit)
    return {
        f"{name}DamageAmount": str(damage),
        f"amountPaidOn{cover}Claim": str(paid) if paid else "0",
        f"net{cover}PaymentAmount": str(paid) if paid else "0",
        f"nonPaymentReason{cover}": "NA" if paid else "01" if damage else random.choice(("97", "20", "NA")),
    }


def _share_paid(random: Random, basis: str) -> Decimal:
    # What the adjuster took off does not show in the file; neither does the depreciation that replacement cost gives.
    if random.random() < 0.2:
        return Decimal(random.randrange(30, 95)) / 100
    return Decimal(random.randrange(100, 125)) / 100 if basis == "R" and random.random() < 0.3 else Decimal(1)


def _before_policy(row: Row, random: Random) -> None:
    row["originalNBDate"] = _stamp(_day(row["dateOfLoss"]) + timedelta(days=random.randrange(1, 90)))


def _new_policy(row: Row, random: Random) -> None:
    row["originalNBDate"] = _stamp(_day(row["dateOfLoss"]) - timedelta(days=random.randrange(0, 30)))


def _built_later(row: Row, _: Random) -> None:
    row["originalConstructionDate"] = _stamp(_day(row["dateOfLoss"]) + timedelta(days=700))


def _other_year(row: Row, _: Random) -> None:
    row["yearOfLoss"] = str(int(row["yearOfLoss"]) - 1)


def _overpaid(row: Row, _: Random) -> None:
    limit = int(row["totalBuildingInsuranceCoverage"])
    row["amountPaidOnBuildingClaim"] = row["netBuildingPaymentAmount"] = str(limit + 5_000)
    row["nonPaymentReasonBuilding"] = "NA"


def _damage_unknown(row: Row, _: Random) -> None:
    row["buildingDamageAmount"] = "NA"


def _odd_code(row: Row, _: Random) -> None:
    row["buildingDeductibleCode"] = "Z"


def _doubtful_cause(row: Row, random: Random) -> None:
    row["causeOfDamage"] = random.choice("09")


def _partly_recovered(row: Row, _: Random) -> None:
    row["netBuildingPaymentAmount"] = str(Decimal(row["amountPaidOnBuildingClaim"]) // 2)


ANOMALIES: Final[tuple[tuple[float, Callable[[Row, Random], None]], ...]] = (
    (0.010, _before_policy),
    (0.012, _new_policy),
    (0.005, _built_later),
    (0.005, _other_year),
    (0.006, _overpaid),
    (0.008, _damage_unknown),
    (0.004, _odd_code),
    (0.012, _doubtful_cause),
    (0.008, _partly_recovered),
)


def _pick(random: Random, weights: dict[T, int]) -> T:
    return random.choices(list(weights), list(weights.values()))[0]


def _lognormal(random: Random, median: int, sigma: float) -> int:
    return int(median * random.lognormvariate(0, sigma)) + 1


def _stamp(day: date) -> str:
    return f"{day.isoformat()}T00:00:00.000Z"


def _day(stamp: str) -> date:
    return date.fromisoformat(stamp[:10])


def main() -> None:
    """Write a file of generated claims."""
    parser = argparse.ArgumentParser(prog="python -m examples.claims.generate", description=main.__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--claims", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    write_claims(arguments.path, arguments.claims, arguments.seed)


if __name__ == "__main__":
    main()
