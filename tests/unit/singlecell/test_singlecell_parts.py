"""Reading cells, quality, names of clusters and composition."""

import anndata as ad
import h5py
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats

from periomics.core.errors import InputError
from periomics.genes.mitochondrial import IDS, mitochondrial
from periomics.singlecell.atlas import label_id, label_ids
from periomics.singlecell.composition import (
    centred_log_ratios,
    composition_table,
)
from periomics.singlecell.doublets import find_doublets
from periomics.singlecell.opening import look_at_cells
from periomics.singlecell.pictures import NO_MAP, arms_figure
from periomics.singlecell.pseudobulk import pseudobulk
from periomics.singlecell.quality import (
    add_metrics,
    flag_cells,
    quality_table,
    without_filter,
)
from periomics.singlecell.readers import check_species, read_cells
from periomics.singlecell.reference import contrasts, stable_weights
from periomics.singlecell.tests import compare_type
from periomics.study.check.opened import Named
from periomics.study.settings.singlecell import Atlas, PseudobulkTests

SETTINGS = PseudobulkTests()


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
    )
    assert out.obs["specimen_id"].value_counts().to_dict() == {"l1": 30, "l2": 30}
    assert out.obs_names[0].startswith("l1:")
    original = cells()
    assert np.array_equal(out["l2:c1", "g5"].X.toarray(), original["c1", "g5"].X.toarray())


def test_a_sorted_library_carries_the_sheets_type_and_others_the_cells_own(tmp_path):
    table = cells()
    table.obs["mine"] = ["x", "y"] * 30
    table.write_h5ad(tmp_path / "x.h5ad")
    one, two = (fact(tmp_path / "x.h5ad", f"l{i}", sample=f"s{i}") for i in (1, 2))
    out = read_cells([one | {"cell_type": "sorted"}, two])
    assert set(out.obs.loc[out.obs["specimen_id"] == "l1", "given_label"]) == {"sorted"}
    assert set(out.obs.loc[out.obs["specimen_id"] == "l2", "given_label"]) == {""}
    out = read_cells([one | {"cell_type": "sorted"}, two], Atlas(label_column="mine"))
    assert set(out.obs["given_label"]) == {"sorted", "y"}
    assert "given_label" not in read_cells([one, two]).obs


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
    out = read_cells([fact(tmp_path, "l1")])
    assert list(out.var["symbol"]) == ["Kdr", "Flt1", "Mt-nd1"]
    assert np.array_equal(out.X.toarray(), counts)


def test_values_that_are_no_counts_are_refused_and_a_layer_of_counts_is_taken(tmp_path):
    table = cells()
    raw = table.X.copy()
    table.X = table.X * 0.5
    table.write_h5ad(tmp_path / "x.h5ad")
    with pytest.raises(InputError, match="whole counts"):
        read_cells([fact(tmp_path / "x.h5ad", "l1", sample="s1")])
    table.layers["counts"] = raw
    table.write_h5ad(tmp_path / "y.h5ad")
    assert read_cells([fact(tmp_path / "y.h5ad", "l1", sample="s1")]).X.max() == raw[::2].max()
    (tmp_path / "bad.h5ad").write_text("no", encoding="utf-8")
    with pytest.raises(InputError, match="cannot be read as cells"):
        read_cells([fact(tmp_path / "bad.h5ad", "l1")])


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


def test_labels_become_file_names():
    assert label_id("CD14+ Monocytes") == "CD14+_Monocytes"
    assert label_id("T/NK (μ)").isascii()
    assert "/" not in label_id("T/NK")


def test_labels_that_are_one_in_file_names_are_refused():
    assert list(label_ids(pd.Series(["T cell", "B"]))) == ["T_cell", "B"]
    with pytest.raises(InputError, match="T_cell"):
        label_ids(pd.Series(["T cell", "T_cell"]))


def test_log_ratios_do_not_depend_on_the_number_of_cells():
    counts = np.array([[100, 200, 50], [1000, 2000, 500]])
    ratios = centred_log_ratios(counts)
    assert np.allclose(ratios.sum(axis=1), 0)
    assert np.allclose(ratios[0], ratios[1], atol=0.02)


def test_the_contrast_of_two_arms_is_welchs_test():
    rng = np.random.default_rng(1)
    a, b = rng.normal(0, 1, (6, 1)), rng.normal(1, 3, (6, 1))
    out = contrasts([(1.0, b), (-1.0, a)])
    peer = stats.ttest_ind(b, a, equal_var=False)
    assert out.change / out.error == pytest.approx(peer.statistic)
    assert out.freedom == pytest.approx(peer.df)
    paired = contrasts([(1.0, b - a)])
    assert paired.change / paired.error == pytest.approx(stats.ttest_rel(b, a).statistic)
    assert paired.freedom == pytest.approx(5)


def test_a_small_arm_of_small_spread_gives_no_degrees_of_freedom_beyond_its_own():
    rng = np.random.default_rng(2)
    few, many = rng.normal(0, 0.01, (3, 1)), rng.normal(0, 1, (8, 1))
    shares = np.array([1 / 3, 1 / 8])
    assert contrasts([(1.0, few), (-1.0, many)]).freedom == pytest.approx(
        shares.sum() ** 2 / (shares**2 / [2, 7]).sum()
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
    table = composition_table(*groups_of(8, shift=1.2), weights, False, SETTINGS)
    row = table[(table["row"] == "contrast") & (table["cell_type"] == "t0")].iloc[0]
    assert row["padj"] < 0.01
    assert row["estimate"] == pytest.approx(1.2, abs=0.3)
    assert row["reference"] == "t1; t2; t3"
    p = [
        composition_table(*groups_of(5, seed=s), weights, False, SETTINGS)
        .query("row == 'contrast' and cell_type == 't0'")["p"]
        .iloc[0]
        for s in range(150)
    ]
    assert stats.binomtest(sum(v < 0.05 for v in p), 150, 0.05).pvalue > 0.001


def test_types_far_from_the_bulk_have_no_weight():
    change, error = np.array([0.0, 0.1, -0.1, 0.05, 3.0]), np.full(5, 0.1)
    weights, share = stable_weights(change, error)
    assert weights[4] == share[4] == 0
    assert weights[:4].sum() == pytest.approx(1)
    moved = stable_weights(change + 7, error)[0]
    assert moved == pytest.approx(weights)
    narrow = stable_weights(change[:4], np.array([0.1, 0.1, 0.1, 0.001]))[0]
    assert narrow[3] < 0.3
    assert stable_weights(np.zeros(3), np.zeros(3))[0] == pytest.approx([1 / 3] * 3)


def test_mitochondrial_genes_are_known_by_symbol_or_id():
    ids = ["ENSRNOG00000031766.2", "ENSG00000198888", "ENSRNOG00000000001", "Mt-nd1", "x"]
    found = mitochondrial(ids, ["", "", "Abc1", "Mt-nd1", "mt-Co1"])
    assert found.tolist() == [True, True, False, True, True]
    assert sum(len(v.split()) for v in IDS.values()) == 39


def test_without_symbols_the_filter_works_by_ids_and_without_either_says_that_it_is_off():
    data = cells()
    data.var_names = [f"ENSRNOG000000{i:05d}" for i in range(39)] + ["ENSRNOG00000031766"]
    data.var["symbol"] = data.var_names
    data.obs["specimen_id"] = data.obs["sample"]
    add_metrics(data)
    expected = 100 * data.X[:, 39].toarray().ravel() / np.asarray(data.X.sum(axis=1)).ravel()
    assert data.obs["mito_percent"].to_numpy() == pytest.approx(expected)
    assert without_filter(data) == {}
    data.var_names = data.var["symbol"] = [f"g{i}" for i in range(40)]
    add_metrics(data)
    assert data.obs["mito_percent"].isna().all()
    assert set(without_filter(data)) == {"s1", "s2"}
    flag_cells(data, Atlas(min_counts=0, min_genes=0))
    assert (data.obs["drop"] == "").all()


@pytest.mark.parametrize(
    ("genes", "species"),
    [
        ([f"GENE{chr(65 + i)}{chr(65 + j)}" for i in range(8) for j in range(5)], "rat"),
        ([f"Gene{chr(97 + i)}{chr(97 + j)}" for i in range(8) for j in range(5)], "human"),
        ([f"ENSMUSG000000{i:05d}" for i in range(40)], "rat"),
    ],
)
def test_cells_of_another_species_are_refused_with_the_share(tmp_path, genes, species):
    data = cells()
    data.var_names = genes
    data.write_h5ad(tmp_path / "x.h5ad")
    one = fact(tmp_path / "x.h5ad", "l1", sample="s1") | {"species": species}
    with pytest.raises(InputError, match=f"genes are not of {species}: 0 % of 40 names"):
        read_cells([one])
    assert read_cells([one], Atlas(min_own_species=0)).n_obs == 30


def case(counts, arms):
    """Groups and samples of a table of cells, units × types."""
    ids = [f"u{i}" for i in range(len(arms))]
    groups = pd.DataFrame(
        [
            {"specimen_id": s, "cell_type": f"t{k}", "n_cells": int(c)}
            for s, row in zip(ids, counts, strict=True)
            for k, c in enumerate(row)
        ]
    )
    samples = pd.DataFrame({"specimen_id": ids, "animal_id": ids, "arm": arms, "unit": "animal"})
    return groups, samples


def compare(counts, arms, **settings):
    weights = {"x": {"B": 1.0, "A": -1.0}}
    table = composition_table(*case(counts, arms), weights, False, PseudobulkTests(**settings))
    return table[table["row"] == "contrast"].set_index("cell_type")


def drawn(mean, arms, seed=3):
    rng = np.random.default_rng(seed)
    return rng.poisson(np.asarray(mean) * np.exp(rng.normal(0, 0.15, (len(arms), len(mean)))))


ARMS = ["A"] * 4 + ["B"] * 4


def test_rare_types_have_no_p_and_are_no_reference():
    out = compare(drawn([300, 200, 100, 80, 2], ARMS), ARMS)
    assert out.at["t4", "status"] == "descriptive"
    assert out.at["t4", "reason"].startswith("fewer than 5 cells a unit on average (")
    assert np.isnan(out.at["t4", "p"])
    assert not out["reference"].fillna("").str.contains("t4").any()
    assert (out.drop("t4")["status"] == "tested").all()


def test_a_type_that_vanishes_is_called():
    counts = drawn([300, 200, 100, 80, 60], ARMS)
    counts[4:, 4] = 0
    out = compare(counts, ARMS)
    assert out.at["t4", "padj"] < 0.001
    assert (out.drop("t4")["padj"] > 0.05).all()


def test_three_types_do_not_tell_which_of_them_changed_unless_one_is_declared():
    counts = drawn([300, 200, 100], ARMS)
    counts[4:, 0] *= 5
    out = compare(counts, ARMS)
    assert out["p"].isna().all()
    assert out["reason"].str.contains("3 types: which of them changed").all()
    out = compare(counts, ARMS, composition_reference=("t1",))
    assert out.at["t0", "padj"] < 0.05
    assert out.at["t2", "padj"] > 0.05
    assert out.at["t1", "reason"] == "declared reference"
    assert out.at["t0", "estimate"] == pytest.approx(np.log(5), abs=0.3)


def test_two_camps_of_types_are_flagged_where_neither_is_two_thirds():
    arms = ["A"] * 8 + ["B"] * 8
    counts = drawn([300, 250, 200, 150, 120, 100], arms)
    counts[8:, :3] *= 6
    out = compare(counts, arms)
    assert out["p"].isna().all()
    assert out["reason"].str.contains("3 of 5 other types move together").all()


def test_a_declared_type_that_is_not_there_is_refused():
    with pytest.raises(InputError, match="is no type of these cells"):
        compare(drawn([300, 200, 100, 90], ARMS), ARMS, composition_reference=("t9",))


def test_one_unit_and_arms_without_shared_units_give_no_p():
    out = compare(drawn([300, 200, 100, 90], ["A", "B", "B"]), ["A", "B", "B"])
    assert out["p"].isna().all()
    assert out["estimate"].notna().all()
    groups, samples = case(drawn([300, 200, 100, 90], ARMS), ARMS)
    weights = {"x": {"B": 1.0, "A": -1.0}}
    table = composition_table(groups, samples, weights, True, SETTINGS)
    assert table["p"].isna().all()


def test_few_units_and_technical_replicates_get_no_p_values():
    groups, samples = groups_of(2)
    weights = {"x": {"B": 1.0, "A": -1.0}}
    table = composition_table(groups, samples, weights, False, SETTINGS).query("row == 'contrast'")
    assert (table["status"] == "descriptive").all()
    assert table["p"].isna().all()
    assert table["estimate"].notna().all()
    groups, samples = groups_of(4)
    table = composition_table(
        groups, samples.assign(unit="technical"), weights, False, SETTINGS
    ).query("row == 'contrast'")
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


@pytest.mark.parametrize(("other", "is_told"), [(5, False), (60, True)])
def test_cells_of_two_species_in_one_file_are_refused(other, is_told):
    ids = [f"ENSRNOG{i:011d}" for i in range(200)] + [f"ENSG{i:011d}" for i in range(other)]
    given = (ids, [], {"species": "rat"}, Atlas(), "x.h5ad")
    if not is_told:
        check_species(*given)
        return
    with pytest.raises(InputError, match="two species: 200 are of rat, 60 of human"):
        check_species(*given)


@pytest.mark.parametrize(("sorted_type", "is_told"), [("sorted", False), ("", True)])
def test_the_check_asks_for_labels_only_where_the_sheet_names_no_type(
    tmp_path, sorted_type, is_told
):
    path = tmp_path / "x.h5ad"
    cells().write_h5ad(path)
    rows = {i + 1: fact(path, f"l{i}", sample=f"s{i}", cell_type="sorted") for i in (1, 2)}
    rows[2]["cell_type"] = sorted_type
    config = {"singlecell": {"atlas": {"label_column": "mine"}}}
    found = look_at_cells(Named(path, "x.h5ad", "libraries.tsv", "path", rows, config)).problems
    assert [p.row for p in found] == ([2] if is_told else [])
    assert all("no such column" in p.message for p in found)


def test_without_a_library_that_is_compared_every_contrast_says_so():
    groups, samples = groups_of(3)
    gone = samples.assign(specimen_id="other")
    weights = {"x": {"B": 1.0, "A": -1.0}, "y": {"B": 1.0, "A": -1.0}}
    for of, sample in ((groups, gone), (groups[:0], samples), (groups, samples[:0])):
        table = composition_table(of, sample, weights, False, SETTINGS)
        assert list(table["contrast"]) == ["x", "y"] and set(table["status"]) == {"refused"}
        assert table["reason"].str.contains("no library").all() and (table["n_units"] == 0).all()


def test_cells_without_a_map_are_drawn_as_such():
    points = np.full((3, 2), np.nan)
    titles = [a.get_title() for a in arms_figure(points, list("aab"), list("xyy")).axes]
    assert titles == [NO_MAP, NO_MAP]
    titles = [a.get_title() for a in arms_figure(np.eye(2), list("ab"), list("xy")).axes]
    assert titles == ["arm", "label"]


def test_files_of_10x_have_no_columns_of_labels_or_samples(tmp_path):
    path = tmp_path / "x.h5"
    with h5py.File(path, "w") as file:
        matrix = sp.csc_matrix(np.array([[1, 0], [2, 3]]))
        stored = {n: getattr(matrix, n) for n in ("data", "indices", "indptr", "shape")}
        names = {"features/id": ["g1", "g2"], "barcodes": ["AA", "CC"]}
        for name, values in {**stored, **names}.items():
            file[f"matrix/{name}"] = values
    rows = {i: fact(path, f"l{i}") for i in (1, 2)}
    config = {"singlecell": {"atlas": {"label_column": "mine"}}}

    def told(rows, config):
        named = Named(path, "x.h5", "libraries.tsv", "path", rows, config)
        return [(p.row, p.message[:20]) for p in look_at_cells(named).problems]

    assert told({1: rows[1]}, {}) == []
    assert told({1: rows[1]}, config) == [(1, "cells have no such c")]
    assert told({1: rows[1] | {"cell_type": "sorted"}}, config) == []
    assert told(rows, {}) == [(1, "several libraries sh"), (2, "several libraries sh")]
