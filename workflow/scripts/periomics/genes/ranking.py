"""Where gene sets stand in a ranked test: for display. Permuting genes is no test across animals, so no p-value leaves here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from periomics.genes.signatures import GeneSet, mapped, positions

COLUMNS = ("set", "source", "n_genes", "share_mapped", "ES", "NES", "place", "leading", "evidence")
EVIDENCE = "descriptive"


def ranked(table: pd.DataFrame) -> pd.Series:
    """Statistic by symbol, falling; equal values stand in the order of gene ids. Of a symbol with several genes the one with the
    largest mean count stays."""
    df = table[(table["symbol"] != "") & np.isfinite(table["stat"].astype(float))]
    df = df.sort_values(["baseMean", "gene_id"], ascending=[False, True]).drop_duplicates("symbol")
    df = df.sort_values(["stat", "gene_id"], ascending=[False, True])
    return pd.Series(df["stat"].to_numpy(float), index=df["symbol"].to_numpy(), name="stat")


def rank_sets(
    statistic: pd.Series,
    sets: Sequence[tuple[str, GeneSet]],
    seed: int,
    permutations: int = 1000,
    min_size: int = 5,
    max_size: int = 500,
) -> pd.DataFrame:
    """Running-sum enrichment of every set in a ranked list, by gseapy.

    Parameters
    ----------
    statistic
        Of `ranked`.
    sets
        (source, set). A signed set is split into `<name>` (members that should rise) and `<name>:down` (that should fall) where
        it has both.
    seed
        Of the gene permutations that scale ES to NES.
    permutations
        How many.
    min_size, max_size
        Sets with fewer or more genes in the list are left out.

    Returns
    -------
    DataFrame
        Columns COLUMNS, by falling |NES|: `place` is the rank by |NES|, `leading` the genes before the running sum's peak,
        `evidence` says descriptive.
    """
    import gseapy

    where = positions(list(statistic.index))
    library, facts = {}, {}
    for source, s in sets:
        for name, part in _split(s):
            rows, _, share = mapped(part, where)
            if min_size <= len(rows) <= max_size:
                library[name] = [str(statistic.index[r]) for r in rows]
                facts[name] = (source, len(rows), share)
    if not library or len(statistic) < 2 * min_size:
        return pd.DataFrame(columns=list(COLUMNS))
    result = gseapy.prerank(
        rnk=statistic,
        gene_sets=library,
        min_size=1,
        max_size=len(statistic),
        permutation_num=permutations,
        weight=1.0,
        threads=1,
        seed=int(seed) % (2**31 - 1),
        outdir=None,
        no_plot=True,
        verbose=False,
    ).res2d
    found = []
    for r in result.to_dict("records"):
        source, n, share = facts[r["Term"]]
        found.append(
            {
                "set": r["Term"],
                "source": source,
                "n_genes": n,
                "share_mapped": share,
                "ES": float(r["ES"]),
                "NES": float(r["NES"]),
                "leading": str(r["Lead_genes"]).replace(";", "|"),
                "evidence": EVIDENCE,
            }
        )
    df = pd.DataFrame(found)
    df = (
        df.assign(size=df["NES"].abs())
        .sort_values(["size", "set"], ascending=[False, True])
        .drop(columns="size")
    )
    return df.assign(place=range(1, len(df) + 1))[list(COLUMNS)].reset_index(drop=True)


def _split(s: GeneSet) -> list[tuple[str, GeneSet]]:
    up, down = (tuple(m for m in s.members if m.sign == sign) for sign in (1, -1))
    if up and down:
        return [(s.name, GeneSet(s.name, up)), (f"{s.name}:down", GeneSet(f"{s.name}:down", down))]
    return [(s.name, s)]
