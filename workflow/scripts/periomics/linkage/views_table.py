"""linkage/views.tsv: which animals, outcomes and scores the views are of, and what they show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from periomics.linkage import views as v
from periomics.linkage.association import MIN_ANIMALS
from periomics.linkage.models_table import Asked, model_rows
from periomics.linkage.pairs import on_scale
from periomics.study.dictionary import entry, score_parts, scores_among
from periomics.study.interface.linkage import VIEW_COLUMNS
from periomics.study.settings.linkage import Views

PCA, MFA = "pca", "mfa"
Row = dict[str, object]


def view_table(
    measured: pd.DataFrame,
    animals: pd.DataFrame,
    dictionary: pd.DataFrame,
    settings: Views,
    asked: Asked | None = None,
) -> pd.DataFrame:
    """Both views of the animals that have all, or one row that says why there are none; and models
    of outcomes.

    Parameters
    ----------
    measured
        outcomes/animals.tsv.
    animals
        The animals sheet by animal_id: group.
    dictionary
        The outcome dictionary.
    settings
        Of the views.
    asked
        Outcomes of which models are made, and what for; none of any where nothing is given.

    Returns
    -------
    DataFrame
        VIEW_COLUMNS, with the rows of `model_rows`. `part` of the views is explained, arms,
        stability (value by component), unit, variable, block (name, component, value), rv,
        rv_adjusted (name and block: the two blocks), left_out or refused.
    """
    wide, blocks = animal_table(measured, animals, dictionary, settings)
    table, lost = v.complete_cases(wide, blocks, settings.least_measured)
    rows: list[Row] = [{"view": MFA, "part": "left_out", **row} for row in lost]
    names = [blocks[o] for o in table.columns]
    n = len(table)
    if n < MIN_ANIMALS or len(set(names)) < 2:
        short = f"{n} animals have all outcomes that are kept, {MIN_ANIMALS} are needed"
        reason = short if n < MIN_ANIMALS else "outcomes and scores of two areas or more are needed"
        rows.append(
            {"view": MFA, "part": "refused", "value": MIN_ANIMALS, "n": n, "reason": reason}
        )
    else:
        arms = animals["group"].reindex(table.index).to_numpy(str)
        rows += _view(PCA, table, names, arms, settings.components)
        rows += _view(MFA, table, names, arms, settings.components)
        rows += _likeness(table, names)
    rows += model_rows(wide, blocks, animals, asked or Asked(), settings)
    return pd.DataFrame(rows).reindex(columns=list(VIEW_COLUMNS))


def animal_table(
    measured: pd.DataFrame, animals: pd.DataFrame, dictionary: pd.DataFrame, settings: Views
) -> tuple[pd.DataFrame, dict[str, str]]:
    """Animals of arms × outcomes and scores on their scales, the last time of each, and the block of each column."""
    values, _ = on_scale(measured, dictionary)
    arm = values["animal_id"].map(animals["group"]).fillna("")
    values = values[(arm != "").to_numpy()]
    modality = {o: str(entry(dictionary, o)["modality"]) for o in values["outcome"].unique()}
    outcomes = pd.Series(sorted(modality), dtype=str)
    scored = scores_among(outcomes)
    kind = pd.Series([score_parts(o)[0] for o in outcomes], dtype=str)
    area = pd.Series([modality[o] for o in outcomes], dtype=str)
    wanted = ~scored | kind.isin(settings.scores)
    if settings.areas:
        wanted &= area.isin(settings.areas)
    block = ("scores of " + area).where(scored, area)
    blocks = dict(zip(outcomes[wanted], block[wanted], strict=True))
    values = values[values["outcome"].isin(blocks)].sort_values("time", na_position="first")
    last = values.drop_duplicates(["animal_id", "outcome"], keep="last")
    wide = last.pivot(index="animal_id", columns="outcome", values="scaled")
    order = sorted(wide.columns, key=lambda o: (blocks[o], o))
    return wide[order].sort_index(), blocks


def _view(
    view: str, table: pd.DataFrame, blocks: Sequence[str], arms: np.ndarray, most: int
) -> Iterator[Row]:
    values, n = table.to_numpy(float), len(table)
    z = v.standardised(values)
    weights = v.block_weights(z, blocks) if view == MFA else np.ones(z.shape[1])
    found = v.components(z, weights, most)
    stable = v.least_likeness(values, blocks if view == MFA else None, most)
    parts = {
        "explained": found.shares,
        "arms": v.between_arms(found.units, list(arms)),
        "stability": stable,
    }
    for part, numbers in parts.items():
        for k, value in enumerate(numbers):
            yield {"view": view, "part": part, "component": k + 1, "value": value, "n": n}
    shares = v.contributions(found, blocks)
    for part, names, numbers in (
        ("block", list(shares.index), shares.to_numpy()),
        ("unit", list(table.index), found.units),
        ("variable", list(table.columns), found.variables),
    ):
        of = dict(zip(table.columns, blocks, strict=True)) if part == "variable" else {}
        for k in range(numbers.shape[1]):
            for name, value in zip(names, numbers[:, k], strict=True):
                row: Row = {"name": name, "block": of.get(name, ""), "component": k + 1}
                yield {"view": view, "part": part, "value": value, "n": n} | row


def _likeness(table: pd.DataFrame, blocks: Sequence[str]) -> Iterator[Row]:
    z, names = v.standardised(table.to_numpy(float)), np.asarray(blocks, object)
    known = list(dict.fromkeys(blocks))
    for i, first in enumerate(known):
        for second in known[i + 1 :]:
            pair = z[:, names == first], z[:, names == second]
            for part, adjusted in (("rv", False), ("rv_adjusted", True)):
                value = v.rv(*pair, adjusted=adjusted)
                row: Row = {"name": first, "block": second, "value": value, "n": len(z)}
                yield {"view": MFA, "part": part} | row
