"""Pictures of bulk libraries and their quality in words: what is drawn stands beside it, and says what the numbers say."""

import numpy as np
import pandas as pd
import pytest
from report_study import HOSTILE

from periomics.bulk.planes import planes
from periomics.core.results import read_result, write_result
from periomics.genes.design import model_matrix
from periomics.genes.model import fit_design
from periomics.report.genes import responding_sets
from periomics.report.libraries import library_pictures, quality_words, set_map, variation_words
from periomics.report.sources import sources
from periomics.study.interface.genes import (
    COMPETITIVE,
    DISPERSION_COLUMNS,
    GROUPWISE,
    ROTATION,
    SET_TEST_COLUMNS,
)

LIBRARIES = [f"L{i}" for i in range(8)]


def counts(dispersion=0.09, genes=400):
    rng = np.random.default_rng(3)
    mean = rng.lognormal(4.6, 0.8, (genes, 1)) * np.ones(8)
    drawn = rng.negative_binomial(1 / dispersion, 1 / (1 + dispersion * mean))
    return pd.DataFrame(drawn, index=[f"g{i}" for i in range(genes)], columns=LIBRARIES)


def facts(**more):
    return [
        {"specimen_id": s, "compartment": "skin", "species": "rat", "cell_source": ""} | more
        for s in LIBRARIES
    ]


def passed(names=LIBRARIES, failed=()):
    return pd.DataFrame(
        {"specimen_id": names, "qc": ["fail" if n in failed else "pass" for n in names]}
    )


def test_distances_are_those_of_log_counts_by_hand():
    """One size in all libraries: counts a million each, so that log counts can be written down."""
    base = np.full(100, 10_000)
    data = pd.DataFrame(dict.fromkeys(LIBRARIES, base), index=[f"g{i}" for i in range(100)])
    up, down = [f"g{i}" for i in range(10)], [f"g{i}" for i in range(10, 20)]
    data.loc[up, "L1"], data.loc[down, "L1"] = 15_000, 5_000
    plane, far = planes(data, passed(), facts())
    found = far.set_index(["specimen_id", "other"])["distance"]
    by_hand = np.sqrt((10 * np.log2(1.5) ** 2 + 10 * np.log2(0.5) ** 2) / 100)
    assert found["L0", "L1"] == found["L1", "L0"] == pytest.approx(by_hand, rel=1e-3)
    assert found["L0", "L2"] == pytest.approx(0, abs=1e-9)
    assert sorted(plane["place"]) == list(range(1, 9)) and len(far) == 56
    edge = plane.set_index("specimen_id")["place"]["L1"]
    assert edge in (1, 8)  # the library that is unlike all others stands at an end
    assert plane.set_index("specimen_id")["pc1"].abs().idxmax() == "L1"
    assert plane["share_pc1"].iloc[0] == pytest.approx(1)


def test_libraries_that_failed_and_small_groups_have_no_place():
    plane, far = planes(counts(), passed(failed=("L2",)), facts())
    assert "L2" not in set(plane["specimen_id"]) | set(far["other"]) and len(plane) == 7
    few = [f | {"compartment": "skin" if i < 2 else "bone"} for i, f in enumerate(facts())]
    plane, _ = planes(counts(), passed(), few)
    assert set(plane["compared_with"]) == {"bone / rat"} and len(plane) == 6
    assert planes(counts(), passed(failed=LIBRARIES), facts())[1].empty


@pytest.mark.parametrize("fit", ["own", "pydeseq2"])
def test_variation_is_told_in_percent_as_it_was_drawn(fit):
    """Dispersion .09 is 30 % of the mean; 100 reads have a chance of 10 %."""
    from periomics.study.settings.genes import GeneTests

    samples = pd.DataFrame({"specimen_id": LIBRARIES, "arm": list("ababab" + "ab")})
    settings = GeneTests(fit=fit)
    contrasts = {"c": {"a": 1.0, "b": -1.0}}
    tables, spread = fit_design(counts(), model_matrix(samples), contrasts, {}, settings)
    assert list(spread.columns) == list(DISPERSION_COLUMNS[1:])
    assert len(spread) == len(tables["c"])
    assert 0.07 < spread["used"].median() < 0.11
    words = variation_words(spread)
    told = int(words.split("varies by ")[1].split(" %")[0])
    assert 26 <= told <= 33 and "adds 10 %" in words


@pytest.fixture
def study(tmp_path):
    """Tables of a study whose names are hostile; the arm of the last library is not known."""
    libraries = pd.DataFrame(
        {
            "specimen_id": LIBRARIES,
            "animal_id": [f"A{i}" for i in range(8)],
            "condition": [""] * 7 + ["$x$ <b>"],
            "assay": "bulk",
            "path": "c.tsv",
            "species": "rat",
        }
    )
    animals = pd.DataFrame(
        {"animal_id": [f"A{i}" for i in range(7)], "group": [*list("CDCDCD"), ""]}
    )
    plane, far = planes(counts(), passed(), facts(compartment=HOSTILE))
    samples = pd.DataFrame({"specimen_id": LIBRARIES, "arm": list("abababab")})
    spread = fit_design(counts(), model_matrix(samples), {"c": {"a": 1.0, "b": -1.0}}, {})[1]
    tables = {
        "libraries": libraries,
        "animals": animals,
        "bulk_planes": plane,
        "bulk_distances": far,
        "bulk_dispersion": spread.assign(analysis="one"),
        "set_tests": sets(),
    }
    for name, table in tables.items():
        write_result(table, tmp_path / f"{name}.tsv")
    return tmp_path, {n: tmp_path / f"{n}.tsv" for n in tables}


def sets():
    """Two contrasts: one set responds in both ways, one in none, two by a single test only, one of them without p in the other."""
    rows = [
        ("x.one", "UP", ROTATION, 6.0, 1e-6, 1e-5),
        ("x.one", "UP", GROUPWISE, 6.0, 1e-4, 1e-3),
        ("x.one", "UP", COMPETITIVE, 1.0, 0.3, 0.4),
        ("x.two", "UP", ROTATION, -4.0, 1e-3, 0.02),
        ("x.two", "UP", GROUPWISE, -4.0, 1e-2, 0.1),
        ("x.one", "QUIET", ROTATION, 1.0, 0.3, 0.4),
        ("x.one", "QUIET", GROUPWISE, 1.0, 0.3, 0.4),
        ("x.two", "HALF", ROTATION, 4.0, 1e-3, 0.02),
        ("x.two", "HALF", GROUPWISE, 4.0, 0.2, 0.4),
        ("x.two", "ALONE", ROTATION, 9.0, 1e-6, 1e-5),
        ("x.two", "ALONE", GROUPWISE, np.nan, np.nan, np.nan),
    ]
    columns = ["test", "set_id", "method", "stat", "p", "p_adj"]
    return pd.DataFrame(rows, columns=columns).reindex(columns=list(SET_TEST_COLUMNS))


def test_every_picture_has_its_table_and_hostile_names_stay_text(study):
    folder, files = study
    drawn = library_pictures(sources(files, folder), folder / "figures")
    assert [d.title.split(" ")[0] for d in drawn] == ["Libraries", "Distances", "How", "Gene"]
    for d in drawn:
        assert (folder / "figures" / f"{d.name}.svg").is_file()
        assert len(read_result(folder / "figures" / f"{d.name}.tsv"))
        assert "<script" not in d.svg and "<b>" not in d.svg
    plane = read_result(folder / "figures" / f"{drawn[0].name}.tsv").set_index("specimen_id")
    assert plane["arm"].to_dict() == dict(
        zip(LIBRARIES, [*"CDCDCD", "no arm", "$x$ <b>"], strict=True)
    )
    for arm in ("C", "D", "no arm"):
        assert f": {arm}</title>" in drawn[0].svg  # the pointer tells library and arm


def test_stars_follow_both_tests(study):
    folder, _ = study
    set_map(sets(), folder)
    table = read_result(folder / "sets-by-contrast.tsv").fillna("")
    told = table.set_index(["set_id", "test"])["stars"].to_dict()
    assert told == {("UP", "x.one"): "***", ("UP", "x.two"): "*"}
    assert {(row[1], row[0]) for row in responding_sets(sets()).rows} == set(told)
    quiet = sets().assign(p_adj=0.3)
    assert set_map(quiet, folder) is None and set_map(quiet[:0], folder) is None


def test_study_without_these_tables_has_no_pictures(study):
    folder, files = study
    kept = {k: v for k, v in files.items() if k in ("libraries", "animals")}
    assert library_pictures(sources(kept, folder), folder) == []


def test_quality_is_told_in_sentences():
    table = pd.DataFrame(
        {
            "specimen_id": ["A", "B"],
            "qc": ["pass", "fail"],
            "library_size": [2_500_000, 800],
            "detected": [12_000, 90],
            "top_share": [0.2, 0.9],
            "median_correlation": ["", ""],
            "assigned_share": [0.81, 0.4],
        }
    )
    said = " ".join(quality_words(table))
    assert "1 of 2 libraries passed" in said and "800 to 2.5 million" in said
    assert "40 to 81 % fell on genes (least in B)" in said and "r =" not in said
    unknown = " ".join(quality_words(table.assign(assigned_share="")))
    assert "do not tell how many reads fell outside genes" in unknown
    assert quality_words(pd.DataFrame()) == []
