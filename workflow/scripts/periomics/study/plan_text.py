"""The plan of a study in words and small tables: what there is, what will be made, what can be concluded at most."""

from __future__ import annotations

from collections.abc import Mapping
from math import comb

import pandas as pd

from periomics.study.design import arm_weights
from periomics.study.modalities import BATCHES
from periomics.study.plan import job_counts, overlap
from periomics.study.study import Study


def plan_text(study: Study) -> str:
    """The whole plan as text."""
    parts = [_specimens(study), _overlap(study), _batches(study), _floors(study), _jobs(study)]
    return "\n\n".join(p for p in parts if p)


def _table(df: pd.DataFrame) -> str:
    return "\n".join("  " + line for line in df.to_string(index=False).splitlines())


def _specimens(study: Study) -> str:
    rows = [(name, len(df)) for name, df in study.sheets.items() if len(df)]
    lines = [f"  {name}: {n} row{'s' * (n != 1)}" for name, n in rows]
    return "\n".join(["Sheets", *lines])


def _overlap(study: Study) -> str:
    table = overlap(study)
    if table.empty:
        return ""
    modalities = [
        c for c in table.columns if c not in ("animal_id", "unit", "group") and table[c].sum()
    ]
    table["arm"] = table["group"].where(table["group"] != "", "(arms within unit)")
    lines = ["Units with data, by arm and modality"]
    has = table.assign(**{m: (table[m] > 0).astype(int) for m in modalities})
    lines.append(
        _table(
            has.groupby(["unit", "arm"], sort=True)[modalities]
            .sum()
            .assign(units=has.groupby(["unit", "arm"]).size())
            .reset_index()
        )
    )
    pairs = [(a, b) for i, a in enumerate(modalities) for b in modalities[i + 1 :]]
    shared = [f"{a} + {b}: {int(((table[a] > 0) & (table[b] > 0)).sum())}" for a, b in pairs]
    return "\n".join([*lines, "Units that two modalities share", *(f"  {s}" for s in shared)])


def _batches(study: Study) -> str:
    animals = study.sheets["animals"].drop_duplicates("animal_id").set_index("animal_id")
    parts = []
    for sheet in BATCHES:
        df = study.sheets[sheet]
        df = df[(df["role"].isin(["sample", "vehicle"])) & (df["batch"] != "")]
        if df.empty:
            continue
        arm = df["animal_id"].map(animals["group"]).fillna("")
        arm = arm.where(arm != "", df["condition"])
        counts = (
            df.assign(arm=arm)
            .groupby(["batch", "arm"])["animal_id"]
            .nunique()
            .unstack(fill_value=0)
        )
        parts += [f"Batch × arm of {sheet} (units)", _table(counts.reset_index())]
    return "\n".join(parts)


def permutation_floor(counts: pd.DataFrame) -> float:
    """Smallest two-sided p that permuting two arms within blocks can reach.

    Parameters
    ----------
    counts
        Animals a block (rows) and arm (two columns).
    """
    arrangements = 1
    for a, b in counts.itertuples(index=False):
        arrangements *= comb(int(a) + int(b), int(a))
    return min(1.0, 2.0 / arrangements)


def _floors(study: Study) -> str:
    if study.coding.closed:
        return "Floors of the permutation checks: known once the key is opened"
    animals = study.sheets["animals"]
    animals = animals[(animals["unit"] == "animal") & (animals["group"] != "")]
    lines = []
    for name, contrast in (study.claims.get("contrasts") or {}).items():
        if not isinstance(contrast, Mapping) or contrast.get("unit", "animal") != "animal":
            continue
        arms = [a for a, w in arm_weights(study, contrast.get("weights") or {}).items() if w]
        if len(arms) != 2:
            continue
        part = animals[animals["group"].isin(arms)]
        counts = (
            part.groupby(["block", "group"])
            .size()
            .unstack(fill_value=0)
            .reindex(columns=arms, fill_value=0)
        )
        n = " + ".join(str(int(counts[a].sum())) for a in arms)
        lines.append(
            f"  {name} ({arms[0]} − {arms[1]}, n = {n}): p cannot fall below {permutation_floor(counts):.3g}"
        )
    return "\n".join(["Floors of the permutation checks (within blocks)", *lines]) if lines else ""


def _jobs(study: Study) -> str:
    counts = {k: v for k, v in job_counts(study).items() if v}
    lines = [f"  {rule}: {n}" for rule, n in counts.items()]
    return "\n".join([f"Jobs of a full run: {sum(counts.values())}", *lines])
