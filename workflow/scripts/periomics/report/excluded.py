"""What was left out, on the first screen: whether it was decided blind, and what each verdict is without it."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from periomics.report.grids import Grid, grid
from periomics.report.sources import Sources
from periomics.report.words import counted
from periomics.study.sheets import confirmations

COLUMNS = {
    "claim_id": "Claim",
    "outcome": "Outcome",
    "verdict": "Verdict",
    "n_animals": "n",
    "verdict_all": "With nothing left out",
    "n_animals_all": "n, all",
    "estimate": "Estimate",
    "estimate_all": "Estimate, all",
}
NAMED = 6
NONE = "Nothing was excluded or held back."


@dataclass(frozen=True)
class LeftOut:
    """What was left out of animals; warnings may be empty.

    Attributes
    ----------
    line
        Whether verdicts change with nothing left out.
    warning
        Exclusions that were decided knowing the arm.
    held
        What quality gates hold back, until somebody has looked at it.
    table
        Verdicts that change.
    """

    line: str
    warning: str
    held: str
    table: Grid | None


def judged_with_all(sources: Sources) -> bool:
    """Whether something was left out and verdicts were made with it too."""
    out = not sources.sheets["exclusions"].empty or bool(held_back(sources))
    return out and "verdict_all" in sources.table("verdicts")


def left_out(sources: Sources) -> LeftOut:
    """The section of a study; one line where nothing was excluded or held back."""
    excluded, held = sources.sheets["exclusions"], held_back(sources)
    if excluded.empty and not held:
        return LeftOut(NONE, "", "", None)
    verdicts = sources.table("verdicts", [*COLUMNS, "kind"])
    moved = verdicts[verdicts["verdict_all"].fillna("") != ""]
    differ = moved[moved["verdict_all"] != moved["verdict"]]
    counts = [counted(len(excluded), "exclusion")] if len(excluded) else []
    line = ", ".join([*counts, *([f"{len(held)} held back"] if held else [])]) + "; "
    if differ.empty:
        line += "no verdict differs with nothing left out."
    else:
        each = ", ".join(f"{r.claim_id} {r.outcome}" for r in differ.itertuples())
        line += f"with nothing left out other verdicts stand: {each}."
    if (verdicts["kind"] == "association").any():
        line += " Associations are judged once, of the animals that were kept."
    shown = grid(
        moved,
        COLUMNS,
        title="With and without what was left out",
        file="statistics/verdicts.tsv",
        limit=60,
    )
    return LeftOut(line, _unblind(excluded), _held(held), shown if len(moved) else None)


def held_back(sources: Sources) -> list[str]:
    """Scans and sections that a quality gate holds back and no sheet confirms."""
    rows = sources.table("measurements", ["specimen_id", "section_id", "qc"])
    rows = rows[rows["qc"] == "hold"]
    confirmed, found = confirmations(sources.sheets), set()
    for specimen, section in (
        rows[["specimen_id", "section_id"]].fillna("").drop_duplicates().values
    ):
        ids = (("section_id", section), ("specimen_id", specimen))
        if not any(i in confirmed for i in ids):
            found.add(section or specimen)
    return sorted(found)


def _held(held: list[str]) -> str:
    if not held:
        return ""
    more = f" and {len(held) - NAMED} more" if len(held) > NAMED else ""
    return (
        f"{len(held)} held back by quality gates: {', '.join(held[:NAMED])}{more}. "
        "Look at them, then say in the column `confirmed` of their sheet who looked and why the "
        "numbers stand, or leave them out."
    )


def _unblind(excluded: pd.DataFrame) -> str:
    """Exclusions that were not decided blind to the arm, by name."""
    blind = excluded["blind"].astype(str) if "blind" in excluded else pd.Series("", excluded.index)
    seen = excluded[~blind.str.lower().isin(["yes", "true", "1"])]
    if seen.empty:
        return ""
    each = [f"{r['level']} {r['id']} ({r['reason']})" for _, r in seen.head(NAMED).iterrows()]
    more = f" and {len(seen) - NAMED} more" if len(seen) > NAMED else ""
    return (
        f"{counted(len(seen), 'exclusion')} not decided blind to the arm: {', '.join(each)}{more}. "
        "Read the verdicts with those of all animals."
    )
