"""Whole numbers that are no counts: scaled to one total, multiplied, with gaps, or calmer than reads can be."""

from __future__ import annotations

import numpy as np
import pandas as pd

from periomics.core.errors import InputError

COUNTS = "raw counts as the counter wrote them, neither scaled nor normalised nor rounded from FPKM or TPM"
FEWEST = 200  # genes from which the shape of a column says something
_PAIRS = 20
# Genes at the smallest number: of raw counts filtered by their means hardly one has so few reads.
_AT_LEAST = 20
# Share of genes at the smallest number in all libraries, of three or more: those without reads.
_ADDED = 0.1
_LARGEST_LOG = 40.0  # log2 of 10^12
# Numbers of reads at which genes are counted, and the least genes to be expected at one. The real
# sets have a squared deviation of 10.5 at most in 63 libraries (docs/omics.md).
_PLACES, _EXPECTED, _DEVIATION = range(6, 118), 20, 30.0
# Spread of totals, over their mean, up to which so many columns are no chance; rounding moves the totals of scaled tables.
_NEAR = {2: 1e-4, 3: 0.002, 4: 0.01}


def totals_among(data: pd.DataFrame) -> np.ndarray:
    """Rows that hold the sum of all others in every column, as spreadsheets have below a table."""
    values, half = data.to_numpy(float), data.to_numpy(float).sum(axis=0) / 2
    if len(data) < 20 or not (half > 0).all():
        return np.zeros(len(data), bool)
    return np.asarray((np.abs(values - half) <= 1e-6 * half).all(axis=1))


def refuse_equal_totals(data: pd.DataFrame, path: object) -> None:
    """Refuse columns that differ and still add up to the same: TPM, counts per million or per 10,000, or thinned to one depth."""
    totals = data.sum().to_numpy(float)
    if data.shape[1] < 2 or len(data) < 20 or totals.min() < 100:
        return
    some = data.to_numpy()
    if (some == some[:, :1]).all():
        return  # the same library several times is told by the quality table
    if len(totals) > 2 and totals.min() >= 9_000 and totals.max() <= 10_020:
        message = f"all {len(totals)} columns add up to about 10,000: they were scaled to one total"
        value = f"{totals.min():.0f} to {totals.max():.0f}"
        raise InputError(message, file=path, value=value, allowed=COUNTS)
    if np.ptp(totals) <= max(2.0, _NEAR[min(len(totals), 4)] * totals.mean()):
        raise InputError(
            f"all {len(totals)} columns add up to {totals.mean():,.0f}: they were scaled to one total",
            file=path,
            value=f"{totals.min():.0f} to {totals.max():.0f}",
            allowed=COUNTS,
        )


def refuse_scaled(data: pd.DataFrame, path: object) -> None:
    """Refuse whole numbers that were scaled.

    Parameters
    ----------
    data
        Genes × samples, whole numbers from 0.
    path
        File, for the message.

    Notes
    -----
    Seven signs. No gene with more than 1. No gene with 0, and many at one number throughout, as
    adding leaves those without reads. Equal totals. A common divisor. Small whole numbers that
    are missing between frequent ones, or no small one beside zeros, as multiplying leaves it. A
    number that far more or fewer genes have than those beside it, as rounding leaves where a factor
    is near 1. And differences between columns, among genes of about 3 to 15, that are smaller than
    Poisson noise, the least that reads drawn apart can have: rounded FPKM of deep libraries show
    it.

    Raises
    ------
    InputError
        With the sign that was found.
    """
    for column in data.columns:
        if (data[column] > 0).sum() >= FEWEST and data[column].max() == 1:
            message = "no gene has more than 1: these are marks of genes that were seen"
            raise InputError(message, file=path, column=str(column), value=1, allowed=COUNTS)
    _refuse_added(data, path)
    refuse_equal_totals(data, path)
    for column in data.columns:
        _refuse_column(data[column].to_numpy(), str(column), path)
    _refuse_calm(data, path)


def _refuse_added(data: pd.DataFrame, path: object) -> None:
    """Refuse counts to which a number was added, often 1 for logarithms: genes without reads all
    have it."""
    values = data.to_numpy()
    if values.shape[1] < 3 or len(values) < FEWEST or (least := int(values.min())) <= 0:
        return
    share = float((values == least).all(axis=1).mean())
    if share >= _ADDED:
        told = f"{100 * share:.0f} % have {least} in every library"
        message = f"no gene has 0, and {told}: {least} was added"
        raise InputError(message, file=path, value=least, allowed=COUNTS)


def refuse_no_estimates(data: pd.DataFrame, path: object, scaled: bool) -> None:
    """Refuse a table that was given as one of estimated counts and holds something else.

    Parameters
    ----------
    data
        Genes × samples, from 0.
    path
        File, for the message.
    scaled
        Whether counts were made from abundances, of which each gene has its own noise.

    Raises
    ------
    InputError
        Where totals are equal, all values are as small as logarithms, or columns differ by less
        than reads can.
    """
    refuse_equal_totals(data, path)
    values = data.to_numpy(float)
    if (
        (values > 0).sum() >= FEWEST
        and (values != np.rint(values)).any()
        and values.max() < _LARGEST_LOG
    ):
        message = "no gene has as many reads as a library has: are these logarithms?"
        raise InputError(message, file=path, value=f"at most {values.max():.3g}", allowed=COUNTS)
    if not scaled:
        _refuse_calm(data, path)


def _refuse_calm(data: pd.DataFrame, path: object) -> None:
    noise = calmest_noise(data.to_numpy(float))
    if noise is not None and noise < 0.6:
        raise InputError(
            f"columns differ by {100 * noise:.0f} % of the noise that reads have at least: they are "
            "rounded FPKM or otherwise scaled, not counts",
            file=path,
            allowed=COUNTS,
        )


def _refuse_column(values: np.ndarray, column: str, path: object) -> None:
    seen = values[values > 0]
    if len(seen) < FEWEST:
        return
    divisor = int(np.gcd.reduce(seen.astype(np.int64)))
    if divisor > 1:
        message = f"all values are multiples of {divisor}: they were scaled"
        raise InputError(message, file=path, column=column, value=int(seen.min()), allowed=COUNTS)
    often = np.bincount(np.minimum(seen, 31).astype(np.int64), minlength=32)[:31]
    gaps = [k for k in range(1, 30) if often[k] == 0 and _beside(often, k) >= 10]
    if len(gaps) > 1:
        message = f"no gene has {' or '.join(map(str, gaps[:3]))}, though many have about as many"
        raise InputError(
            f"{message}: the values were scaled and rounded",
            file=path,
            column=column,
            allowed=COUNTS,
        )
    place, genes, expected = _most_uneven(seen)
    if place:
        raise InputError(
            f"{genes} genes have {place}, where the numbers beside it let expect {expected:.0f}: the values were "
            "scaled and rounded",
            file=path,
            column=column,
            allowed=COUNTS,
        )
    if len(seen) < len(values) and seen.min() >= 5 and (seen == seen.min()).sum() >= _AT_LEAST:
        message = f"the smallest value above 0 is {int(seen.min())}: the values were scaled"
        raise InputError(message, file=path, column=column, allowed=COUNTS)


def _most_uneven(seen: np.ndarray) -> tuple[int, int, float]:
    """A number that chance gives to so many or so few genes hardly ever, the genes, and those to be
    expected; 0 where there is none.

    Expected is the geometric mean of the numbers one, and two, below and above, whichever is
    nearer: where mates were counted as two reads, even numbers are more frequent than odd ones, and
    genes of one mean have a steep peak.
    """
    top = _PLACES.stop + 2
    often = np.bincount(np.minimum(seen, top).astype(np.int64), minlength=top + 1).astype(float)
    at = np.array(_PLACES)
    beside = np.array([np.sqrt(often[at - k] * often[at + k]) for k in (1, 2)])
    squares = (often[at] - beside) ** 2 / (1.5 * np.maximum(beside, 1))
    squares = np.where((beside >= _EXPECTED).all(axis=0), squares.min(axis=0), 0.0)
    worst = int(squares.argmax())
    if squares[worst] <= _DEVIATION:
        return 0, 0, 0.0
    expected = np.abs(beside[:, worst] - often[at[worst]]).argmin()
    return int(at[worst]), int(often[at[worst]]), float(beside[expected, worst])


def _beside(often: np.ndarray, k: int) -> float:
    """Genes to be expected at k by its two neighbours, where it has two."""
    return float(often[k + 1]) if k == 1 else float(min(often[k - 1], often[k + 1]))


def calmest_noise(values: np.ndarray) -> float | None:
    """Variance of differences between columns over that of Poisson draws, genes of 3 to 15; the median of pairs of neighbours.

    None where columns share too few such genes. Reads drawn apart give 1 or more.
    """
    ratios = []
    totals = values.sum(axis=0)
    pairs = range(min(values.shape[1] - 1, _PAIRS))
    for i in pairs:
        a, b = values[:, i], values[:, i + 1]
        if totals[i] <= 0 or totals[i + 1] <= 0 or (a == b).all():
            continue
        ratio = poisson_ratio(a, b, 3, 15)
        if ratio is not None:
            ratios.append(ratio)
    return float(np.median(ratios)) if ratios else None


def poisson_ratio(
    a: np.ndarray, b: np.ndarray, least: float, most: float = np.inf, fewest: int = FEWEST
) -> float | None:
    """Variance of the difference of two libraries over that of Poisson draws; None where fewer than `fewest` genes tell.

    Genes count whose mean of both lies between `least` and `most`. Libraries are brought to one size by the median ratio.
    """
    mean = (a + b) / 2
    keep = (mean >= least) & (mean <= most)
    large = (a >= 1) & (b >= 1) & (mean >= least)
    if keep.sum() < fewest or large.sum() < fewest:
        return None
    factor = float(np.median(a[large] / b[large]))
    x, y = a[keep], b[keep]
    expected = x + factor**2 * y
    return (
        float(np.median((x - factor * y) ** 2 / expected) / 0.4549)
        if most == np.inf
        else float(((x - factor * y) ** 2).sum() / expected.sum())
    )
