"""Reading cells, quality, names of clusters and composition."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats

from periomics.core.errors import InputError
from periomics.singlecell.atlas import label_id
from periomics.singlecell.composition import (
    centred_log_ratios,
    composition_table,
    contrast,
    paired_contrast,
)
from periomics.singlecell.labels import marker_scores, name_clusters, read_markers
from periomics.singlecell.pseudobulk import pseudobulk
from periomics.singlecell.quality import add_metrics, find_doublets, flag_cells, quality_table
from periomics.singlecell.readers import read_cells
from periomics.singlecell.tests import compare_type
from periomics.study.settings.singlecell import Atlas, PseudobulkTests


def cells(n=60, genes=40, seed=1):
    rng = np.random.default_rng(seed)
    names = [f"g{i}" for i in range(genes - 1)] + ["Mt-nd1"]
    return ad.AnnData(
        sp.csr_matrix(rng.poisson(3, (n, genes)).astype(np.float32)),
        obs=pd.DataFrame({"sample": ["s1", "s2"] * (n // 2)}, index=[f"c{i}" for i in range(n)]),
        var=pd.DataFrame(index=names),
    )


def fact(path, specimen, **more):
    return {
        "specimen_id": specimen,
        "animal_id": f"a-{specimen}",
        "path": str(path),
        "species": "rat",
        **more,
    }


def test_libraries_of_a_shared_file_are_told_apart(tmp_path):
    cells().write_h5ad(tmp_path / "x.h5ad")
    out = read_cells(
        [
            fact(tmp_path / "x.h5ad", "l1", sample="s1"),
            fact(tmp_path / "x.h5ad", "l2", sample="s2"),
        ],
        "sample",
    )
    assert out.obs["specimen_id"].value_counts().to_dict() == {"l1": 30, "l2": 30}
    assert out.obs_names[0].startswith("l1:")
    original = cells()
    assert np.array_equal(out["l2:c1", "g5"].X.toarray(), original["c1", "g5"].X.toarray())


def test_a_10x_folder_is_read_with_its_symbols(tmp_path):
    import gzip

    from scipy.io import mmwrite

    counts = np.array([[1, 0, 2], [0, 3, 1]])
    mmwrite(tmp_path / "matrix.mtx", sp.coo_matrix(counts.T))
    (tmp_path / "matrix.mtx.gz").write_bytes(gzip.compress((tmp_path / "matrix.mtx").read_bytes()))
    (tmp_path / "matrix.mtx").unlink()
    features = "".join(
        f"ENS{i}\t{s}\tGene Expression\n" for i, s in enumerate(("Kdr", "Flt1", "Mt-nd1"))
    )
    (tmp_path / "features.tsv.gz").write_bytes(gzip.compress(features.encode()))
    (tmp_path / "barcodes.tsv.gz").write_bytes(gzip.compress(b"AA-1\nCC-1\n"))
    out = read_cells([fact(tmp_path, "l1")], "sample")
    assert list(out.var["symbol"]) == ["Kdr", "Flt1", "Mt-nd1"]
    assert np.array_equal(out.X.toarray(), counts)


def test_values_that_are_no_counts_are_refused_and_a_layer_of_counts_is_taken(tmp_path):
    table = cells()
    raw = table.X.copy()
    table.X = table.X * 0.5
    table.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match="whole counts"):
        read_cells([fact(tmp_path / "x.h5ad", "l1", sample="s1")], "sample")
    table.layers["counts"] = raw
    table.write_h5ad(tmp_path / "y.h5ad")
    assert (
        read_cells([fact(tmp_path / "y.h5ad", "l1", sample="s1")], "sample").X.max()
        == raw[::2].max()
    )
    (tmp_path / "bad.h5ad").write_text("no", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as cells"):
        read_cells([fact(tmp_path / "bad.h5ad", "l1")], "sample")


def ready(n=120, seed=2):
    table = cells(n, seed=seed)
    table.obs = pd.DataFrame({"specimen_id": "l1", "animal_id": "a1"}, index=table.obs_names)
    table.var["symbol"] = list(table.var_names)
    return table


def test_cells_are_dropped_for_the_reason_that_holds():
    table = ready()
    dense = table.X.toarray()
    dense[0] = 0
    dense[0, :3] = 1
    dense[1, -1] = 500
    table.X = sp.csr_matrix(dense)
    add_metrics(table)
    flag_cells(table, Atlas(min_counts=20, min_genes=10, max_mito_percent=20))
    assert list(table.obs["drop"][:3]) == ["low_counts", "high_mito", ""]
    assert table.obs["mito_percent"].iloc[1] == pytest.approx(100 * 500 / dense[1].sum())
    row = quality_table(table, {}).iloc[0]
    assert (row["cells"], row["kept"], row["low_counts"], row["high_mito"]) == (120, 118, 1, 1)


def test_too_few_cells_for_doublets_are_said_and_no_more_than_the_rate_is_taken():
    few = ready(20)
    add_metrics(few)
    flag_cells(few, Atlas(min_counts=0, min_genes=0, max_mito_percent=100))
    assert "too few" in find_doublets(few, Atlas(), 1)["l1"]
    many = ready(200)
    add_metrics(many)
    flag_cells(many, Atlas(min_counts=0, min_genes=0, max_mito_percent=100))
    find_doublets(many, Atlas(doublet_rate=0.05), 1)
    assert many.obs["doublet_score"].notna().all()
    assert (many.obs["drop"] == "doublet").sum() <= 10


def test_a_library_is_judged_alone_for_doublets():
    both = ad.concat([ready(100, 3), ready(100, 4)], merge="same", index_unique="-")
    both.obs["specimen_id"] = ["l1"] * 100 + ["l2"] * 100
    alone = both[:100].copy()
    for table in (both, alone):
        add_metrics(table)
        flag_cells(table, Atlas(min_counts=0, min_genes=0, max_mito_percent=100))
        find_doublets(table, Atlas(), 1)
    assert alone.obs["doublet_score"].notna().all()
    assert np.allclose(both.obs["doublet_score"][:100], alone.obs["doublet_score"])


def test_markers_exist_for_every_species_and_name_clusters(root):
    for species in ("human", "mouse", "rat"):
        markers = read_markers(root / "resources/cell_types.tsv", species)
        assert all(len(genes) >= 4 for genes in markers.values())
    genes = [g for genes in markers.values() for g in genes]
    symbols = sorted(set(genes))
    kinds = np.repeat(["endothelial", "t_cell", "basal"], 30)
    rng = np.random.default_rng(1)
    level = np.array([[3.0 if s in markers[k] else 0.2 for s in symbols] for k in kinds])
    clusters = np.repeat(["0", "1", "2"], 30)
    names = name_clusters(
        marker_scores(sp.csr_matrix(rng.poisson(level)), symbols, clusters, markers), 0.2
    )
    assert names == {"0": "endothelial", "1": "t_cell", "2": "basal"}


def test_a_cluster_without_a_clear_lead_stays_unknown():
    scores = pd.DataFrame({"a": [1.0, 0.5, -0.1], "b": [0.2, 0.45, -0.5]}, index=["0", "1", "2"])
    assert name_clusters(scores, 0.2) == {"0": "a", "1": "unknown", "2": "unknown"}


def test_labels_become_file_names():
    assert label_id("CD14+ Monocytes") == "CD14+_Monocytes"
    assert label_id("T/NK (μ)").isascii()
    assert "/" not in label_id("T/NK")


def test_log_ratios_do_not_depend_on_the_number_of_cells():
    counts = np.array([[100, 200, 50], [1000, 2000, 500]])
    ratios = centred_log_ratios(counts)
    assert np.allclose(ratios.sum(axis=1), 0)
    assert np.allclose(ratios[0], ratios[1], atol=0.02)


def test_the_contrast_of_two_arms_is_welchs_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, 5), rng.normal(1, 3, 7)
    out = contrast({"A": a, "B": b}, {"B": 1.0, "A": -1.0})
    peer = stats.ttest_ind(b, a, equal_var=False)
    interval = peer.confidence_interval(0.95)
    assert out["p"] == pytest.approx(peer.pvalue)
    assert (out["lower"], out["upper"]) == pytest.approx((interval.low, interval.high))
    wide = pd.DataFrame({"A": a, "B": b[:5]})
    assert paired_contrast(wide, {"B": 1.0, "A": -1.0})["p"] == pytest.approx(
        stats.ttest_rel(b[:5], a).pvalue
    )


def groups_of(n_per_arm, shift=0.0, seed=1, cells_each=600):
    rng = np.random.default_rng(seed)
    rows, samples = [], []
    for arm in ("A", "B"):
        for i in range(n_per_arm):
            logs = (
                np.log([0.4, 0.3, 0.2, 0.1])
                + rng.normal(0, 0.2, 4)
                + np.array([shift if arm == "B" else 0, 0, 0, 0])
            )
            counts = rng.multinomial(cells_each, np.exp(logs) / np.exp(logs).sum())
            samples.append(
                {"specimen_id": f"{arm}{i}", "animal_id": f"{arm}{i}", "arm": arm, "unit": "animal"}
            )
            rows += [
                {"specimen_id": f"{arm}{i}", "cell_type": f"t{k}", "n_cells": c}
                for k, c in enumerate(counts)
            ]
    return pd.DataFrame(rows), pd.DataFrame(samples)


def test_a_shift_in_composition_is_found_and_none_is_not_invented():
    weights = {"x": {"B": 1.0, "A": -1.0}}
    table = composition_table(*groups_of(8, shift=1.2), weights, False, 3)
    row = table[(table["row"] == "contrast") & (table["cell_type"] == "t0")].iloc[0]
    assert row["padj"] < 0.01
    assert row["estimate"] == pytest.approx(1.2 * 3 / 4, abs=0.25)
    p = [
        composition_table(*groups_of(5, seed=s), weights, False, 3)
        .query("row == 'contrast' and cell_type == 't0'")["p"]
        .iloc[0]
        for s in range(150)
    ]
    assert stats.binomtest(sum(v < 0.05 for v in p), 150, 0.05).pvalue > 0.001


def test_few_units_and_technical_replicates_get_no_p_values():
    groups, samples = groups_of(2)
    weights = {"x": {"B": 1.0, "A": -1.0}}
    table = composition_table(groups, samples, weights, False, 3).query("row == 'contrast'")
    assert (table["status"] == "descriptive").all()
    assert table["p"].isna().all()
    assert table["estimate"].notna().all()
    groups, samples = groups_of(4)
    table = composition_table(groups, samples.assign(unit="technical"), weights, False, 3).query(
        "row == 'contrast'"
    )
    assert table["p"].isna().all()
    assert table["reason"].str.contains("technical").all()


def type_case(effect, seed, n=4, genes=300):
    rng = np.random.default_rng(seed)
    mean = rng.lognormal(4, 1, genes)
    names = [f"g{i:03d}" for i in range(genes)]
    columns, samples, groups = {}, [], []
    for arm in ("A", "B"):
        for i in range(n):
            s = f"{arm}{i}"
            mu = (
                mean
                * (2 ** np.where(np.arange(genes) < 30, effect, 0) if arm == "B" else 1)
                * np.exp(rng.normal(0, 0.2, genes))
            )
            columns[f"{s}@basal"] = rng.poisson(mu)
            samples.append(
                {
                    "specimen_id": s,
                    "animal_id": s,
                    "group": arm,
                    "condition": "",
                    "block": "",
                    "batch": "",
                    "time": 28.0,
                    "unit": "animal",
                }
            )
            groups.append(
                {
                    "column": f"{s}@basal",
                    "specimen_id": s,
                    "animal_id": s,
                    "cell_type": "basal",
                    "n_cells": 50,
                }
            )
    return pd.DataFrame(columns, index=names), pd.DataFrame(groups), pd.DataFrame(samples)


def test_pseudobulk_finds_what_changed_in_a_type_and_holds_its_rate():
    settings = PseudobulkTests.of({"arm": "group", "contrasts": ["x"]})
    weights = {"x": {"B": 1.0, "A": -1.0}}
    tables, overview = compare_type(*type_case(1.2, 1), {}, weights, settings)
    found = tables["x"].set_index("gene_id")
    assert overview["status"].iloc[0] == "tested"
    assert (found.loc[[f"g{i:03d}" for i in range(30)], "padj"] < 0.05).mean() > 0.8
    null = np.concatenate(
        [
            compare_type(*type_case(0, s), {}, weights, settings)[0]["x"]["p"].dropna()
            for s in range(2, 5)
        ]
    )
    assert 0.01 < (null < 0.05).mean() < 0.09


def test_few_cells_refuse_a_type_with_the_reason():
    counts, groups, samples = type_case(0, 1)
    groups["n_cells"] = np.where(groups["specimen_id"].str.startswith("B"), 5, 50)
    tables, overview = compare_type(
        counts,
        groups,
        samples,
        {},
        {"x": {"B": 1.0, "A": -1.0}},
        PseudobulkTests.of({"arm": "group"}),
    )
    assert tables["x"].empty
    assert overview["status"].iloc[0] == "refused"
    assert "has 20 cells of type basal" in overview["reason"].iloc[0]
    groups["n_cells"] = 5
    tables, overview = compare_type(
        counts,
        groups,
        samples,
        {},
        {"x": {"B": 1.0, "A": -1.0}},
        PseudobulkTests.of({"arm": "group"}),
    )
    assert "20 cells" in overview["reason"].iloc[0]


def test_pseudobulk_adds_up():
    table = ready(40)
    table.obs["label"] = ["x", "y"] * 20
    table.layers["counts"] = table.X
    counts, groups = pseudobulk(table)
    assert list(groups["column"]) == ["l1@x", "l1@y"]
    assert list(groups["n_cells"]) == [20, 20]
    assert np.array_equal(counts.loc["g3", "l1@x"], table.X[::2, 3].sum())
