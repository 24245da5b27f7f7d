"""Rows of linkage/views.tsv on models of factors: partial least squares above its gate, and what is
not made and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from periomics.core.multiplicity import holm
from periomics.core.seeds import generator
from periomics.linkage import pls
from periomics.linkage.association import flat, not_additive
from periomics.linkage.pairs import genes_of_set
from periomics.linkage.views import complete_cases
from periomics.statistics.kernels.exchange import of_animals
from periomics.study.dictionary import scores_among
from periomics.study.settings.linkage import Views

PLS, MOFA = "pls", "mofa"
# One: with a second and third, left-out animals are predicted worse and links are found no more
# often (benchmarks/pls_error.py).
COMPONENTS = 1
# Orders, and signs, of each model: p down to .001, which passes Holm over fifty outcomes.
ORDERS = 999
NO_FACTOR_MODEL = (
    "no factor model (MOFA): the factor analysis with areas as blocks shows what blocks share, "
    "and a test of factors against outcomes would need a second set of animals"
)
Row = dict[str, object]


@dataclass(frozen=True)
class Asked:
    """What models of outcomes are made from.

    Attributes
    ----------
    outcomes
        Outcomes of the declared questions.
    assay_genes, set_genes
        As for `pairs.associate`: scores that hold an outcome's own gene do not predict it.
    seed
        Of the permutations.
    """

    outcomes: Sequence[str] = ()
    assay_genes: Mapping[str, set[str]] | None = None
    set_genes: Mapping[str, set[str]] | None = None
    seed: int = 0


def model_rows(
    wide: pd.DataFrame,
    blocks: Mapping[str, str],
    animals: pd.DataFrame,
    asked: Asked,
    settings: Views,
) -> list[Row]:
    """Models of the outcomes of all questions, Holm over them.

    Parameters
    ----------
    wide, blocks
        Of `views_table.animal_table`: animals × outcomes and scores, and the block of each column.
    animals
        The animals sheet by animal_id: group and block.
    asked
        Outcomes, genes and seed.
    settings
        Of the views: `model_animals`, below which there is no model, and `least_measured`.

    Returns
    -------
    list
        Rows of VIEW_COLUMNS. `part` is q2, p, p_adj, p_floor, stability (name: the outcome),
        variable (name: the score, block: the outcome, value: its correlation with what the model
        fits, beyond the design), left_out or refused.
    """
    rows: list[Row] = []
    for outcome in dict.fromkeys(asked.outcomes):
        table, left = predictors(wide, blocks, animals, asked, outcome, settings.least_measured)
        why = _too_few(wide, table, outcome, settings.model_animals)
        found = [] if why else _model(table, wide[outcome], animals, asked, settings.model_animals)
        rows += [] if why else left
        rows += found or [_refused(outcome, len(table), settings.model_animals, why)]
    if not asked.outcomes:
        rows.append(_refused("", 0, settings.model_animals, "no outcome of a question is declared"))
    tested = [r for r in rows if r["part"] == "p"]
    adjusted = list(holm(np.array([r["value"] for r in tested], float)))
    rows += [r | {"part": "p_adj", "value": p} for r, p in zip(tested, adjusted, strict=True)]
    rows.append({"view": MOFA, "part": "refused", "n": len(wide), "reason": NO_FACTOR_MODEL})
    return rows


def _refused(outcome: str, n: int, needed: int, why: str) -> Row:
    said = f"no partial least squares{f' of {outcome}' if outcome else ''}: {why}"
    row: Row = {"view": PLS, "part": "refused", "name": outcome, "value": needed, "n": n}
    return row | {"reason": said}


def _too_few(wide: pd.DataFrame, table: pd.DataFrame, outcome: str, needed: int) -> str:
    if outcome not in wide:
        return "it was not measured in the areas of the views"
    if table.shape[1] < 2:
        return "fewer than two scores"
    few = f"{len(table)} animals have it and all scores, {needed} are needed"
    return few if len(table) < needed else ""


def predictors(
    wide: pd.DataFrame,
    blocks: Mapping[str, str],
    animals: pd.DataFrame,
    asked: Asked,
    outcome: str,
    least_measured: float,
) -> tuple[pd.DataFrame, list[Row]]:
    """Animals that have an outcome × the scores that may predict it, and rows of what was left out.

    Scores that hold the gene of the outcome's own assay, scores and animals with gaps, and arms of
    one animal are left out. The other parameters are those of `model_rows`.
    """
    names = pd.Series(wide.columns, dtype=str)
    own = (asked.assay_genes or {}).get(outcome, set())
    left, kept = [], []
    for score in names[scores_among(names).to_numpy(bool)]:
        shared = sorted(own & genes_of_set(score, asked.set_genes or {}))
        why = f"holds the gene that the assay of {outcome} reads: {', '.join(shared)}"
        row: Row = {"view": PLS, "part": "left_out", "name": score, "block": outcome, "reason": why}
        left += [row] if shared else []
        kept += [] if shared else [score]
    measured = wide[wide[outcome].notna()] if outcome in wide else wide[:0]
    table, lost = complete_cases(measured[kept], blocks, least_measured)
    left += [{"view": PLS, "part": "left_out", **row, "block": outcome} for row in lost]
    group = animals["group"].reindex(table.index)
    return table[(group.groupby(group).transform("size") > 1).to_numpy(bool)], left


def _model(
    table: pd.DataFrame, outcome: pd.Series, animals: pd.DataFrame, asked: Asked, needed: int
) -> list[Row]:
    """Rows of one model, the reason in one row where the design leaves too little."""
    name, n, facts = str(outcome.name), len(table), animals.reindex(table.index)
    day = facts["block"].fillna("").to_numpy(str) if "block" in facts else None
    design = of_animals(facts["group"].to_numpy(str), day)
    y = outcome[table.index].to_numpy(float)
    taken, least = " and ".join(design.adjusted_for), needed // 2
    why = not_additive(design, y)
    if design.freedom < least:
        why = f"{taken} leave {design.freedom} degrees of freedom, {least} are needed"
    elif flat(design.fixed @ y, y):
        why = f"it does not vary beyond {taken}"
    if why:
        return [_refused(name, n, needed, why)]
    rng = generator(asked.seed, "models", name)
    found = pls.predicted(table.to_numpy(float), y, design, rng, ORDERS, COMPONENTS)
    numbers = {"q2": found.q2, "p": found.p, "p_floor": found.floor, "stability": found.stability}
    told: Row = {"view": PLS, "n": n}
    rows = [told | {"part": k, "name": name, "value": v} for k, v in numbers.items()]
    for score, value in zip(table.columns, found.structure, strict=True):
        rows.append(told | {"part": "variable", "name": score, "block": name, "value": value})
    return rows
