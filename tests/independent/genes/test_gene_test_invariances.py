"""What must not change a gene's test, and cases at the edge.

Written from the definition in docs/omics.md, without sight of the code.
"""

import numpy as np
import pandas as pd
import pytest
from independent.genes.drawn_counts import CONTRAST, design, draw, fitted
from scipy import stats

from periomics.core.errors import InputError
from periomics.genes.design import model_matrix
from periomics.genes.model import fit_contrasts
from periomics.study.settings.genes import GeneTests

SAMPLES = design(5, 5)
COUNTS, CHANGE = draw(3, SAMPLES)
BASE = fitted(COUNTS, SAMPLES)
# The moderated test has closed forms; negative binomial fits stop at a tolerance.
EXACT = ["baseMean", "stat", "p", "padj", "df"]
FITTED = ["log2FC", "lfcSE", "log2FC_shrunk"]
SIGNED = ["log2FC", "stat", "log2FC_shrunk"]


def alike(found, base=BASE, turned=False):
    """Same numbers for the genes of `base`."""
    own = found.loc[base.index]
    for column in EXACT + FITTED:
        sign = -1.0 if turned and column in SIGNED else 1.0
        near = 1e-3 if column == "log2FC" else 0.05  # a search for dispersions depends on order
        loose = {"rtol": near, "atol": 1e-4} if column in FITTED else {"rtol": 1e-7, "atol": 1e-12}
        left, right = sign * own[column].astype(float), base[column].astype(float)
        np.testing.assert_allclose(left, right, **loose, err_msg=column)


def test_p_is_of_a_t_with_df():
    p = 2 * stats.t.sf(BASE["stat"].abs(), BASE["df"])
    np.testing.assert_allclose(BASE["p"], p, rtol=1e-9)
    assert (BASE["df"] > 8).all()  # residual degrees of freedom, and more from the other genes


def test_padj_is_benjamini_hochberg_of_the_genes_kept():
    """Independent filtering by mean count: those kept are the largest, their padj is plain BH."""
    counts, _ = draw(4, SAMPLES, mean=4.0)
    found = fitted(counts, SAMPLES)
    for table in (BASE, found):
        kept = table["padj"].notna()
        if not kept.all():
            assert table["baseMean"][kept].min() > table["baseMean"][~kept].max()
        p = table["p"][kept].sort_values()
        ratio = p * len(p) / np.arange(1, len(p) + 1)
        truth = ratio[::-1].cummin()[::-1].clip(upper=1)
        np.testing.assert_allclose(table["padj"][kept].loc[truth.index], truth, rtol=1e-12)


def test_order_and_names_of_samples():
    rng = np.random.default_rng(0)
    order = rng.permutation(len(SAMPLES))
    alike(fitted(COUNTS.iloc[:, order], SAMPLES.iloc[order]))
    names = {old: f"library {9 - i}" for i, old in enumerate(SAMPLES.index)}
    renamed = SAMPLES.rename(index=names).assign(specimen_id=list(names.values()))
    alike(fitted(COUNTS.rename(columns=names), renamed))


def test_order_and_names_of_genes():
    order = np.random.default_rng(1).permutation(len(COUNTS))
    alike(fitted(COUNTS.iloc[order], SAMPLES))
    names = {old: f"x{i:05d}" for i, old in enumerate(COUNTS.index[::-1])}
    back = {new: old for old, new in names.items()}
    alike(fitted(COUNTS.rename(index=names), SAMPLES).rename(index=back))


def test_names_of_arms_and_direction():
    swapped = SAMPLES.assign(arm=SAMPLES["arm"].map({"a": "z", "b": "k"}))
    alike(fitted(COUNTS, swapped, {"k": 1.0, "z": -1.0}))
    alike(fitted(COUNTS, SAMPLES, {"a": 1.0, "b": -1.0}), turned=True)
    model = model_matrix(SAMPLES)
    two = {"c": CONTRAST, "other": {"a": 1.0, "b": -1.0}}
    alike(fit_contrasts(COUNTS, model, two, {})["c"].set_index("gene_id"))


def test_genes_without_counts_change_nothing():
    zero = pd.DataFrame(0, index=["zero1", "zero2", "a0"], columns=COUNTS.columns)
    found = fitted(pd.concat([COUNTS, zero]), SAMPLES)
    assert not set(zero.index) & set(found.index)
    alike(found)
    few = zero.assign(s00=3)  # below min_total
    alike(fitted(pd.concat([COUNTS, few]), SAMPLES))


def test_genes_without_counts_change_nothing_whatever_the_least_total():
    """min_total of 0 lets every gene in; one without a count still holds no variance to learn from."""
    base = fitted(COUNTS, SAMPLES, settings=GeneTests(min_total=0))
    zero = pd.DataFrame(0, index=[f"zero{i}" for i in range(100)], columns=COUNTS.columns)
    alike(fitted(pd.concat([COUNTS, zero]), SAMPLES, settings=GeneTests(min_total=0)), base)


def test_identical_genes_have_identical_tests():
    counts = COUNTS.copy()
    counts.loc["g00001"] = counts.loc["g00000"]
    found = fitted(counts, SAMPLES)
    pair = found.loc[["g00000", "g00001"], EXACT + FITTED].astype(float)
    assert (pair.nunique() == 1).all()


def test_arm_without_counts():
    """The other arm tells the change; degrees of freedom are those of the arm that has counts."""
    counts = COUNTS.copy()
    counts.loc["g00005", "s00":"s04"] = 0
    counts.loc["g00005", "s05":"s09"] = [80, 120, 95, 140, 70]
    counts.loc["g00006", "s05":"s09"] = 0
    counts.loc["g00006", "s00":"s04"] = [80, 120, 95, 140, 70]
    found = fitted(counts, SAMPLES)
    others = found.drop(["g00005", "g00006"])["df"]
    for gene, sign in (("g00005", 1), ("g00006", -1)):
        row = found.loc[gene]
        assert np.sign(row["stat"]) == np.sign(row["log2FC"]) == sign
        assert row["padj"] < 0.01
        assert others.median() - row["df"] == pytest.approx(4, abs=0.5)
    assert np.isfinite(found[EXACT + FITTED].astype(float)).all().all()


def test_third_arm_and_a_gene_of_no_count_in_the_arms_compared():
    samples = design(6, 4).assign(arm=["a"] * 3 + ["b"] * 3 + ["c"] * 4)
    counts = COUNTS.copy()
    counts.loc["g00003", "s00":"s05"] = 0
    counts.loc["g00003", "s06":"s09"] = [30, 50, 40, 60]
    row = fitted(counts, samples).loc["g00003"]
    assert row[["stat", "p", "padj"]].isna().all()
    assert row["note"]
    row = fitted(counts, samples, {"c": 1.0, "a": -1.0}).loc["g00003"]
    assert row["p"] < 0.01
    assert row["log2FC"] > 0


def test_three_per_arm():
    samples = design(3, 3)
    counts, change = draw(5, samples, dispersion=0.05)
    found = fitted(counts, samples)
    assert (found["df"] > 4).all()
    assert found["p"].between(0, 1).all()
    hit = found.index[found["padj"] < 0.05]
    assert len(hit) > 5
    assert (change[hit] != 0).mean() > 0.7
    assert (np.sign(found["stat"][hit]) == np.sign(found["log2FC"][hit])).all()


@pytest.mark.parametrize("genes", [1, 2, 10, 49])
def test_few_genes_have_their_own_variances(genes):
    """Below 50 genes nothing is learnt from the others: df are residual, and the reason is told."""
    samples = design(4, 6)
    counts, _ = draw(6, samples, genes=49)
    found = fit_contrasts(counts[:genes], model_matrix(samples), {"c": CONTRAST}, {})["c"]
    assert found.attrs["reason"]
    known = found["df"].dropna()
    assert (known == 8).all()
    assert (known.size > 0) == (genes > 1)  # one gene alone is all of its library


def test_huge_counts():
    counts = COUNTS.copy()
    counts.loc["g00010"] *= 100_000_000
    found = fitted(counts, SAMPLES)
    assert counts.to_numpy().max() > 2**31
    assert np.isfinite(found[["stat", "p", "df", "log2FC"]].astype(float)).all().all()


def test_library_without_counts_is_refused_by_name():
    with pytest.raises(InputError, match="no count of any gene") as told:
        fitted(COUNTS.assign(s03=0), SAMPLES)
    assert told.value.column == "s03"


def test_no_genes():
    for counts in (COUNTS[:0], COUNTS * 0):
        found = fit_contrasts(counts, model_matrix(SAMPLES), {"c": CONTRAST}, {})["c"]
        assert found.empty
        assert "no gene has 10 counts" in found.attrs["reason"]
