"""Programmes of tissue at the end of routes: barrier and vessels, the genes that make them, and the outcomes that track them.

A programme is a node behind its effectors, genes of the team's sets that changed. It is something to explain only where a measured
outcome is associated with a score of its sets beyond the design; its weight is that correlation, so that it never counts more than
one gene. Outcomes without such an association are listed with the reason and hang on nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from periomics.genes.signatures import SIGNS, names_of

# Sets of what a route may lead to: genes of the barrier and of vessels; and what their nodes are called.
EFFECTORS = {"barrier": "EPI_", "vessels": "ANG_"}
TITLES = {"barrier": "barrier programme", "vessels": "angiogenesis programme"}
PROGRAMME, OUTCOME = "programme", "outcome"
SCORE = "score:signature:"
NOTHING = "no outcome is associated with it: nothing of it is to be explained"


def effectors(signatures: pd.DataFrame, species: str) -> pd.DataFrame:
    """Genes of each programme with their sign: programme, gene, sign.

    Parameters
    ----------
    signatures
        The team's sets; genes without a direction, and those of both in one programme, are left out.
    species
        Of the symbols.
    """
    rows = []
    for programme, start in EFFECTORS.items():
        part = signatures[signatures["set"].str.startswith(start)]
        for cell, direction in zip(part[f"gene_{species}"], part["direction"], strict=True):
            sign = SIGNS.get(direction, 0)
            rows += [(TITLES[programme], n, sign) for n in names_of(str(cell)) if sign]
    table = pd.DataFrame(rows, columns=["programme", "gene", "sign"]).drop_duplicates()
    return table[~table.duplicated(["programme", "gene"], keep=False)].reset_index(drop=True)


def tracked(
    associations: pd.DataFrame, questions: Mapping[str, Iterable[str]], alpha: float
) -> pd.DataFrame:
    """Outcomes of every programme, and whether they are attached to it.

    Parameters
    ----------
    associations
        linkage/associations.tsv.
    questions
        Name → outcomes, of the declared questions: those of `barrier` and `vessels` are asked about.
    alpha
        Level of the adjusted p from which an outcome is attached.

    Returns
    -------
    DataFrame
        programme, outcome, r, p_adj, n, reason; the reason is empty where the outcome is attached. Of several scores of a
        programme the one of the smallest p counts.
    """
    rows = []
    for programme, start in EFFECTORS.items():
        own = associations[associations["score_id"].astype(str).str.startswith(SCORE + start)]
        wanted = [*own["outcome"], *questions.get(programme, ())]
        for outcome in dict.fromkeys(wanted):
            found = own[own["outcome"] == outcome]
            rows.append({"programme": TITLES[programme], "outcome": outcome, **_best(found, alpha)})
    columns = ["programme", "outcome", "r", "p_adj", "n", "reason"]
    return pd.DataFrame(rows, columns=columns)


def _best(found: pd.DataFrame, alpha: float) -> dict[str, object]:
    """The association of the smallest p, and why it does not attach its outcome."""
    none = {"r": np.nan, "p_adj": np.nan, "n": np.nan}
    if found.empty:
        return none | {"reason": "untested: no score of its sets was declared with this outcome"}
    p = pd.to_numeric(found["p_adj"], errors="coerce")
    if p.isna().all():
        first = found.iloc[0]
        said = str(first["reason"] or first["family"])
        return none | {"n": first["n"], "reason": f"untested: {said}"}
    row = found.loc[p.idxmin()]
    small = float(row["p_adj"]) <= alpha
    reason = "" if small else f"not associated: adjusted p {float(row['p_adj']):.2g}"
    return {"r": float(row["r"]), "p_adj": float(row["p_adj"]), "n": row["n"], "reason": reason}


def goals(genes: pd.DataFrame, de: pd.DataFrame, outcomes: pd.DataFrame) -> dict[str, float]:
    """Programmes that are to be explained, with signed weight.

    Parameters
    ----------
    genes
        Of `effectors`.
    de
        The differential test: symbol, stat.
    outcomes
        Of `tracked`.

    Returns
    -------
    dict
        Programme → weight: the largest correlation in size with an attached outcome, at most 1, with the sign in which the mean
        statistic of its effectors changed.
    """
    stat = de.dropna(subset=["stat"]).drop_duplicates("symbol").set_index("symbol")["stat"]
    held = outcomes[outcomes["reason"] == ""]
    out = {}
    for programme, part in held.groupby("programme"):
        own = genes[(genes["programme"] == programme) & genes["gene"].isin(stat.index)]
        moved = float((stat.reindex(own["gene"]).to_numpy() * own["sign"].to_numpy()).sum())
        if moved:
            out[str(programme)] = float(np.sign(moved) * min(1.0, part["r"].abs().max()))
    return out


def with_programmes(
    edges: pd.DataFrame, genes: pd.DataFrame, changed: Mapping[str, float]
) -> pd.DataFrame:
    """The network with an edge from every effector that changed to its programme; the step to it counts as one."""
    return pd.concat([edges, programme_edges(genes, changed)], ignore_index=True)


def programme_edges(genes: pd.DataFrame, among: Iterable[str]) -> pd.DataFrame:
    """Edges from effectors to programmes: source, sign, target, layer, evidence."""
    own = genes[genes["gene"].isin(list(among))]
    return pd.DataFrame(
        {
            "source": own["gene"],
            "sign": own["sign"].astype(int),
            "target": own["programme"],
            "layer": PROGRAMME,
            "evidence": "set",
        }
    )
