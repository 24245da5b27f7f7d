"""Table of power: what the report reads of it, and the sentences on claims that a study can
practically not support."""

import pandas as pd

POWER_COLUMNS = (
    "claim_id",
    "outcome",
    "n_now",
    "planned_effect_sd",
    "margin_sd",
    "power",
    "power_adjusted",
    "wanted_power",
    "detectable",
    "detectable_sd",
    "detectable_natural",
    "unit",
    "n_needed",
    "n_needed_adjusted",
    "method",
    "adjusted_by",
    "sd_source",
    "basis",
    "reason",
)
# Power below which a claim is named before the study.
HARDLY = 0.1
# In place of an outcome: the one verdict of a claim over all its outcomes.
COMBINED = "all outcomes"


def hardly_supported(power: pd.DataFrame) -> tuple[str, ...]:
    """One sentence per claim whose power in the graph is below `HARDLY`, with the animals that it
    would take.

    Parameters
    ----------
    power
        statistics/power.tsv.
    """
    numbers = ("power_adjusted", "n_needed_adjusted", "wanted_power")
    rows = power.assign(**{c: pd.to_numeric(power[c], errors="coerce") for c in numbers})
    out = []
    for claim, part in rows.groupby("claim_id", sort=False):
        now = part.loc[part["n_now"].astype(str) != "", "n_now"]
        whole = part[part["outcome"] == COMBINED]
        low = whole if len(whole) else part
        low = low[low["power_adjusted"] < HARDLY]
        if low.empty:
            continue
        needed, wanted = low["n_needed_adjusted"], low["wanted_power"].iloc[0]
        animals = (
            f"{needed.max():.0f} an arm would give {100 * wanted:.0f} %"
            if needed.notna().all()
            else "no number of animals that was tried gives the wanted power"
        )
        out.append(
            f"With {_animals(str(now.iloc[0]) if len(now) else '')} claim {claim} can practically "
            f"not be "
            f"supported for {', '.join(low['outcome'])} (power {low['power_adjusted'].max():.2f} "
            f"at most): "
            f"{animals}."
        )
    return tuple(out)


def _animals(now: str) -> str:
    """Numbers of animals in words: "PRE 6, DRUG 6" is 6 animals an arm."""
    numbers = {part.rsplit(" ", 1)[-1] for part in now.split(", ") if part}
    if len(numbers) == 1:
        return f"{numbers.pop()} animals an arm"
    return f"{now} animals" if now else "these animals"
