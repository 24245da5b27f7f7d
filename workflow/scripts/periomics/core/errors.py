"""Errors that a user can act on."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PeriomicsError(Exception):
    """Base of every error that this project raises on purpose; its text is shown to the user as it is."""


class InputError(PeriomicsError):
    """A user's file or setting cannot be used.

    Parameters
    ----------
    message
        What is wrong, in plain words.
    file, row, column, value
        Where; `row` counts as a spreadsheet does (the header is row 1).
    allowed
        What would be right.
    """

    def __init__(
        self,
        message: str,
        *,
        file: object = "",
        row: int | None = None,
        column: str = "",
        value: object = None,
        allowed: str = "",
    ) -> None:
        self.message, self.file, self.row, self.column = message, str(file), row, column
        self.value, self.allowed = value, allowed
        super().__init__(self.describe())

    def describe(self) -> str:
        where = self.file
        where += f", row {self.row}" if self.row is not None else ""
        where += f", column {self.column}" if self.column else ""
        text = f"{where}: {self.message}" if where else self.message
        text += f" (found {self.value!r})" if self.value is not None else ""
        return f"{text}; allowed: {self.allowed}" if self.allowed else text


class SpecimenError(PeriomicsError):
    """One specimen cannot be measured; the study goes on unless the config says `on_broken_specimen: stop`."""


def nearest(value: str, known: Iterable[str]) -> str:
    """Return ` - did you mean 'x'?` for the closest known name, or an empty text."""
    known = [str(k) for k in known]
    hit = difflib.get_close_matches(str(value), known, n=1, cutoff=0.6)
    if not hit:
        folded = {k.casefold(): k for k in known}
        hit = [
            folded[m]
            for m in difflib.get_close_matches(str(value).casefold(), list(folded), n=1, cutoff=0.6)
        ]
    return f" - did you mean {hit[0]!r}?" if hit else ""
