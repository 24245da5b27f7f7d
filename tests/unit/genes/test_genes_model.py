"""The count model: truth from simulation, shrinkage, designs, and what a test may be called."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from periomics.core.errors import InputError
from periomics.genes.design import (
    collapse,
    contrast_weights,
    estimable,
    model_matrix,
    sample_table,
    select,
    standing,
    with_design,
)
from periomics.genes.model import fit_contrasts, without_inference
from periomics.genes.shrinkage import prior_scale, shrunken
from periomics.study.interface.genes import GENE_COLUMNS
from periomics.study.settings.genes import GeneTests


def samples(arms, blocks=None, unit="animal", animals=None):
    n = len(arms)
    df = pd.DataFrame(
        {
            "specimen_id": [f"s{i:02d}" for i in range(n)],
            "animal_id": animals or [f"a{i:02d}" for i in range(n)],
            "group": arms,
            "condition": "",
            "block": blocks or [""] * n,
            "batch": "b",
            "time": 28.0,
            "unit": unit,
        }
    )
    return df


def design(df, blocks=()):
    chosen = with_design(df, "group", blocks, "test")
    return chosen, model_matrix(chosen)


def draw(chosen, lfc, n_genes, seed, block_sd=0.4):
    """Counts with planted changes of arm B, block effects and dispersion falling with the mean."""
    rng = np.random.default_rng(seed)
    mean = np.exp(rng.normal(4.5, 1.2, n_genes))
    dispersion = 0.05 + 2 / mean
    log_mean = np.log(mean)[:, None] + np.log(2) * lfc[:, None] * (chosen["arm"] == "B").to_numpy(
        float
    )
    if "block_0" in chosen:
        levels = sorted(set(chosen["block_0"]))
        effect = rng.normal(0, block_sd, (n_genes, len(levels)))
        log_mean += effect[:, [levels.index(b) for b in chosen["block_0"]]]
    mu = np.exp(log_mean) * rng.uniform(0.6, 1.6, len(chosen))
    counts = rng.poisson(rng.gamma(1 / dispersion[:, None], mu * dispersion[:, None]))
    return pd.DataFrame(
        counts, index=[f"g{i:04d}" for i in range(n_genes)], columns=list(chosen["specimen_id"])
    )


def test_changes_are_recovered_and_the_false_discovery_rate_holds():
    chosen, model = design(samples(["A"] * 6 + ["B"] * 6, ["d1", "d2", "d3"] * 4), ["block"])
    false = found = 0
    slopes = []
    for seed in range(4):
        rng = np.random.default_rng(100 + seed)
        lfc = np.where(
            rng.random(900) < 0.15, rng.choice([-1, 1], 900) * rng.uniform(0.6, 1.8, 900), 0.0
        )
        counts = draw(chosen, lfc, 900, seed)
        table = fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {})["c"].set_index("gene_id")
        truth = pd.Series(lfc, index=counts.index).loc[table.index]
        moved = (truth != 0) & (table["baseMean"] > 10)
        slopes.append(np.polyfit(truth[moved], table["log2FC"][moved], 1)[0])
        hit = table["padj"] < 0.05
        assert (np.sign(table["stat"][hit]) == np.sign(table["log2FC"][hit])).all()
        false += int((hit & (truth == 0)).sum())
        found += int(hit.sum())
    assert 0.9 < np.mean(slopes) < 1.1
    assert found > 200
    assert false / found <= 0.06, (false, found)


@pytest.mark.parametrize(("per_arm", "depth"), [(3, 1.0), (5, 0.05), (8, 0.02)])
def test_statistic_and_change_of_a_significant_gene_agree_in_sign(per_arm, depth):
    """Few reads and libraries of unequal depth: log counts and the count model then differ most."""
    chosen, model = design(samples(["A"] * per_arm + ["B"] * per_arm))
    rng = np.random.default_rng(per_arm)
    counts = draw(chosen, rng.choice([-2.0, 0, 2.0], 800, p=[0.1, 0.8, 0.1]), 800, per_arm)
    thin = depth * np.exp(rng.normal(0, 0.6, 2 * per_arm))
    counts.iloc[:, :] = rng.binomial(counts, np.minimum(thin, 1))
    table = fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {})["c"]
    hit = table[table["padj"] < 0.05]
    assert len(hit) > 20
    assert (np.sign(hit["stat"]) == np.sign(hit["log2FC"])).all()


def test_the_table_has_the_columns_of_the_interface_and_no_p_without_inference():
    chosen, model = design(samples(["A"] * 3 + ["B"] * 3))
    counts = draw(chosen, np.zeros(150), 150, 1)
    counts.iloc[0] = 0
    table = fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {"g0001": "Kdr"})["c"]
    assert tuple(table.columns) == (*GENE_COLUMNS, "note")
    assert "g0000" not in set(table["gene_id"])
    assert table.set_index("gene_id").at["g0001", "symbol"] == "Kdr"
    bare = without_inference(table, "why")
    inference = [c for c in GENE_COLUMNS if c.startswith("p")]
    assert len(inference) == 7
    assert bare[inference].isna().all(axis=None)
    assert bare["stat"].equals(table["stat"])
    assert set(bare["note"]) == {"why"}


def test_contrasts_of_one_fit_add_up_and_flip():
    chosen, model = design(samples(["A"] * 4 + ["B"] * 4 + ["C"] * 4))
    counts = draw(chosen, np.zeros(120), 120, 2)
    ab, bc, ac, ca = (
        fit_contrasts(counts, model, {"x": w}, {})["x"]["log2FC"].to_numpy()
        for w in ({"B": 1, "A": -1}, {"C": 1, "B": -1}, {"C": 1, "A": -1}, {"A": 1, "C": -1})
    )
    assert np.allclose(ab + bc, ac, atol=1e-6)
    assert np.allclose(ac, -ca)


def test_no_counts_give_an_empty_table():
    chosen, model = design(samples(["A"] * 3 + ["B"] * 3))
    counts = pd.DataFrame(0, index=["g1"], columns=list(chosen["specimen_id"]))
    assert fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {})["c"].empty


def test_shrinkage_is_the_mode_of_the_posterior_and_spares_clear_changes():
    rng = np.random.default_rng(3)
    truth = np.where(rng.random(2000) < 0.1, rng.normal(0, 2, 2000), 0)
    error = rng.uniform(0.1, 1.0, 2000)
    change = truth + error * rng.normal(size=2000)
    out, scale = shrunken(change, error), prior_scale(change, error)
    grid = np.linspace(-8, 8, 16001)
    for i in range(0, 2000, 97):
        cost = (grid - change[i]) ** 2 / (2 * error[i] ** 2) + np.log1p((grid / scale) ** 2)
        assert out[i] == pytest.approx(grid[cost.argmin()], abs=2e-3)
    assert (np.abs(out) <= np.abs(change)).all()
    assert np.sqrt(np.mean((out - truth) ** 2)) < 0.8 * np.sqrt(np.mean((change - truth) ** 2))
    clear = (np.abs(change) > 3) & (error < 0.3)
    assert (np.abs(out[clear] / change[clear]) > 0.9).all()


def test_shrinkage_of_nothing_is_nothing():
    assert np.isnan(shrunken(np.array([np.nan]), np.array([1.0]))).all()
    assert shrunken(np.array([0.0, 1.0]), np.array([1.0, 1.0]))[0] == 0


def test_confounded_blocks_are_dropped_and_a_confounded_contrast_is_refused():
    chosen, model = design(samples(["A"] * 3 + ["B"] * 3, ["d1"] * 3 + ["d2"] * 3), ["block"])
    assert model.dropped == ("d2",)
    assert not estimable(model, chosen, {"B": 1, "A": -1})
    kind, reason = standing(chosen, model, {"B": 1, "A": -1})
    assert kind == "refused"
    assert "confounded" in reason


def test_standing_names_few_units_technical_replicates_and_missing_arms():
    contrast = {"B": 1, "A": -1}
    chosen, model = design(samples(["A"] * 3 + ["B"] * 2))
    assert standing(chosen, model, contrast) == (
        "descriptive",
        "fewer than 3 units per arm (B 2, A 3)",
    )
    chosen, model = design(samples(["A"] * 3 + ["B"] * 3, unit="technical"))
    assert standing(chosen, model, contrast)[0] == "descriptive"
    assert standing(chosen, model, {"C": 1, "A": -1}) == ("refused", "no library in arm C")
    chosen, model = design(samples(["A", "B"]))
    assert standing(chosen, model, contrast)[0] == "refused"


def test_libraries_of_one_animal_are_summed_so_that_it_counts_once():
    df = samples(["A", "A", "A", "B", "B"], animals=["x", "x", "y", "z", "w"])
    chosen, _ = design(df)
    counts = pd.DataFrame(
        np.arange(10).reshape(2, 5), columns=list(df["specimen_id"]), index=["g1", "g2"]
    )
    summed, units = collapse(counts, chosen)
    assert summed.shape == (2, 4)
    row = units[units["animal_id"] == "x"].iloc[0]
    assert summed.loc["g2", row["specimen_id"]] == 5 + 6
    assert row["n_libraries"] == 2


def test_several_times_and_empty_blocks_are_refused_by_name():
    df = samples(["A", "B", "A", "B"])
    df["time"] = [24.0, 24.0, 48.0, 48.0]
    with pytest.raises(InputError, match=r"several times.*24, 48"):
        with_design(df, "group", [], "iso")
    assert len(select(df, {"time": 24}, "iso")) == 2
    with pytest.raises(InputError, match="block column is empty for s00"):
        with_design(samples(["A", "B"]), "group", ["block"], "iso")
    with pytest.raises(InputError, match="did you mean 'batch'"):
        with_design(samples(["A", "B"]), "group", ["batchh"], "iso")
    with pytest.raises(InputError, match="selects no library"):
        select(df, {"batch": "c"}, "iso")


def test_samples_leave_out_exclusions_replaced_and_control_libraries():
    libraries = pd.DataFrame(
        {
            "specimen_id": ["l1", "l2", "l3", "l4", "l5"],
            "animal_id": ["a", "b", "b", "c", ""],
            "assay": "bulk",
            "role": ["sample"] * 4 + ["control"],
            "replaces": ["", "", "l2", "", ""],
        }
    )
    animals = pd.DataFrame(
        {"animal_id": ["a", "b", "c"], "unit": "animal", "group": ["A", "B", "B"], "block": ""}
    )
    exclusions = pd.DataFrame(
        {
            "level": ["animal", "specimen"],
            "id": ["c", "l1"],
            "modality": ["bulk", "microct"],
            "reason": "x",
        }
    )
    kept = sample_table(libraries, animals, exclusions, "bulk")
    assert list(kept["specimen_id"]) == ["l1", "l3"]
    assert list(kept["group"]) == ["A", "B"]


def test_contrast_weights_resolve_roles_and_name_the_nearest():
    claims = {"contrasts": {"C0": {"weights": {"healthy": 1, "disease": -1}}}}
    assert contrast_weights(claims, {"healthy": "CTRL", "disease": "DRUG"}, "C0") == {
        "CTRL": 1.0,
        "DRUG": -1.0,
    }
    with pytest.raises(InputError, match="did you mean 'C0'"):
        contrast_weights(claims, {}, "C00")


def test_weights_of_an_arm_are_added_and_those_of_0_name_none():
    def found(**weights):
        return contrast_weights({"contrasts": {"c": {"weights": weights}}}, {"healthy": "A"}, "c")

    assert found(B=1, A=-1, C=0) == {"B": 1.0, "A": -1.0}
    assert found(B=1, healthy=-0.5, A=-0.5) == {"B": 1.0, "A": -1.0}
    for wrong in ({"A": 0, "B": 0}, {"A": 1, "B": -0.5}, {"A": 1, "healthy": -1}):
        with pytest.raises(InputError, match="sum to 0"):
            found(**wrong)


def test_the_normal_references_padj_stands_beside_the_moderated_one():
    chosen, model = design(samples(["A"] * 4 + ["B"] * 4))
    lfc = np.where(np.arange(200) < 30, 1.5, 0.0)
    counts = draw(chosen, lfc, 200, 4)
    weights = {"c": {"B": 1, "A": -1}}
    normal = fit_contrasts(counts, model, weights, {}, GeneTests(reference="normal"))["c"]
    table = fit_contrasts(counts, model, weights, {})["c"]
    assert table["padj_normal"].equals(normal["padj"])
    assert normal["df"].isna().all()
    shared = ["gene_id", "baseMean", "log2FC", "lfcSE", "log2FC_shrunk"]
    pd.testing.assert_frame_equal(table[shared], normal[shared])
    wald = (normal["log2FC"] / normal["lfcSE"]).to_numpy()
    assert np.allclose(normal["stat"], wald)
    clear = table["p"] < 0.05
    assert (np.sign(table["stat"]) == np.sign(table["log2FC"]))[clear].all()
    assert np.allclose(table["p"], 2 * stats.t.sf(table["stat"].abs(), table["df"]))


def test_the_fit_of_pydeseq2_on_request():
    """Its changes stand in the table, close to our own; lengths of transcripts are refused with it."""
    chosen, model = design(samples(["A"] * 4 + ["B"] * 4))
    counts = draw(chosen, np.where(np.arange(300) < 40, 1.5, 0.0), 300, 6)
    weights = {"c": {"B": 1, "A": -1}}
    own = fit_contrasts(counts, model, weights, {})["c"]
    found = fit_contrasts(counts, model, weights, {}, GeneTests(fit="pydeseq2"))["c"]
    assert list(found.columns) == list(own.columns) and len(found) == len(own)
    assert np.corrcoef(found["log2FC"], own["log2FC"])[0, 1] > 0.999
    pd.testing.assert_series_equal(found["p"], own["p"])  # the moderated test is of log counts
    assert not np.allclose(found["lfcSE"], own["lfcSE"], rtol=1e-6)
    lengths = pd.DataFrame(1000.0, index=counts.index, columns=counts.columns)
    with pytest.raises(InputError, match="takes no account of the transcript lengths"):
        fit_contrasts(counts, model, weights, {}, GeneTests(fit="pydeseq2"), lengths=lengths)


def test_genes_without_counts_in_an_arm_are_tested_where_the_other_arm_has_some():
    chosen, model = design(samples(["A"] * 4 + ["B"] * 4 + ["C"] * 4))
    counts = draw(chosen, np.zeros(200), 200, 5)
    arm = chosen["arm"].to_numpy()
    counts.loc["g0000", arm == "A"] = 0
    counts.loc["g0000", arm == "B"] = [300, 320, 290, 310]
    counts.loc["g0001", (arm == "A") | (arm == "B")] = 0
    counts.loc["g0002"] = 7
    out = fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {})["c"].set_index("gene_id")
    assert out.at["g0000", "padj"] < 1e-3
    assert out["df"].drop("g0001").notna().all()
    # The arm without counts adds no degrees of freedom of its own.
    assert out.at["g0000", "df"] == pytest.approx(out.at["g0005", "df"] - 3)
    assert out.loc["g0001", ["stat", "p", "padj", "df"]].isna().all()
    assert 0 < out.at["g0002", "p"] <= 1


def test_few_genes_are_tested_with_their_own_variances_and_the_reason_is_given():
    chosen, model = design(samples(["A"] * 4 + ["B"] * 4))
    counts = draw(chosen, np.zeros(30), 30, 6)
    table = fit_contrasts(counts, model, {"c": {"B": 1, "A": -1}}, {})["c"]
    assert "too few for a trend" in table.attrs["reason"]
    assert (table["df"] == 6).all()
    assert table["p"].notna().all()
