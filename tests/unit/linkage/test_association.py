"""Association within arms: silent where only arms shift, right where a link is planted, and calibrated under the null."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.linkage.association import beyond
from periomics.linkage.pairs import CONCORDANCE, associate, on_scale, overlap_table, paired
from periomics.statistics.claims.animals import prepare
from periomics.statistics.kernels.exchange import of_animals, of_units
from periomics.study.dictionary import load_dictionary

STRATA = np.repeat(list("ABCD"), 6)


def within(x, y, strata, rng, n=9999):
    return beyond(np.asarray(x, float), np.asarray(y, float), of_animals(strata), rng, n)


def test_shared_shifts_of_arms_are_not_an_association():
    rng = np.random.default_rng(1)
    shift = np.repeat([0.0, 3.0, 6.0, 9.0], 6)
    x, y = shift + rng.standard_normal(24), shift + rng.standard_normal(24)
    found = within(x, y, STRATA, np.random.default_rng(0), 999)
    assert found.r_pooled > 0.85 and abs(found.r) < 0.45 and found.p > 0.05


@pytest.mark.parametrize("sd", [(1, 1, 1, 1), (1, 2, 1, 1)])
def test_null_behaviour_of_the_permutation_and_of_the_interval(sd):
    """Fisher's z covers .80 to .88 where arms vary unequally."""
    rng = np.random.default_rng(2)
    shift, scale = np.repeat([0.0, 2.0, 4.0, 6.0], 6), np.repeat(sd, 6)
    hits = covered = 0
    for i in range(200):
        x, y = (shift + scale * rng.standard_normal(24) for _ in range(2))
        found = within(x, y, STRATA, np.random.default_rng(i), 199)
        hits += found.p <= 0.05
        covered += found.lower <= 0 <= found.upper
        # The interval says what the test says.
        assert (found.p <= 0.05) == (not found.lower <= 0 <= found.upper)
    low, high = stats.binom.interval(0.999, 200, 0.05)
    assert low <= hits <= high and covered == 200 - hits


def test_planted_association_is_found_and_equals_partial_correlation():
    rng = np.random.default_rng(3)
    latent = rng.standard_normal(24)
    x, y = (
        latent + 0.4 * rng.standard_normal(24),
        latent + 0.4 * rng.standard_normal(24) + np.repeat([0, 5, 2, 1], 6),
    )
    found = within(x, y, STRATA, np.random.default_rng(0), 999)
    dummies = pd.get_dummies(STRATA, dtype=float).to_numpy()
    residual = [v - dummies @ np.linalg.lstsq(dummies, v, rcond=None)[0] for v in (x, y)]
    assert found.r == pytest.approx(np.corrcoef(*residual)[0, 1], abs=1e-12)
    assert found.p <= 0.002 and found.lower > 0


def test_small_or_flat_data_say_why():
    few = within(np.arange(4.0), np.arange(4.0), np.array(list("AABB")), np.random.default_rng(0))
    assert "too few" in few.reason and np.isnan(few.p)
    flat = within(np.ones(24), np.arange(24.0), STRATA, np.random.default_rng(0))
    assert "does not vary" in flat.reason
    arms = within(np.repeat([1.0, 2, 3, 4], 6), np.arange(24.0), STRATA, np.random.default_rng(0))
    assert "does not vary beyond arm" in arms.reason
    # 0.1 is no number of the machine: its mean differs from it by rounding.
    tenth = within(np.full(24, 0.1), np.arange(24.0), STRATA, np.random.default_rng(0))
    assert "does not vary" in tenth.reason and np.isnan([tenth.p, tenth.r, tenth.r_pooled]).all()
    own = of_animals(STRATA, np.array([str(i) for i in range(24)]))
    alone = beyond(np.arange(24.0), np.arange(24.0) ** 2, own, np.random.default_rng(0))
    assert alone.reason == "24 values are too few: arm and block leave 0 degrees of freedom"
    ten = within(
        np.arange(10.0) ** 2, np.arange(10.0), np.repeat(["A", "B"], 5), np.random.default_rng(0)
    )
    assert "no test below 12 animals" in ten.reason and ten.r > 0


def test_the_unit_of_a_variable_does_not_matter():
    rng = np.random.default_rng(6)
    x, y = rng.standard_normal(24), rng.standard_normal(24)
    plain = within(x, y, STRATA, np.random.default_rng(0), 199)
    small = within(1e-9 * x, 1e-12 * y + 1e-9, STRATA, np.random.default_rng(0), 199)
    assert (small.p, small.n) == (plain.p, plain.n)
    np.testing.assert_allclose([small.r, small.lower], [plain.r, plain.lower], rtol=1e-6)


def test_the_interval_holds_a_planted_link():
    """Partial correlation .6 beyond arms and a day of surgery; bounds of .93 to .97 within chance."""
    rng, held = np.random.default_rng(7), 0
    day = np.tile(np.arange(6), 4)
    design = of_animals(STRATA, day.astype(str))
    for i in range(250):
        shared = 2 * (STRATA == "B") + rng.standard_normal(6)[day]
        first = rng.standard_normal(24)
        second = 0.6 * first + 0.8 * rng.standard_normal(24)
        rng_i = np.random.default_rng(i)
        found = beyond(shared + first, shared + second, design, rng_i, 199)
        held += found.lower <= 0.6 <= found.upper
    assert held >= stats.binom.ppf(0.001, 250, 0.93)


def test_three_isolations_are_described_and_not_tested():
    rng = np.random.default_rng(4)
    design = of_units(np.repeat(list("ijk"), 4), np.tile(list("abcd"), 3))
    found = beyond(rng.standard_normal(12), rng.standard_normal(12), design, rng)
    assert "no test below 4 isolations" in found.reason and found.n_units == 3 and found.n == 12


def test_a_perfect_line_has_no_interval():
    x = np.random.default_rng(5).standard_normal(24)
    found = within(x, 2 * x, STRATA, np.random.default_rng(0), 99)
    assert found.r == pytest.approx(1) and np.isnan(found.lower) and found.p <= 0.02


def animals_table():
    rng = np.random.default_rng(5)
    rows = []
    for i in range(24):
        healing = rng.standard_normal()
        rows += [
            (f"R{i}", "", "mvd", np.exp(4 + 0.3 * healing)),
            (f"R{i}", "", "score:signature:ANG_sprouting", healing),
            (
                f"R{i}",
                "",
                "score:signature:ANG_endothelial_core",
                healing + 0.1 * rng.standard_normal(),
            ),
        ]
    for i in range(6):
        for c, condition in enumerate(("vehicle", "medium", "vehicle_cue", "medium_cue")):
            rows += [
                (f"I{i}", condition, "scratch_rate", np.exp(0.3 * c + i)),
                (f"I{i}", condition, "score:signature:WOUND", c + 5.0 * i),
            ]
    df = pd.DataFrame(rows, columns=["animal_id", "condition", "outcome", "value"])
    return df.assign(variant="", time=np.nan, status="measured")


def test_pairs_across_animals_and_within_isolations(root):
    dictionary = load_dictionary(root / "resources/outcomes.tsv")
    arms = {f"R{i}": "ABCD"[i % 4] for i in range(24)} | {f"I{i}": "" for i in range(6)}
    sheet = pd.DataFrame({"group": arms})
    pairs = [
        {"score": "score:signature:ANG_sprouting", "outcome": "mvd"},
        {"score": "score:signature:ANG_endothelial_core", "outcome": "mvd"},
        {"score": "score:signature:WOUND", "outcome": "scratch_rate", "units": "isolation"},
        {"score": "score:signature:ABSENT", "outcome": "mvd"},
    ]
    sets = {"ANG_endothelial_core": {"PECAM1", "KDR"}, "ANG_sprouting": {"ESM1"}}
    table = associate(
        animals_table(),
        sheet,
        pairs,
        dictionary=dictionary,
        assay_genes={"mvd": {"PECAM1"}},
        set_genes=sets,
        seed=1,
        n_permutations=499,
    ).set_index("score_id")
    assert table.loc["score:signature:ANG_sprouting", "p_adj"] <= 0.01
    own = table.loc["score:signature:ANG_endothelial_core"]
    assert own["family"] == CONCORDANCE and np.isnan(own["p_adj"]) and "PECAM1" in own["reason"]
    culture = table.loc["score:signature:WOUND"]
    # Score and outcome follow isolation and condition, and nothing links them beyond.
    assert culture["n"] == 24 and culture["n_units"] == 6 and np.isnan(culture["p"])
    assert culture["adjusted_for"] == "isolation, condition" and "vary" in culture["reason"]
    assert "not measured" in table.loc["score:signature:ABSENT", "reason"]
    overlap = overlap_table(animals_table(), dictionary).set_index("animal_id")
    assert (
        overlap.loc["R1", "histology"] == 1
        and overlap.loc["I1", "histology"] == 0
        and overlap.loc["R1", "scores of bulk"] == 2
    )


def shares_and_counts():
    rng = np.random.default_rng(6)
    share, events = rng.uniform(5, 95, 24), rng.poisson(4, 24).astype(float)
    share[3], events[:2] = 0.0, 0.0
    ids = [f"R{i:02d}" for i in range(24)]
    shares = pd.DataFrame({"animal_id": ids, "outcome": "bvtv", "value": share, "unit": "%"})
    counts = pd.DataFrame({"animal_id": ids, "outcome": "neu", "value": events / 0.5})
    counts = counts.assign(unit="1/mm2", numerator=events, denominator=0.5)
    scores = pd.DataFrame({"animal_id": ids, "outcome": "score:signature:NFKB", "value": share})
    df = pd.concat([shares, counts, scores], ignore_index=True)
    df["unit"] = df["unit"].fillna("a.u.")
    return df.assign(condition="", variant="", time=np.nan, dose=np.nan, status="measured")


def test_linkage_compares_the_values_that_statistics_compare(root):
    dictionary = load_dictionary(root / "resources/outcomes.tsv")
    animals = shares_and_counts()
    sheet = pd.DataFrame({"animal_id": animals["animal_id"].unique(), "unit": "animal"})
    judged = prepare(animals, sheet, dictionary)
    values, notes = on_scale(animals, dictionary)
    table = values.pivot(index="animal_id", columns="outcome", values="scaled").reset_index()
    assert {o: n.rpartition(": ")[2] for o, n in notes.items()} == {
        "bvtv": "1 share(s) at 0 or 100 %",
        "neu": "2 of 24 at 0",
    }
    for outcome in ("bvtv", "neu", "score:signature:NFKB"):
        expected = judged[judged["outcome"] == outcome].sort_values("animal_id")["analysis"]
        assert expected.notna().all() and len(expected) == 24
        np.testing.assert_array_equal(table.sort_values("animal_id")[outcome], expected)


def test_counts_of_0_without_areas_keep_every_animal_and_say_so(root):
    dictionary = load_dictionary(root / "resources/outcomes.tsv")
    animals = shares_and_counts().drop(columns=["numerator", "denominator"])
    arms = {a: "ABCD"[i % 4] for i, a in enumerate(animals["animal_id"].unique())}
    pairs = [{"score": "score:signature:NFKB", "outcome": o} for o in ("neu", "bvtv")]
    table = associate(
        animals,
        pd.DataFrame({"group": arms}),
        pairs,
        dictionary=dictionary,
        assay_genes={},
        set_genes={},
        seed=1,
        n_permutations=99,
    ).set_index("outcome")
    assert list(table["n"]) == [24, 24] and table["p"].notna().all()
    assert "neu on its natural scale: no count scale" in table.loc["neu", "reason"]
    assert "bvtv on its natural scale: no logit scale" in table.loc["bvtv", "reason"]


def cultures(times=(24.0,), doses=(np.nan,)):
    """Score at 24 h and outcome at `times`, which say isolation, condition, dose and time in their value."""
    rows = []
    for i in range(5):
        for c, condition in enumerate(("vehicle", "medium")):
            for dose in doses:
                said = 100 * i + 10 * c + (0 if np.isnan(dose) else dose / 10)
                rows.append((f"I{i}", condition, dose, 24.0, "score:signature:WOUND", said))
                rows += [(f"I{i}", condition, dose, t, "scratch", 1000 * t + said) for t in times]
    names = ["animal_id", "condition", "dose", "time", "outcome", "scaled"]
    return pd.DataFrame(rows, columns=names)


def test_score_and_outcome_of_one_dose_stand_together():
    both, note = paired(cultures(doses=(1.0, 10.0)), "score:signature:WOUND", "scratch")
    assert len(both) == 20 and note == ""
    np.testing.assert_allclose(both["outcome"] - 24_000, both["score"])


def test_of_repeated_measurements_the_last_time_that_both_have_is_taken():
    both, note = paired(cultures(times=(12.0, 24.0, 48.0)), "score:signature:WOUND", "scratch")
    assert len(both) == 10 and note == "both at time 24"
    np.testing.assert_allclose(both["outcome"] - 24_000, both["score"])
    both, note = paired(cultures(times=(12.0, 48.0)), "score:signature:WOUND", "scratch")
    assert note == "score at time 24, outcome at time 48"
    np.testing.assert_allclose(both["outcome"] - 48_000, both["score"])


def test_a_measurement_without_a_time_is_no_second_one():
    rows = cultures()
    rows = pd.concat([rows, rows[rows["outcome"] == "scratch"].assign(time=np.nan, scaled=-1.0)])
    both, note = paired(rows, "score:signature:WOUND", "scratch")
    assert len(both) == 10 and (both["outcome"] > 0).all() and note == "both at time 24"


def test_no_common_dose_is_said():
    rows = cultures(doses=(1.0, 10.0))
    score = rows["outcome"] != "scratch"
    rows.loc[score, "dose"] += 1
    both, _ = paired(rows, "score:signature:WOUND", "scratch")
    assert both.empty


def test_many_zeros_beyond_blocks_have_an_estimate_and_neither_p_nor_interval():
    rng = np.random.default_rng(3)
    arm, block = np.repeat(list("ABCD"), 6), np.tile(list("xyz"), 8)
    x, y = (np.maximum(rng.normal(size=24), 0) for _ in range(2))
    found = beyond(x, y, of_animals(arm, block), rng, 99)
    assert np.isfinite(found.r) and "need not add up" in found.reason
    assert np.isnan([found.p, found.lower, found.upper]).all()
    plain = beyond(x, y, of_animals(arm), rng, 99)
    assert np.isfinite([plain.p, plain.lower, plain.upper]).all()
