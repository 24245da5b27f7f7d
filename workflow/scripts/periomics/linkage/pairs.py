"""Declared pairs of score and outcome, tested in the units that have both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.multiplicity import holm
from periomics.core.seeds import generator
from periomics.linkage.association import COLUMNS, within
from periomics.study.dictionary import entry, scores_among
from periomics.study.scale import applies, to_scale

CONCORDANCE = "assay concordance"


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


def wide(animals: pd.DataFrame, dictionary: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, str]]:
    """One row per unit and condition, one column per outcome (default variant, last time), on the outcome's scale.

    Returns the table and the notes of `on_scale`.
    """
    df, notes = on_scale(animals, dictionary)
    df = df.sort_values("time", na_position="first").drop_duplicates(
        ["animal_id", "condition", "outcome"], keep="last"
    )
    table = df.pivot_table(
        index=["animal_id", "condition"], columns="outcome", values="scaled", aggfunc="first"
    )
    return table.reset_index(), notes


def overlap_table(animals: pd.DataFrame, dictionary: pd.DataFrame) -> pd.DataFrame:
    """Units × modality: how many outcomes of each modality every unit has measured."""
    df = animals[(animals["status"] == "measured") & (animals["variant"] == "")]
    modality = df["outcome"].map(lambda o: str(entry(dictionary, o)["modality"]))
    score = scores_among(df["outcome"])
    df = df.assign(modality=modality.where(~score, "scores of " + modality))
    counts = df.groupby(["animal_id", "modality"])["outcome"].nunique()
    return counts.unstack(fill_value=0).reset_index()


def _strata(units: pd.DataFrame, group: pd.Series, within_unit: bool) -> np.ndarray:
    """Arm of the animal; for units whose arms vary within them, the unit itself."""
    return (units["animal_id"] if within_unit else units["animal_id"].map(group)).to_numpy(str)


def associate(
    animals: pd.DataFrame,
    group: pd.Series,
    pairs: Sequence[Mapping[str, object]],
    dictionary: pd.DataFrame,
    assay_genes: Mapping[str, set[str]],
    set_genes: Mapping[str, set[str]],
    seed: int,
    n_permutations: int,
) -> pd.DataFrame:
    """Test every declared pair.

    Parameters
    ----------
    animals
        outcomes/animals.tsv.
    group
        animal_id → arm; '' where arms vary within the unit.
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
    table, notes = wide(animals, dictionary)
    rows = []
    for pair in pairs:
        score, outcome, units = (
            str(pair["score"]),
            str(pair["outcome"]),
            str(pair.get("units", "animal")),
        )
        own = assay_genes.get(outcome, set()) & set_genes.get(
            score.split(":")[-1].split("@")[0], set()
        )
        family = CONCORDANCE if own else f"declared pairs ({units}s)"
        row = {
            "outcome": outcome,
            "score_id": score,
            "family": family,
            "adjusted_for": "arm" if units == "animal" else "isolation",
            "method": "Pearson within strata, permutation within strata",
            "reason": "",
        }
        if score not in table or outcome not in table:
            absent = score if score not in table else outcome
            rows.append({**row, "n": 0, "reason": f"{absent} was not measured in any unit"})
            continue
        inside = table["animal_id"].map(group).fillna("") == ""
        part = table[inside == (units != "animal")].dropna(subset=[score, outcome])
        strata = _strata(part, group, units != "animal")
        rng = generator(seed, "associate_scores", f"{score}~{outcome}")
        found = within(
            part[score].to_numpy(), part[outcome].to_numpy(), strata, rng, n_permutations
        )
        shared = f"the set holds the assay's own gene: {', '.join(sorted(own))}" if own else ""
        said = [found.reason or shared, notes.get(outcome, ""), notes.get(score, "")]
        rows.append(
            {
                **row,
                "r": found.r,
                "lower": found.lower,
                "upper": found.upper,
                "p": found.p,
                "n": found.n,
                "p_floor": found.p_floor,
                "r_pooled": found.r_pooled,
                "reason": "; ".join(s for s in said if s),
            }
        )
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["p_adj"] = np.nan
    for family, part in out.groupby("family"):
        if family != CONCORDANCE:
            out.loc[part.index, "p_adj"] = holm(part["p"].to_numpy(float))
    return out
