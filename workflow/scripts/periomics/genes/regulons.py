"""Activity of transcription factors: how far the genes that a factor moves have moved, factor by factor.

Regulons are the team's own edges of transcription (resources/signalling.tsv) or, in their place, a configured table in the form
of CollecTRI (`source`, `target`, `weight`) or DoRothEA (`tf`, `target`, `mor`). The score is the t value of the slope of a
library's expression on the factor's weights over all genes: decoupler's `ulm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from periomics.core.errors import InputError
from periomics.genes.footprints import centred, numbers_of, plain_table, score_id, score_rows
from periomics.genes.scores import refusal

KIND, METHOD = "tf", "ulm"
# Source, target and weight as makers of tables of regulons write them.
FORMS = {"CollecTRI": ("source", "target", "weight"), "DoRothEA": ("tf", "target", "mor")}
# Layer of the edges from factors to genes.
TRANSCRIPTION = "transcription"

Floats = NDArray[np.float64]


def own_regulons(path: str, species: str, least: int) -> pd.DataFrame:
    """Weights of the team's own edges from factors to genes.

    Parameters
    ----------
    path
        The team's signed table: source, sign, target, layer, and the target in mouse and rat.
    species
        Of the libraries. Factors keep their human symbols, genes take those of the species.
    least
        Fewest genes of a factor in the table.

    Returns
    -------
    DataFrame
        factor, gene ('' where the species has none), weight.
    """
    df = plain_table(path, ("source", "sign", "target", "layer"), "signed edges")
    df = numbers_of(df[df["layer"] == TRANSCRIPTION], ["sign"], path)
    gene = df["target"] if species == "human" else df[f"target_{species}"].replace("NA", "")
    edges = pd.DataFrame({"factor": df["source"], "gene": gene, "weight": df["sign"]})
    return _large(edges.assign(named=df["target"]), least)


def read_regulons(
    path: str, least: int, orthologs: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Weights of a configured table of regulons, as `own_regulons`; factors keep the names that the table gives them.

    Parameters
    ----------
    path
        Tab-separated, gz or plain.
    least
        Fewest genes of a factor in the table.
    orthologs
        Symbol in the table → symbol of the libraries, where the species differ.

    Raises
    ------
    InputError
        If the form is not known or a weight is no number.
    """
    df = plain_table(path, (), "regulons")
    form = next((f for f in FORMS.values() if set(f) <= set(df.columns)), None)
    if form is None:
        shown = ", ".join(map(str, df.columns[:20]))
        known = "; ".join(f"{name} ({', '.join(f)})" for name, f in FORMS.items())
        message = f"is no table of regulons of a known form: it has the columns {shown}"
        raise InputError(message, file=path, allowed=known)
    source, target, weight = form
    df = numbers_of(df, [weight], path)
    gene = df[target] if orthologs is None else df[target].map(orthologs).fillna("")
    edges = pd.DataFrame(
        {"factor": df[source], "gene": gene, "weight": df[weight], "named": df[target]}
    )
    return _large(edges, least)


def _large(edges: pd.DataFrame, least: int) -> pd.DataFrame:
    """Edges of factors with enough genes; a pair that stands with both signs says nothing and is left out."""
    edges = edges[(edges["factor"] != "") & (edges["named"] != "") & (edges["weight"] != 0)]
    pair = ["factor", "named"]
    signs = edges.assign(up=edges["weight"] > 0).groupby(pair)["up"].transform("nunique")
    edges = edges[signs == 1].drop_duplicates(pair)
    size = edges.groupby("factor")["named"].transform("size")
    kept = edges[size >= least].sort_values(pair)
    return kept[["factor", "gene", "weight"]].reset_index(drop=True)


def factor_scores(
    expression: Floats, symbols: Sequence[str], regulons: pd.DataFrame, least: int
) -> pd.DataFrame:
    """Activity of every factor in every library.

    Parameters
    ----------
    expression
        (genes, libraries), log2 counts per million; centred per gene over the libraries here.
    symbols
        Symbol of each gene.
    regulons
        Of `own_regulons` or `read_regulons`.
    least
        Fewest genes that must be found; fewer, or under half of the factor's, give no value, with the reason.

    Returns
    -------
    DataFrame
        As `signature_scores`.
    """
    names, y = centred(expression, symbols)
    place = {n: i for i, n in enumerate(names)}
    row = regulons["gene"].map(place)
    factors = sorted(set(regulons["factor"]))
    weights = np.zeros((len(names), len(factors)))
    used, share, reasons = [], [], []
    for k, (_, part) in enumerate(regulons.assign(row=row).groupby("factor", sort=True)):
        here = part[part["row"].notna()]
        weights[here["row"].astype(int), k] = here["weight"]
        used.append(here["row"].nunique())
        share.append(len(here) / len(part))
        few = "" if used[-1] >= least else f"only {used[-1]} genes were found"
        reasons.append(refusal(share[-1], used[-1], expression.shape[1]) or few)
    values = univariate(weights, y)
    values[np.array(reasons, object) != ""] = np.nan
    return score_rows([score_id(f) for f in factors], values, used, np.array(share), reasons)


def univariate(x: Floats, y: Floats) -> Floats:
    """t of the slope of each library on each column of weights, one at a time, over all genes.

    Parameters
    ----------
    x, y
        (genes, weights); (genes, libraries).

    Returns
    -------
    array
        (weights, libraries); NaN where weights or a library do not vary.
    """
    n = len(x)
    a, b = x - x.mean(axis=0), y - y.mean(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        a /= np.sqrt((a**2).sum(axis=0))
        b = b / np.sqrt((b**2).sum(axis=0))
        r = np.clip(a.T @ b, -1, 1)
        return r * np.sqrt((n - 2) / ((1 - r) * (1 + r)))
