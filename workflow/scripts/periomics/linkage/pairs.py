"""Declared pairs of score and outcome, tested in the units that have both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.multiplicity import holm
from periomics.core.seeds import generator
from periomics.linkage.association import COLUMNS, METHOD, beyond
from periomics.statistics.kernels.exchange import Exchange, of_animals, of_units
from periomics.study.dictionary import entry, scores_among
from periomics.study.scale import applies, to_scale

CONCORDANCE = "assay concordance"
_UNIT = ["animal_id", "condition", "dose"]


def on_scale(
    animals: pd.DataFrame, dictionary: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measured rows of the default variants with `scaled`, the value on the outcome's scale.

    Parameters
    ----------
    animals
        outcomes/animals.tsv.
    dictionary
        The outcome dictionary.

    Returns
    -------
    rows
        The same values as the statistics compare. An outcome whose scale does not apply to all of
        its values (densities of 0 without counts and areas) stays on its natural scale as a whole.
    notes
        Outcome → why it stays on its natural scale.
    """
    df = animals[(animals["status"] == "measured") & (animals["variant"] == "")]
    df = df[df["value"].notna()].assign(scaled=np.nan)
    df["condition"] = df["condition"].fillna("")
    for column in ("dose", "time"):
        df[column] = pd.to_numeric(df[column]) if column in df else np.nan
    notes = {}
    for outcome, part in df.groupby("outcome"):
        unit = str(part["unit"].iloc[0]) if "unit" in part else ""
        sums = [part.get(k) for k in ("numerator", "denominator")]
        known = entry(dictionary, str(outcome))
        values, note = to_scale(
            part["value"], str(known["scale"]), unit or str(known["unit"]), *sums
        )
        if not applies(part["value"], values):
            notes[str(outcome)] = f"{outcome} on its natural scale: {note}"
            values = part["value"]
        df.loc[part.index, "scaled"] = values
    return df, notes


def paired(rows: pd.DataFrame, score: str, outcome: str) -> tuple[pd.DataFrame, str]:
    """Score and outcome of the same units, conditions and doses.

    Of repeated measurements the last time that both have is taken; where they share none, the last of each.

    Parameters
    ----------
    rows
        Of `on_scale`.
    score, outcome
        Names of two outcomes.

    Returns
    -------
    table
        animal_id, condition, dose, score, outcome; one row per unit, condition and dose that has both.
    note
        Which times stand beside each other, where they differ; else empty.
    """
    first, second = (rows[rows["outcome"] == name] for name in (score, outcome))
    note = ""
    if _repeated(first) or _repeated(second):
        shared = sorted(set(first["time"].dropna()) & set(second["time"].dropna()))
        if shared:
            first, second = (part[part["time"] == shared[-1]] for part in (first, second))
            note = f"both at time {shared[-1]:g}"
        else:
            first, second = _last(first), _last(second)
            ends = [part["time"].max() for part in (first, second)]
            note = f"score at time {ends[0]:g}, outcome at time {ends[1]:g}"
    doses = any(_doses(part) for part in (first, second))
    key = ["animal_id", "condition", *(["dose"] if doses else [])]
    both = first[[*key, "scaled"]].merge(second[[*key, "scaled"]], on=key, suffixes=("_s", "_o"))
    both = both.rename(columns={"scaled_s": "score", "scaled_o": "outcome"})
    if not doses:
        both["dose"] = np.nan
    return both.sort_values(key).reset_index(drop=True), note


def _repeated(part: pd.DataFrame) -> bool:
    return bool(part.groupby(_UNIT, dropna=False)["time"].nunique(dropna=False).gt(1).any())


def _doses(part: pd.DataFrame) -> bool:
    return bool(
        part.groupby(["animal_id", "condition"], dropna=False)["dose"].nunique().gt(1).any()
    )


def _last(part: pd.DataFrame) -> pd.DataFrame:
    ordered = part.sort_values("time", na_position="first")
    return ordered.drop_duplicates(_UNIT, keep="last")


def design_of(both: pd.DataFrame, animals: pd.DataFrame, within_unit: bool) -> Exchange:
    """What is fixed and what may be exchanged among paired units.

    Parameters
    ----------
    both
        Of `paired`.
    animals
        The animals sheet by animal_id: group, block.
    within_unit
        Whether units hold their arms (isolations, donors).
    """
    unit = both["animal_id"].to_numpy(str)
    if within_unit:
        dose = both["dose"].map(lambda d: "" if pd.isna(d) else f"@{d:g}")
        return of_units(unit, (both["condition"] + dose).to_numpy(str))
    known = animals.reindex(both["animal_id"])
    blocks = known["block"].fillna("").to_numpy(str) if "block" in known else None
    return of_animals(known["group"].to_numpy(str), blocks)


def overlap_table(animals: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Units × modality: how many outcomes of each modality every unit has measured."""
    df = animals[(animals["status"] == "measured") & (animals["variant"] == "")]
    modality = df["outcome"].map(lambda o: str(entry(dictionary, o)["modality"]))
    score = scores_among(df["outcome"])
    df = df.assign(modality=modality.where(~score, "scores of " + modality))
    counts = df.groupby(["animal_id", "modality"])["outcome"].nunique()
    return counts.unstack(fill_value=0).reset_index()


def associate(
    measured: pd.DataFrame,
    animals: pd.DataFrame,
    pairs: Sequence[Mapping[str, object]],
    *,
    dictionary: pd.DataFrame,
    assay_genes: Mapping[str, set[str]],
    set_genes: Mapping[str, set[str]],
    seed: int,
    n_permutations: int,
) -> pd.DataFrame:
    """Test every declared pair.

    Parameters
    ----------
    measured
        outcomes/animals.tsv.
    animals
        The animals sheet by animal_id: group ('' where arms vary within the unit) and block.
    pairs
        Mappings with `score`, `outcome` and `units` (animal or isolation).
    dictionary
        The outcome dictionary.
    assay_genes
        Outcome → genes whose product the outcome's assay stains or reads.
    set_genes
        Score id → genes of its set. A set that holds the assay's own gene is concordance of two assays, not evidence of a
        pathway: such pairs stay outside the family.
    seed, n_permutations
        For the permutations; every pair has its own generator.

    Returns
    -------
    DataFrame
        linkage/associations.tsv.
    """
    values, notes = on_scale(measured, dictionary)
    rows = []
    for pair in pairs:
        score, outcome = str(pair["score"]), str(pair["outcome"])
        within = str(pair.get("units", "animal")) != "animal"
        own = assay_genes.get(outcome, set()) & set_genes.get(
            score.split(":")[-1].split("@")[0], set()
        )
        row: dict[str, object] = {"outcome": outcome, "score_id": score, "method": METHOD}
        family = f"declared pairs ({'isolations' if within else 'animals'})"
        row["family"] = CONCORDANCE if own else family
        shared = f"the set holds the assay's own gene: {', '.join(sorted(own))}" if own else ""
        absent = [o for o in (score, outcome) if not (values["outcome"] == o).any()]
        if absent:
            reason = f"{absent[0]} was not measured in any unit"
            rows.append({**row, "n": 0, "n_units": 0, "reason": reason})
            continue
        rng = generator(seed, "associate_scores", f"{score}~{outcome}")
        row |= _tested(values, animals, (score, outcome), within, rng, n_permutations)
        said = [str(row["reason"]) or shared, notes.get(outcome, ""), notes.get(score, "")]
        rows.append({**row, "reason": "; ".join(s for s in said if s)})
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["p_adj"] = np.nan
    for family, part in out.groupby("family"):
        if family != CONCORDANCE:
            out.loc[part.index, "p_adj"] = holm(part["p"].to_numpy(float))
    return out


def units_of(both: pd.DataFrame, animals: pd.DataFrame, within_unit: bool) -> pd.DataFrame:
    """Paired rows of the units that a pair speaks of; arms with one animal hold no information and are left out."""
    group = both["animal_id"].map(animals["group"]).fillna("")
    if within_unit:
        return both[group == ""].reset_index(drop=True)
    both = both[group != ""].drop_duplicates("animal_id")
    size = both.groupby(both["animal_id"].map(animals["group"]))["animal_id"].transform("size")
    return both[size > 1].reset_index(drop=True)


def _tested(
    values: pd.DataFrame,
    animals: pd.DataFrame,
    names: tuple[str, str],
    within_unit: bool,
    rng: np.random.Generator,
    n_permutations: int,
) -> dict[str, object]:
    both, note = paired(values, *names)
    both = units_of(both, animals, within_unit)
    if both.empty:
        reason = "no unit has both at the same condition and dose"
        return {"n": 0, "n_units": 0, "reason": reason}
    design = design_of(both, animals, within_unit)
    x, y = both["score"].to_numpy(float), both["outcome"].to_numpy(float)
    found = beyond(x, y, design, rng, n_permutations)
    numbers = {k: v for k, v in vars(found).items() if k != "reason"}
    said = "; ".join(s for s in (found.reason, note) if s)
    return {**numbers, "adjusted_for": ", ".join(design.adjusted_for), "reason": said}
