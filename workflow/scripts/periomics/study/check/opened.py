"""What an area is given of a raw file to look into, and what it answers: the size stated and problems by row."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import pandas as pd

from periomics.core.errors import InputError
from periomics.core.problems import Problem
from periomics.study.settings.section import Section, read_section, section_of
from periomics.study.study import Study

Row = Mapping[str, object]
S = TypeVar("S", bound=Section)


@dataclass(frozen=True)
class Named:
    """One raw file or folder, and the rows of a sheet that name it.

    Parameters
    ----------
    path, cell
        Where it lies, and as the user wrote it.
    sheet, column
        How the sheet's file is called, and the column that names the raw file.
    rows
        Spreadsheet row → facts as a job would get them: paths resolved, without empty cells.
    config
        The resolved configuration.
    dictionary
        The outcome dictionary.
    """

    path: Path
    cell: str
    sheet: str
    column: str
    rows: Mapping[int, Row]
    config: Mapping[str, object]
    dictionary: pd.DataFrame = field(default_factory=pd.DataFrame)

    def section(self, name: str) -> Mapping:
        """A section of the configuration; empty where it is none."""
        return section_of(self.config, name)

    def settings(self, model: type[S], name: str) -> S | None:
        """A section as the job reads it; None where its form is wrong, which the check of the configuration tells."""
        value: Mapping = self.config
        for part in name.split("/"):
            value = section_of(value, part)
        return read_section(model, value, "config", name)[0]

    def problem(
        self,
        message: str,
        value: object = "",
        allowed: object = "",
        *,
        rows: Iterable[int] | None = None,
        column: str = "",
        level: str = "error",
        inside: str = "",
    ) -> list[Problem]:
        """A problem of the file, or of some of its rows; rows that share it share a line."""
        where = self.rows if rows is None else rows
        shown = ("" if value is None else str(value), str(allowed))
        return [
            Problem(
                self.sheet, row, column or self.column, message, *shown, level=level, inside=inside
            )
            for row in where
        ]

    def refused(self, error: Exception, rows: Iterable[int] | None = None) -> list[Problem]:
        """What a reader raised, told with the place inside the file."""
        place = f"file cannot be read: {self.path.name}"
        if not isinstance(error, InputError):
            text = " ".join(str(error).split())[:200] or type(error).__name__
            text = text.removeprefix(f"{self.path.name}: ")
            return self.problem(text, rows=rows, inside=place)
        if error.file and Path(error.file).name != self.path.name:
            place += f", {Path(error.file).name}"
        place += f", row {error.row}" if error.row is not None else ""
        place += f", column {error.column}" if error.column else ""
        return self.problem(error.message, error.value, error.allowed, rows=rows, inside=place)


@dataclass(frozen=True)
class Look:
    """What a header says: `size_um` is the edge of a voxel or pixel, `kind` the type of its numbers."""

    problems: list[Problem] = field(default_factory=list)
    size_um: float | None = None
    kind: str = ""


Opener = Callable[[Named], Look]


@dataclass(frozen=True)
class Areas:
    """What the areas lend the check: kind of file → what looks into it, and checks of what only they know.

    The registry stands in workflow/scripts/study/check_study.py, as `study` imports no area.
    """

    openers: Mapping[str, Opener] = field(default_factory=dict)
    designs: tuple[Callable[[Study], list[Problem]], ...] = ()
