"""Where and when generated claims happen: real counties, invented floods."""

from dataclasses import dataclass
from datetime import date
from typing import Final


@dataclass(frozen=True, slots=True)
class Place:
    """A county with a community in it."""

    state: str
    county: str  # FIPS code
    name: str
    zip_code: str
    latitude: float
    longitude: float


@dataclass(frozen=True, slots=True)
class Event:
    """A flood that many claims come from."""

    name: str
    day: date
    cause: str  # code, see codes.py
    states: frozenset[str]
    weight: int


PLACES: Final = (
    Place("FL", "12033", "ESCAMBIA COUNTY*", "32507", 30.4, -87.3),
    Place("FL", "12113", "SANTA ROSA COUNTY *", "32566", 30.4, -86.9),
    Place("TX", "48201", "HOUSTON, CITY OF", "77096", 29.7, -95.5),
    Place("TX", "48167", "GALVESTON COUNTY *", "77551", 29.3, -94.8),
    Place("NC", "37141", "PENDER COUNTY *", "28445", 34.4, -77.5),
    Place("VA", "51810", "VIRGINIA BEACH, CITY OF", "23451", 36.8, -76.0),
    Place("LA", "22071", "NEW ORLEANS/ORLEANS PARISH*", "70122", 30.0, -90.1),
    Place("NJ", "34009", "OCEAN CITY, CITY OF", "08226", 39.3, -74.6),
    Place("NY", "36059", "HEMPSTEAD, TOWN OF", "11520", 40.6, -73.6),
    Place("MO", "29189", "ST. LOUIS COUNTY*", "63129", 38.5, -90.3),
)

EVENTS: Final = (
    Event("Gulf hurricane", date(2004, 9, 16), "1", frozenset({"FL", "LA"}), 30),
    Event("Atlantic hurricane", date(1999, 9, 15), "1", frozenset({"NC", "VA"}), 22),
    Event("Bay storm surge", date(2008, 9, 13), "1", frozenset({"TX", "LA"}), 16),
    Event("Northeast storm", date(2012, 10, 29), "1", frozenset({"NJ", "NY"}), 14),
    Event("River flood", date(1993, 7, 10), "2", frozenset({"MO"}), 6),
    Event("Torrential rain", date(2017, 8, 27), "4", frozenset({"TX"}), 8),
    Event("NA", date(1998, 2, 4), "4", frozenset({"VA", "NC", "FL"}), 4),
)
