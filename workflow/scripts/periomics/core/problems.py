"""Problems are collected and shown together, never one at a time."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, order=True)
class Problem:
    """One finding of the check.

    `row` counts as a spreadsheet does (the header is row 1; 0 stands for the whole file). `level` is error (nothing may
    run), warning (a person should look) or note (what was understood). `inside` is the place in a
    raw file, told before the message; it has no part in the kind of the problem.
    """

    file: str
    row: int
    column: str
    message: str
    value: str = ""
    allowed: str = ""
    level: str = "error"
    inside: str = ""

    def describe(self, rows: tuple[int, ...] = ()) -> str:
        """One line; `rows` names all rows where several share the problem."""
        rows = rows or ((self.row,) if self.row else ())
        where = (
            self.file
            + (_rows(rows) if rows else "")
            + (f", column {self.column}" if self.column else "")
        )
        value = f" (found {self.value!r})" if self.value else ""
        allowed = f"; allowed: {self.allowed}" if self.allowed else ""
        inside = f"{self.inside}: " if self.inside else ""
        return f"{where}: {inside}{self.message}{value}{allowed}"


def _rows(rows: tuple[int, ...], shown: int = 6) -> str:
    if len(rows) == 1:
        return f", row {rows[0]}"
    more = f" and {len(rows) - shown} more" if len(rows) > shown else ""
    return f", rows {', '.join(map(str, rows[:shown]))}{more}"


def _grouped(problems: Iterable[Problem], level: str) -> dict[Problem, list[int]]:
    """Problems of one level without their rows → the rows; each is a line."""
    grouped: dict[Problem, list[int]] = {}
    for problem in sorted(set(problems)):
        if problem.level == level:
            grouped.setdefault(replace(problem, row=0), []).append(problem.row)
    return grouped


def count(problems: Iterable[Problem], level: str) -> int:
    """How many lines `listing` would have if it showed all: problems that differ by row only count once."""
    return len(_grouped(problems, level))


def listing(problems: Iterable[Problem], level: str, most: int = 8) -> list[str]:
    """Lines of one level, sorted by file, row and column.

    Problems that differ by row only share a line. Of one kind (the same file, column and message, whatever the value) at
    most `most` lines are shown; the last says how many more there are.
    """
    lines = [
        (p.file, rows[0], p.column, p.describe(tuple(r for r in rows if r)), _kind(p))
        for p, rows in _grouped(problems, level).items()
    ]
    shown: list[str] = []
    place: dict[
        tuple[str, str, str], list[int]
    ] = {}  # kind -> lines of it, and where the last stands
    for *_, text, kind in sorted(lines):
        count = place.setdefault(kind, [0, 0])
        count[0] += 1
        if count[0] <= most:
            shown.append(text)
            count[1] = len(shown) - 1
    for found, last in place.values():
        if found > most:
            shown[last] += f" (and {found - most} more of this kind)"
    return shown


def _kind(problem: Problem) -> tuple[str, str, str]:
    return problem.file, problem.column, problem.message.split(" - did you mean")[0]
