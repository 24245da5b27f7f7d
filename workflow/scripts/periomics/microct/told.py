"""What the sheet says of one scan beyond its file: where its sides are, and which of its implants is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Angles of two sides that meet at right angles may be off by so many degrees.
RIGHT = 1.0


@dataclass(frozen=True)
class Told:
    """Directions of the buccal and the mesial side in the slices (degrees from x towards y); None where nothing is said. Which implant of
    how many in the scan, counted along their row."""

    buccal_degrees: float | None = None
    mesial_degrees: float | None = None
    implant: int = 1
    implants: int = 1

    @property
    def sides(self) -> tuple[float, float] | None:
        """Both directions, where both are said."""
        if self.buccal_degrees is None or self.mesial_degrees is None:
            return None
        return self.buccal_degrees, self.mesial_degrees


NOTHING = Told()


def told_of(row: Mapping[str, object]) -> Told:
    """What a row of the scans' sheet says."""
    implant, implants = (_number(row, c) for c in ("implant", "implants"))
    return Told(
        _number(row, "buccal_degrees"),
        _number(row, "mesial_degrees"),
        int(implant or 1),
        int(implants or 1),
    )


def at_right_angles(sides: tuple[float, float]) -> bool:
    """Whether the mesial side lies a quarter of a turn from the buccal one, either way."""
    apart = (sides[1] - sides[0]) % 360
    return min(abs(apart - 90), abs(apart - 270)) <= RIGHT


def _number(row: Mapping[str, object], column: str) -> float | None:
    value = row.get(column)
    return None if value in (None, "") or value != value else float(str(value))
