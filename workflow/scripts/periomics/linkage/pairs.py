"""Declared pairs of score and outcome, tested in the units that have both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from periomics.core.multiplicity import holm
from periomics.core.seeds import generator
from periomics.linkage.association import FEWEST, METHOD, Association, beyond
from periomics.linkage.robustness import beyond_covariates, by_arm, covariate_table, without_one
from periomics.statistics.kernels.exchange import Exchange, of_animals, of_units
from periomics.study.dictionary import entry, score_parts, scores_among
from periomics.study.interface.linkage import ASSOCIATION_COLUMNS
from periomics.study.scale import comparable

CONCORDANCE = "assay concordance"
# Pairs of no question.
OTHER = "declared pairs"
# Units of a pair that hold their arms.
WITHIN = ("isolation",)
# What a change on a scale is in the outcome's own unit; a difference on the natural one.
RATIOS = {"log": "ratio", "count": "ratio", "logit": "ratio of odds"}
_UNIT = ["animal_id", "condition", "dose"]


def on_scale(
    animals: pd.DataFrame, dictionary: pd.DataFrame
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Measured rows of the default variants with `scaled`, the value on the outcome's scale, which
    `on` names.

    Parameters
    ----------
    animals
        outcomes/animals.tsv.
    dictionary
        The outcome dictionary.

    Returns
    -------
    rows
        The same values as the statistics compare (`study.scale.comparable`): an outcome whose scale has
        no place for one of its values stays on its natural scale as a whole.
    notes
        Outcome → why it stays on its natural scale.
    """
    df = animals[(animals["status"] == "measured") & (animals["variant"] == "")]
    df = df[df["value"].notna()].assign(scaled=np.nan, on="")
    df["condition"] = df["condition"].fillna("")
    for column in ("dose", "time"):
        df[column] = pd.to_numeric(df[column]) if column in df else np.nan
    notes = {}
    for outcome, part in df.groupby("outcome"):
        unit = str(part["unit"].iloc[0]) if "unit" in part else ""
        sums = [part.get(k) for k in ("numerator", "denominator")]
        known = entry(dictionary, str(outcome))
        own = str(known["scale"])
        scale, values, note = comparable(part["value"], own, unit or str(known["unit"]), *sums)
        if scale != own or np.isnan(values).all():
            notes[str(outcome)] = f"{outcome} on its natural scale: {note}"
            scale, values = "identity", part["value"]
        df.loc[part.index, "scaled"] = values
        df.loc[part.index, "on"] = scale
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
    columns = list(dict.fromkeys([*key, "dose", "scaled"]))
    both = first[columns].merge(second[columns], on=key, suffixes=("_s", "_o"))
    both = both.rename(columns={"scaled_s": "score", "scaled_o": "outcome"})
    if not doses:
        # One dose of each may still be another one: a culture at 50 % is not the library at 10 %.
        known = both[["dose_s", "dose_o"]].notna().all(axis=1)
        both = both[~known | (both["dose_s"] == both["dose_o"])]
        both = both.drop(columns=["dose_s", "dose_o"]).assign(dose=np.nan)
    return both.sort_values(key).reset_index(drop=True), note


def _repeated(part: pd.DataFrame) -> bool:
    """Whether a unit, condition and dose has more than one time."""
    return bool(part.drop_duplicates([*_UNIT, "time"]).duplicated(_UNIT).any())


def _doses(part: pd.DataFrame) -> bool:
    """Whether a unit and condition has more than one dose."""
    known = part[part["dose"].notna()].drop_duplicates(_UNIT)
    return bool(known.duplicated(["animal_id", "condition"]).any())


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


def assay_genes(stained: pd.DataFrame) -> dict[str, set[str]]:
    """Outcome → genes whose product its assay stains or reads, of resources/assay_genes.tsv."""
    return {str(o): set(own) for o, own in stained.groupby("outcome")["gene_human"]}


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
    covariates: Sequence[str] = (),
    questions: Mapping[str, Sequence[str]] | None = None,
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
        Genes of a score, by what `genes_of_set` looks for. A set that holds the assay's own gene is
        concordance of two assays, not evidence of a pathway: such pairs stay outside the family.
    seed, n_permutations
        For the permutations; every pair has its own generator.
    covariates
        Columns of the animals sheet, outcomes or scores that an association of animals should hold beyond.
    questions
        Question → its outcomes: the pairs of a question, in units of one kind, are a family.

    Returns
    -------
    DataFrame
        linkage/associations.tsv.
    """
    values, notes = on_scale(measured, dictionary)
    known = covariate_table(covariates, values, animals)
    rows = []
    for pair in pairs:
        score, outcome = str(pair["score"]), str(pair["outcome"])
        within = str(pair.get("units", "animal")) in WITHIN
        own = assay_genes.get(outcome, set()) & genes_of_set(score, set_genes)
        row: dict[str, object] = {"outcome": outcome, "score_id": score, "method": METHOD}
        family = family_of(outcome, within, questions or {})
        row["family"] = CONCORDANCE if own else family
        shared = f"the set holds the assay's own gene: {', '.join(sorted(own))}" if own else ""
        absent = [o for o in (score, outcome) if not (values["outcome"] == o).any()]
        if absent:
            reason = f"{absent[0]} was not measured in any unit"
            rows.append({**row, "n": 0, "n_units": 0, "reason": reason})
            continue
        rng = generator(seed, "associate_scores", f"{score}~{outcome}")
        row |= tested(values, animals, (score, outcome), within, rng, n_permutations)
        more = {"covariates": known, "rng": rng, "n_permutations": n_permutations}
        row |= beside(values, animals, (score, outcome), within, **more)
        said = [str(row["reason"]) or shared, notes.get(outcome, ""), notes.get(score, "")]
        rows.append({**row, "reason": "; ".join(s for s in said if s)})
    out = pd.DataFrame(rows).reindex(columns=list(ASSOCIATION_COLUMNS))
    out["p_adj"] = np.nan
    for family, part in out.groupby("family"):
        if family != CONCORDANCE:
            out.loc[part.index, "p_adj"] = holm(part["p"].to_numpy(float))
    return out


def family_of(outcome: str, within_unit: bool, questions: Mapping[str, Sequence[str]]) -> str:
    """Pairs that are corrected together: those of the first question that names the outcome, in units of one kind."""
    question = next((q for q, outcomes in questions.items() if outcome in outcomes), OTHER)
    return f"{question} ({'isolations' if within_unit else 'animals'})"


def beside(
    values: pd.DataFrame,
    animals: pd.DataFrame,
    names: tuple[str, str],
    within_unit: bool,
    *,
    covariates: pd.DataFrame,
    rng: np.random.Generator,
    n_permutations: int,
) -> dict[str, object]:
    """What stands beside the test of `tested`: beyond covariates, without one unit, by arm.

    `covariates` is of `covariate_table`; the others are those of `tested`.
    """
    both, _ = paired(values, *names)
    both = units_of(both, animals, within_unit)
    if len(both) < FEWEST:
        return {}
    design = design_of(both, animals, within_unit)
    x, y = both["score"].to_numpy(float), both["outcome"].to_numpy(float)
    least, most = without_one(x, y, design)
    out: dict[str, object] = {"r_least": least, "r_most": most}
    if not within_unit:
        own = covariates.drop(columns=[c for c in names if c in covariates])
        out |= beyond_covariates(both, animals, own, rng, n_permutations)
        arm = both["animal_id"].map(animals["group"]).to_numpy(str)
        out["r_by_arm"] = by_arm(x, y, design, arm)
    return out


def in_own_unit(found: Association, row: pd.Series) -> dict[str, object]:
    """What goes with one SD of a score beyond the design, in the outcome's own unit: a ratio on
    logarithms, a ratio of odds on logits, else a difference. `row` is one of the outcome, of
    `on_scale`."""
    ends = np.array([found.per_sd, found.per_sd_lower, found.per_sd_upper])
    ratio = RATIOS.get(str(row["on"]), "")
    # NaN and the largest finite change stay what they are.
    shown = np.exp(ends) if ratio else ends
    names = ("per_sd", "per_sd_lower", "per_sd_upper")
    unit = ratio or str(row.get("unit", ""))
    said = unit if np.isfinite(shown[0]) else ""
    return dict(zip(names, map(float, shown), strict=True)) | {"per_sd_unit": said}


def genes_of_set(score: str, set_genes: Mapping[str, set[str]]) -> set[str]:
    """Genes that a score is of: of a set by its name, of a footprint or factor by kind and name."""
    kind, name, _ = score_parts(score)
    return set_genes.get(f"{kind}:{name}", set_genes.get(name, set()))


def units_of(both: pd.DataFrame, animals: pd.DataFrame, within_unit: bool) -> pd.DataFrame:
    """Paired rows of the units that a pair speaks of; arms with one animal hold no information and are left out."""
    group = both["animal_id"].map(animals["group"]).fillna("")
    if within_unit:
        return both[group == ""].reset_index(drop=True)
    both = both[group != ""].drop_duplicates("animal_id")
    size = both.groupby(both["animal_id"].map(animals["group"]))["animal_id"].transform("size")
    return both[size > 1].reset_index(drop=True)


def _of_several(every: pd.DataFrame, both: pd.DataFrame) -> str:
    """What is said where animals have several conditions or doses, of which the first is taken."""
    own = every[every["animal_id"].isin(both["animal_id"])]
    if not own["animal_id"].duplicated().any():
        return ""
    taken = sorted(set(both["condition"]))
    return f"of several conditions or doses of an animal the first is taken: {', '.join(taken)}"


def tested(
    values: pd.DataFrame,
    animals: pd.DataFrame,
    names: tuple[str, str],
    within_unit: bool,
    rng: np.random.Generator,
    n_permutations: int,
    *,
    ends: bool = True,
) -> dict[str, object]:
    """The test of one score and outcome, as columns of a row.

    Parameters
    ----------
    values
        Of `on_scale`.
    animals
        The animals sheet by animal_id.
    names
        Score and outcome.
    within_unit
        Whether units hold their arms.
    rng, n_permutations
        For the permutations.
    ends
        Whether the interval is wanted, which takes most of the time.
    """
    every, note = paired(values, *names)
    both = units_of(every, animals, within_unit)
    if len(both) and not within_unit:
        note = "; ".join(s for s in (note, _of_several(every, both)) if s)
    if both.empty:
        reason = "no unit has both at the same condition and dose"
        return {"n": 0, "n_units": 0, "reason": reason}
    design = design_of(both, animals, within_unit)
    x, y = both["score"].to_numpy(float), both["outcome"].to_numpy(float)
    found = beyond(x, y, design, rng, n_permutations, ends=ends)
    numbers = {k: v for k, v in vars(found).items() if k != "reason"}
    numbers |= in_own_unit(found, values[values["outcome"] == names[1]].iloc[0])
    said = "; ".join(s for s in (found.reason, note) if s)
    return {**numbers, "adjusted_for": ", ".join(design.adjusted_for), "reason": said}
