"""Quiet hours: when people are left alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict

from holdfast.clock import from_datetime, to_datetime
from holdfast.errors import BadOption

_TEXT = re.compile(r"(\d{1,2}:\d{2})\s*[-–]\s*(\d{1,2}:\d{2})\s+(\S+)")


class Quiet(BaseModel):
    """A part of each day, by the clock on somebody's wall.

    Attributes:
        begins: when it begins.
        ends: when it ends; on the next day if that is earlier.
        zone: whose wall, as the IANA database names it: ``"Europe/Lisbon"``.

    Example:
        >>> night = Quiet.of("22:00-07:00 Europe/Lisbon")
        >>> to_datetime(night.until(from_datetime(datetime(2026, 1, 5, 23, 30, tzinfo=UTC)))).isoformat()
        '2026-01-06T07:00:00+00:00'
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    begins: time
    ends: time
    zone: str

    @classmethod
    def of(cls, text: str) -> Quiet:
        """Quiet hours as people write them.

        Raises:
            BadOption: they make no sense.
        """
        found = _TEXT.fullmatch(text.strip())
        if found is None:
            raise BadOption(f"quiet hours {text!r}: write them as '22:00-07:00 Europe/Lisbon'")
        try:
            begins, ends = (datetime.strptime(found[n], "%H:%M").time() for n in (1, 2))
        except ValueError as error:
            raise BadOption(f"quiet hours {text!r}: {error}") from None
        if begins == ends:
            raise BadOption(f"quiet hours {text!r} are no hours, or all of them: remove the channel instead")
        try:
            ZoneInfo(found[3])
        except (OSError, ValueError, KeyError):  # KeyError: ZoneInfoNotFoundError
            raise BadOption(
                f"quiet hours {text!r}: this machine knows no time zone {found[3]!r}; they are named as in "
                "'Europe/Lisbon' (`pip install tzdata` where there are none at all)"
            ) from None
        return cls(begins=begins, ends=ends, zone=found[3])

    def __str__(self) -> str:
        return f"{self.begins:%H:%M}-{self.ends:%H:%M} {self.zone}"

    def until(self, at: int) -> int | None:
        """When the quiet hours that a time (microseconds) lies in end; None if it lies in none."""
        zone = ZoneInfo(self.zone)
        there = to_datetime(at).astimezone(zone)
        if not self._holds(there.time()):
            return None
        # A wall shows some times twice and others never, so the candidates are compared as instants.
        days = (there.date() + timedelta(days=day) for day in (0, 1))
        walls = (datetime.combine(day, self.ends, zone).replace(fold=fold) for day in days for fold in (0, 1))
        return next(end for wall in walls if (end := from_datetime(wall.astimezone(UTC))) > at)

    def _holds(self, wall: time) -> bool:
        if self.begins < self.ends:
            return self.begins <= wall < self.ends
        return wall >= self.begins or wall < self.ends
