"""Libraries that are too much alike to be two, and the sex that a library's genes tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from periomics.bulk.parts import by_species
from periomics.bulk.plausible import FEWEST, poisson_ratio
from periomics.genes.symbols import ENSEMBL

MOST_GENES = 1000
LEAST_MEAN = 10
SHARED_NOISE = 0.5  # of Poisson noise; libraries drawn apart have 1 or more
EQUAL_SHARE = 0.9
FEWEST_EQUAL = 20
# Gene symbols in small letters; ids of the genes themselves where tables carry no symbols.
X_GENES = frozenset({"xist", "ENSG00000229807", "ENSMUSG00000086503"})
Y_GENES = frozenset(
    {
        "ddx3y",
        "kdm5d",
        "uty",
        "eif2s3y",
        "rps4y1",
        "eif1ay",
        "usp9y",
        "ENSG00000067048",
        "ENSG00000012817",
        "ENSG00000183878",
        "ENSG00000129824",
        "ENSG00000198692",
        "ENSG00000114374",
        "ENSMUSG00000069045",
        "ENSMUSG00000056673",
        "ENSMUSG00000068457",
        "ENSMUSG00000069049",
    }
)


def nearly_identical(counts: pd.DataFrame) -> dict[str, dict[str, str]]:
    """Library → others whose reads are nearly the same, with what shows it; libraries that are exactly the same are left out.

    Parameters
    ----------
    counts
        Genes × library.

    Notes
    -----
    Reads that were drawn apart differ by Poisson noise at least. Among up to MOST_GENES genes with a mean of LEAST_MEAN or more,
    the squared difference over that of Poisson draws has a median of 1 or more for two libraries, and less than SHARED_NOISE where
    most reads are in both (a few reads changed, one thinned from the other, the same reads counted twice). Small tables: the share of
    equal counts.
    """
    values = counts.to_numpy(float)
    good = [i for i in range(values.shape[1]) if values[:, i].any()]
    rows = np.flatnonzero(values.mean(axis=1) >= LEAST_MEAN)
    if len(rows) > MOST_GENES:
        order = rows[np.argsort(-values[rows].mean(axis=1), kind="stable")]
        rows = order[np.linspace(0, len(order) - 1, MOST_GENES).astype(int)]
    out: dict[str, dict[str, str]] = {}
    for i, j in combinations(good, 2):
        why = _alike(values[rows, i], values[rows, j])
        if why and not (values[:, i] == values[:, j]).all():
            one, other = str(counts.columns[i]), str(counts.columns[j])
            out.setdefault(one, {})[other] = why
            out.setdefault(other, {})[one] = why
    return out


def _alike(a: np.ndarray, b: np.ndarray) -> str:
    """What shows that two libraries share reads; empty where nothing does."""
    if len(a) >= FEWEST_EQUAL and (a == b).mean() >= EQUAL_SHARE:
        return f"{100 * (a == b).mean():.4g} % of {len(a)} genes have equal counts"
    ratio = poisson_ratio(a, b, LEAST_MEAN, fewest=FEWEST)
    if ratio is None or ratio >= SHARED_NOISE:
        return ""
    return f"they differ by {100 * ratio:.0f} % of the noise that reads drawn apart have"


def sexes(
    counts: pd.DataFrame, symbols: Mapping[str, str] | pd.Series, least: float
) -> dict[str, tuple[str, str]]:
    """Library → (F, M, both or '', reads per million of XIST and of genes of Y).

    Parameters
    ----------
    counts
        Genes × library.
    symbols
        Gene id → symbol.
    least
        Reads per million that tell a sex, of 10 reads at least; the other sex's genes must stay below a fifth of it.

    Notes
    -----
    F needs XIST and no Y, M genes of Y; a table without XIST or without genes of Y tells one sex only.
    """
    known = dict(symbols.items())
    names = [_name(str(g), str(known.get(g, ""))) for g in counts.index]
    x = np.array([bool(n & X_GENES) for n in names], bool)
    y = np.array([bool(n & Y_GENES) for n in names], bool)
    totals = counts.sum()
    out = {}
    for library in counts.columns:
        total = float(totals[library])
        if total <= 0:
            continue
        values = counts[library].to_numpy(float)
        female, male = float(values[x].sum()), float(values[y].sum())
        per = 1e6 / total
        has = [n >= 10 and n * per >= least for n in (female, male)]
        lacks = [n * per < least / 5 for n in (female, male)]
        sex = "both" if all(has) else ""
        sex = "F" if has[0] and y.any() and lacks[1] else sex
        sex = "M" if has[1] and lacks[0] else sex
        said = [
            f"{n:.3g} on {what}" for n, what in ((female * per, "XIST"), (male * per, "genes of Y"))
        ]
        out[str(library)] = (sex, f"reads per million: {', '.join(said)}")
    return out


def _name(gene: str, symbol: str) -> frozenset[str]:
    match = ENSEMBL.match(gene)
    return frozenset({match[1] if match else gene.casefold(), symbol.casefold()})


def sex_warnings(
    counts: pd.DataFrame,
    symbols: Mapping[str, str] | pd.Series,
    facts: Sequence[Mapping[str, object]],
    animals: Sequence[Mapping[str, object]],
    *,
    least: float,
) -> dict[str, str]:
    """Library → warning where its genes tell another sex than the animals sheet, naming the animal.

    Parameters
    ----------
    counts
        Genes × specimen_id; empty for genes of another species.
    symbols
        Gene id → symbol.
    facts, animals
        Rows of the sheets of libraries and animals.
    least
        Of `sexes`.
    """
    parts = [sexes(part, symbols, least) for _, part, _ in by_species(counts, facts)]
    told = {library: sex for part in parts for library, sex in part.items()}
    stated = {str(a["animal_id"]): str(a.get("sex", "")) for a in animals}
    out = {}
    for fact in facts:
        library, animal = str(fact["specimen_id"]), str(fact.get("animal_id", ""))
        sheet = stated.get(animal, "")
        found, why = told.get(library, ("", ""))
        if sheet not in ("F", "M") or found in ("", sheet):
            continue
        other = {"F": "female", "M": "male", "both": "of both sexes"}
        out[library] = (
            f"animal {animal} is {other[sheet]} in the sheet, the library's genes are {other[found]} "
            f"({why}): swapped, or cells of a donor?"
        )
    return out
