"""What a measurement yields: figures, each with what it is held against; versions; and what was skipped."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """One line of the table.

    Attributes:
        name: what was measured.
        value: how much it was; the median, if it was measured several times.
        unit: of ``value`` and ``limit_value``.
        limit_name: what it is held against: the raw limit, a peer, or a bound that was set beforehand.
        limit_value: how much that is; measured in the same run, unless it is a bound.
        ratio: ``value / limit_value``.
        target: what is asked for; empty if nothing is.
        met: whether it is reached; None without a target.
        note: what a reader must know to trust it: counts, scale, settings.
    """

    name: str
    value: float
    unit: str
    limit_name: str = ""
    limit_value: float | None = None
    ratio: float | None = None
    target: str = ""
    met: bool | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """A version of something that took part."""

    name: str
    version: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Skipped:
    """What could not be measured here, and why."""

    name: str
    why: str


Line = Figure | Version | Skipped


@dataclass(frozen=True, kw_only=True, slots=True)
class Measured:
    """A value before it is held against anything."""

    name: str
    value: float
    unit: str
    note: str = ""

    def at_least(self, share: float, of: str, limit: float) -> Figure:
        """It should be ``share`` times what was measured of a limit or a peer, or more."""
        return self._against(of, limit, f"≥ {share:g} ×", self.value >= share * limit)

    def at_most(self, share: float, of: str, limit: float) -> Figure:
        """It should be ``share`` times what was measured of a limit, or less."""
        return self._against(of, limit, f"≤ {share:g} ×", self.value <= share * limit)

    def below(self, bound: float) -> Figure:
        """It should not exceed a bound that was set beforehand."""
        return self._against("bound", bound, f"≤ {bound:,g} {self.unit}", self.value <= bound)

    def above(self, bound: float) -> Figure:
        """It should reach a bound that was set beforehand."""
        return self._against("bound", bound, f"≥ {bound:,g} {self.unit}", self.value >= bound)

    def beside(self, of: str, limit: float) -> Figure:
        """It is shown beside something, without a target."""
        return self._against(of, limit, "", None)

    def alone(self) -> Figure:
        """It is shown by itself."""
        return Figure(name=self.name, value=self.value, unit=self.unit, note=self.note)

    def _against(self, of: str, limit: float, target: str, met: bool | None) -> Figure:
        return Figure(
            name=self.name,
            value=self.value,
            unit=self.unit,
            limit_name=of,
            limit_value=limit,
            ratio=self.value / limit if limit else None,
            target=target,
            met=met,
            note=self.note,
        )
