"""Meanings of the codes in the claims file.

As OpenFEMA's data dictionary of "FIMA NFIP Redacted Claims" gives them, to our knowledge; not verified here against
FEMA's own page (https://www.fema.gov/openfema-data-page/fima-nfip-redacted-claims-v2). The deductibles are borne out
by the claims themselves: for each code that occurs often, damage minus payment is most often exactly the amount given.
"""

from decimal import Decimal
from typing import Final

DEDUCTIBLES: Final = {
    "0": Decimal(500),
    "1": Decimal(1_000),
    "2": Decimal(2_000),
    "3": Decimal(3_000),
    "4": Decimal(4_000),
    "5": Decimal(5_000),
    "9": Decimal(750),
    "A": Decimal(10_000),
    "B": Decimal(15_000),
    "C": Decimal(20_000),
    "D": Decimal(25_000),
    "E": Decimal(50_000),
    "F": Decimal(1_250),
    "G": Decimal(1_500),
    "H": Decimal(200),
}
"""``buildingDeductibleCode`` and ``contentsDeductibleCode``, in USD."""

CAUSES: Final = {
    "0": "other causes",
    "1": "tidal water overflow",
    "2": "stream, river or lake overflow",
    "3": "alluvial fan overflow",
    "4": "accumulation of rainfall or snowmelt",
    "7": "erosion, demolition",
    "8": "erosion, removal",
    "9": "earth movement, landslide, sinkhole",
    "A": "closed basin lake",
    "B": "expedited handling, no inspection",
    "C": "expedited handling, inspection follows",
    "D": "expedited handling, remote adjustment",
}
"""``causeOfDamage``."""

JUDGED_CAUSES: Final = frozenset({"0", "9"})
"""Causes that are not plainly a flood, so that a person has to say whether the policy covers them."""

REASONS: Final = {
    "01": "damage below the deductible",
    "02": "seepage",
    "03": "backup of drains",
    "04": "shrubs not covered",
    "05": "sea wall",
    "06": "not an actual flood",
    "07": "loss in progress",
    "08": "claim not pursued",
    "09": "debris removal only",
    "10": "fire",
    "11": "fence damage",
    "12": "hydrostatic pressure",
    "13": "drainage clogged",
    "14": "boat piers",
    "15": "damage before the policy began",
    "16": "wind damage",
    "17": "erosion not in the definition of flood",
    "18": "landslide",
    "19": "mudflow not in the definition of flood",
    "20": "no demonstrable damage",
    "97": "other",
    "98": "error, claim deleted",
    "99": "erroneous assignment",
}
"""``nonPaymentReasonBuilding`` and ``nonPaymentReasonContents``."""
