"""What the sheet says of one scan beyond its file: where its sides are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

# Angles of two sides that meet at right angles may be off by so many degrees.
RIGHT = 1.0


@dataclass(frozen=True)
class Told:
    """Directions of the buccal and the mesial side in the slices (degrees from x towards y); None where nothing is said."""

    buccal_degrees: float | None = None
    mesial_degrees: float | None = None

    @property
    def sides(self) -> tuple[float, float] | None:
        """Both directions, where both are said."""
        if self.buccal_degrees is None or self.mesial_degrees is None:
            return None
        return self.buccal_degrees, self.mesial_degrees


NOTHING = Told()


def told_of(row: Mapping[str, object]) -> Told:
    """What a row of the scans' sheet says."""
    return Told(_number(row, "buccal_degrees"), _number(row, "mesial_degrees"))


def at_right_angles(sides: tuple[float, float]) -> bool:
    """Whether the mesial side lies a quarter of a turn from the buccal one, either way."""
    apart = (sides[1] - sides[0]) % 360
    return min(abs(apart - 90), abs(apart - 270)) <= RIGHT


def _number(row: Mapping[str, object], column: str) -> float | None:
    value = row.get(column)
    return None if value in (None, "") or value != value else float(str(value))
