"""The last line of a run: where its report is."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

# Targets of a run whose end is the report; a run without named targets makes everything.
WITH_REPORT = frozenset({"all", "default", "report", "recovery"})


def closing_line(results: str, targets: Iterable[str]) -> str:
    """The report's path where the run was to make it and it stands, else nothing.

    Parameters
    ----------
    results
        Results folder of the study.
    targets
        Targets that the run was asked for; none stands for all.
    """
    report = Path(results) / "report" / "report.html"
    asked = {str(t) for t in targets}
    wanted = not asked or bool(asked & WITH_REPORT)
    return f"periomics: the report is {report}" if wanted and report.is_file() else ""
