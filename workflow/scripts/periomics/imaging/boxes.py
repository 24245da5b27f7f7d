"""Windows of a picture: rows and columns from and to."""

from __future__ import annotations

from typing import NamedTuple


class Box(NamedTuple):
    """Rows top to bottom and columns left to right (the last of each not in it) of a picture."""

    top: int
    left: int
    bottom: int
    right: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.bottom - self.top, self.right - self.left

    @property
    def area(self) -> int:
        return max(0, self.bottom - self.top) * max(0, self.right - self.left)

    def grown(self, by: int, within: Box) -> Box:
        """With `by` more pixels on every side, as far as another box reaches."""
        return Box(
            max(within.top, self.top - by),
            max(within.left, self.left - by),
            min(within.bottom, self.bottom + by),
            min(within.right, self.right + by),
        )

    def common(self, other: Box) -> Box:
        """What both hold; of area 0 where that is nothing."""
        return Box(
            max(self.top, other.top),
            max(self.left, other.left),
            min(self.bottom, other.bottom),
            min(self.right, other.right),
        )

    def inside(self, outer: Box) -> tuple[slice, slice]:
        """Slices of this box in an array of the outer one."""
        return (
            slice(self.top - outer.top, self.bottom - outer.top),
            slice(self.left - outer.left, self.right - outer.left),
        )
