"""Recovery on the page: measured beside simulated, by outcome."""

from __future__ import annotations

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources

COLUMNS = (
    "outcome",
    "specimen_id",
    "section_id",
    "variant",
    "time",
    "measured",
    "truth",
    "error",
    "tolerance",
    "pass",
)


def recovery(sources: Sources) -> tuple[Grid, str] | None:
    """Table by outcome and a sentence on how much passes; None for a study that is not simulated."""
    if not sources.files.get("recovery"):
        return None
    table = sources.table("recovery", COLUMNS)
    summary = by_outcome(table)
    columns = {
        "outcome": "Outcome",
        "variant": "Definition",
        "n": "n",
        "bias": "Bias",
        "worst": "Largest error / tolerance",
        "slope": "Slope on truth",
        "passed": "Within tolerance",
        "all": "All pass",
    }
    shown = grid(
        summary,
        columns,
        file="recovery.tsv",
        title="Recovery by outcome",
        reason="Nothing was compared with truth.",
    )
    good = int((table["pass"] == "yes").sum())
    return shown, f"{good} of {len(table)} comparisons lie within their tolerance."


def by_outcome(table: pd.DataFrame) -> pd.DataFrame:
    """One line per outcome and variant: number, mean error, largest error over tolerance, slope, how many pass."""
    rows = []
    for (outcome, variant), part in table.groupby(["outcome", "variant"], sort=True):
        single = part[~part["specimen_id"].astype(str).str.startswith("(")]
        slope = part.loc[part["specimen_id"] == "(slope)", "measured"]
        passed = int((part["pass"] == "yes").sum())
        rows.append(
            {
                "outcome": outcome,
                "variant": variant,
                "n": len(single),
                "bias": single["error"].mean(),
                "worst": (single["error"].abs() / single["tolerance"]).max(),
                "slope": slope.iloc[0] if len(slope) else float("nan"),
                "passed": f"{passed} of {len(part)}",
                "all": "yes" if passed == len(part) else "no",
            }
        )
    return pd.DataFrame(rows)
