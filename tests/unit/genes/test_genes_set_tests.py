"""Set tests: closed forms of small cases, signs, names, and what they find in published libraries."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.genes.moderated import contrast_test, fit_logs, squeeze
from periomics.genes.set_tests import Competition, effects_of, groupwise, rotation, sets_tested
from periomics.genes.signatures import GeneSet, Member, positions, read_gmt

MATRIX = np.column_stack([np.ones(10), np.repeat([0.0, 1.0], 5)])
VECTOR = np.array([0.0, 1.0])


def drawn(seed, genes=300, shared=0.0):
    rng = np.random.default_rng(seed)
    y = rng.normal(size=(genes, 10)) + shared * rng.normal(size=10)
    return y, effects(y)


def effects(y):
    rest = y - y @ MATRIX @ np.linalg.inv(MATRIX.T @ MATRIX) @ MATRIX.T
    squeezed = squeeze((rest**2).sum(axis=1) / 8, np.full(len(y), 8.0))
    return effects_of(y, MATRIX, VECTOR, squeezed)


def one(name, genes, signs=None):
    signs = signs or [1] * len(genes)
    return GeneSet(name, tuple(Member((g,), s) for g, s in zip(genes, signs, strict=True)))


def test_a_set_of_one_gene_is_its_t_test():
    y, found = drawn(1)
    t, p = rotation(found, [7], [1])
    peer = stats.ttest_ind(y[7, 5:], y[7, :5])
    assert (t, p) == (pytest.approx(peer.statistic), pytest.approx(peer.pvalue))


def test_a_set_is_the_t_test_of_its_mean_in_units_of_the_genes():
    y, found = drawn(2)
    rows, signs = [3, 50, 120], [1, -1, 1]
    mean = np.mean([s * y[r] / found.unit[r] for r, s in zip(rows, signs, strict=True)], axis=0)
    peer = stats.ttest_ind(mean[5:], mean[:5])
    assert rotation(found, rows, signs) == (
        pytest.approx(peer.statistic), pytest.approx(peer.pvalue),
    )  # fmt: skip


def test_with_arms_the_mean_of_a_set_is_tested_with_a_variance_for_each():
    """Without blocks that is Welch's test: the same t, and nearly its degrees of freedom."""
    y, found = drawn(4)
    y[:, 5:] *= 3
    found = replace(effects(y), arms=np.repeat([0, 1], 5))
    rows, signs = [3, 50, 120], [1, -1, 1]
    mean = np.mean([s * y[r] / found.unit[r] for r, s in zip(rows, signs, strict=True)], axis=0)
    peer = stats.ttest_ind(mean[5:], mean[:5], equal_var=False)
    t, df, p = groupwise(found, rows, signs)
    assert t == pytest.approx(peer.statistic)
    assert df == pytest.approx(peer.df, rel=1e-6)
    assert p == pytest.approx(peer.pvalue, rel=1e-6)


def test_an_arm_of_one_sample_tells_no_variance():
    y, _ = drawn(6)
    matrix = np.column_stack([np.ones(10), np.arange(10) == 9]).astype(float)
    squeezed = squeeze(np.ones(300), np.full(300, 8.0))
    found = effects_of(y, matrix, VECTOR, squeezed, (np.arange(10) == 9).astype(int))
    assert np.isnan(groupwise(found, [1, 2, 3], [1, 1, 1])).all()


def test_a_sign_turns_a_gene_and_all_signs_turn_the_set():
    _, found = drawn(3)
    rows, competition = list(range(20)), Competition(found)
    t, p = rotation(found, rows, [1] * 20)
    assert rotation(found, rows, [-1] * 20) == (pytest.approx(-t), pytest.approx(p))
    up = competition.test(rows, [1] * 20)
    turned = np.where(np.arange(300) < 20, -1.0, 1.0)
    flipped = replace(
        found, contrast=turned * found.contrast, residual=turned[:, None] * found.residual
    )
    assert Competition(flipped).test(rows, [-1] * 20) == pytest.approx(up)


def test_genes_that_share_a_factor_are_no_evidence_by_their_number():
    """One factor moves all of a set: forty genes tell what one does, and the correlation is seen."""
    rng, low, correlations = np.random.default_rng(4), 0, []
    for _ in range(200):
        y = rng.normal(size=(300, 10))
        y[:40] = 0.3 * y[:40] + rng.normal(size=10)
        found = effects(y)
        _, p = rotation(found, list(range(40)), [1] * 40)
        *_, q, r = Competition(found).test(list(range(40)), [1] * 40)
        low += (p <= 0.05) + 1j * (q <= 0.05)
        correlations.append(r)
    assert np.median(correlations) > 0.6
    # An exact test of .05: 3 to 21 of 200 with 99.9 %; the competitive test is conservative.
    assert 3 <= low.real <= 21
    assert low.imag <= 21


def test_table_of_sets():
    y, _ = drawn(5)
    y[:15, 5:] += 3
    names = [f"g{i}" for i in range(300)]
    sets = [
        ("x", one("up", names[:15])),
        ("x", one("none", names[100:130])),
        ("x", one("small", names[:3])),
        ("x", one("signed", names[:15], [-1] * 15)),
        ("x", one("absent", ["h1", "h2"])),
    ]
    table = sets_tested(effects(y), sets, positions(names))
    assert sorted(table["set_id"].unique()) == ["none", "signed", "up"]
    first = table[table["method"] == "rotation"].set_index("set_id")
    assert first.loc["up", "direction"] == "up" and first.loc["signed", "direction"] == "down"
    assert first.loc["up", "p_adj"] < 1e-3 < first.loc["none", "p_adj"]
    assert sets_tested(effects(y), [], positions(names)).empty


@pytest.mark.data
def test_cytokines_call_their_own_sets_in_t84(data):
    counts = pd.read_csv(data / "rnaseq/t84_il22_ifnl/counts.csv.gz", index_col=0)
    counts = counts[~counts.index.duplicated()]
    sets = [("h", s) for s in read_gmt(data / "resources/msigdb_hallmark_v7.0_symbols.gmt.gz")]
    both = pd.concat(
        [counts.filter(regex=rf"^{a}\.24h") for a in ("Mock", "IL22", "IFNL", "IL22_IFNL")], axis=1
    )
    both = both[both.sum(axis=1) >= 10]
    values, arms = both.to_numpy(float), np.repeat([0, 1, 2, 3], 3)
    matrix = np.column_stack([np.ones(12), *(arms == k for k in (1, 2, 3))]).astype(float)
    sizes = values.sum(axis=0) / values.sum(axis=0).mean()
    fit = fit_logs(values, matrix, arms, sizes)
    for vector, first in (
        (np.array([0.0, 1, 0, 0]), "HALLMARK_IL6_JAK_STAT3_SIGNALING"),
        (np.array([0.0, 0, 1, 0]), "HALLMARK_INTERFERON_ALPHA_RESPONSE"),
    ):
        tested = np.isfinite(contrast_test(fit, vector)["stat"].to_numpy())
        logs = fit.logs[tested]
        table = sets_tested(
            effects_of(logs, matrix, vector, fit.squeezed.of(tested), arms),
            sets,
            positions(list(both.index[tested].astype(str))),
            15,
        )
        own = table[table["set_id"] == first].set_index("method")
        assert (own["direction"] == "up").all()
        assert own.loc["rotation", "p_adj"] < 0.05 and own.loc["competitive", "p"] < 0.01
