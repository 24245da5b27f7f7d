"""Gene sets, orthologs, symbols, normalisation and scores."""

import gzip

import numpy as np
import pandas as pd
import pytest

from periomics.core.errors import InputError
from periomics.genes.inputs import read_sets
from periomics.genes.normalise import log_cpm, scales, size_factors
from periomics.genes.orthologs import between, read_orthologs
from periomics.genes.ranking import rank_sets, ranked
from periomics.genes.scores import signature_scores
from periomics.genes.signatures import (
    GeneSet,
    Member,
    mapped,
    positions,
    read_gmt,
    read_signatures,
    signed_sets,
    translated,
)
from periomics.genes.symbols import symbol_table

HEADER = "set\tgene_human\tgene_mouse\tgene_rat\trole\tdirection\tcitation\n"


def one_set(name, up=(), down=()):
    return GeneSet(name, tuple(Member((g,), 1) for g in up) + tuple(Member((g,), -1) for g in down))


def test_the_teams_table_reads_in_all_species(root):
    table = read_signatures(root / "resources/signatures.tsv")
    for species in ("human", "mouse", "rat"):
        sets = {s.name: s for s in signed_sets(table, species)}
        assert not any(n.startswith("LR_") for n in sets)
        # direction of every member of a signed set is kept, context members are left out
        part = table[table["set"] == "IMM_inflammation_core"]
        members = sets["IMM_inflammation_core"].members
        assert len(members) == (part["direction"] != "context").sum()
        assert {m.sign for m in members} <= {-1, 1}
        assert "QC_tissue.blood" in sets


def test_negative_controls_do_not_count_in_a_set_without_directions(root):
    table = read_signatures(root / "resources/signatures.tsv")
    identity = {s.name: s for s in signed_sets(table, "human")}["MSC_identity"]
    names = {n for m in identity.members for n in m.names}
    assert "THY1" in names
    assert "PTPRC" not in names


def test_other_names_of_a_gene_are_found_and_missing_orthologs_lower_the_share():
    s = GeneSet("s", (Member(("Chil1", "Chi3l1"), 1), Member(("Kdr",), -1), Member((), 1)))
    rows, signs, share = mapped(s, positions(["Kdr", "Chi3l1"]))
    assert (rows, signs) == ([1, 0], [1, -1])
    assert share == pytest.approx(2 / 3)


def test_an_unknown_direction_is_named_with_its_row(tmp_path):
    file = tmp_path / "s.tsv"
    file.write_text(
        HEADER + "A\tG1\tg1\tg1\tx\tup\t[mem]\nA\tG2\tg2\tg2\tx\tupp\t[mem]\n", encoding="utf-8"
    )
    with pytest.raises(InputError, match=r"row 3.*direction.*'upp'"):
        read_signatures(file)


def test_gmt_reads_plain_and_gz_and_names_the_bad_line(tmp_path):
    text = "A\thttp\tG1\tG2\tG1\nB\t\tG3\n"
    (tmp_path / "a.gmt").write_text(text, encoding="utf-8")
    with gzip.open(tmp_path / "a.gmt.gz", "wt") as handle:
        handle.write(text)
    for file in ("a.gmt", "a.gmt.gz"):
        sets = read_gmt(tmp_path / file)
        assert [len(s.members) for s in sets] == [2, 1]
    (tmp_path / "b.gmt").write_text("A\thttp\tG1\nB\n", encoding="utf-8")
    with pytest.raises(InputError, match="row 2"):
        read_gmt(tmp_path / "b.gmt")


@pytest.mark.parametrize("names", [("A", "B", "A"), ("A", "ANG_sprouting"), ("A", "mapk")])
def test_two_sets_of_one_name_are_refused(root, tmp_path, names):
    gmt = tmp_path / "own.gmt"
    files = {n: str(root / f"resources/{n}.tsv") for n in ("signatures", "responses")}
    files["gene_sets"] = str(gmt)
    gmt.write_text("A\tx\tg1\tg2\nB\tx\tg3\n", encoding="utf-8")
    assert [s.name for source, s in read_sets(files, "human", "human") if source == gmt.name] == [
        "A",
        "B",
    ]
    gmt.write_text("".join(f"{n}\tx\tg1\tg2\n" for n in names), encoding="utf-8")
    with pytest.raises(InputError, match="name of a gene set stands twice"):
        read_sets(files, "human", "human")


def write_orthologs(path, species, rows):
    columns = [
        "human_symbol",
        f"{species}_symbol",
        "human_ensembl",
        f"{species}_ensembl",
        "support_n",
    ]
    pd.DataFrame(rows, columns=columns).to_csv(path, sep="\t", index=False)
    return str(path)


def test_orthologs_are_one_to_one_by_support(tmp_path):
    file = write_orthologs(
        tmp_path / "o.tsv",
        "rat",
        [
            ("A", "Aa", "", "", 9),
            ("A", "A2", "", "", 5),
            ("B", "Aa", "", "", 4),
            ("B", "B", "", "", 3),
            ("C", "Cc", "", "", 2),
        ],
    )
    assert read_orthologs(file, "rat") == {"A": "Aa", "B": "B"}


def test_two_hops_lead_from_mouse_to_rat_and_a_missing_table_is_named(tmp_path):
    tables = {
        "mouse": write_orthologs(
            tmp_path / "m.tsv", "mouse", [("A", "a_m", "", "", 9), ("B", "b_m", "", "", 9)]
        ),
        "rat": write_orthologs(tmp_path / "r.tsv", "rat", [("A", "a_r", "", "", 9)]),
    }
    assert between(tables, "mouse", "rat") == {"a_m": "a_r"}
    assert between(tables, "human", "mouse") == {"A": "a_m", "B": "b_m"}
    assert between(tables, "rat", "human") == {"a_r": "A"}
    assert between({}, "rat", "rat") is None
    with pytest.raises(InputError, match="orthologs_rat"):
        between({"mouse": tables["mouse"], "rat": None}, "mouse", "rat")


def test_ensembl_ids_get_symbols_and_others_are_their_own(tmp_path):
    file = write_orthologs(
        tmp_path / "o.tsv", "rat", [("A", "Aa", "ENSG00000000003", "ENSRNOG00000000001", 9)]
    )
    table = symbol_table(
        ["ENSG00000000003.14", "ENSG00000000099", "Kdr", "g1"], {"g1": "Flt1"}, [file], ["human"]
    )
    assert list(table["symbol"]) == ["A", "", "Kdr", "Flt1"]


def test_translation_keeps_signs_and_counts_the_lost():
    s = translated([one_set("s", up=["A", "B"], down=["C"])], {"A": "a", "C": "c"})[0]
    assert [(m.names, m.sign) for m in s.members] == [(("a",), 1), ((), 1), (("c",), -1)]
    assert mapped(s, positions(["a", "c"]))[2] == pytest.approx(2 / 3)


def test_size_factors_undo_library_size_whatever_a_few_genes_do():
    rng = np.random.default_rng(1)
    base = rng.lognormal(5, 1, 500)
    scale = np.array([0.5, 1.0, 2.0, 4.0])
    counts = np.rint(base[:, None] * scale * 100)
    counts[:5, 0] *= 1000
    factors = size_factors(counts)
    assert np.allclose(factors / factors[1], scale, rtol=1e-3)
    assert np.allclose(np.log(factors).mean(), 0)
    with pytest.raises(ValueError, match="no counts"):
        size_factors(np.column_stack([counts, np.zeros(500)]))


def test_depths_where_no_gene_is_seen_in_every_library():
    """Most counts are 0 or 1: ratios of those that are not 0 would tell 2.2 to 2.9 for a depth of 4."""
    rng = np.random.default_rng(3)
    depth = np.repeat([1.0, 4.0], 4)
    counts = rng.poisson(rng.lognormal(-1, 0.6, (4000, 1)) * depth)
    counts = counts[(counts == 0).any(axis=1)]
    for factors in (size_factors(counts), scales(counts)[0]):
        assert np.log(factors).mean() == pytest.approx(0, abs=1e-12)
        assert factors[4:].mean() / factors[:4].mean() == pytest.approx(4, rel=0.15)
    with pytest.raises(ValueError, match="no counts"):
        scales(counts * (np.arange(8) > 0))


def test_log_cpm_does_not_depend_on_depth_for_strong_genes():
    rng = np.random.default_rng(2)
    counts = rng.poisson(1000, (200, 4)).astype(float)
    deep = counts * np.array([1, 2, 4, 8])
    assert np.allclose(log_cpm(deep).mean(axis=0), log_cpm(deep).mean(), atol=0.01)


def test_a_score_is_the_mean_signed_z():
    rng = np.random.default_rng(3)
    expression = rng.normal(size=(6, 5))
    z = (expression - expression.mean(1, keepdims=True)) / expression.std(1, ddof=1, keepdims=True)
    table = signature_scores(expression, list("abcdef"), [one_set("s", up=["a", "b"], down=["c"])])
    assert np.allclose(table["value"], (z[0] + z[1] - z[2]) / 3)
    assert set(table["n_genes"]) == {3}


def test_scores_are_refused_with_a_reason_where_genes_are_missing():
    expression = np.random.default_rng(4).normal(size=(6, 5))
    names = list("abcdef")
    few = signature_scores(
        expression, names, [one_set("s", up=["a", "b", "c", "x", "y", "z", "q"])]
    )
    assert few["value"].isna().all()
    assert few["reason"].str.contains("43 % of the genes").all()
    alone = signature_scores(expression[:, :1], names, [one_set("s", up=["a", "b", "c"])])
    assert alone["value"].isna().all()
    assert "1 libraries" in alone["reason"].iloc[0]


def test_scores_do_not_change_when_libraries_are_reordered():
    expression = np.random.default_rng(5).normal(size=(20, 6))
    names = [f"g{i}" for i in range(20)]
    sets = [one_set("s", up=names[:5], down=names[5:9])]
    order = np.array([3, 1, 5, 0, 2, 4])
    a = signature_scores(expression, names, sets)["value"].to_numpy()
    b = signature_scores(expression[:, order], names, sets)["value"].to_numpy()
    assert np.allclose(a[order], b)


def de_table(n=400, seed=7):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "gene_id": [f"i{k:03d}" for k in range(n)],
            "symbol": [f"g{k:03d}" for k in range(n)],
            "baseMean": rng.lognormal(3, 1, n),
            "stat": rng.normal(size=n),
        }
    )


def test_ties_are_broken_by_gene_id_and_a_symbol_stands_once():
    table = de_table(6)
    table["stat"] = [1.0, 2.0, 2.0, 2.0, np.nan, 0.5]
    table.loc[5, "symbol"] = "g000"
    table.loc[5, "baseMean"] = 1e6
    order = ranked(table.sample(frac=1, random_state=1))
    assert list(order.index) == ["g001", "g002", "g003", "g000"]
    assert order["g000"] == 0.5


def test_a_shifted_set_comes_first_split_by_sign_and_nothing_is_called_a_p_value():
    table = de_table()
    table.loc[:19, "stat"] += 3
    table.loc[20:39, "stat"] -= 3
    both = one_set("both", up=list(table["symbol"][:20]), down=list(table["symbol"][20:40]))
    noise = [
        ("x", one_set(f"n{i}", up=list(table["symbol"].sample(20, random_state=i))))
        for i in range(5)
    ]
    out = rank_sets(ranked(table), [("x", both), *noise], seed=1, permutations=200)
    top = out.set_index("set")
    assert set(out["set"][:2]) == {"both", "both:down"}
    assert top.at["both", "NES"] > 0 > top.at["both:down", "NES"]
    assert set(out["evidence"]) == {"descriptive"}
    again = rank_sets(
        ranked(table.sample(frac=1, random_state=2)),
        [("x", both), *noise],
        seed=1,
        permutations=200,
    )
    pd.testing.assert_frame_equal(out, again)


def test_running_sum_equals_its_definition():
    table = de_table(50)
    order = ranked(table)
    members = list(order.index[[0, 3, 10, 30, 44]])
    hit = order.index.isin(members)
    step = np.where(hit, order.abs() / order.abs()[hit].sum(), -1 / (~hit).sum())
    running = np.cumsum(step)
    expected = running[np.abs(running).argmax()]
    found = rank_sets(
        order, [("x", one_set("s", up=members))], seed=1, permutations=100, min_size=3
    )
    assert found["ES"].iloc[0] == pytest.approx(expected, abs=1e-6)


def test_sets_too_small_give_an_empty_table_with_its_header():
    out = rank_sets(ranked(de_table(30)), [("x", one_set("s", up=["g001"]))], seed=1)
    assert out.empty
    assert "evidence" in out.columns
