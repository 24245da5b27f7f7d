"""What is found of the quality of a picture or scan, beside its limit."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Fact:
    """A quantity with its limit, the largest allowed or with `least` the smallest; what is no number lies beyond."""

    name: str
    value: float
    unit: str
    limit: float
    least: bool = False

    @property
    def beyond(self) -> bool:
        """Whether it lies beyond its limit."""
        inside = self.value >= self.limit if self.least else self.value <= self.limit
        return not inside

    def amount(self, value: float, digits: int = 6) -> str:
        """A value of it with its unit."""
        return f"{value:.{digits}g} {self.unit}".rstrip()

    def describe(self) -> str:
        """For warnings, reasons and tables."""
        return f"{self.name} {self.amount(self.value, 3)} (limit {self.amount(self.limit)})"
