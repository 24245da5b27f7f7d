"""Do the genes of a set change together? Samples are the units: genes of a set are correlated, so permuting genes is no test.

Two questions. Self-contained: does the mean of the set change (`rotation`, and `groupwise`)? Competitive: does the set change more
than the other genes (`Competition`)? `rotation` and `competitive` are the statistics of limma's `fry` and of `camera` with the
correlation between the genes of the set estimated (parity in tests/peers). Both take one variance for all arms, as tests of single
genes do: where a small arm varies three times as much, `rotation` calls a set in .19 of studies without a change. `groupwise`
has a variance for each arm, and less power; a set responds where both say so. Errors in docs/omics.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, special

from periomics.core.multiplicity import benjamini_hochberg
from periomics.genes.moderated import Squeezed
from periomics.genes.signatures import GeneSet, mapped
from periomics.study.interface.genes import COMPETITIVE, GROUPWISE, ROTATION, SET_TEST_COLUMNS

# Sums of squares below it are rounding, as in limma.
_LEAST = 1e-8
# An error that is a smaller share of the values than this is rounding: genes that do not vary within arms have no test.
_ROUNDING = 1e-12

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Effects:
    """What a contrast and chance make of every gene.

    Attributes
    ----------
    contrast
        (genes,) estimates over their unscaled standard errors; without a change their variance is the gene's.
    residual
        (genes, degrees of freedom) coordinates of the residuals in an orthonormal basis.
    squeezed
        Variances of the genes.
    logs
        (genes, samples) log expression.
    along
        (samples,) weights of the samples in `contrast`.
    residuals
        (samples, samples) matrix that makes residuals.
    arms
        (samples,) arm of each sample; None where one variance stands for all.
    """

    contrast: Floats
    residual: Floats
    squeezed: Squeezed
    logs: Floats
    along: Floats
    residuals: Floats
    arms: NDArray[np.int64] | None = None

    @property
    def unit(self) -> Floats:
        """SD by which genes are made alike in the mean of a set.

        The contrast counts as one more degree of freedom: under the null it is one coordinate among the residual ones, and a unit
        that left it out would make contrasts larger than residuals (three against three: some set in .13 of null studies).
        """
        freedom = self.squeezed.freedom
        total = self.squeezed.variance * freedom + self.contrast**2
        return np.asarray(np.sqrt(total / (freedom + 1)), np.float64)


def effects_of(
    logs: Floats,
    matrix: Floats,
    vector: Floats,
    squeezed: Squeezed,
    arms: NDArray[np.int64] | None = None,
) -> Effects:
    """Effects of a contrast of coefficients.

    Parameters
    ----------
    logs
        (genes, samples) log expression.
    matrix
        Model matrix (samples, coefficients) of full rank, with fewer coefficients than samples.
    vector
        Contrast of coefficients.
    squeezed
        Of `squeeze`, of the same genes.
    arms
        Arm of each sample, where each has a variance of its own.
    """
    inverse = np.linalg.inv(matrix.T @ matrix)
    along = matrix @ inverse @ vector / np.sqrt(vector @ inverse @ vector)
    basis = linalg.null_space(matrix.T)
    return Effects(
        contrast=logs @ along,
        residual=logs @ basis,
        squeezed=squeezed,
        logs=logs,
        along=along,
        residuals=basis @ basis.T,
        arms=arms,
    )


def rotation(effects: Effects, rows: Sequence[int], signs: Sequence[int]) -> tuple[float, float]:
    """t of the set's mean over residual degrees of freedom, and its two-sided p.

    Genes count in units of their SD and with their sign. Correlation between them is in the residuals of their mean.
    """
    unit = np.asarray(signs, float) / effects.unit[list(rows)]
    mean = float(np.mean(effects.contrast[list(rows)] * unit))
    rest = np.mean(effects.residual[list(rows)] * unit[:, None], axis=0)
    error = float(np.sqrt(np.mean(rest**2)))
    if error <= _ROUNDING * np.abs(effects.logs[list(rows)] * unit[:, None]).max():
        return np.nan, np.nan
    t = mean / error
    return t, float(2 * special.stdtr(effects.residual.shape[1], -abs(t)))


def groupwise(
    effects: Effects, rows: Sequence[int], signs: Sequence[int]
) -> tuple[float, float, float]:
    """t of the set's mean with a variance for each arm, its degrees of freedom, and its two-sided p.

    The error is that of squared residuals over one minus their leverage (HC2); degrees of freedom match its first two moments with
    each arm's own variance (Bell and McCaffrey), and are at most the residual ones. Without blocks both are nearly Welch's.
    """
    unit = np.asarray(signs, float) / effects.unit[list(rows)]
    values = effects.logs[list(rows)] * unit[:, None]
    mean = values.mean(axis=0)
    made, along = effects.residuals, effects.along
    free, rest = np.diag(made), made @ mean
    known = free > _LEAST  # a sample that the model fits whatever it is tells no variance
    squares = np.where(known, rest**2 / np.where(known, free, 1.0), 0.0)
    weights = np.where(known, along**2, 0.0)
    error = float(np.sqrt(weights @ squares))
    arms = np.asarray(effects.arms)
    nothing = error <= _ROUNDING * np.abs(values).max()
    if nothing or not known[along**2 > _LEAST].all():
        return np.nan, np.nan, np.nan
    own = {
        a: squares[(arms == a) & known].mean() for a in np.unique(arms) if known[arms == a].any()
    }
    variance = np.array([own.get(a, 0.0) for a in arms])
    form = (weights / np.where(known, free, 1.0))[:, None] * made * variance @ made
    freedom = min(float(np.trace(form) ** 2 / np.sum(form * form.T)), effects.residual.shape[1])
    t = float(along @ mean) / error
    return t, freedom, float(2 * special.stdtr(freedom, -abs(t)))


class Competition:
    """The competitive test of sets among all genes of one contrast; what all genes share is computed once."""

    def __init__(self, effects: Effects) -> None:
        own = np.sqrt(np.maximum(np.mean(effects.residual**2, axis=1), _LEAST))
        self.residual = effects.residual / own[:, None]
        variance, df = effects.squeezed.variance, effects.squeezed.freedom
        t = effects.contrast / np.sqrt(variance)
        with np.errstate(divide="ignore"):
            z = -special.ndtri_exp(np.log(special.stdtr(df, -np.abs(t))))
        self.z = np.copysign(np.where(t == 0, 0.0, z), t)

    def test(self, rows: Sequence[int], signs: Sequence[int]) -> tuple[float, float, float, float]:
        """t, its degrees of freedom, two-sided p, and the correlation between the genes of the set.

        A gene that should fall counts as one that rises, in the set and in the mean of all genes. A negative correlation is taken
        as none, so that it makes no set significant.
        """
        genes, m = len(self.z), len(rows)
        z, sign = self.z.copy(), np.asarray(signs, float)
        z[list(rows)] *= sign
        correlation, inflation = np.nan, 1.0
        if m > 1:
            mean = np.mean(self.residual[list(rows)] * sign[:, None], axis=0)
            inflation = m * float(np.mean(mean**2))
            correlation = (inflation - 1) / (m - 1)
        inflation = max(1.0, inflation)
        others = genes - m
        delta = genes / others * (z[list(rows)].mean() - z.mean())
        pooled = ((genes - 1) * z.var(ddof=1) - delta**2 * m * others / genes) / (genes - 2)
        t = float(delta / np.sqrt(pooled * (inflation / m + 1 / others)))
        df = float(min(self.residual.shape[1], genes - 2))
        return t, df, float(2 * special.stdtr(df, -abs(t))), float(correlation)


def sets_tested(
    effects: Effects,
    sets: Sequence[tuple[str, GeneSet]],
    position: dict[str, int],
    min_size: int = 5,
    max_size: int = 500,
) -> pd.DataFrame:
    """All tests of every set in one contrast, Benjamini and Hochberg over the sets of each test.

    Parameters
    ----------
    effects
        Of `effects_of`, of the genes that were tested one by one: they are the universe.
    sets
        (source, set).
    position
        Symbol → row of the effects.
    min_size, max_size
        Sets with fewer or more genes among the tested are left out.

    Returns
    -------
    DataFrame
        SET_TEST_COLUMNS but `test`; a row per set and test, sorted. `direction` is up or down, of the set as it is signed.
    """
    competition, found = Competition(effects), []
    columns = [c for c in SET_TEST_COLUMNS if c != "test"]
    for source, s in sets:
        rows, signs, share = mapped(s, position)
        if not min_size <= len(rows) <= max_size or len(rows) > len(position) - 2:
            continue
        shared = {"set_id": s.name, "source": source, "n_genes": len(rows), "share_mapped": share}
        t, p = rotation(effects, rows, signs)
        own = float(effects.residual.shape[1])
        c, c_df, c_p, r = competition.test(rows, signs)
        results = [(ROTATION, t, own, p), (COMPETITIVE, c, c_df, c_p)]
        if effects.arms is not None:
            results.insert(1, (GROUPWISE, *groupwise(effects, rows, signs)))
        names = ("method", "stat", "df", "p")
        found += [shared | dict(zip(names, v, strict=True), r_between_genes=r) for v in results]
    if not found:
        return pd.DataFrame(columns=columns)
    table = pd.DataFrame(found)
    table["direction"] = np.select([table["stat"] >= 0, table["stat"] < 0], ["up", "down"], "")
    for method in (ROTATION, GROUPWISE, COMPETITIVE):
        own = table["method"] == method
        table.loc[own, "p_adj"] = benjamini_hochberg(table.loc[own, "p"].to_numpy(float))
    return table[columns].sort_values(["set_id", "method"]).reset_index(drop=True)
